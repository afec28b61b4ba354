"""Which frames a plan names: the same moments, whatever a file lacks at its seams."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drishtiksha.analysis.plans import closer, planned, wanted_frames
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


def of_length(seconds: float, fps: float = 10) -> FrameIndex:
    total = round(seconds * fps)
    return replace(WHOLE, times=np.arange(total) / fps, end_s=total / fps)


def even(index: FrameIndex, plan: FramePlan) -> np.ndarray:
    """The times of the frames that are looked at in any case, s."""
    return index.times[wanted_frames(index, plan)]


LONGER = FramePlan(count=32, every_s=1.0, most=256)


def test_a_short_clip_keeps_its_frames():
    for seconds in (0.1, 3.6, 10, 15):
        index = of_length(seconds)
        assert planned(index, LONGER) == planned(index, FramePlan(count=32))
    for seconds in (16, 31):
        assert wanted_frames(of_length(seconds), LONGER) == wanted_frames(of_length(seconds), FramePlan(count=32))


def test_a_longer_clip_gets_more_frames_up_to_a_limit_and_beyond_it_they_lie_further_apart():
    for seconds, count, step_s in ((32, 33, 1.0), (60, 61, 1.0), (180, 181, 1.0), (254, 255, 1.0), (1800, 256, 7.06)):
        times = even(of_length(seconds), LONGER)
        assert len(times) == count
        assert np.diff(times).mean() == pytest.approx(step_s, abs=0.01)
        assert np.diff(times).max() <= step_s + 0.1, "no further than a frame more"
    assert len(even(of_length(1800), replace(LONGER, most=None))) == 1801
    assert len(even(of_length(1800), replace(LONGER, every_s=None))) == 32


def test_between_suspicious_frames_of_a_longer_clip_lie_further_ones():
    index = of_length(100)
    frames, passes = planned(index, LONGER)
    looked_at = sorted(place for part in passes for place in part)
    assert [frames[place] for place in looked_at] == wanted_frames(index, LONGER)
    assert closer(passes, [], LONGER) == []
    middle = looked_at[50]
    beside = closer(passes, [middle], LONGER)
    assert len(beside) == 6, "three on each side"
    assert not set(beside) & set(looked_at)
    times = index.times[[frames[place] for place in beside]]
    assert np.abs(times - index.times[frames[middle]]).max() < 1.0
    assert len(closer(passes, looked_at, LONGER)) <= 32, "no more than a short clip has"
    assert closer(passes, looked_at, LONGER) == closer(passes, list(looked_at), LONGER)
    assert closer(passes, [], LONGER, [middle]) == [place for place in beside if place > middle], "after a lost face"
    assert len(closer(passes, [], LONGER, looked_at)) <= 16
    short = planned(of_length(15), LONGER)[1]
    assert closer(short, [3], LONGER, [4]) == [], "of frames that lie close together none"
