"""The queue: who gets a job, who holds it, and what happens when that one dies."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sample_results import media, result
from sqlalchemy import text

from drishtiksha.casefile import JobState, JobView
from drishtiksha.settings import ROOT
from drishtiksha.store import queue as queue_module
from drishtiksha.store.cases import Cases
from drishtiksha.store.jobs import Jobs
from drishtiksha.store.queue import CRASH, DEAD_S, MAX_DEATHS, Progress, Queue, new_worker
from drishtiksha.store.results import ResultReader


def jobs_of(store: Any) -> Jobs:
    """As one more process sees the queue."""
    return Jobs(store, Queue(store, new_worker()), ResultReader())


@pytest.fixture
def jobs(store):
    Cases(store, ResultReader()).add("c" * 32, media(), "original.mp4", "", "")
    return jobs_of(store)


def add(jobs: Jobs, number: int, device: str = "cpu", *, batch: bool = False) -> str:
    job_id = f"{number:032x}"
    jobs.add(job_id, "c" * 32, ["M", "N"], "analyze", batch=batch, device=device, errors={}, max_queue=100)
    return job_id


def seen(jobs: Jobs, job_id: str) -> JobView:
    return jobs.view(job_id)[1]


def late(jobs: Jobs) -> None:
    """As if nobody had given a sign of life for long."""
    with jobs.store.write() as session:
        session.execute(text("UPDATE jobs SET beat = :then"), {"then": time.time() - DEAD_S - 1})


@pytest.mark.slow
def test_the_oldest_interactive_one_goes_first(jobs):
    batch, first, second = add(jobs, 1, batch=True), add(jobs, 2), add(jobs, 3)
    claimed = [jobs.queue.claim(["cpu"]) for _ in range(4)]
    assert [claim and claim.job_id for claim in claimed] == [first, second, batch, None]
    assert (claimed[0].case_id, claimed[0].kind, claimed[0].models) == ("c" * 32, "analyze", ("M", "N"))


@pytest.mark.slow
def test_a_worker_takes_the_jobs_of_its_device_and_one_those_of_a_device_that_is_no_more(jobs):
    here, there, gone = add(jobs, 1, "cpu"), add(jobs, 2, "cuda"), add(jobs, 3, "cuda:7")
    assert jobs.queue.claim(["mps"]) is None
    assert jobs.queue.claim(["cuda"]).job_id == there
    assert jobs.queue.claim(["cpu"], others=["cuda"]).job_id == here
    assert jobs.queue.claim(["cpu"], others=["cuda"]).job_id == gone


@pytest.mark.slow
def test_no_job_is_given_to_two_threads(jobs, reopened):
    for number in range(20):
        add(jobs, number)
    queues = [Queue(reopened(), new_worker()) for _ in range(4)]

    def take_all(queue: Queue) -> list[str]:
        taken = []
        while claim := queue.claim(["cpu"]):
            taken.append(claim.job_id)
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [job for one in pool.map(take_all, queues) for job in one]
    assert sorted(taken) == [f"{number:032x}" for number in range(20)]


@pytest.mark.slow
def test_no_job_is_given_to_two_processes(jobs, database_url, tmp_path):
    for number in range(30):
        add(jobs, number)
    code = (
        "import sys; from pathlib import Path; from drishtiksha.store.db import open_store\n"
        "from drishtiksha.store.queue import Queue, new_worker\n"
        "queue = Queue(open_store(sys.argv[1] or None, Path(sys.argv[2])), new_worker())\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "while claim := queue.claim(['cpu']): print(claim.job_id)\n"
    )
    command = [sys.executable, "-c", code, database_url or "", str(tmp_path / "data")]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    taken = [line for process in processes for line in process.communicate()[0].split()]
    assert sorted(taken) == [f"{number:032x}" for number in range(30)]


@pytest.mark.slow
def test_what_a_running_job_tells_is_seen_and_only_its_holder_tells(jobs, store):
    job_id = add(jobs, 1)
    jobs.queue.claim(["cpu"])
    assert jobs.queue.pulse(job_id, Progress("M", "score", "Frame 3", 3, 9)) is False
    view = seen(jobs, job_id)
    assert (view.state, view.model_name, view.phase, view.progress, view.total) == ("running", "M", "score", 3, 9)
    other = jobs_of(store)
    assert other.queue.pulse(job_id, Progress("X", "score", "", 1, 2)) is None
    assert other.add_chunk(job_id, "M", b"x") is False
    other.queue.end(job_id, JobState.FAILED)
    other.queue.put_back(job_id)
    assert seen(jobs, job_id) == view
    jobs.ask_cancel(job_id)
    assert jobs.queue.pulse(job_id) is True


@pytest.mark.slow
def test_a_job_that_is_put_back_keeps_its_place_and_its_chunks(jobs):
    first, second = add(jobs, 1), add(jobs, 2)
    jobs.queue.claim(["cpu"])
    assert jobs.add_chunk(first, "M", b"one")
    assert jobs.add_chunk(first, "M", b"two")
    jobs.queue.put_back(first)
    assert [seen(jobs, job).position for job in (first, second)] == [0, 1]
    assert jobs.queue.claim(["cpu"]).job_id == first
    assert jobs.chunks(first, "M") == [b"one", b"two"]
    assert jobs.chunks(first, "N") == []


def test_the_first_answer_of_a_job_that_is_cancelled_is_dropped(jobs):
    """It would stand there as if it were the result."""
    for cancel_while_waiting in (True, False):
        job_id = add(jobs, 1 + cancel_while_waiting)
        jobs.queue.claim(["cpu"])
        jobs.queue.pulse(job_id, Progress("M", "score", "", 3, 9, result().model_dump_json()))
        assert seen(jobs, job_id).preview == result()
        if cancel_while_waiting:
            jobs.queue.put_back(job_id)
            assert seen(jobs, job_id).preview == result()
            jobs.ask_cancel(job_id)
        else:
            jobs.ask_cancel(job_id)
            jobs.queue.put_back(job_id)
        view = seen(jobs, job_id)
        assert (view.state, view.preview) == (JobState.CANCELLED, None)


def test_a_job_that_is_to_be_cancelled_is_not_put_back(jobs):
    job_id = add(jobs, 1)
    jobs.queue.claim(["cpu"])
    jobs.ask_cancel(job_id)
    jobs.queue.put_back(job_id)
    assert seen(jobs, job_id).state is JobState.CANCELLED


def test_a_job_without_a_sign_of_life_is_taken_over_and_its_old_holder_notices(jobs, store):
    job_id, other = add(jobs, 1), jobs_of(store)
    jobs.queue.claim(["cpu"])
    other.queue.take_over()
    assert seen(jobs, job_id).state is JobState.RUNNING, "its holder lives"
    late(jobs)
    other.queue.take_over()
    assert other.queue.claim(["cpu"]).job_id == job_id
    assert jobs.queue.pulse(job_id) is None
    assert jobs.add_chunk(job_id, "M", b"x") is False


def test_one_job_that_was_let_go_is_found_beside_one_at_work(jobs):
    """Its end could not be written, say; the same process works on."""
    dropped, working = add(jobs, 1), add(jobs, 2)
    jobs.queue.claim(["cpu"])
    jobs.queue.claim(["cpu"])
    late(jobs)
    jobs.queue.pulse(working)
    jobs.queue.take_over()
    assert seen(jobs, dropped).state is JobState.QUEUED
    assert seen(jobs, working).state is JobState.RUNNING


@pytest.mark.slow
def test_the_job_of_a_process_that_ended_is_taken_over_at_once(jobs, database_url, tmp_path):
    job_id = add(jobs, 1)
    code = (
        "import sys; from pathlib import Path; from drishtiksha.store.db import open_store\n"
        "from drishtiksha.store.queue import Queue, new_worker\n"
        "assert Queue(open_store(sys.argv[1] or None, Path(sys.argv[2])), new_worker()).claim(['cpu'])\n"
    )
    subprocess.run([sys.executable, "-c", code, database_url or "", str(tmp_path / "data")], cwd=ROOT, check=True)
    assert seen(jobs, job_id).state is JobState.RUNNING
    jobs.queue.take_over()
    assert seen(jobs, job_id).state is JobState.QUEUED


def test_what_processes_die_of_again_and_again_is_given_up(jobs, store):
    job_id = add(jobs, 1)
    for _ in range(MAX_DEATHS):
        assert jobs.queue.claim(["cpu"]).job_id == job_id
        late(jobs)
        jobs.queue.take_over()
    view = seen(jobs, job_id)
    assert view.state is JobState.FAILED
    assert "for want of memory" in view.errors["M"]
    assert view.errors.keys() == {"M", "N"}
    assert view.ended_utc is not None
    assert jobs.queue.claim(["cpu"]) is None
    jobs.retry(job_id, {}, 10)
    assert jobs.queue.claim(["cpu"]).job_id == job_id
    late(jobs)
    jobs.queue.take_over()
    assert seen(jobs, job_id).state is JobState.QUEUED, "counted anew"


def test_a_job_that_crashes_its_process_is_tried_once_more(jobs, store):
    job_id, other = add(jobs, 1), jobs_of(store)
    for _ in range(MAX_DEATHS // CRASH):
        assert seen(jobs, job_id).state is JobState.QUEUED
        assert jobs.queue.claim(["cpu"]).job_id == job_id
        other.queue.died("another worker", CRASH, "not this one")
        assert seen(jobs, job_id).state is JobState.RUNNING
        other.queue.died(jobs.queue.worker, CRASH, "It crashed.")
    assert MAX_DEATHS // CRASH == 2
    view = seen(jobs, job_id)
    assert (view.state, view.errors) == (JobState.FAILED, {"M": "It crashed.", "N": "It crashed."})


def test_a_job_whose_process_is_killed_three_times_or_stopped_ever_so_often_is_not_given_up(jobs):
    job_id = add(jobs, 1)
    for _ in range(3):
        jobs.queue.claim(["cpu"])
        jobs.queue.died(jobs.queue.worker, 1, "It was killed.")
    for _ in range(5):
        jobs.queue.claim(["cpu"])
        jobs.queue.release(jobs.queue.worker)
    assert seen(jobs, job_id).state is JobState.QUEUED


def test_a_job_that_comes_forward_is_not_given_up(jobs):
    job_id = add(jobs, 1)
    for number in range(MAX_DEATHS + 2):
        jobs.queue.claim(["cpu"])
        assert jobs.add_chunk(job_id, "M", bytes([number]))
        late(jobs)
        jobs.queue.take_over()
    assert seen(jobs, job_id).state is JobState.QUEUED


@pytest.mark.slow
@pytest.mark.parametrize("here", [None, ""], ids=["another namespace", "no way to tell"])
def test_the_job_of_a_living_worker_in_another_container_is_not_taken(jobs, store, monkeypatch, here):
    """Two containers of one host name on one database: each has a process 1, and sees none of the other's."""
    job_id = add(jobs, 1)
    monkeypatch.setattr(queue_module, "_process_table", lambda: "other" if here is None else here)
    there = jobs_of(store)
    dead = there.queue.worker.split(":")
    monkeypatch.setattr(there.queue, "worker", ":".join([dead[0], "999999999", *dead[2:]]))
    assert there.queue.claim(["cpu"])
    monkeypatch.setattr(queue_module, "_process_table", lambda: "ours" if here is None else here)
    jobs_of(store).queue.take_over()
    assert seen(jobs, job_id).state is JobState.RUNNING
    late(jobs)
    jobs_of(store).queue.take_over()
    assert seen(jobs, job_id).state is JobState.QUEUED, "only the missing beat tells"


def test_a_process_number_that_was_given_to_another_process_is_not_the_worker(jobs, store):
    job_id = add(jobs, 1)
    table, number, start, token = jobs.queue.worker.split(":")
    if not table:
        pytest.skip("no /proc here")
    jobs.queue.worker = f"{table}:{number}:{int(start) - 1}:{token}"
    assert jobs.queue.claim(["cpu"])
    jobs_of(store).queue.take_over()
    assert seen(jobs, job_id).state is JobState.QUEUED


def test_the_position_counts_all_jobs_that_the_same_thread_does(jobs):
    jobs.queue.groups = [["auto", "cpu"], ["cuda:1"]]
    first, there, gone, mine, other = (
        add(jobs, number, device) for number, device in enumerate(("auto", "cuda:1", "cuda:7", "cpu", "cuda:1"), 1)
    )
    assert [seen(jobs, job_id).position for job_id in (first, there, gone, mine, other)] == [0, 0, 1, 2, 1]
    assert jobs.queue.claim(["auto", "cpu"], others=["cuda:1"]).job_id == first
    assert seen(jobs, mine).position == 2, "one runs, and one for a device that is no more goes first"
