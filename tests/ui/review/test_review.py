"""The Review tab's parts on a real workbench: queue, stage, form, words, and who may see what."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sample_results
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights
from media_factory import write_video

from drishtiksha.casefile import (
    LOCAL,
    CaseFile,
    Confidence,
    EvidenceKind,
    HumanVerdict,
    JobState,
    PinnedNote,
    Role,
    Viewer,
)
from drishtiksha.errors import ReviewError
from drishtiksha.results import GapReason
from drishtiksha.ui.review import form, handlers, player, sections
from drishtiksha.ui.review.queue import Filter, case_list
from drishtiksha.ui.shared.desk import Desk

FACES = "BRIGHT-1"
ADA, BOB = Viewer(name="ada", role=Role.REVIEWER), Viewer(name="bob")
EVIL = '<img src=x onerror="alert(1)">'


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, desk_on: Any) -> Iterator[Desk]:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    models = {FACES: entry(model_path=plain_weights(tmp_path / "w.pt"), evidence="face texture")}
    with (
        dropped_in(tmp_path / "more", brightness=BRIGHTNESS),
        desk_on(manager_of(models, tmp_path, monkeypatch)) as desk,
    ):
        yield desk


@pytest.fixture
def case(desk: Desk, tmp_path: Path) -> CaseFile:
    """4 s: bright, and so suspected, in its second half."""
    frames = [np.full((96, 128, 3), 20 if n < 50 else 235, np.uint8) for n in range(100)]
    path = write_video(tmp_path / "clip.mp4", frames)
    taken = desk.take(path, f"{EVIL}.mp4", Viewer(name="bob"), EVIL)
    *_, last = desk.workbench.seen_by(LOCAL).watch(desk.workbench.seen_by(LOCAL).open(taken.case_id).submit([FACES]))
    assert last.state is JobState.DONE, last.errors
    return desk.workbench.seen_by(LOCAL).open(taken.case_id).read()


def word(**changes: Any) -> str:
    said = {"verdict": "manipulated", "confidence": "high", "reviewer": "Cy", "tags": [], "notes": []}
    return json.dumps(said | changes)


@pytest.mark.slow
def test_a_case_opens_with_its_frame_times_and_flagged_stretch(desk: Desk, case: CaseFile) -> None:
    update = handlers.open_case(desk, case.case_id, LOCAL)
    stage = update["player"]
    times = [float(t) for t in re.search(r'data-times="([^"]*)"', stage)[1].split(",")]
    assert times == pytest.approx([n / 25 for n in range(100)], abs=1e-4)
    (flag,) = player.flagged(case.results)
    assert (flag.start_s, flag.end_s) == (pytest.approx(2, abs=0.2), pytest.approx(4, abs=0.1))
    assert f'data-flag="1" data-start="{flag.start_s:.3f}"' in stage
    assert "evidence" in update["machines"]
    assert update["human"] == ""
    assert "Content Credentials absent" in update["origin"]
    again = handlers.open_case(desk, case.case_id, LOCAL)
    assert again["player"] == stage, "frame times are kept"
    pictures = handlers.pictures(desk, case.case_id, LOCAL)
    assert "Scores over time" in pictures["chart"]
    assert pictures["findings"].count("<figure>") == 4
    assert EVIL not in "".join(str(part) for part in (update | pictures).values())


def test_each_kind_of_trace_has_flagged_stretches_of_its_own() -> None:
    def answer(name: str, kind: str, high: range) -> Any:
        scores = tuple(
            sample_results.sample(i, gap=GapReason.NO_FACE)
            if i == 9
            else sample_results.sample(i, 0.9 if i in high else 0.1)
            for i in range(16)
        )
        card = sample_results.provenance()
        card = card.model_copy(update={"config": card.config | {"evidence": kind}})
        return sample_results.result(model_name=name, scores=scores, people=(), heatmaps=(), provenance=card)

    faces, lips = answer("A", "face texture", range(2, 5)), answer("B", "lips and voice", range(12, 16))
    both = player.flagged([faces, lips])
    assert [flag.kind for flag in both] == [EvidenceKind.FACE_TEXTURE, EvidenceKind.LIPS]
    assert (both[0].start_s, both[0].end_s) == (0.75, 2.25)
    assert player.flagged([faces.model_copy(update={"experimental": True})]) == []


@pytest.mark.slow
def test_a_word_is_kept_and_overrides(desk: Desk, case: CaseFile) -> None:
    notes = [{"text": EVIL, "time_s": 1.5, "region": [10, 10, 60, 60]}]
    update = handlers.save(desk, case.case_id, word(notes=notes, tags=["a", "a", " "]), "{}", LOCAL)
    (review,) = desk.workbench.seen_by(LOCAL).open(case.case_id).reviews()
    assert (review.reviewer, review.verdict, review.confidence) == ("Cy", HumanVerdict.MANIPULATED, Confidence.HIGH)
    assert review.notes == (PinnedNote(text=EVIL, time_s=1.5, region=(10, 10, 60, 60)),)
    assert review.tags == ("a",)
    assert "It overrides" in update["human"]
    assert "Overridden" in update["machines"]
    assert "overrides the detectors" in update["queue"]
    assert 'data-region="10,10,60,60"' in update["history"]
    assert "Saved as Cy" in update["form"]
    assert "1 case of 1 reviewed" in update["stats"]
    assert EVIL not in "".join(str(part) for part in update.values())
    handlers.save(desk, case.case_id, word(verdict="genuine"), "{}", LOCAL)
    update = handlers.save(desk, case.case_id, word(verdict="genuine", reviewer="Di"), "{}", LOCAL)
    assert "replaced later" in update["history"]
    assert update["history"].count("<li><p>") + update["history"].count("dk-replaced") == 3, "nothing is taken away"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (word(verdict="fake"), "verdict"),
        (word(reviewer=" "), "Who are you"),
        (word(notes=[{"text": "x", "region": [100, 10, 200, 50]}]), "outside the picture"),
        (word(notes=[{"text": "x", "region": [50, 10, 20, 50]}]), "outside the picture"),
        (word(notes=[{"text": ""}]), "notes.0.text"),
        (word(extra=1), "extra"),
        ("no json", "cannot be saved"),
    ],
)
def test_what_cannot_be_kept_is_said_and_the_form_stays(desk: Desk, case: CaseFile, sent: str, told: str) -> None:
    update = handlers.save(desk, case.case_id, sent, "{}", LOCAL)
    assert list(update) == ["status"]
    assert told in update["status"]
    assert desk.workbench.seen_by(LOCAL).open(case.case_id).reviews() == []


@pytest.mark.slow
def test_who_is_logged_in_writes_under_that_name_and_only_reviewers_do(desk: Desk, case: CaseFile) -> None:
    handlers.save(desk, case.case_id, word(reviewer="somebody else"), "{}", ADA)
    assert [review.reviewer for review in desk.workbench.seen_by(LOCAL).open(case.case_id).reviews()] == ["ada"]
    assert 'name="reviewer"' not in form.verdict_form(case, ADA)
    with pytest.raises(ReviewError, match="Only reviewers"):
        form.read(word(), case, BOB)
    assert "<form" not in form.verdict_form(case, BOB)


@pytest.mark.slow
def test_only_reviewers_see_the_cases_of_others(desk: Desk, case: CaseFile) -> None:
    eve = Viewer(name="eve")
    assert "No case passes" in handlers.refresh(desk, "", "{}", eve)["queue"]
    assert "no longer here" in handlers.open_case(desk, case.case_id, eve)["status"]
    assert handlers.save(desk, case.case_id, word(), "{}", eve)["case"] == ""
    assert "0 cases of 0" in handlers.numbers(desk, eve)["stats"]
    assert case.case_id in handlers.refresh(desk, "", "{}", BOB)["queue"], "one's own"
    assert case.case_id in handlers.refresh(desk, "", "{}", ADA)["queue"]


@pytest.mark.slow
def test_filters(desk: Desk, case: CaseFile) -> None:
    day = case.opened_utc[:10]

    def found(**chosen: str) -> int:
        return len(Filter.of(json.dumps(chosen)).find(desk.workbench, LOCAL))

    assert found() == found(model=FACES) == found(since=day, until=day) == found(unreviewed="on") == 1
    assert found(model="another") == found(until="2001-01-01") == found(verdict="human:genuine") == 0
    said = case.results[0].prediction.value
    assert found(verdict=said) == 1
    desk.workbench.seen_by(LOCAL).open(case.case_id).add_review("Cy", HumanVerdict.GENUINE, Confidence.LOW)
    assert found(verdict="human:genuine") == 1
    assert found(unreviewed="on") == found(disagreement="on") == 0
    desk.workbench.seen_by(LOCAL).open(case.case_id).add_review("Di", HumanVerdict.MANIPULATED, Confidence.LOW)
    assert found(disagreement="on") == found(verdict="human:unclear") == 1
    (row,) = Filter.of("{}").find(desk.workbench, LOCAL)
    assert "reviewers differ" in case_list([row])
    deep = "[" * 100_000, '{"model":' * 100_000
    for nonsense in ("", None, "[1]", "{broken", '{"since": "yesterday", "verdict": "x"}', *deep):
        assert Filter.of(nonsense).find(desk.workbench, LOCAL)
    assert found(until="9999-12-31") == 1
    assert found(model="\ud800") == 0, "half a character, which no database takes"


@pytest.mark.slow
def test_an_export_holds_the_reviews_and_taking_it_in_adds_nothing(desk: Desk, case: CaseFile, upload: Any) -> None:
    desk.workbench.seen_by(LOCAL).open(case.case_id).add_review("Cy", HumanVerdict.GENUINE, Confidence.LOW)
    link = handlers.export(desk, "jsonl", LOCAL)["moved"]
    data = base64.b64decode(re.search(r'base64,([^"]+)"', link)[1])
    assert json.loads(data)["reviewer"] == "Cy"
    path = upload(data, "reviews.jsonl")
    update = handlers.take_in(desk, str(path), case.case_id, "{}", LOCAL)
    assert "0 reviews added, 1 here already" in update["moved"]
    assert not path.exists()
    other = upload(data.replace(b"Cy", b"Di"), "reviews.jsonl")
    update = handlers.take_in(desk, str(other), case.case_id, "{}", LOCAL)
    assert "1 review added, 0 here already" in update["moved"]
    assert "Di" in update["history"]
    broken = upload(b"{}\n", "reviews.jsonl")
    assert "nothing was added" in handlers.take_in(desk, str(broken), "", "{}", LOCAL)["moved"]


@pytest.mark.slow
def test_a_case_that_is_gone_is_said(desk: Desk, case: CaseFile) -> None:
    desk.workbench.seen_by(LOCAL).open(case.case_id).delete()
    update = handlers.open_case(desk, case.case_id, LOCAL)
    assert (update["case"], update["player"]) == ("", sections.empty())
    assert "no longer here" in update["status"]


def test_a_picture_has_a_region_but_no_frames(desk: Desk, bright_picture: Path) -> None:
    taken = desk.take(bright_picture, "bright.png", LOCAL)
    update = handlers.open_case(desk, taken.case_id, LOCAL)
    assert "dk-region" in update["player"]
    assert 'data-do="forth"' not in update["player"]
    assert "No detector has examined" in update["machines"]
