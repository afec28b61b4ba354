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
    assert doing(view(3, "load", None)) == "Loading the detector"
    assert doing(view(2, "stress", 12, kind="stress", message="JPEG quality 50")) == "Stress test: JPEG quality 50"


def test_the_bar_is_over_all_detectors() -> None:
    assert 'aria-valuenow="25"' in board(view(20))
    assert 'aria-valuenow="75"' in board(view(20, errors={"M": "x"}))
    assert "about 30 s left" in board(view(1, estimate_s=31.0))


def test_a_waiting_job_tells_its_place_and_when_it_will_be_done() -> None:
    waiting = {"state": JobState.QUEUED, "phase": "", "total": None}
    assert doing(view(position=0, **waiting)) == "Starting"
    assert doing(view(position=1, **waiting)) == "Waiting: 1 analysis goes first"
    told = doing(view(position=3, estimate_s=75.2, **waiting))
    assert told == "Waiting: 3 analyses go first, done in about 1 min 15 s"


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "a few seconds left"), (22, "about 20 s left"), (100, "about 2 min left")]
)
def test_time_left_in_words(seconds: float, words: str) -> None:
    assert time_left(seconds) == words
