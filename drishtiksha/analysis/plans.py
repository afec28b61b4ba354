"""Which frames a plan names, once the number of frames is known."""

from __future__ import annotations

from drishtiksha.contract import AudioPlan, ClipPlan, FramePlan, SamplingPlan, SequencePlan
from drishtiksha.media.sampling import evenly_spaced, sparse_first


def wanted_frames(total: int, plan: SamplingPlan) -> list[int]:
    """All frame indices that the plan looks at in a video of `total` frames, sorted; none for sound."""
    if isinstance(plan, AudioPlan):
        return []
    if isinstance(plan, ClipPlan):
        return sorted({start + i for start in clip_starts(total, plan) for i in plan.places})
    return planned(total, plan)[0]


def planned(total: int, plan: FramePlan | SequencePlan) -> tuple[list[int], list[list[int]]]:
    """The frame indices of a plan in order, and its passes as places in that list."""
    if isinstance(plan, FramePlan):
        frames = evenly_spaced(total, plan.count)
        everything = list(range(len(frames)))
        sparse = len(everything) > 2 * plan.sparse
        return frames, list(sparse_first(everything, plan.sparse)) if sparse else [everything]
    named = plan.choose(total)
    frames = sorted({frame for part in named for frame in part})
    place, done, passes = {frame: i for i, frame in enumerate(frames)}, set[int](), []
    for part in named:
        fresh = sorted({place[frame] for frame in part} - done)
        done.update(fresh)
        passes.append(fresh)
    return frames, [part for part in passes if part] or [[]]


def clip_starts(total: int, plan: ClipPlan) -> list[int]:
    """The first frame of every run, sorted; none when the video is shorter than one run."""
    possible = max(total - plan.length + 1, 0)
    count = total // plan.length if plan.count is None else plan.count
    return evenly_spaced(possible, max(count, 1))
