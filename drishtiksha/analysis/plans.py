"""Which frames a plan names, once the number of frames is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from drishtiksha.contract import AudioPlan, ClipPlan, FramePlan, SamplingPlan, SequencePlan
from drishtiksha.media.frameindex import FrameIndex
from drishtiksha.media.sampling import evenly_spaced, sparse_first

CLOSER = 4
"""How many times closer the frames lie where those of a long video are suspicious."""


def wanted_frames(index: FrameIndex, plan: SamplingPlan) -> list[int]:
    """All frame indices that the plan looks at in a video, sorted; none for sound."""
    if isinstance(plan, AudioPlan):
        return []
    if isinstance(plan, ClipPlan):
        return sorted({start + i for start in clip_starts(index.declared, plan) for i in plan.places})
    frames, passes = planned(index, plan)
    return sorted(frames[place] for part in passes for place in part)


def planned(index: FrameIndex, plan: FramePlan | SequencePlan) -> tuple[list[int], list[list[int]]]:
    """The frame indices of a plan in order, and its passes as places in that list. Those in no pass lie between frames that
    are far apart, to be looked at should these be suspicious (see `closer`)."""
    if isinstance(plan, FramePlan):
        count = samples_of(plan, _length_s(index))
        even = _over(index, count)
        frames = _with_steps_between(even) if _wide(index, even, plan.every_s) else even
        place = {frame: i for i, frame in enumerate(frames)}
        everything = [place[frame] for frame in even]
        sparse = len(everything) > 2 * plan.sparse
        return frames, list(sparse_first(everything, plan.sparse)) if sparse else [everything]
    named = plan.choose(index.declared)
    frames = sorted({frame for part in named for frame in part})
    place, done, passes = {frame: i for i, frame in enumerate(frames)}, set[int](), []
    for part in named:
        fresh = sorted({place[frame] for frame in part} - done)
        done.update(fresh)
        passes.append(fresh)
    return frames, [part for part in passes if part] or [[]]


def samples_of(plan: FramePlan, length_s: float) -> int | None:
    """How many evenly spaced frames of a video of that length are looked at; None: all."""
    if plan.count is None or plan.every_s is None:
        return plan.count
    wanted = math.ceil(length_s / plan.every_s) + 1
    return max(plan.count, min(wanted, plan.most if plan.most is not None else wanted))


def closer(
    passes: Sequence[Sequence[int]], suspicious: Sequence[int], plan: FramePlan, lost: Sequence[int] = ()
) -> list[int]:
    """Places of the frames in no pass that are to be looked at too, sorted: at most `plan.count`.

    passes: of `planned`. suspicious: places out of those, the most suspicious first; frames on both sides of them are taken.
    lost: places after which a face was lost; frames up to the next place are taken, of at most half as many as `plan.count`.
    """
    even = sorted(place for part in passes for place in part)
    after = dict(pairwise(even))
    before = {later: place for place, later in after.items()}
    most, chosen = plan.count or 0, set[int]()
    for place in lost:
        between = set(range(place + 1, after.get(place, place)))
        if len(chosen | between) <= most // 2:
            chosen |= between
    for place in suspicious:
        beside = set(range(before.get(place, place) + 1, after.get(place, place))) - {place}
        if len(chosen | beside) <= most:
            chosen |= beside
    return sorted(chosen)


def _length_s(index: FrameIndex) -> float:
    return index.time_s(index.declared - 1) - float(index.times[0]) if len(index) else 0.0


def _wide(index: FrameIndex, frames: Sequence[int], every_s: float | None) -> bool:
    """Whether the frames lie so far apart that further ones between them may tell more."""
    if every_s is None or len(frames) < 2:
        return False
    return index.time_s(frames[-1]) - index.time_s(frames[0]) > every_s / 2 * (len(frames) - 1)


def _with_steps_between(frames: Sequence[int]) -> list[int]:
    """The frames, and `CLOSER` - 1 further ones between any two of them, as far as there are any."""
    between = [a + (b - a) * step // CLOSER for a, b in pairwise(frames) for step in range(1, CLOSER)]
    return sorted({*frames, *between})


def _over(index: FrameIndex, count: int | None) -> list[int]:
    """Frames at equal distances. Joined recordings lack frames at their seams: there the distances are those in time, so that
    the same moments are looked at as in a recording that lacks none."""
    total = index.declared
    step_s = float(np.median(np.diff(index.times))) if index.breaks and len(index) > 1 else 0.0
    whole = round((index.end_s - float(index.times[0])) / step_s) if step_s > 0 else total
    if count is None or count >= total or whole <= total:
        return evenly_spaced(total, count)
    times = index.times[0] + np.array(evenly_spaced(whole, count)) * step_s
    behind = np.clip(np.searchsorted(index.times, times), 1, len(index) - 1)
    nearer = times - index.times[behind - 1] <= index.times[behind] - times
    return sorted(set((behind - nearer).tolist()))


def clip_starts(total: int, plan: ClipPlan) -> list[int]:
    """The first frame of every run, sorted; none when the video is shorter than one run."""
    fitting = max(total - plan.length + 1, 0)
    possible = max(fitting - plan.spared, min(fitting, 1))
    count = total // plan.length if plan.count is None else plan.count
    return evenly_spaced(possible, max(count, 1))
