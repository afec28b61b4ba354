from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from desk_names import ABSENT, BRIGHT
from media_factory import coded_frames, write_video
from sample_results import recording, result

from drishtiksha.results import DISCLAIMER
from drishtiksha.ui import endpoints, handlers, seeking
from drishtiksha.ui.desk import Desk


def merged(updates) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for update in updates:
        state |= update
    return state


def run(desk: Desk, case_id: str | None, model: str | None = BRIGHT) -> tuple[dict[str, Any], list[tuple]]:
    calls: list[tuple] = []
    state = merged(handlers.run(desk, case_id, model, lambda count, desc: calls.append((count, desc))))
    return state, calls


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_video(path, coded_frames(40))
    return path


def test_an_upload_is_taken_shown_and_gradios_copy_deleted(desk: Desk, upload, bright_picture: Path) -> None:
    path = upload(bright_picture, "bright.png")
    update = handlers.take_upload(desk, str(path), None)
    assert not path.exists()
    case = desk.case(update["case"])
    assert case.evidence.media.sha256 in update["facts"]
    shown = update["image"]["value"]
    assert Path(shown).parent == case.shown_dir
    assert update["video"]["value"] is None
    assert str(case.evidence.path.parent) not in str(update), "no server path of the evidence may reach the page"


@pytest.mark.parametrize("content", [b"this is a text, not a film\n" * 50, b""])
def test_what_is_no_media_is_an_error_in_the_panel(desk: Desk, upload, content: bytes) -> None:
    update = handlers.take_upload(desk, str(upload(content, "notes.mp4")), None)
    assert "could not be opened" in update["verdict"]
    assert "notes.mp4" in update["verdict"]
    assert "case" not in update
    assert not any(desk.settings.cases_dir.glob("*"))


def test_a_clip_is_analyzed_with_progress_and_a_preliminary_answer(desk: Desk, clip: Path) -> None:
    case = handlers.take_example(desk, clip, BRIGHT)["case"]
    updates = list(handlers.run(desk, case, BRIGHT, lambda count, desc: None))
    early = [update["verdict"] for update in updates if "Preliminary" in str(update.get("verdict"))]
    state = merged(updates)
    assert early
    assert "Preliminary" not in state["verdict"]
    assert "16 of 16 samples judged" in state["verdict"]
    assert "data:image/png" in state["timeline"]
    assert Path(state["download"]["value"]).read_text(encoding="utf-8").startswith("{")
    assert len(state["gallery"]["value"]) == 4
    assert state["analyze"]["interactive"] is True
    assert state["cancel"]["visible"] is False
    assert "Loaded" in state["models"]["markup"]


def test_progress_is_reported_from_the_handlers_own_thread(desk: Desk, clip: Path) -> None:
    import threading

    threads = set()
    case = handlers.take_example(desk, clip, BRIGHT)["case"]
    list(handlers.run(desk, case, BRIGHT, lambda count, desc: threads.add(threading.get_ident())))
    assert threads == {threading.get_ident()}


