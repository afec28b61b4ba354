"""Answers in the database, and what is told of runs to come from those there were."""

from __future__ import annotations

import pytest
from sample_results import media, result

from drishtiksha.results import MediaKind
from drishtiksha.store.cases import Cases
from drishtiksha.store.jobs import Jobs
from drishtiksha.store.queue import Queue, new_worker
from drishtiksha.store.results import ResultReader


@pytest.fixture
def jobs(store):
    reader = ResultReader()
    Cases(store, reader).add("c" * 32, media(), "original.mp4", "", "")
    return Jobs(store, Queue(store, new_worker()), reader)


def ran(jobs: Jobs, number: int, seconds: float, **facts: object) -> None:
    """A model's run on such media that took so long."""
    job_id = f"{number:032x}"
    jobs.add(job_id, "c" * 32, ["M"], "analyze", batch=False, device="cpu", errors={}, max_queue=100)
    assert jobs.queue.claim(["cpu"]).job_id == job_id
    answer = result(model_name="M", processing_time=seconds, media=media(**facts))
    assert jobs.keep(job_id, "c" * 32, "M", answer)


def test_an_answer_comes_back_as_it_went_in(jobs, store):
    ran(jobs, 1, 3.0)
    answer = result(model_name="M", processing_time=3.0, media=media())
    assert jobs.view(f"{1:032x}")[1].results == (answer,)
    assert Cases(store, ResultReader()).get("c" * 32).results == (answer,)


def test_nothing_is_told_of_what_never_ran(jobs):
    assert jobs.seconds_seen("analyze", media()) == {}
    ran(jobs, 1, 3.0)
    assert jobs.seconds_seen("stress", media()) == {}
    assert jobs.seconds_seen("analyze", media(kind=MediaKind.IMAGE, duration_s=None)) == {}


def test_runs_on_media_of_like_length_tell_most(jobs):
    for number, (length, seconds) in enumerate([(10, 4), (12, 5), (11, 6), (600, 90), (620, 100), (580, 80)]):
        ran(jobs, number, seconds, duration_s=float(length))
    assert jobs.seconds_seen("analyze", media(duration_s=11.0))["M"] == pytest.approx(5)
    assert jobs.seconds_seen("analyze", media(duration_s=600.0))["M"] == pytest.approx(90)


def test_a_far_longer_file_is_told_in_proportion(jobs):
    ran(jobs, 1, 5.0, duration_s=9.0)
    assert jobs.seconds_seen("analyze", media(duration_s=99.0))["M"] == pytest.approx(50)
    assert jobs.seconds_seen("analyze", media(duration_s=12.0))["M"] == pytest.approx(5)


def test_pictures_have_no_length(jobs):
    ran(jobs, 1, 0.5, kind=MediaKind.IMAGE, duration_s=None)
    assert jobs.seconds_seen("analyze", media(kind=MediaKind.IMAGE, duration_s=None))["M"] == pytest.approx(0.5)
