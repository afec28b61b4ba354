"""Jobs outlive the process that works on them, and two processes never work on one job."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gated_detector import counted
from sqlalchemy import text

from drishtiksha.analysis import analyze
from drishtiksha.casefile import LOCAL, JobState, JobView
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT
from drishtiksha.store import queue

pytestmark = pytest.mark.slow

SILENT = ROOT / "assets" / "clip_silent.mp4"
SLOW = {"num_frames": 40, "slow_s": 0.15, "hold_from": 1000}


@pytest.fixture
def process(tmp_path: Path, database_url: str | None) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts worker processes; the last are killed at the end."""
    script, running = Path(__file__).with_name("worker_process.py"), []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, str(script), str(tmp_path / "process"), database_url or ""]
        running.append(subprocess.Popen(command, cwd=ROOT))
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.wait()


@pytest.fixture
def slow(manager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """GATED takes its time and never waits, here and in the processes."""
    import yaml

    config = tmp_path / "config.yaml"
    content = yaml.safe_load(config.read_text())
    content["models"]["GATED"] |= SLOW
    config.write_text(yaml.safe_dump(content))
    manager.model_configs["GATED"] = manager.model_configs["GATED"].model_copy(update=SLOW)
    return manager


def ended(bench: Workbench, job_id: str, patience_s: float = 120) -> JobView:
    deadline = time.monotonic() + patience_s
    for view in bench.seen_by(LOCAL).watch(job_id):
        assert view.state.ended or time.monotonic() < deadline, view
    return view


def chunks(bench: Workbench) -> int:
    """How many chunks of GATED are kept."""
    with bench.store.read() as session:
        return session.scalar(text("SELECT count(*) FROM chunks WHERE model = 'GATED'")) or 0


def test_kill_9_and_a_new_process_goes_on_from_the_last_chunk(bench_of, process, slow, tmp_path):
    bench = bench_of(start=False)
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    job_id = bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT", "GATED"])
    first = process()
    deadline = time.monotonic() + 120
    while not chunks(bench):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.kill()
    first.wait()
    half = bench.seen_by(LOCAL).job(job_id)
    assert (half.state, half.model_name) == (JobState.RUNNING, "GATED"), "nobody had a chance to put it back"
    scored = len(counted(tmp_path / "counted"))
    assert 0 < scored < SLOW["num_frames"]
    process()
    last = ended(bench, job_id)
    assert (last.state, last.errors) == (JobState.DONE, {})
    again = [index for index, times in Counter(counted(tmp_path / "counted")).items() if times > 1]
    assert len(counted(tmp_path / "counted")) < scored + SLOW["num_frames"], "it did not begin anew"
    assert len(again) < scored
    alone = analyze(bench.seen_by(LOCAL).open(case.case_id).evidence(), slow.load_model("GATED"))
    resumed = last.results[1]
    assert (resumed.scores, resumed.p_fake, resumed.prediction) == (alone.scores, alone.p_fake, alone.prediction)
    assert chunks(bench) == 0, "the answer takes the place of its chunks"


def test_two_processes_share_a_queue_and_no_job(bench_of, process, tmp_path, manager):
    bench = bench_of(start=False, max_queue=50)
    Path(manager.model_configs["GATED"].gate).touch()
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    jobs = [bench.seen_by(LOCAL).open(case.case_id).submit(["GATED"]) for _ in range(8)]
    process()
    process()
    assert {ended(bench, job).state for job in jobs} == {JobState.DONE}
    times = Counter(counted(tmp_path / "counted")).values()  # a sample that is explained too is looked at twice
    assert len(times) == 12, "samples"
    assert set(times) <= {len(jobs), 2 * len(jobs)}


def test_a_job_of_a_process_that_fell_silent_is_taken_over(bench_of, monkeypatch):
    monkeypatch.setattr(queue, "DEAD_S", 0.5)
    bench = bench_of(start=False)
    case = bench.seen_by(LOCAL).take(SILENT, "clip.mp4")
    job_id = bench.seen_by(LOCAL).open(case.case_id).submit(["BRIGHT"])
    with bench.store.write() as session:
        gone = {"worker": "another-machine:1:ab", "beat": time.time(), "state": "running", "id": job_id}
        session.execute(text("UPDATE jobs SET worker = :worker, beat = :beat, state = :state WHERE id = :id"), gone)
    bench.start()
    assert bench.seen_by(LOCAL).job(job_id).state is JobState.RUNNING, "it has just given a sign of life"
    assert ended(bench, job_id).state is JobState.DONE
