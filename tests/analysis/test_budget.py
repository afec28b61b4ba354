"""The time that one model may take for one file: what was judged by then is the result, and the rest is a gap."""

from __future__ import annotations

import time

import pytest

from drishtiksha.analysis import analyze
from drishtiksha.analysis.budget import Budget
from drishtiksha.errors import TimeUpError
from drishtiksha.events import ProgressEvent
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.results import GapReason, Prediction
from drishtiksha.settings import ROOT, MediaLimits, load_settings

CLIP = ROOT / "assets" / "clip_with_sound.mp4"


@pytest.fixture(scope="module")
def manager() -> ModelManager:
    return ModelManager(load_settings(device="cpu"))


@pytest.mark.slow
def test_what_was_judged_in_time_is_the_result(manager, monkeypatch):
    """The clock leaps after the first sample."""
    leap = 0.0
    clock = time.monotonic

    def told(event: ProgressEvent) -> None:
        nonlocal leap
        leap = 1e6 if event.phase == "score" and event.progress >= 1 else leap

    monkeypatch.setattr("drishtiksha.analysis.budget.time.monotonic", lambda: clock() + leap)
    # The decoder looks at the same clock, and would take the leap for a stall.
    result = analyze(
        Evidence.open(CLIP, MediaLimits()),
        manager.get_model("FACE-BLEND-LITE-V1"),
        told,
        limits=MediaLimits(stall_s=1e7),
    )
    gaps = [score for score in result.scores if score.gap is GapReason.OUT_OF_TIME]
    assert 0 < len(gaps) < len(result.scores)
    assert result.coverage < 0.9
    assert any("3600 seconds" in note for note in result.notes)
    assert result.heatmaps == ()
    assert result.prediction is not Prediction.REAL or result.coverage > 0.2


def test_time_that_ends_before_anything_was_judged_is_a_sentence(manager):
    with pytest.raises(TimeUpError, match=r"FACE-BLEND-LITE-V1 was stopped.*clip_with_sound\.mp4"):
        analyze(
            Evidence.open(CLIP, MediaLimits()),
            manager.get_model("FACE-BLEND-LITE-V1"),
            limits=MediaLimits(analysis_s=1e-9),
        )


def test_the_end_of_time_is_told_once():
    asked = []
    budget = Budget(0.0, "MODEL", "file", lambda: asked.append(1))
    with pytest.raises(TimeUpError):
        budget.check()
    budget.check()
    assert len(asked) == 2