def test_a_dark_clip_ends_with_the_disclaimer(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "dark.mp4"
    write_video(path, [frame // 8 for frame in coded_frames(12)])
    state, _ = run(desk, handlers.take_example(desk, path, BRIGHT)["case"])
    assert "No evidence found" in state["verdict"]
    assert state["verdict"].count(DISCLAIMER) == 1
    assert state["sentence"].endswith(DISCLAIMER)


def test_missing_weights_answer_with_the_remedy(desk: Desk, bright_picture: Path) -> None:
    state, _ = run(desk, handlers.take_example(desk, bright_picture, ABSENT)["case"], ABSENT)
    assert 'role="alert"' in state["verdict"]
    assert "absent.pt" in state["verdict"]
    assert str(bright_picture.parent) not in str(state), "no server path"
    assert state["analyze"]["interactive"] is True


def test_analyze_without_a_file_says_so(desk: Desk) -> None:
    state, _ = run(desk, "")
    assert "Choose a file first" in state["verdict"]


def test_a_case_that_is_gone_is_said_in_the_panel(desk: Desk) -> None:
    state, _ = run(desk, "0" * 32)
    assert "no longer here" in state["verdict"]


def test_the_unexpected_gets_a_reference_and_is_logged(
    desk: Desk, bright_picture: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("/secret/path/on/the/server")

    monkeypatch.setattr(desk, "analyze", broken)
    state, _ = run(desk, handlers.take_example(desk, bright_picture, BRIGHT)["case"])
    assert "/secret" not in state["verdict"]
    reference = state["verdict"].split("<code>")[1].split("</code>")[0]
    assert reference in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_cancel_ends_in_a_cancelled_panel(desk: Desk, clip: Path) -> None:
    case = handlers.take_example(desk, clip, BRIGHT)["case"]
    stream = handlers.run(desk, case, BRIGHT, lambda count, desc: None)
    next(stream)
    next(stream)
    handlers.cancel(desk, case)
    state = merged(stream)
    assert "Cancelled" in state["verdict"]
    assert desk.case(case).result is None


def test_closing_the_tab_stops_the_analysis(desk: Desk, clip: Path) -> None:
    case = desk.case(handlers.take_example(desk, clip, BRIGHT)["case"])
    stream = handlers.run(desk, case.case_id, BRIGHT, lambda count, desc: None)
    next(stream)
    next(stream)
    stream.close()
    assert case.cancel is not None
    assert case.cancel.cancelled


def test_choosing_another_file_stops_the_old_analysis_without_a_word_on_the_new_page(desk: Desk, clip: Path) -> None:
    case = handlers.take_example(desk, clip, BRIGHT)["case"]
    stream = handlers.run(desk, case, BRIGHT, lambda count, desc: None)
    next(stream)
    next(stream)
    handlers.close(desk, case, BRIGHT)
    assert "verdict" not in merged(stream)


def test_delete_answers_with_an_empty_page(desk: Desk, bright_picture: Path) -> None:
    case_id = handlers.take_example(desk, bright_picture, BRIGHT)["case"]
    folder = desk.case(case_id).evidence.case_dir
    update = handlers.delete(desk, case_id, BRIGHT)
    assert folder is not None
    assert not folder.exists()
    assert update["case"] == ""
    assert "deleted" in update["status"]


def test_choosing_a_model_renews_the_remarks(desk: Desk, bright_picture: Path) -> None:
    case = handlers.take_example(desk, bright_picture, BRIGHT)["case"]
    assert f"{ABSENT} can examine this file" in handlers.choose_model(desk, case, ABSENT)["facts"]
    assert handlers.choose_model(desk, "", ABSENT) == {}


def test_a_quick_look_counts_faces_and_sound(desk: Desk, clip: Path) -> None:
    case = handlers.take_example(desk, clip, BRIGHT)["case"]
    assert "no face found" in handlers.look_quickly(desk, case, BRIGHT)["facts"]


def test_seeking(desk: Desk, clip: Path) -> None:
    case = desk.case(handlers.take_example(desk, clip, BRIGHT)["case"])
    assert seeking.seek_person(desk, case.case_id, 1) == {}, "nothing to go to before a result"
    case.result = result()
    assert seeking.seek_person(desk, case.case_id, 1)["video"]["playback_position"] == 7.0
    assert seeking.seek_person(desk, case.case_id, 9) == {}
    assert seeking.seek_finding(desk, case.case_id, 0)["video"]["playback_position"] == 7.0
    assert seeking.seek_finding(desk, case.case_id, 99) == {}
    assert seeking.seek_timeline(desk, case.case_id, 1.0, False)["video"]["playback_position"] == pytest.approx(9.2)
    assert seeking.seek_finding(desk, "0" * 32, 0) == {}


def test_a_recording_is_sought_in_its_own_player(desk: Desk, clip: Path) -> None:
    case = desk.case(handlers.take_example(desk, clip, BRIGHT)["case"])
    case.result = recording()
    assert seeking.seek_finding(desk, case.case_id, 0) == {"audio": gr.update(playback_position=6.0)}
    moved = seeking.seek_timeline(desk, case.case_id, 1.0, False)
    assert list(moved) == ["audio"]
    assert moved["audio"]["playback_position"] == pytest.approx(14.0)


@pytest.mark.parametrize("handler", [lambda desk, case: handlers.choose_model(desk, case, BRIGHT), handlers.cancel])
def test_a_case_that_is_gone_is_said_by_every_handler(desk: Desk, handler) -> None:
    assert "no longer here" in handler(desk, "0" * 32)["verdict"]
    assert handler(desk, "") == {}


def test_the_endpoint_answers_the_result_and_keeps_nothing(desk: Desk, upload, bright_picture: Path) -> None:
    path = upload(bright_picture, "bright.png")
    answer = endpoints.analyze(desk, str(path), BRIGHT)
    assert answer["prediction"] == "FAKE"
    assert answer["media"]["name"] == "bright.png"
    assert not path.exists()
    assert not any(desk.settings.cases_dir.glob("*"))


@pytest.mark.parametrize(("model", "words"), [("NOPE", "No model is called"), (ABSENT, "absent.pt")])
def test_the_endpoint_fails_with_a_sentence(desk: Desk, upload, bright_picture: Path, model: str, words: str) -> None:
    with pytest.raises(gr.Error, match=words):
        endpoints.analyze(desk, str(upload(bright_picture, "bright.png")), model)
    assert not any(desk.settings.cases_dir.glob("*"))


def test_models_are_listed_with_state_and_remedy(desk: Desk) -> None:
    rows = {row["name"]: row for row in endpoints.list_models(desk)}
    assert rows[BRIGHT]["state"] == "ready"
    assert rows[ABSENT]["state"] == "missing"
    assert rows[ABSENT]["remedy"]
