"""The threads that work: what they survive, which jobs they take, and what they leave behind when they stop."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from gated_detector import counted
from PIL import Image
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from drishtiksha.casefile import LOCAL, JobState, JobView
from drishtiksha.services import workers
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT
from drishtiksha.store import queue
from drishtiksha.store.queue import Queue

SILENT = ROOT / "assets" / "clip_silent.mp4"


def ended(bench: Workbench, job_id: str) -> JobView:
    *_, last = bench.seen_by(LOCAL).watch(job_id, tick_s=0.02)
    return last


def at_gate(bench: Workbench, job_id: str) -> None:
    for view in bench.seen_by(LOCAL).watch(job_id, tick_s=0.02):
        assert not view.state.ended, view
        if view.model_name == "GATED" and view.progress >= 4:
            return


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets a method of the queue fail once, as when the database is away."""

    def fail_once(name: str) -> None:
        real, failed = getattr(Queue, name), []

        def method(self: Queue, *args: Any) -> Any:
            if not failed:
                failed.append(name)
                raise OperationalError("SELECT", {}, Exception("server closed the connection"))
            return real(self, *args)

        monkeypatch.setattr(Queue, name, method)

    return fail_once


@pytest.mark.slow
@pytest.mark.parametrize("name", ["claim", "take_over", "end"])
def test_a_database_that_was_away_stops_no_worker(bench_of, away, monkeypatch, name):
    monkeypatch.setattr(queue, "DEAD_S", 1.0)
    monkeypatch.setattr(workers, "DEAD_S", 1.0)
    monkeypatch.setattr(workers, "BEAT_S", 0.2)
    bench = bench_of(start=False)
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    if name != "take_over":
        away(name)
    bench.start()
    if name == "take_over":
        away(name)
    assert ended(bench, bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT"])).state is JobState.DONE
    assert bench.working


@pytest.mark.slow
def test_workers_that_are_started_again_take_up_what_they_put_back(bench, gate, tmp_path):
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    job_id = bench.seen_by(LOCAL).open(case.case_id).submit(["GATED"])
    at_gate(bench, job_id)
    threading.Timer(0.3, gate.touch).start()
    bench.stop()
    assert not bench.working
    assert bench.seen_by(LOCAL).job(job_id).state is JobState.QUEUED
    half = len(counted(tmp_path / "counted"))
    assert half < 12
    bench.start()
    assert ended(bench, job_id).state is JobState.DONE


@pytest.mark.slow
def test_a_worker_that_outlives_its_stop_does_not_go_on_beside_the_next_one(bench, gate, monkeypatch):
    monkeypatch.setattr(workers, "STOP_S", 0.01)
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    job_id = bench.seen_by(LOCAL).open(case.case_id).submit(["GATED"])
    at_gate(bench, job_id)
    bench.stop()
    bench.start()
    gate.touch()
    assert ended(bench, job_id).state is JobState.DONE
    deadline = time.monotonic() + 10
    while sum(thread.name.startswith("worker") for thread in threading.enumerate()) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sum(thread.name.startswith("worker") for thread in threading.enumerate()) == 1


@pytest.mark.slow
def test_a_job_for_a_device_that_is_no_longer_configured_is_worked_on(bench_of):
    bench = bench_of(start=False)
    job_id = bench.seen_by(LOCAL).open(bench.seen_by(LOCAL).take(SILENT, "clip.mp4").case_id).submit(["BRIGHT"])
    with bench.store.write() as session:
        session.execute(text("UPDATE jobs SET device = 'cuda:7'"))
    bench.start()
    assert ended(bench, job_id).state is JobState.DONE


@pytest.mark.slow
def test_the_workers_delete_the_cases_whose_time_is_over(bench_of):
    bench = bench_of(start=False)
    old = bench.seen_by(LOCAL).take(SILENT, "clip.mp4").case_id
    with bench.store.write() as session:
        session.execute(text("UPDATE cases SET opened = opened - 90000"))
    bench.start()
    deadline = time.monotonic() + 30
    while (bench.settings.cases_dir / old).exists() or bench.seen_by(LOCAL).cases():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_all_names_of_one_device_share_a_thread(bench_of, manager):
    changed = manager.model_configs["GATED"].model_copy(update={"device": "auto"})
    manager.model_configs["GATED"] = changed
    bench_of()
    names = {thread.name for thread in threading.enumerate() if thread.name.startswith("worker ")}
    import torch

    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    assert names == ({"worker auto", "worker cpu"} if gpu else {"worker auto"})


@pytest.mark.slow
def test_no_path_of_the_server_is_told(bench, manager):
    last = ended(
        bench, bench.seen_by(LOCAL).open(bench.seen_by(LOCAL).take(SILENT, "clip.mp4").case_id).submit(["ABSENT"])
    )
    assert str(manager.model_configs["ABSENT"].model_path.parent) not in last.errors["ABSENT"]
    assert "absent.pt" in last.errors["ABSENT"]


@pytest.mark.slow
def test_the_log_has_a_line_a_job_with_models_seconds_and_outcome(bench, caplog):
    caplog.set_level(logging.INFO, logger="drishtiksha")
    seen = bench.seen_by(LOCAL)
    case = seen.open(seen.take(SILENT, "clip.mp4").case_id)
    done = case.submit(["BRIGHT"])
    ended(bench, done)
    failed = case.submit(["ABSENT"])
    ended(bench, failed)
    bench.stop()  # the line comes after the state
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    (line,) = [text for text in lines if done in text]
    assert re.fullmatch(rf"Job {done}, analyze by BRIGHT, \d+\.\d s: done", line)
    (line,) = [text for text in lines if failed in text]
    assert line.endswith("failed")


@pytest.mark.slow
def test_a_file_that_vanished_fails_its_job_with_a_sentence(bench):
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    bench.seen_by(LOCAL).open(case.case_id).evidence().path.unlink()
    last = ended(bench, bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT"]))
    assert (last.state, last.errors["BRIGHT"]) == (
        JobState.FAILED,
        "The file of this case is no longer on this machine. Upload it again.",
    )


@pytest.mark.slow
def test_a_list_of_cases_does_without_heatmaps(bench, gate, tmp_path):
    gate.touch()
    Image.new("RGB", (160, 160), (250, 250, 250)).save(tmp_path / "bright.png")  # which BRIGHT suspects
    case = bench.seen_by(LOCAL).take(tmp_path / "bright.png", "p.png")
    ended(bench, bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT"]))
    whole, (brief,) = bench.seen_by(LOCAL).open(case.case_id).read(), bench.seen_by(LOCAL).cases()
    assert whole.results[0].heatmaps
    assert brief.results[0].heatmaps == ()
    assert brief.results[0] == whole.results[0].model_copy(update={"heatmaps": ()})


@pytest.mark.slow
def test_a_result_of_another_version_leaves_the_case_readable(bench):
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    job_id = bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT"])
    with bench.store.read():
        ended(bench, job_id)
    with bench.store.write() as session:
        session.execute(text("UPDATE results SET body = :body"), {"body": '{"of": "another version"}'})
    (listed,) = bench.seen_by(LOCAL).cases()
    assert (listed.case_id, listed.results) == (case.case_id, ())
