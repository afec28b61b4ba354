"""Several answers on one axis of time: a line each, broken where it could not judge, and below it where kinds of evidence
agree. matplotlib without pyplot, so that it is safe in threads.

Detectors have thresholds of their own, so that 0.6 may be suspicious for one and nothing for another. The height is
therefore each detector's own zone (nothing found, unclear, suspicious), a third of the picture each.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from drishtiksha.comparison import Segment, StripCell
from drishtiksha.render import timeline, words
from drishtiksha.render.comparison_words import letters, short_rule, shortened
from drishtiksha.render.palette import MARKERS, Ground, ground
from drishtiksha.render.strip import draw_strip
from drishtiksha.results import AnalysisResult, Thresholds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LINES = 12
"""More than this are left to the table: lines could no longer be told apart."""
MAX_MARKERS = 28
"""On one line; isolated points have one always, since no line shows them."""
THIRD = 1 / 3
DASHES: tuple[tuple[int, tuple[float, ...]], ...] = ((0, ()), (0, (6, 2)), (0, (1.6, 1.6)), (0, (7, 2, 1.6, 2)))
WIDTHS = (3.0, 2.2, 1.6)
"""Points: a line stays visible below one that runs over it."""
ZONES = ("nothing found", "unclear", "suspicious")
NEAR_END = 0.06
"""Of the axis: a line that ends nearer to the right edge than this is led on to its name."""


@dataclass(frozen=True)
class Side:
    """Where the axis of time lies in one version of the picture: fractions of its width."""

    left: float
    right: float


@dataclass(frozen=True)
class Place:
    """From a spot on the picture to a moment, for the wide version and for that of a phone. Seconds."""

    start_s: float
    end_s: float
    wide: Side
    narrow: Side


@dataclass(frozen=True)
class _Layout:
    """Inches of a version of the picture, from the outside to the axes."""

    width: float
    left: float
    right: float
    top: float
    plot: float
    strip: float
    dpi: int
    row: float

    @property
    def bottom(self) -> float:
        return 0.5 + (self.strip + 0.16 if self.strip else 0.0)

    @property
    def height(self) -> float:
        return self.top + self.plot + self.bottom

    @property
    def side(self) -> Side:
        return Side(self.left / self.width, 1 - self.right / self.width)


def has_chart(results: Sequence[AnalysisResult]) -> bool:
    """False for pictures, and while nothing with times was judged."""
    return any(timeline.has_timeline(result) for result in results)


def place(results: Sequence[AnalysisResult]) -> Place:
    """The axis of time that all results share, and where it lies. Raises: ValueError where `has_chart` is False."""
    both = [timeline.bounds(result) for result in results if timeline.has_timeline(result)]
    if not both:
        raise ValueError("none of these results has times, so there is no chart; check has_chart() first")
    sides = (_layout(len(results), narrow, strip=True).side for narrow in (False, True))
    return Place(min(start for start, _ in both), max(end for _, end in both), *sides)


def zone_height(p_fake: np.ndarray, limits: Thresholds) -> np.ndarray:
    """p_fake (n,) in [0, 1] to a height in [0, 1]: a third for each zone that the thresholds make. NaN stays NaN."""
    real, fake = limits.real, limits.fake
    low = THIRD * p_fake / (real or 1.0)
    middle = THIRD + THIRD * (p_fake - real) / ((fake - real) or 1.0)
    high = 2 * THIRD + THIRD * (p_fake - fake) / ((1 - fake) or 1.0)
    cleared = (p_fake <= real) & (p_fake < fake) & (real > 0)
    return np.where(p_fake >= fake, high, np.where(cleared, low, middle))


def draw_comparison(
    results: Sequence[AnalysisResult],
    strip: Sequence[StripCell] | None = None,
    segments: Sequence[Segment] = (),
    *,
    names: Sequence[str] | None = None,
    dark: bool = False,
    narrow: bool = False,
) -> Figure:
    """The figure. `names` stand for the results, their models' names unless given (two files under one model).

    Without `strip` there is no band of agreement. Raises: ValueError for results without any times.
    """
    from matplotlib.figure import Figure

    look, where = ground(dark), place(results)
    size = _layout(len(results), narrow, strip is not None)
    figure = Figure(figsize=(size.width, size.height), dpi=size.dpi, facecolor=look.background)
    span = size.width - size.left - size.right
    box = (size.left / size.width, size.bottom / size.height, span / size.width, size.plot / size.height)
    axes = figure.add_axes(box)
    _style(axes, where, look, narrow)
    lowest = axes
    if strip is not None:
        lowest = figure.add_axes((box[0], 0.5 / size.height, box[2], size.strip / size.height))
        draw_strip(lowest, strip, segments, (where.start_s, where.end_s), look, narrow)
    _time_axis(lowest, where, look, 4 if narrow else 7)
    heights = [_draw_line(axes, result, look, number) for number, result in enumerate(results[:MAX_LINES])]
    _label(axes, results, names or [result.model_name for result in results], heights, size, look, narrow)
    return figure


def comparison_png(
    results: Sequence[AnalysisResult], strip: Sequence[StripCell] | None = None, **options: Any
) -> bytes:
    """`draw_comparison` as the bytes of a PNG, with the same options."""
    buffer = io.BytesIO()
    draw_comparison(results, strip, **options).savefig(buffer, format="png")
    return buffer.getvalue()


def _layout(count: int, narrow: bool, strip: bool) -> _Layout:
    """`count` results have to find room for their names: beside the plot, or above it on a phone."""
    shown = min(count, MAX_LINES) + (count > MAX_LINES)
    if narrow:
        top = 0.26 + 0.33 * shown
        return _Layout(3.7, 0.8, 0.16, top, 2.1, 0.26 if strip else 0.0, dpi=200, row=0.33)
    plot = max(2.5, 0.36 * shown)
    return _Layout(8.4, 1.04, 2.64, 0.16, plot, 0.26 if strip else 0.0, dpi=140, row=0.36)


def _style(axes: Axes, where: Place, look: Ground, narrow: bool) -> None:
    axes.set_facecolor(look.background)
    axes.set_xlim(where.start_s, where.end_s)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xticks([])
    axes.set_yticks([THIRD / 2, 0.5, 1 - THIRD / 2], [z.replace(" ", "\n") if narrow else z for z in ZONES])
    axes.tick_params(colors=look.muted, labelsize=8.5, length=0, pad=5)
    axes.axhspan(2 * THIRD, 1.02, facecolor=look.suspicious, zorder=0)
    for height in (THIRD, 2 * THIRD):
        axes.axhline(height, color=look.muted, linewidth=0.9, linestyle=(0, (5, 3)), zorder=1)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _time_axis(axes: Axes, where: Place, look: Ground, ticks: int) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    short = where.end_s - where.start_s < ticks
    axes.xaxis.set_major_locator(MaxNLocator(nbins=ticks, steps=[1, 2, 3, 5, 6, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda s, _: words.fine_clock(s) if short else words.clock(s)))
    axes.set_xlabel("time in the file", color=look.muted, fontsize=8.5, labelpad=3)
    axes.tick_params(axis="x", colors=look.muted, labelsize=8.5, length=0, pad=4)


def _look_of(number: int, look: Ground) -> dict[str, Any]:
    """Colour, dash and marker of a line; all three change, so that none is needed alone."""
    return {
        "color": look.people[number % len(look.people)],
        "linestyle": DASHES[number % len(DASHES)],
        "marker": MARKERS[(number + number // len(DASHES)) % len(MARKERS)],
    }


def _draw_line(axes: Axes, result: AnalysisResult, look: Ground, number: int) -> tuple[float, float] | None:
    """Draws it and gives its last point (seconds, height); None where nothing could be drawn."""
    times, heights = _points(result)
    known = np.flatnonzero(~np.isnan(heights))
    if not known.size:
        return None
    style = _look_of(number, look)
    width = WIDTHS[min(number, len(WIDTHS) - 1)]
    axes.plot(times, heights, linewidth=width, markersize=4.2, markevery=_marked(heights), zorder=3, **style)
    return float(times[known[-1]]), float(heights[known[-1]])


def _points(result: AnalysisResult) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and heights of a line, NaN in gaps; of one window alone its two ends, so that it is seen to last."""
    only = result.scores[0] if len(result.scores) == 1 else None
    if only is not None and only.time_s is not None and only.end_s is not None and only.p_fake is not None:
        times, p_fake = np.array([only.time_s, only.end_s]), np.array([only.p_fake] * 2)
    elif all(score.time_s is None for score in result.scores):
        return np.array([]), np.array([])
    else:
        (line,) = timeline.lines(result.model_copy(update={"people": ()}))
        times, p_fake = line.times_s, line.p_fake
    return times, zone_height(p_fake, result.thresholds)


