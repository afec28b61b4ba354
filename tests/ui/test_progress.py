from __future__ import annotations

from typing import Any

import pytest

from drishtiksha.casefile import JobState, JobView
from drishtiksha.ui.shared.progress import board, doing, time_left


def view(progress: int = 0, phase: str = "score", total: int | None = 40, **fields: Any) -> JobView:
    given = {"state": JobState.RUNNING, "phase": phase, "progress": progress, "total": total} | fields
    return JobView(job_id="a", case_id="b", models=("M", "N"), created_utc="", **given)


def test_what_a_job_does_now_in_words() -> None:
    assert doing(view(0)) == "Scoring"
    assert doing(view(10, model_name="M")) == "M: scoring, 10 of 40"
    assert doing(view(10, model_name="M", track=2)) == "M, track 2: scoring, 10 of 40"
    assert doing(view(3, "load", None)) == "Loading the detector"
    assert doing(view(2, "stress", 12, kind="stress", message="JPEG quality 50")) == "Stress test: JPEG quality 50"


def test_the_bar_is_over_all_detectors() -> None:
    assert 'aria-valuenow="25"' in board(view(20))
    assert 'aria-valuenow="75"' in board(view(20, errors={"M": "x"}))
    assert "20 to 40 s left" in board(view(1, estimate_range_s=(21.0, 39.0)))


def test_a_waiting_job_tells_its_place_and_when_it_will_be_done() -> None:
    waiting = {"state": JobState.QUEUED, "phase": "", "total": None}
    assert doing(view(position=0, **waiting)) == "Starting"
    assert doing(view(position=1, **waiting)) == "Waiting: 1 analysis goes first"
    told = doing(view(position=3, estimate_range_s=(75.2, 170.0), **waiting))
    assert told == "Waiting: 3 analyses go first, 1 to 3 min left"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        ((0.2, 1), "a few seconds left"),
        ((18, 22), "about 20 s left"),
        ((22, 41), "20 to 40 s left"),
        ((44, 119), "45 s to 2 min left"),
        ((200, 310), "3 to 5 min left"),
    ],
)
def test_time_left_in_words(seconds: tuple[float, float] | None, words: str) -> None:
    assert time_left(seconds) == words
