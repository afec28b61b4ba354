"""Several answers on one axis of time: a line each, broken where it could not judge, and below it where kinds of evidence
agree.

Detectors have thresholds of their own, so that 0.6 may be suspicious for one and nothing for another. The height is
therefore each detector's own zone (nothing found, unclear, suspicious), a third of the plot each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drishtiksha.comparison import Segment, StripCell
from drishtiksha.render import chart, timeline, words
from drishtiksha.render.comparison_words import describe, letters, rule
from drishtiksha.render.strip import warmth
from drishtiksha.results import AnalysisResult, Thresholds

MAX_LINES = 12
"""More than this are left to the table: lines could no longer be told apart."""
MAX_MARKERS = 28
"""On one line."""
THIRD = 1 / 3
ZONES = ("nothing found", "unclear", "suspicious")
LETTER_STEP = 0.065
"""Of the plot's height, between the letters at the ends of lines."""
NEAR_END = 94.0
"""Percent of the axis: a line that ends behind this is led on to its letter."""


def has_chart(results: Sequence[AnalysisResult]) -> bool:
    """False for pictures, and while nothing with times was judged."""
    return any(timeline.has_timeline(result) for result in results)


def shared_axis(results: Sequence[AnalysisResult]) -> chart.Axis:
    """From the first moment of all results to the last. Raises: ValueError where `has_chart` is False."""
    both = [timeline.bounds(result) for result in results if timeline.has_timeline(result)]
    if not both:
        raise ValueError("none of these results has times, so there is no chart; check has_chart() first")
    return chart.Axis(min(start for start, _ in both), max(end for _, end in both))


def zone_height(p_fake: np.ndarray, limits: Thresholds) -> np.ndarray:
    """p_fake (n,) in [0, 1] to a height in [0, 1]: a third for each zone that the thresholds make. NaN stays NaN."""
    real, fake = limits.real, limits.fake
    low = THIRD * p_fake / (real or 1.0)
    middle = THIRD + THIRD * (p_fake - real) / ((fake - real) or 1.0)
    high = 2 * THIRD + THIRD * (p_fake - fake) / ((1 - fake) or 1.0)
    cleared = (p_fake <= real) & (p_fake < fake) & (real > 0)
    return np.where(p_fake >= fake, high, np.where(cleared, low, middle))


def comparison_chart(
    results: Sequence[AnalysisResult],
    strip: Sequence[StripCell] | None = None,
    segments: Sequence[Segment] | None = None,
    names: Sequence[str] | None = None,
) -> chart.Chart:
    """The chart for the page. `names` stand for the results, their models' names unless given (two files under one model).

    Without `strip` there is no band of agreement. Raises: ValueError for results without any times.
    """
    axis = shared_axis(results)
    more = len(results) - MAX_LINES
    return chart.Chart(
        title="Scores over time, a line each",
        description=describe(results, segments, names),
        axis=axis,
        ticks=chart.ticks(axis),
        scale=tuple(chart.Label(round(100 * (1 - THIRD * (n + 0.5)), 2), zone) for n, zone in enumerate(ZONES)),
        levels=tuple(chart.Level(round(100 * down, 2)) for down in (THIRD, 2 * THIRD)),
        suspicious=round(100 * THIRD, 2),
        lines=_lines(results, names or [result.model_name for result in results], axis),
        cells=None if strip is None else tuple(_cell(axis, cell) for cell in strip),
        segments=tuple(
            chart.band(axis, one.start_s, one.end_s, "", str(number)) for number, one in enumerate(segments or (), 1)
        ),
        more=f"and {more} more in the table" if more > 0 else "",
    )


def _lines(results: Sequence[AnalysisResult], names: Sequence[str], axis: chart.Axis) -> tuple[chart.Trace, ...]:
    """A line a result, its letter beside the height at which it ends."""
    points = [_points(result) for result in results[:MAX_LINES]]
    ends = {n: heights[~np.isnan(heights)][-1] for n, (_, heights) in enumerate(points) if not np.isnan(heights).all()}
    order = sorted(ends, key=lambda n: -ends[n])
    beside = dict(zip(order, chart.spread([float(ends[n]) for n in order], LETTER_STEP), strict=True))
    return tuple(
        chart.Trace(
            look=n,
            path=chart.path(axis, times, heights),
            marks=chart.marks(axis, times, heights, MAX_MARKERS),
            name=name,
            letter=letter,
            detail=rule(result.thresholds) if n in ends else "nothing could be judged over time",
            end=round(100 * (1 - beside[n]), 1) if n in ends else None,
            leader=_leader(axis, times, heights, beside[n]) if n in ends else "",
        )
        for n, ((times, heights), result, name, letter) in enumerate(
            zip(points, results, names, letters(len(results)), strict=False)
        )
    )


def _leader(axis: chart.Axis, times: np.ndarray, heights: np.ndarray, beside: float) -> str:
    """From the end of a line to its letter; "" where it ends far from there."""
    last = np.flatnonzero(~np.isnan(heights))[-1]
    if axis.across(float(times[last])) < NEAR_END:
        return ""
    return chart.path(axis, np.array([times[last], axis.end_s]), np.array([heights[last], beside]))


def _cell(axis: chart.Axis, cell: StripCell) -> chart.Band:
    when = f"{words.fine_clock(cell.start_s)}-{words.fine_clock(cell.end_s)}"
    told = f"{when} {cell.agree} of {words.counted(cell.judged, 'kind')} of evidence suspect it"
    return chart.band(axis, cell.start_s, cell.end_s, told, f"{cell.agree}/{cell.judged}", warmth(cell))


def _points(result: AnalysisResult) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and heights of a line, NaN in gaps; of one window alone its two ends, so that it is seen to last."""
    only = result.scores[0] if len(result.scores) == 1 and not result.scores[0].curve else None
    if only is not None and only.time_s is not None and only.end_s is not None and only.p_fake is not None:
        times, p_fake = np.array([only.time_s, only.end_s]), np.array([only.p_fake] * 2)
    elif all(score.time_s is None for score in result.scores):
        return np.array([]), np.array([])
    else:
        (line,) = timeline.lines(result.model_copy(update={"people": ()}))
        times, p_fake = line.times_s, line.p_fake
    return times, zone_height(p_fake, result.thresholds)