def _marked(heights: np.ndarray) -> list[int]:
    """Which points have a marker: every few, and each that has a gap on both sides."""
    known = ~np.isnan(heights)
    padded = np.pad(known, 1)
    alone = known & ~padded[:-2] & ~padded[2:]
    every = np.arange(len(heights)) % max(1, -(-len(heights) // MAX_MARKERS)) == 0
    return [int(index) for index in np.flatnonzero(alone | (known & every))]


def _label(
    axes: Axes,
    results: Sequence[AnalysisResult],
    names: Sequence[str],
    ends: Sequence[tuple[float, float] | None],
    size: _Layout,
    look: Ground,
    narrow: bool,
) -> None:
    """A sample of each line with its name and rule: to the right in the order of the lines, on a phone above."""
    rows = list(range(len(ends)))
    if not narrow:
        rows.sort(key=lambda n: -(ends[n] or (0.0, -1.0))[1])
    more = len(results) - len(ends)
    step, width = size.row / size.plot, size.width - size.left - size.right
    wanted = [(ends[n] or (0.0, 0.0))[1] for n in rows] + [-1.0] * bool(more)
    above = 1 + 0.1 / size.plot
    tops = [above + step * (len(wanted) - k - 0.5) for k in range(len(wanted))] if narrow else _spread(wanted, step)
    x = (0.16 - size.left) / width if narrow else 1.0 + 0.14 / width
    for n, top in zip(rows, tops, strict=False):
        _sample(axes, n, x, top, width, look)
        end = ends[n]
        if not narrow and end is not None and 1 - _along(axes, end[0]) < NEAR_END:
            axes.plot(
                [_along(axes, end[0]), x], [_up(axes, end[1]), top], transform=axes.transAxes, clip_on=False,
                color=_look_of(n, look)["color"], linewidth=0.6, alpha=0.55,
            )  # fmt: skip
        told = short_rule(results[n].thresholds) if end is not None else "nothing could be judged over time"
        for shift, text, font in (
            (0.062, f"{letters(len(results))[n]}  {shortened(names[n])}", "bold"),
            (-0.082, told, "normal"),
        ):
            axes.text(
                x + 0.4 / width, top + shift / size.plot, text, transform=axes.transAxes, fontsize=8 - (font == "normal"),
                color=look.text if font == "bold" else look.muted, weight=font, va="center",
            )  # fmt: skip
    if more:
        text = f"and {more} more in the table"
        axes.text(x, tops[-1], text, transform=axes.transAxes, fontsize=8, color=look.muted, va="center")


def _sample(axes: Axes, number: int, x: float, y: float, width: float, look: Ground) -> None:
    """A piece of the line, 0.3 inches long, at x, y (fractions of the axes, which are `width` inches wide)."""
    axes.plot(
        [x, x + 0.15 / width, x + 0.3 / width], [y] * 3, transform=axes.transAxes, clip_on=False, linewidth=WIDTHS[min(number, len(WIDTHS) - 1)],
        markersize=4.2, markevery=[1], **_look_of(number, look),
    )  # fmt: skip


def _along(axes: Axes, time_s: float) -> float:
    start, end = axes.get_xlim()
    return (time_s - start) / (end - start)


def _up(axes: Axes, height: float) -> float:
    low, high = axes.get_ylim()
    return (height - low) / (high - low)


def _spread(wanted: Sequence[float], step: float) -> list[float]:
    """Heights (descending) moved apart to `step` at least, and kept inside the plot."""
    placed: list[float] = []
    for height in wanted:
        placed.append(min(height, placed[-1] - step if placed else 1 - step / 2))
    low = step / 2
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = max(placed[index], low)
        low = placed[index] + step
    return placed
