"""The Compare tab's handlers on a real workbench: files, plan, run, link, stop, two files, delete."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detector_kit import BRIGHTNESS, LOUDNESS, dropped_in, entry, manager_of, plain_weights
from media_factory import tone, write_audio, write_video

from drishtiksha.casefile import LOCAL, Confidence, HumanVerdict, JobState, Role, Viewer
from drishtiksha.errors import CaseGoneError
from drishtiksha.ui.analyze import handlers
from drishtiksha.ui.compare import handlers as compare_handlers
from drishtiksha.ui.compare import running
from drishtiksha.ui.compare.handlers import Setup
from drishtiksha.ui.compare.setup import jobs_of
from drishtiksha.ui.review import handlers as review_handlers
from drishtiksha.ui.shared.desk import Desk

pytestmark = pytest.mark.slow

FACES, OTHER, SOUND = "BRIGHT-1", "BRIGHT-2", "LOUD"
ALL = (FACES, OTHER, SOUND)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, desk_on: Any) -> Iterator[Desk]:
    """Bright pictures and loud sound are fake; two detectors judge pictures, each another kind of trace."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    weights = plain_weights(tmp_path / "w.pt")
    loud = plain_weights(tmp_path / "loud.pt")
    import torch

    torch.save({"gain": torch.ones(1)}, loud)
    models = {
        FACES: entry(model_path=weights, evidence="face texture"),
        OTHER: entry(model_path=weights, evidence="whole picture"),
        SOUND: entry("LoudnessDetector", model_path=loud, evidence="sound spectrum"),
    }
    with (
        dropped_in(tmp_path / "more", brightness=BRIGHTNESS, loudness=LOUDNESS),
        desk_on(manager_of(models, tmp_path, monkeypatch)) as desk,
    ):
        yield desk


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """4 s: bright in its second half, with loud sound all along."""
    frames = [np.full((96, 128, 3), 20 if n < 50 else 235, np.uint8) for n in range(100)]
    return write_video(tmp_path / "clip.mp4", frames, audio=(tone(4.0, peak=0.9), 16_000))


@pytest.fixture
def dim_clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "dim.mp4", [np.full((96, 128, 3), 30, np.uint8)] * 60)


def taken(desk: Desk, path: Path, side: Any = "a", setup: Setup | None = None) -> tuple[dict[str, Any], str]:
    update = compare_handlers.take(desk, setup or Setup(), side, path, LOCAL, upload=False)
    return update, update[f"case_{side}"]


