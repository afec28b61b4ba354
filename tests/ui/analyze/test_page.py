"""The Analyze tab's handlers on a real workbench: drop, answer, link, stop, run again, note, delete and undo."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desk_names import ABSENT, BRIGHT
from media_factory import coded_frames, remuxed, tone, write_audio, write_video

from drishtiksha.answer import LeftOut
from drishtiksha.casefile import LOCAL, Confidence, HumanVerdict, JobState, Viewer
from drishtiksha.errors import CaseGoneError
from drishtiksha.results import DISCLAIMER
from drishtiksha.services import answers, estimates, workbench
from drishtiksha.services.workbench import OpenCase
from drishtiksha.ui.analyze import examples, handlers, view
from drishtiksha.ui.shared.desk import Desk

STRANGER = Viewer(session="session:eve", role="visitor")


def last(updates: Iterable[Any]) -> dict[str, Any]:
    """What stands on the page in the end."""
    page: dict[str, Any] = {}
    for update in updates:
        page |= update
    return page


def dropped(desk: Desk, path: Path, viewer: Viewer = LOCAL) -> dict[str, Any]:
    return last(handlers.take(desk, path, viewer))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", coded_frames(40))


@pytest.fixture
def held(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """No model is handed out until the event is set, so that a job can be looked at while it runs."""
    go_on = threading.Event()
    use = desk.manager.use

    def slow(name: str) -> Any:
        assert go_on.wait(30)
        return use(name)

    monkeypatch.setattr(desk.manager, "use", slow)
    yield go_on
    go_on.set()


@pytest.mark.slow
def test_dropping_a_file_is_the_whole_task(desk: Desk, upload: Any, bright_picture: Path) -> None:
    path = upload(bright_picture, "bright.png")
    updates = list(handlers.take_upload(desk, str(path), LOCAL))
    first, page = updates[0], last(updates)
    assert not path.exists()
    evidence = desk.workbench.seen_by(LOCAL).open(first["case"]).evidence()
    assert evidence.media.sha256 in first["facts"]
    assert "Content Credentials" in first["provenance"]
    assert first["chooser"]["visible"] is False
    assert "dk-prelim" in first["answer"]
    assert first["stop"]["visible"] is True
    assert first["job"] in first["link"]
    assert str(evidence.path.parent) not in str(updates), "no server path of the evidence may reach the page"
    assert 'data-state="signs"' in page["answer"]
    assert "data-copy=" in page["answer"]
    assert BRIGHT in page["details"]
    assert page["stop"]["visible"] is False
    assert page["keep"]["visible"] is True


@pytest.mark.slow
def test_a_dark_clip_ends_with_the_disclaimer_and_without_pictures(desk: Desk, tmp_path: Path) -> None:
    page = dropped(desk, write_video(tmp_path / "dark.mp4", [frame // 8 for frame in coded_frames(12)]))
    assert 'data-state="nothing_found"' in page["answer"]
    assert page["answer"].count(f'<p class="dk-disclaimer">{DISCLAIMER}') == 1
    assert page["moments"] == "", "a heatmap only where there is suspicion"
    assert 'role="slider"' in page["chart"]


def test_a_file_that_nobody_can_look_at_is_said_before_anything_is_run(desk: Desk, tmp_path: Path) -> None:
    (page,) = handlers.take(desk, write_audio(tmp_path / "tone.wav", tone(1.0), 16_000), LOCAL)
    assert 'data-state="nothing_to_judge"' in page["answer"]
    assert "dk-disclaimer" not in page["answer"]
    assert page["stress_box"]["visible"] is False
    assert page["job"] == ""
    assert page["stop"]["visible"] is False


@pytest.mark.parametrize("content", [b"this is a text, not a film\n" * 50, b""])
def test_what_is_no_media_is_told_above_the_drop_zone(desk: Desk, upload: Any, content: bytes) -> None:
    (page,) = handlers.take_upload(desk, str(upload(content, "<b>notes.mp4")), LOCAL)
    assert "could not be opened" in page["notice"]
    assert "notes.mp4" in page["notice"]
    assert "<b>notes" not in page["notice"]
    assert set(page) == {"notice"}, "the page stays as it was"
    assert not any(desk.settings.cases_dir.glob("*"))


@pytest.mark.slow
def test_closing_the_tab_leaves_the_analysis_running_and_its_link_shows_it(
    desk: Desk, clip: Path, held: threading.Event
) -> None:
    stream = handlers.take(desk, clip, LOCAL)
    first = next(stream)
    stream.close()
    again = handlers.reopen(desk, first["job"], LOCAL)
    page = next(again)
    assert page["case"] == first["case"]
    assert "dk-prelim" in page["answer"]
    held.set()
    assert "dk-prelim" not in last(again)["answer"]
    (later,) = handlers.reopen(desk, first["job"], LOCAL)
    assert later["keep"]["visible"] is True
    assert "dk-prelim" not in later["answer"]


def test_a_link_that_leads_nowhere_says_so(desk: Desk) -> None:
    for wrong in ("0" * 32, "../../etc/passwd", "x"):
        page = last(handlers.reopen(desk, wrong, LOCAL))
        assert "no longer here" in page["notice"]
        assert page["desk"]["visible"] is False
    assert list(handlers.reopen(desk, "", LOCAL)) == []


@pytest.mark.slow
def test_a_stranger_with_the_link_reads_and_changes_nothing(desk: Desk, bright_picture: Path) -> None:
    owner = Viewer(session="session:ada", role="visitor")
    page = dropped(desk, bright_picture, owner)
    (seen,) = handlers.reopen(desk, page["job"], STRANGER)
    assert seen["answer"] == page["answer"]
    assert seen["delete"] == ""
    assert seen["note_box"]["visible"] is False
    assert seen["detectors"]["visible"] is False
    assert (seen["stop"]["visible"], seen["retry"]["visible"], seen["stress_run"]["visible"]) == (False, False, False)
    assert seen["stress_box"]["visible"] is False, "there is nothing in it to read or to press"
    assert "Only whoever opened this case" in handlers.delete(desk, page["case"], STRANGER)["status"]
    assert "Only whoever opened this case" in handlers.keep_note(desk, page["case"], "mine", STRANGER)["note_saved"]
    assert "Only whoever opened this case" in last(handlers.run_again(desk, page["case"], BRIGHT, STRANGER))["status"]
    assert desk.workbench.seen_by(owner).open(page["case"]).read().question == ""


@pytest.mark.slow
def test_what_can_be_run_again_is_live_once_a_detector_is_chosen_and_nothing_is_at_work(
    desk: Desk, clip: Path, held: threading.Event
) -> None:
    stream = handlers.take(desk, clip, LOCAL)
    begun = next(stream)
    assert (begun["again"]["visible"], begun["stress_run"]["interactive"]) == (False, False)
    assert "once these checks have ended" in begun["again_wait"]
    held.set()
    page = last(stream)
    assert page["again"]["visible"] is True
    assert "ended" not in page["again_wait"]
    none, one = handlers.choosable([]), handlers.choosable([BRIGHT])
    assert none["again"]["interactive"] is False
    assert "Choose at least one detector." in none["again_status"]
    assert one["again"]["interactive"] is True
    assert "Choose" not in one["again_status"]


@pytest.mark.slow
def test_stop_and_going_on(desk: Desk, clip: Path, held: threading.Event) -> None:
    stream = handlers.take(desk, clip, LOCAL)
    job_id = next(stream)["job"]
    assert "Stopping" in handlers.stop(desk, job_id, LOCAL)["stop"]["value"]
    held.set()
    page = last(stream)
    assert view.STOPPED in page["status"]
    assert page["retry"]["visible"] is True
    assert desk.workbench.seen_by(LOCAL).job(job_id).state is JobState.CANCELLED
    assert "data-state=" in last(handlers.retry(desk, job_id, LOCAL))["answer"]
    assert list(handlers.retry(desk, job_id, LOCAL)) == [], "what has ended well is not run again"


@pytest.mark.slow
def test_a_second_detector_adds_to_the_answer_and_one_that_fails_says_why(desk: Desk, bright_picture: Path) -> None:
    page = dropped(desk, bright_picture)
    again = last(handlers.run_again(desk, page["case"], ABSENT, LOCAL))
    assert "absent.pt" in again["status"]
    assert str(bright_picture.parent / "absent.pt") not in str(again), "no server path"
    assert 'data-state="signs"' in again["answer"], "what the first found still stands"
    assert again["retry"]["visible"] is True
    (told,) = handlers.run_again(desk, page["case"], "", LOCAL)
    assert "Choose at least one" in told["again_status"]


def test_a_case_deleted_meanwhile_ends_the_watch_in_words(desk: Desk, clip: Path, held: threading.Event) -> None:
    stream = handlers.take(desk, clip, LOCAL)
    case_id = next(stream)["case"]
    threading.Timer(0.3, held.set).start()
    desk.workbench.seen_by(LOCAL).open(case_id).delete()
    assert "no longer here" in last(stream)["notice"]


@pytest.mark.slow
def test_deleting_can_be_taken_back(desk: Desk, bright_picture: Path) -> None:
    page = dropped(desk, bright_picture)
    gone = handlers.delete(desk, page["case"], LOCAL)
    assert (gone["case"], gone["job"], gone["answer"]) == ("", "", "")
    assert gone["chooser"]["visible"] is True
    assert page["case"] in gone["notice"]
    assert "Undo" in gone["notice"]
    with pytest.raises(CaseGoneError):
        desk.workbench.seen_by(LOCAL).open(page["case"])
    back = last(handlers.undo(desk, page["case"], LOCAL))
    assert back["answer"] == page["answer"]
    assert back["notice"] == ""
    assert back["job"] == page["job"]


@pytest.mark.slow
def test_a_note_goes_into_the_report(desk: Desk, bright_picture: Path) -> None:
    page = dropped(desk, bright_picture)
    assert "Kept" in handlers.keep_note(desk, page["case"], "Whose is it?", LOCAL)["note_saved"]
    (again,) = handlers.reopen(desk, page["job"], LOCAL)
    assert again["note"] == "Whose is it?"
    assert handlers.keep_note(desk, "", "x", LOCAL) == {}


@pytest.mark.slow
def test_a_human_verdict_stands_above_and_overrides(desk: Desk, bright_picture: Path) -> None:
    page = dropped(desk, bright_picture)
    assert page["human"] == ""
    desk.workbench.seen_by(LOCAL).open(page["case"]).add_review("Ada <b>", HumanVerdict.GENUINE, Confidence.HIGH)
    told = handlers.refresh(desk, page["case"], page["job"], LOCAL)
    assert "Ada &lt;b&gt;" in told["human"]
    assert "Overridden by the human verdict" in told["answer"]
    assert handlers.refresh(desk, "", "", LOCAL) == {}


@pytest.mark.slow
def test_a_stress_test_shows_its_band_beside_the_answer_and_comes_back_by_link(
    desk: Desk, bright_picture: Path
) -> None:
    page = dropped(desk, bright_picture)
    tested = last(handlers.stress(desk, page["case"], LOCAL))
    assert "Scores of all copies" in tested["stress"]
    assert tested["stress_run"]["visible"] is True
    again = last(handlers.reopen(desk, tested["stress_job"], LOCAL))
    assert again["case"] == page["case"]
    assert "Scores of all copies" in again["stress"]
    assert "Scores of all copies" in last(handlers.reopen(desk, page["job"], LOCAL))["stress"]


def test_the_unexpected_gets_a_reference_and_leaves_nothing(
    desk: Desk, bright_picture: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("/secret/path/on/the/server")

    monkeypatch.setattr(OpenCase, "submit", broken)
    page = dropped(desk, bright_picture)
    assert "/secret" not in page["notice"]
    reference = page["notice"].split("<code>")[1].split("</code>")[0]
    assert reference in caplog.text
    assert not any(desk.settings.cases_dir.glob("*"))


def test_there_is_a_finished_example_of_each_state_and_it_is_shown_without_a_run(desk: Desk) -> None:
    found = examples.all_of_them()
    assert {one.answer.state.value for one in found.values()} == {
        "signs",
        "unclear",
        "nothing_found",
        "nothing_to_judge",
    }
    cards = examples.cards()
    for one in found.values():
        assert one.answer.headline in cards
        assert one.title in cards
    page = examples.show("portrait_altered.jpg", may_add=True)
    assert 'data-state="signs"' in page["answer"]
    assert (page["case"], page["delete"]) == ("", "")
    assert page["try_it"]["visible"] is True
    assert examples.show("../../etc/passwd", may_add=True) == {}
    assert examples.path_of("nope") is None
    assert desk.workbench.seen_by(LOCAL).cases() == []


@pytest.fixture
def slow(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> str:
    """A second detector, which is slow on every file."""
    name = "SLOW"
    config = desk.manager.model_configs[BRIGHT].model_copy(update={"model_name": name, "recommended": True})
    monkeypatch.setitem(desk.manager.model_configs, name, config)
    monkeypatch.setitem(desk.manager._loading, name, threading.Lock())
    own = estimates.guess
    for module in (estimates, answers, workbench):
        monkeypatch.setattr(
            module,
            "guess",
            lambda manager, model, media: (200.0, 500.0) if model == name else own(manager, model, media),
        )
    return name


@pytest.mark.slow
def test_a_slow_detector_waits_for_a_click(desk: Desk, slow: str, bright_picture: Path) -> None:
    page = dropped(desk, bright_picture)
    assert 'data-state="signs"' in page["answer"]
    assert slow not in page["details"]
    assert f">Also run {slow} (3 to 8 min)</button>" in page["left_out"]
    assert "disabled" not in page["left_out"]
    assert f"{slow} has not run yet; it takes 3 to 8 min here." in page["lines"]
    after = page | last(handlers.also_run(desk, page["case"], [slow, ABSENT], LOCAL))
    assert slow in after["details"]
    assert after["left_out"] == ""
    assert [job.models for job in desk.workbench.seen_by(LOCAL).open(page["case"]).jobs()] == [(BRIGHT,), (slow,)]


@pytest.mark.slow
def test_a_slow_detector_cannot_be_started_by_a_stranger(desk: Desk, slow: str, bright_picture: Path) -> None:
    page = dropped(desk, bright_picture)
    seen = last(handlers.reopen(desk, page["job"], STRANGER))
    assert slow in seen["left_out"]
    assert "<button" not in seen["left_out"]
    refused = last(handlers.also_run(desk, page["case"], [slow], STRANGER))
    assert "Only whoever opened this case" in refused["status"]
    assert len(desk.workbench.seen_by(LOCAL).open(page["case"]).jobs()) == 1


@pytest.mark.slow
def test_an_idle_server_starts_the_slow_ones_where_it_is_told_to(
    desk: Desk, slow: str, bright_picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.manager, "settings", desk.settings.model_copy(update={"slow_when_idle": True}))
    page = dropped(desk, bright_picture)
    quick, late = desk.workbench.seen_by(LOCAL).open(page["case"]).jobs()
    assert ((quick.models, quick.batch), (late.models, late.batch)) == (((BRIGHT,), False), ((slow,), True))
    assert late.state is JobState.DONE, "the page follows it to its end"
    assert slow in page["details"]
    assert page["left_out"] == ""


def test_one_click_runs_the_recommended_ones(desk: Desk, slow: str, bright_picture: Path) -> None:
    case = desk.take(bright_picture, "bright.png", LOCAL)
    assert case.answer().left_out == (), "nothing is said before anything was run"
    case.submit([ABSENT, slow])
    shown = view.left_out(case.answer(), [BRIGHT], may_run=True)
    assert f"Also run {BRIGHT}" in shown
    both = [LeftOut(model_name=n, kind="faces", title="Faces", text="", seconds=(60, 120)) for n in "ABC"]
    told = view.left_out(case.answer().model_copy(update={"left_out": tuple(both), "pending": ()}), "AB", may_run=True)
    assert 'data-models="A\nB">Also run the recommended ones (2 to 4 min)<' in told
    assert 'data-models="A\nB\nC">Also run all 3 (3 to 6 min)<' in told


@pytest.mark.slow
def test_one_of_several_tracks_is_examined_alone(desk: Desk, tmp_path: Path) -> None:
    dark, bright = (
        write_video(tmp_path / f"{level}.mkv", [np.full((96, 128, 3), level, np.uint8)] * 20) for level in (60, 230)
    )
    page = dropped(desk, remuxed(tmp_path / "two.mkv", [dark, bright]))
    assert 'data-state="signs"' in page["answer"], "of all tracks the strongest decides"
    assert "All of them were given to the detectors." in page["tracks"]
    assert re.search(r"Track 2: moving picture, \w+, 00:00", page["tracks"]), "its length is told"
    chosen = page | last(handlers.examine_track(desk, page["case"], "1", LOCAL))
    assert 'data-state="nothing_found"' in chosen["answer"]
    assert "Of its tracks this one was chosen, and no other was judged: picture track 1." in chosen["lines"]
    assert "Only track 1 was given" in chosen["tracks"]
    assert 'data-track="1" aria-pressed="true"' in chosen["tracks"]
    assert desk.workbench.seen_by(LOCAL).job(chosen["job"]).track == 1
    back = last(handlers.examine_track(desk, page["case"], "", LOCAL))
    assert 'data-state="signs"' in back["answer"]
    assert "its tracks are 1, 2" in last(handlers.examine_track(desk, page["case"], "9", LOCAL))["notice"]
    stranger = last(handlers.reopen(desk, chosen["job"], STRANGER))["tracks"]
    assert "Track 2" in stranger
    assert "<button" not in stranger


@pytest.mark.slow
def test_an_ordinary_file_has_no_choice_of_tracks(desk: Desk, clip: Path) -> None:
    assert dropped(desk, clip)["tracks"].strip() == ""
