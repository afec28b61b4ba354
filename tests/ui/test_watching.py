from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from desk_names import ABSENT, BRIGHT
from media_factory import coded_frames, write_video

from drishtiksha.casefile import LOCAL, Confidence, HumanVerdict, JobState
from drishtiksha.results import DISCLAIMER
from drishtiksha.services.workbench import OpenCase
from drishtiksha.ui.analyze import handlers, seeking, watching
from drishtiksha.ui.shared import downloads
from drishtiksha.ui.shared.desk import Desk


def merged(updates: Iterator[dict[str, Any]]) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for update in updates:
        state |= update
    return state


def ignore(count: Any, desc: str) -> None:
    pass


def take(desk: Desk, path: Path) -> str:
    return handlers.take_example(desk, path, BRIGHT, LOCAL)["case"]


def run(desk: Desk, case_id: str | None, model: str | None = BRIGHT) -> dict[str, Any]:
    return merged(watching.run(desk, case_id, model, LOCAL, ignore))


def ended(desk: Desk, job_id: str) -> JobState:
    *_, last = desk.workbench.seen_by(LOCAL).watch(job_id)
    return last.state


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_video(path, coded_frames(40))
    return path


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


def test_a_clip_is_analyzed_and_answered_in_full(desk: Desk, clip: Path) -> None:
    case = take(desk, clip)
    updates = list(watching.run(desk, case, BRIGHT, LOCAL, ignore))
    first, state = updates[0], merged(iter(updates))
    assert first["job"] in first["link"]
    assert first["stop"]["visible"] is True
    assert "Preliminary" not in state["verdict"]
    assert "16 of 16 samples judged" in state["verdict"]
    assert 'role="img"' in state["timeline"]
    assert len(state["gallery"]["value"]) == 4
    assert all(
        Path(path).parent == desk.workbench.seen_by(LOCAL).open(case).derived() for path, _ in state["gallery"]["value"]
    )
    assert state["analyze"]["interactive"] is True
    assert state["stop"]["visible"] is False
    assert state["retry"]["visible"] is False
    assert "Loaded" in state["models"]["markup"]


def test_progress_is_reported_from_the_handlers_own_thread(desk: Desk, clip: Path) -> None:
    threads = set()
    list(watching.run(desk, take(desk, clip), BRIGHT, LOCAL, lambda count, desc: threads.add(threading.get_ident())))
    assert threads <= {threading.get_ident()}


