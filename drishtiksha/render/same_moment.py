"""One moment as several detectors saw it: the nearest sample that each of them scored, with its heatmap where one was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from drishtiksha.media.evidence import Evidence
from drishtiksha.render.findings import Finding, compose
from drishtiksha.render.moments import SOUND_RATE, pixels_of, window_of
from drishtiksha.results import AnalysisResult, Heatmap, SampleScore, TrackScore
from drishtiksha.settings import MediaLimits

NEAR_S = 1.0
"""A heatmap of a moment within this is shown rather than none: neighbouring frames look alike."""
FAR_S = 5.0
"""A sample further away than this says nothing of the moment."""


@dataclass(frozen=True)
class Moment:
    """A moment worth looking at: which models have a heatmap near it, and the highest score there."""

    time_s: float
    models: tuple[str, ...]
    p_fake: float


@dataclass(frozen=True)
class Seen:
    """What one model saw; `picture` uint8 RGB (H, W, 3). Both None where it scored nothing near the moment."""

    model_name: str
    finding: Finding | None
    picture: np.ndarray | None


def moments(results: Sequence[AnalysisResult], count: int = 6) -> list[Moment]:
    """Moments of heatmaps in the order of time: those first chosen that most models have a heatmap of. Empty for pictures."""
    offered: list[Moment] = []
    for result in results:
        for heatmap in result.heatmaps:
            if heatmap.time_s is None:
                continue
            time_s = _middle(heatmap)
            names = tuple(other.model_name for other in results if _heatmap_near(other, time_s) is not None)
            offered.append(Moment(time_s, names, heatmap.p_fake))
    chosen: list[Moment] = []
    for moment in sorted(offered, key=lambda one: (-len(one.models), -one.p_fake, one.time_s)):
        if len(chosen) < count and all(abs(moment.time_s - other.time_s) >= NEAR_S for other in chosen):
            chosen.append(moment)
    return sorted(chosen, key=lambda one: one.time_s)


def nearest(result: AnalysisResult, time_s: float | None) -> Finding | None:
    """The scored sample nearest to a moment (None: of a picture), one with a heatmap first when it is near enough."""
    scored = [score for score in result.scores if score.p_fake is not None]
    if not scored:
        return None
    maps = {heatmap.sample_index: heatmap for heatmap in sorted(result.heatmaps, key=lambda one: one.p_fake)}
    if time_s is None:
        return Finding(scored[0], maps.get(scored[0].index))
    if (heatmap := _heatmap_near(result, time_s)) is not None:
        at = [score for score in scored if score.index == heatmap.sample_index]
        if at:
            return Finding(at[0], heatmap)
    best = min(scored, key=lambda score: _distance(score, time_s))
    return Finding(best, maps.get(best.index)) if _distance(best, time_s) <= FAR_S else None


def same_moment(
    evidence: Evidence, results: Sequence[AnalysisResult], time_s: float | None, limits: MediaLimits
) -> Iterator[Seen]:
    """What each model saw at `time_s` seconds (None: of a picture), in the order of the results. Frames are decoded once.

    Raises: MediaError when the file can no longer be read.
    """
    found = [nearest(result, time_s) for result in results]
    seen: dict[TrackScore | None, list[Finding]] = {}
    for result, finding in zip(results, found, strict=True):
        if finding is not None and not finding.is_sound:
            seen.setdefault(result.decided_by, []).append(finding)
    frames = {of: pixels_of(evidence, own, limits, of) for of, own in seen.items()}
    sounds: dict[TrackScore | None, np.ndarray] = {}
    for result, finding in zip(results, found, strict=True):
        picture = None
        if finding is not None and finding.is_sound:
            if result.decided_by not in sounds:
                sounds[result.decided_by] = evidence.reader(limits, of=result.decided_by).sound(SOUND_RATE)
            picture = window_of(sounds[result.decided_by], finding)
        elif finding is not None and finding.frame_index in frames[result.decided_by]:
            picture = compose(frames[result.decided_by][finding.frame_index], finding, result)
        yield Seen(result.model_name, finding, picture)


def _heatmap_near(result: AnalysisResult, time_s: float) -> Heatmap | None:
    """The nearest heatmap; of two as near, that of the higher score."""
    timed = [heatmap for heatmap in result.heatmaps if heatmap.time_s is not None]
    best = min(timed, key=lambda one: (_distance(one, time_s), -one.p_fake), default=None)
    return best if best is not None and _distance(best, time_s) <= NEAR_S else None


def _middle(one: Heatmap) -> float:
    start = one.time_s or 0.0
    return start if one.end_s is None else (start + one.end_s) / 2


def _distance(one: Heatmap | SampleScore, time_s: float) -> float:
    """Seconds from a moment to a sample; 0 inside a window."""
    start = one.time_s or 0.0
    return max(start - time_s, time_s - (one.end_s or start), 0.0)
