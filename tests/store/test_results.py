"""Answers in the database, and what is told of runs to come from those there were."""

from __future__ import annotations

import numpy as np
import pytest
from sample_results import media, result

from drishtiksha.results import MediaKind
from drishtiksha.store.cases import Cases
from drishtiksha.store.estimates import MARGIN, of_runs
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


def seen(jobs: Jobs, asked: str = "analyze", device: str = "cpu", **facts: object) -> dict[str, tuple[float, float]]:
    return jobs.seconds_seen(asked, media(**facts), {"M": device})


def test_nothing_is_told_of_what_never_ran(jobs):
    assert seen(jobs) == {}
    ran(jobs, 1, 3.0)
    assert seen(jobs, "stress") == {}
    assert seen(jobs, device="cuda") == {}, "another device takes another time"
    assert seen(jobs, kind=MediaKind.IMAGE, duration_s=None) == {}


def test_it_is_told_as_a_range(jobs):
    ran(jobs, 1, 4.0, duration_s=10.0)
    assert seen(jobs, duration_s=10.0)["M"] == pytest.approx((4 / MARGIN, 4 * MARGIN))


def test_pictures_have_no_length(jobs):
    ran(jobs, 1, 0.5, kind=MediaKind.IMAGE, duration_s=None)
    low, high = seen(jobs, kind=MediaKind.IMAGE, duration_s=None)["M"]
    assert low < 0.5 < high


def test_a_fixed_number_of_moments_takes_no_longer_on_a_longer_file():
    runs = ((5.0, 10.0), (5.2, 40.0), (5.1, 300.0))
    low, high = of_runs(runs, 1200.0)
    assert 3.5 < low < 5.1 < high < 7.5


def test_what_looks_at_all_of_a_file_takes_in_proportion():
    runs = ((5.0, 9.0), (15.0, 29.0), (50.0, 99.0))
    low, high = of_runs(runs, 999.0)
    assert low < 500 < high
    assert high / low < 1.7


def test_runs_of_one_length_leave_open_how_the_time_grows():
    low, high = of_runs(((5.0, 9.0), (5.0, 9.0)), 99.0)
    assert (low, high) == pytest.approx((5 / MARGIN, 50 * MARGIN))


def test_one_run_under_load_does_not_move_it():
    steady = [(4.0 + number / 10, 10.0) for number in range(7)]
    low, high = of_runs((*steady, (90.0, 10.0)), 10.0)
    assert 3 < low < 4.3 < high < 7


def test_no_estimate_is_wrong_by_half_where_each_length_was_seen():
    """Of planted detectors with 10 % of noise: the true time lies in the range, and no range is wider than 2.2."""
    for number, (fixed, growth) in enumerate([(3.0, 0.0), (1.0, 0.4), (0.2, 2.0)]):
        noise = np.random.default_rng(number).normal(1, 0.1, 12)
        lengths = [5, 8, 10, 15, 30, 45, 60, 90, 120, 180, 240, 300]
        runs = tuple(((fixed + growth * length) * n, length) for length, n in zip(lengths, noise, strict=True))
        for length in (7, 50, 200):
            low, high = of_runs(runs, length)
            assert low <= fixed + growth * length <= high
            assert high / low < 2.2
