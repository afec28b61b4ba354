"""Which frames a plan names: the same moments, whatever a file lacks at its seams."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drishtiksha.analysis.plans import planned, wanted_frames
from drishtiksha.contract import FramePlan
from drishtiksha.media.frameindex import FrameIndex
from drishtiksha.media.sampling import evenly_spaced

WHOLE = FrameIndex(np.arange(106) / 25, None, np.array([0, 53]), 106 / 25, 0.0, 0, False)


def without(*frames: int) -> FrameIndex:
    """Joined, with these frames lost."""
    return replace(WHOLE, times=np.delete(WHOLE.times, frames), breaks=1)


@pytest.mark.parametrize("count", [4, 32, 100])
def test_joined_recordings_are_looked_at_at_the_moments_of_the_whole_one(count):
    moments = WHOLE.times[planned(WHOLE, FramePlan(count=count))[0]]
    joined = without(51, 104)
    found = joined.times[planned(joined, FramePlan(count=count))[0]]
    assert len(found) >= len(moments) - 2
    assert max(np.abs(moments - time).min() for time in found) < 0.041, "at most the frame beside a lost one"
    near = [np.abs(found - moment).min() < 1e-9 for moment in moments if round(moment * 25) not in (51, 104)]
    assert np.mean(near) > 0.95


def test_elsewhere_frames_are_counted():
    assert planned(WHOLE, FramePlan(count=32))[0] == evenly_spaced(106, 32)
    dropped = replace(without(51, 104), breaks=0)
    assert planned(dropped, FramePlan(count=32))[0] == evenly_spaced(104, 32)
    assert planned(without(51), FramePlan(count=None))[0] == list(range(105))
    assert wanted_frames(without(), FramePlan(count=32)) == evenly_spaced(106, 32)


def test_a_file_of_one_frame():
    one = replace(WHOLE, times=np.zeros(1), end_s=0.04, breaks=1)
    assert planned(one, FramePlan(count=32))[0] == [0]