def test_a_dark_clip_ends_with_the_disclaimer(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "dark.mp4"
    write_video(path, [frame // 8 for frame in coded_frames(12)])
    state = run(desk, take(desk, path))
    assert "No evidence found" in state["verdict"]
    assert state["verdict"].count(DISCLAIMER) == 1
    assert state["sentence"].endswith(DISCLAIMER)


def test_missing_weights_answer_with_the_remedy_and_may_be_tried_again(desk: Desk, bright_picture: Path) -> None:
    state = run(desk, take(desk, bright_picture), ABSENT)
    assert 'role="alert"' in state["verdict"]
    assert "absent.pt" in state["verdict"]
    assert str(bright_picture.parent / "absent.pt") not in str(state["verdict"]), "no server path"
    assert state["analyze"]["interactive"] is True
    assert state["retry"]["visible"] is True
    again = merged(watching.retry(desk, state["job"], LOCAL, ignore))
    assert again["job"] == state["job"]
    assert "absent.pt" in again["verdict"]


def test_analyze_without_a_file_says_so(desk: Desk) -> None:
    (update,) = watching.run(desk, "", BRIGHT, LOCAL, ignore)
    assert "Choose a file first" in update["status"]
    assert "verdict" not in update, "why the last file was refused stays there"


def test_a_case_that_is_gone_is_said_in_the_panel(desk: Desk) -> None:
    assert "no longer here" in run(desk, "0" * 32)["verdict"]


def test_the_unexpected_gets_a_reference_and_is_logged(
    desk: Desk, bright_picture: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("/secret/path/on/the/server")

    case = take(desk, bright_picture)
    monkeypatch.setattr(OpenCase, "submit", broken)
    state = run(desk, case)
    assert "/secret" not in state["verdict"]
    reference = state["verdict"].split("<code>")[1].split("</code>")[0]
    assert reference in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_stop_ends_in_a_panel_and_retry_goes_on_to_the_answer(desk: Desk, clip: Path, held: threading.Event) -> None:
    stream = watching.run(desk, take(desk, clip), BRIGHT, LOCAL, ignore)
    job_id = next(stream)["job"]
    assert "Stopping" in watching.stop(desk, job_id, LOCAL)["status"]
    held.set()
    state = merged(stream)
    assert "Stopped" in state["verdict"]
    assert state["retry"]["visible"] is True
    assert ended(desk, job_id) is JobState.CANCELLED
    assert "16 of 16 samples judged" in merged(watching.retry(desk, job_id, LOCAL, ignore))["verdict"]


def test_closing_the_tab_leaves_the_analysis_running_and_its_link_shows_it(
    desk: Desk, clip: Path, held: threading.Event
) -> None:
    case = take(desk, clip)
    stream = watching.run(desk, case, BRIGHT, LOCAL, ignore)
    job_id = next(stream)["job"]
    stream.close()
    again = watching.reopen(desk, job_id, LOCAL, ignore)
    page = next(again)
    assert page["case"] == case
    assert page["video"]["visible"] is True
    assert "examines" in page["verdict"]
    held.set()
    assert "16 of 16 samples judged" in merged(again)["verdict"]
    (later,) = watching.reopen(desk, job_id, LOCAL, ignore)
    assert later["models"]["value"] == BRIGHT
    assert "16 of 16 samples judged" in later["verdict"]
    assert later["report_box"]["visible"] is True


def test_a_link_that_leads_nowhere_says_so(desk: Desk) -> None:
    for wrong in ("0" * 32, "../../etc/passwd", "x"):
        assert "no longer here" in merged(watching.reopen(desk, wrong, LOCAL, ignore))["verdict"]
    assert list(watching.reopen(desk, "", LOCAL, ignore)) == []


def test_the_link_of_several_detectors_leads_to_their_comparison(desk: Desk, bright_picture: Path) -> None:
    job_id = desk.workbench.seen_by(LOCAL).open(take(desk, bright_picture)).submit([BRIGHT, ABSENT])
    (told,) = watching.reopen(desk, job_id, LOCAL, ignore)
    assert f'href="?compare={job_id}"' in told["verdict"]


def test_a_case_deleted_meanwhile_ends_the_watch_in_words(desk: Desk, clip: Path, held: threading.Event) -> None:
    case = take(desk, clip)
    stream = watching.run(desk, case, BRIGHT, LOCAL, ignore)
    next(stream)
    threading.Timer(0.3, held.set).start()
    desk.workbench.seen_by(LOCAL).open(case).delete()
    assert "no longer here" in merged(stream)["verdict"]


def test_the_page_says_how_many_go_first(desk: Desk, clip: Path, held: threading.Event) -> None:
    case = take(desk, clip)
    for _ in range(2):
        desk.workbench.seen_by(LOCAL).open(case).submit([BRIGHT])
    told: list[str] = []
    stream = watching.run(desk, case, BRIGHT, LOCAL, lambda count, desc: told.append(desc))
    deadline = time.monotonic() + 10
    while not any("2 analyses go first" in words for words in told) and time.monotonic() < deadline:
        next(stream)
    held.set()
    assert any("2 analyses go first" in words for words in told)
    assert "16 of 16" in merged(stream)["verdict"]


def test_a_human_verdict_stands_above_and_overrides(desk: Desk, bright_picture: Path) -> None:
    case = take(desk, bright_picture)
    state = run(desk, case)
    assert state["human"] == ""
    desk.workbench.seen_by(LOCAL).open(case).add_review("Ada <b>", HumanVerdict.GENUINE, Confidence.HIGH)
    told = watching.refresh(desk, state["job"], LOCAL)
    assert "Genuine" in told["human"]
    assert "Ada &lt;b&gt;" in told["human"]
    assert "overrides what detectors say" in told["human"]
    assert "Overridden by the human verdict" in told["verdict"]
    again = merged(watching.reopen(desk, state["job"], LOCAL, ignore))
    assert "Genuine" in again["human"]
    assert "Overridden" in again["verdict"]


def test_a_stress_test_shows_its_band_beside_the_answer_and_comes_back_by_link(
    desk: Desk, bright_picture: Path
) -> None:
    case = take(desk, bright_picture)
    job = run(desk, case)["job"]
    tested = merged(watching.stress(desk, case, job, LOCAL, ignore))
    assert "Scores of all copies" in tested["stress"]
    assert "held under" in tested["stress"]
    assert tested["stress_run"]["visible"] is True
    again = merged(watching.reopen(desk, tested["stress_job"], LOCAL, ignore))
    assert again["job"] == job
    assert "FAKE" not in again["verdict"]
    assert "Scores of all copies" in again["stress"]
    assert "Scores of all copies" in merged(watching.reopen(desk, job, LOCAL, ignore))["stress"]


def test_a_report_keeps_the_letters_of_every_script(desk: Desk, bright_picture: Path, tmp_path: Path) -> None:
    path = tmp_path / "फोटो परीक्षण: 1.png"
    path.write_bytes(bright_picture.read_bytes())
    case = take(desk, path)
    run(desk, case)
    assert "फोटो_परीक्षण_1-report.json" in downloads.make(desk, case, "json", LOCAL)


def test_every_report_is_made_and_an_unknown_one_is_not(desk: Desk, bright_picture: Path) -> None:
    case = take(desk, bright_picture)
    run(desk, case)
    begins = {"html": b"<!", "pdf": b"%PDF", "zip": b"PK", "json": b"{", "csv": b"\xef\xbb\xbf"}
    assert set(begins) == set(downloads.FORMATS)
    for kind, start in begins.items():
        made = downloads.make(desk, case, kind, LOCAL)
        assert "data-fresh" in made
        path = desk.workbench.seen_by(LOCAL).open(case).derived() / f"bright-report.{kind}"
        assert path.read_bytes().lower().startswith(start.lower())
        assert path.name in made
    assert "data-fresh" not in downloads.make(desk, case, "exe", LOCAL)
    assert "no longer here" in downloads.make(desk, "0" * 32, "pdf", LOCAL)


def test_seeking(desk: Desk, clip: Path) -> None:
    state = run(desk, take(desk, clip))
    job = state["job"]
    assert seeking.seek_person(desk, job, LOCAL, 1) == {}, "nobody was seen"
    first = seeking.seek_finding(desk, job, LOCAL, 0)["video"]["playback_position"]
    assert f"00:{int(first):02}" in state["gallery"]["value"][0][1]
    assert seeking.seek_finding(desk, job, LOCAL, 99) == {}
    assert seeking.seek_timeline(desk, job, LOCAL, 99.0)["video"]["playback_position"] > 0.5
    assert seeking.seek_finding(desk, "0" * 32, LOCAL, 0) == {}
    assert seeking.seek_finding(desk, "", LOCAL, 0) == {}
    assert isinstance(gr.update(), dict)
