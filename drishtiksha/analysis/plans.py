"""Which frames a plan names, once the number of frames is known."""

from __future__ import annotations

import numpy as np

from drishtiksha.contract import AudioPlan, ClipPlan, FramePlan, SamplingPlan, SequencePlan
from drishtiksha.media.frameindex import FrameIndex
from drishtiksha.media.sampling import evenly_spaced, sparse_first


def wanted_frames(index: FrameIndex, plan: SamplingPlan) -> list[int]:
    """All frame indices that the plan looks at in a video, sorted; none for sound."""
    if isinstance(plan, AudioPlan):
        return []
    if isinstance(plan, ClipPlan):
        return sorted({start + i for start in clip_starts(index.declared, plan) for i in plan.places})
    return planned(index, plan)[0]


def planned(index: FrameIndex, plan: FramePlan | SequencePlan) -> tuple[list[int], list[list[int]]]:
    """The frame indices of a plan in order, and its passes as places in that list."""
    if isinstance(plan, FramePlan):
        frames = _over(index, plan.count)
        everything = list(range(len(frames)))
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
    possible = max(total - plan.length + 1, 0)
    count = total // plan.length if plan.count is None else plan.count
    return evenly_spaced(possible, max(count, 1))
