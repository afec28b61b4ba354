from __future__ import annotations

from typing import Any

import pytest

from drishtiksha.casefile import JobState, JobView
from drishtiksha.ui.shared.runner import Clockwork, time_left


def view(progress: int = 0, phase: str = "score", total: int | None = 40, **fields: Any) -> JobView:
    given = {"state": JobState.RUNNING, "phase": phase, "progress": progress, "total": total} | fields
    return JobView(job_id="a", case_id="b", models=("M",), created_utc="", **given)


def test_the_time_left_follows_the_rate_of_the_phase() -> None:
    now = [100.0]
    clockwork = Clockwork(lambda: now[0])
    assert clockwork.read(view(0)) == ((0, 40), "Scoring")
    now[0] += 10
    assert clockwork.read(view(10)) == ((10, 40), "Scoring, 10 of 40, about 30 s left")
    now[0] += 1
    assert clockwork.read(view(1, "explain", 4))[1] == "Preparing heatmaps, 1 of 4"


def test_a_job_that_was_watched_late_or_taken_up_again_is_not_called_faster_than_it_is() -> None:
    now = [0.0]
    clockwork = Clockwork(lambda: now[0])
    assert clockwork.read(view(30))[1] == "Scoring, 30 of 40"
    now[0] += 10
    assert clockwork.read(view(35))[1] == "Scoring, 35 of 40, about 10 s left"


def test_an_unknown_total_gives_the_estimate_or_none() -> None:
    assert Clockwork().read(view(3, "load", None)) == (0.0, "Loading the detector")
    assert Clockwork().read(view(3, "load", None, estimate_s=31.0)) == (0.0, "Loading the detector, about 30 s left")


def test_a_waiting_job_tells_its_place_and_when_it_will_be_done() -> None:
    waiting = {"state": JobState.QUEUED, "phase": "", "total": None}
    assert Clockwork().read(view(position=0, **waiting)) == (0.0, "Starting")
    assert Clockwork().read(view(position=1, **waiting)) == (0.0, "Waiting: 1 analysis goes first")
    told = Clockwork().read(view(position=3, estimate_s=75.2, **waiting))[1]
    assert told == "Waiting: 3 analyses go first, done in about 1 min 15 s"


def test_a_stress_test_names_the_change() -> None:
    told = Clockwork().read(view(2, "stress", 12, kind="stress", message="JPEG quality 50"))[1]
    assert told.startswith("Stress test: JPEG quality 50, 2 of 12")


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "a few seconds left"), (22, "about 20 s left"), (100, "about 2 min left")]
)
def test_time_left_in_words(seconds: float, words: str) -> None:
    assert time_left(seconds) == words