def last(updates: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What stands on the page in the end."""
    page: dict[str, Any] = {}
    for update in updates:
        page |= update
    return page


def test_an_upload_is_taken_shown_and_planned_and_gradios_copy_is_gone(desk: Desk, clip: Path, upload: Any) -> None:
    path = upload(clip, "clip.mp4")
    update = compare_handlers.take(desk, Setup(), "a", path, LOCAL, upload=True)
    assert not path.exists()
    assert 'id="dk-player-a"' in update["player_a"]
    assert "clip.mp4" in update["facts_a"]
    assert desk.workbench.seen_by(LOCAL).open(update["case_a"]).read().provenance is not None
    assert "Content Credentials" in update["facts_a"]
    assert update["picks"]["value"].split("\n") == [FACES, OTHER, SOUND]
    assert "3 detectors, 3 kinds of trace" in update["plan"]
    copy = next(desk.workbench.seen_by(LOCAL).open(update["case_a"]).derived().glob("evidence.*"))
    assert copy.read_bytes() == clip.read_bytes(), "nothing is re-encoded"


def test_the_player_gets_the_copy_of_the_other_tabs_named_by_what_the_bytes_are(desk: Desk, tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.bin", [np.full((96, 128, 3), 30, np.uint8)] * 10, container="matroska")
    memo = write_audio(tmp_path / "memo.m4a", tone(2.0), 16_000)
    for path, name in ((film, "evidence.mkv"), (memo, "evidence.m4a")):
        update, case_id = taken(desk, path)
        handlers.page_of(desk, desk.workbench.seen_by(LOCAL).open(case_id))
        review_handlers.open_case(desk, case_id, LOCAL)
        copies = [
            one.name
            for one in desk.workbench.seen_by(LOCAL).open(case_id).derived().iterdir()
            if one.stat().st_size == path.stat().st_size
        ]
        assert copies == [name]
        assert f"/{name}" in update["player_a"]


def test_a_file_that_is_none_is_said_in_the_panel(desk: Desk, upload: Any) -> None:
    update = compare_handlers.take(desk, Setup(), "a", upload(b"no film" * 99, "x.mp4"), LOCAL, upload=True)
    assert "This file could not be opened" in update["board"]
    assert "case_a" not in update


def test_picks_that_cannot_examine_the_file_are_dropped(desk: Desk, dim_clip: Path) -> None:
    update, case_id = taken(desk, dim_clip, setup=Setup(picks=(SOUND, FACES)))
    assert update["picks"]["value"] == FACES
    everything = compare_handlers.quick(desk, Setup(case_id), "all", LOCAL)
    assert set(everything["picks"]["value"].split("\n")) == {FACES, OTHER}
    assert compare_handlers.quick(desk, Setup(case_id), "none", LOCAL)["picks"]["value"] == ""
    assert "left out" in compare_handlers.planned(desk, Setup(case_id, picks=ALL), LOCAL)["plan"]


def test_three_models_are_compared_and_the_result_comes_back_by_its_link(desk: Desk, clip: Path) -> None:
    _, case_id = taken(desk, clip)
    page = last(running.start(desk, Setup(case_id, picks=ALL), LOCAL))
    assert all(name in page["table"] for name in ALL)
    assert page["chart"].count('<svg class="dk-svg"') == 1
    assert page["segments"].count("data-loop") == 1
    assert "face texture, whole picture, sound spectrum" in page["segments"]
    assert page["seen"].count("<figure") == 3
    assert "Done." in page["status"]
    assert page["run"]["visible"]
    assert (page["stop"]["visible"], page["retry"]["visible"]) == (False, False)
    again = last(running.reopen(desk, page["code"], LOCAL))
    for name in ("board", "table", "chart", "segments", "seen", "link"):
        assert again[name] == page[name], name
    assert (again["case_a"], again["mode"]) == (case_id, "models")
    assert again["picks"]["value"].split("\n") == list(ALL)


def test_the_table_grows_while_models_answer(desk: Desk, clip: Path) -> None:
    _, case_id = taken(desk, clip)
    updates = list(running.start(desk, Setup(case_id, picks=ALL), LOCAL))
    tables = [update["table"] for update in updates if "table" in update]
    assert "Waiting" in tables[1]
    assert "Waiting" not in tables[-1]
    assert len(set(tables)) >= 3
    boards = [update["board"] for update in updates if "board" in update]
    assert all(boards), "no half of the page is ever blank"
    assert "3 detectors look at this file one after the other" in boards[1]


def test_what_lacks_is_said_before_anything_runs(desk: Desk, clip: Path) -> None:
    assert "Choose a file first" in last(running.start(desk, Setup(picks=ALL), LOCAL))["board"]
    _, case_id = taken(desk, clip)
    assert "two or more detectors" in last(running.start(desk, Setup(case_id), LOCAL))["board"]
    half = Setup(case_id, mode="files", picks=ALL)
    assert "Choose two files first" in last(running.start(desk, half, LOCAL))["board"]
    assert desk.workbench.seen_by(LOCAL).open(case_id).jobs() == []


def offered(update: dict[str, Any]) -> tuple[bool, str]:
    """Whether Compare can be pressed, and what stands above it."""
    return update["run"]["interactive"], re.sub("<[^>]*>", "", update["lacking"])


def test_compare_can_be_pressed_once_a_file_and_a_detector_are_chosen(desk: Desk, clip: Path, dim_clip: Path) -> None:
    assert offered(compare_handlers.refresh(desk, Setup(picks=ALL), LOCAL)) == (False, "Choose a file first.")
    update, case_id = taken(desk, clip)
    assert offered(update) == (True, "")
    assert update["all"]["interactive"]
    none = compare_handlers.quick(desk, Setup(case_id), "none", LOCAL)
    assert offered(none) == (False, "Choose two or more detectors first.")
    assert offered(compare_handlers.planned(desk, Setup(case_id, picks=ALL), LOCAL)) == (True, "")
    half = Setup(case_id, mode="files", picks=(FACES,))
    assert offered(compare_handlers.change_mode(desk, half, LOCAL)) == (False, "Choose two files first.")
    whole = Setup(case_id, taken(desk, dim_clip, "b", half)[1], "files", (SOUND,))
    assert offered(compare_handlers.planned(desk, whole, LOCAL)) == (False, ""), "the plan says why"
    left = compare_handlers.close(desk, Setup(case_id, picks=ALL), "a", LOCAL)
    assert offered(left) == (False, "Choose a file first.")
    assert not left["all"]["interactive"]


def test_who_may_only_look_is_offered_nothing_that_would_be_refused(desk: Desk, clip: Path) -> None:
    owner, stranger = Viewer(name="ana"), Viewer(session="session:bo", role=Role.VISITOR)
    case_id = compare_handlers.take(desk, Setup(), "a", clip, owner, upload=False)["case_a"]
    code = last(running.start(desk, Setup(case_id, picks=ALL), owner))["code"]
    steps = list(running.reopen(desk, code, stranger))
    page = last(steps)
    assert not page["run"].get("interactive", False)
    assert "Only whoever opened this case may examine it further" in last(steps[:1])["lacking"]
    assert (page["stop"]["visible"], page["retry"]["visible"], page["delete_a"]) == (False, False, "")


def test_a_stopped_comparison_goes_on(desk: Desk, clip: Path) -> None:
    _, case_id = taken(desk, clip)
    page: dict[str, Any] = {}
    for update in running.start(desk, Setup(case_id, picks=ALL), LOCAL):
        page |= update
        if update.get("code"):
            running.stop(desk, update["code"], LOCAL)
    if desk.workbench.seen_by(LOCAL).job(page["code"]).state is JobState.CANCELLED:  # else it was faster than the stop
        assert "Stopped." in page["status"]
        assert page["retry"]["visible"] is True
    page |= last(running.again(desk, page["code"], LOCAL))
    assert desk.workbench.seen_by(LOCAL).job(page["code"]).state is JobState.DONE
    assert "Done." in page["status"]
    assert page["retry"]["visible"] is False


def test_one_detector_on_two_files(desk: Desk, clip: Path, dim_clip: Path) -> None:
    first, case_a = taken(desk, clip)
    _, case_b = taken(desk, dim_clip, "b", Setup(case_a, mode="files", picks=(FACES,)))
    setup = Setup(case_a, case_b, "files", (FACES, SOUND))
    single = compare_handlers.change_mode(desk, setup, LOCAL)
    assert single["picks"]["value"] == FACES
    assert 'type="radio"' in single["picks"]["markup"]
    assert "on two files" in single["plan"]
    page = last(running.start(desk, setup, LOCAL))
    assert "clip.mp4" in page["board"]
    assert "dim.mp4" in page["board"]
    assert page["table"].count("<section") == 2
    assert 'data-player="dk-player-a dk-player-b"' in page["chart"], "both players follow"
    assert page["seen"].count("<figure") == 2
    assert len(jobs_of(page["code"])) == 2
    again = last(running.reopen(desk, page["code"], LOCAL))
    assert (again["case_a"], again["case_b"], again["mode"]) == (case_a, case_b, "files")
    assert again["board"] == page["board"]
    assert first["case_a"] == case_a


def test_another_moment_is_shown_for_all_models(desk: Desk, clip: Path) -> None:
    _, case_id = taken(desk, clip)
    page = last(running.start(desk, Setup(case_id, picks=ALL), LOCAL))
    seen = running.look(desk, page["code"], 3.0, LOCAL)["seen"]
    assert "What each detector saw at 00:03.0" in seen
    assert seen.count("<figure") == 3
    assert running.look(desk, "", 3.0, LOCAL) == {}


def test_a_picture_has_no_time_and_is_compared_all_the_same(desk: Desk, bright_picture: Path) -> None:
    _, case_id = taken(desk, bright_picture)
    page = last(running.start(desk, Setup(case_id, picks=(FACES, OTHER)), LOCAL))
    assert "2 independent kinds of trace" in page["board"]
    assert (page["chart"], page["segments"]) == ("", "")
    assert page["seen"].count("<figure") == 2
    assert "data-moment" not in page["seen"]


def test_a_persons_verdict_stands_above_the_detectors(desk: Desk, clip: Path) -> None:
    _, case_id = taken(desk, clip)
    page = last(running.start(desk, Setup(case_id, picks=ALL), LOCAL))
    assert "Human verdict" not in page["board"]
    desk.workbench.seen_by(LOCAL).open(case_id).add_review("Ana", HumanVerdict.GENUINE, Confidence.HIGH)
    board = last(running.reopen(desk, page["code"], LOCAL))["board"]
    assert board.index("Genuine") < board.index("The detectors say")


def test_a_comparison_that_is_not_there_is_said(desk: Desk, clip: Path) -> None:
    for code in ("nonsense", "0" * 32):
        assert "This comparison is not here" in last(running.reopen(desk, code, LOCAL))["board"]
    assert last(running.reopen(desk, None, LOCAL)) == {}
    stranger = Viewer(name="bo")
    owner = Viewer(name="ana")
    update = compare_handlers.take(desk, Setup(), "a", clip, owner, upload=False)
    page = last(running.start(desk, Setup(update["case_a"], picks=(FACES,)), owner))
    assert "not here" in last(running.reopen(desk, page["code"], stranger))["board"]
    assert (
        "could not be compared" in compare_handlers.planned(desk, Setup(update["case_a"], picks=ALL), stranger)["board"]
    )


def test_deleting_a_case_empties_the_page_and_the_folder(desk: Desk, clip: Path) -> None:
    _, case_id = taken(desk, clip)
    page = last(running.start(desk, Setup(case_id, picks=(FACES,)), LOCAL))
    folder = desk.workbench.seen_by(LOCAL).open(case_id).derived()
    update = compare_handlers.close(desk, Setup(case_id, picks=(FACES,)), "a", LOCAL, delete=True)
    assert (update["case_a"], update["player_a"], update["code"]) == ("", "", "")
    assert "deleted" in update["notice_a"]
    assert folder.exists(), "it can be taken back"
    with pytest.raises(CaseGoneError):
        desk.workbench.seen_by(LOCAL).open(case_id).read()
    assert "not here" in last(running.reopen(desk, page["code"], LOCAL))["board"]
