"""Score over time: one line a person, gaps drawn as gaps, both thresholds marked. As a chart for the page, and as a PNG for
documents (matplotlib without pyplot, so that it is safe in threads)."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING

import numpy as np

from drishtiksha.render import chart, words
from drishtiksha.render.palette import LIGHT, MARKERS, Ground
from drishtiksha.results import AnalysisResult, GapReason, SampleScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LINES = 6
"""More people than this are left to the list: lines could no longer be told apart."""
GAP_WORDS = {
    GapReason.NO_FACE: "no face",
    GapReason.FACE_TOO_SMALL: "face too small",
    GapReason.FACE_TURNED: "face turned away",
    GapReason.NO_SPEECH: "no speech",
    GapReason.SILENT: "silence",
    GapReason.TOO_SHORT: "too short",
    GapReason.PICTURE_TOO_SMALL: "too small",
    GapReason.TOO_FEW: "too few frames",
    GapReason.NOT_CALIBRATED: "measured, not judged",
    GapReason.DAMAGED: "damaged",
    GapReason.OUT_OF_TIME: "no time left",
}
MAX_MOMENTS = 600
"""On a line of a chart."""
MAX_MARKERS = 60
"""On one line of the page's chart."""
NEAR = 0.15
"""Thresholds nearer than this have their labels on either side."""
SCALE = (0, 0.25, 0.5, 0.75, 1)
AXES_LEFT, AXES_RIGHT, AXES_BOTTOM, AXES_TOP = 0.09, 0.84, 0.22, 0.86
"""Fractions of the PNG; to the right of the axes stand the thresholds, where no line runs."""
LEGEND_COLUMNS, TOP_OF_TWO_ROWS = 4, 0.79
SIZE_IN, DPI = (7.2, 2.6), 160
TEXT_PT = 9.0
"""20 px of a PNG of 1152 px: 11 px where a report shows it at `report.css`'s least width of 640 px."""
LETTER = 0.0113
"""Width of a letter of the PNG, of the axis: a gap says why where its words fit in."""


@dataclass(frozen=True)
class Gap:
    """A stretch without a score, seconds."""

    start_s: float
    end_s: float
    reason: GapReason


@dataclass(frozen=True)
class ScoreLine:
    """Scores of one person (or of the whole sample: person None). NaN breaks the line at a gap."""

    person: int | None
    times_s: np.ndarray
    p_fake: np.ndarray


def has_timeline(result: AnalysisResult) -> bool:
    """False for a picture, and for a clip of which a single moment was sampled: there is no time to draw."""
    times = {score.time_s for score in result.scores if score.time_s is not None}
    return len(times) > 1 or any(score.curve for score in result.scores)


def bounds(result: AnalysisResult) -> tuple[float, float]:
    """First and last second of the time axis. Raises: ValueError for a result without times."""
    times = [time for score in result.scores for time in (score.time_s, score.end_s) if time is not None]
    if not times:
        raise ValueError("this result has no times, so there is no timeline; check has_timeline() first")
    end = max(times)
    if result.media.duration_s is not None:
        end = max(end, result.media.duration_s)
    return min(0.0, *times), max(end, 0.1)


def gaps(result: AnalysisResult) -> list[Gap]:
    """Stretches without a score; neighbours of one reason are joined. Each reaches half-way to the next score."""
    timed = sorted((s for s in result.scores if s.time_s is not None), key=lambda s: s.time_s or 0.0)
    start, end = bounds(result)
    moments = [_middle(score) for score in timed]
    edges = [start, *((a + b) / 2 for a, b in pairwise(moments)), end]
    found: list[Gap] = []
    for score, left, right in zip(timed, edges, edges[1:], strict=False):
        if score.gap is None:
            continue
        if found and found[-1].reason is score.gap and abs(found[-1].end_s - left) < 1e-9:
            found[-1] = Gap(found[-1].start_s, right, score.gap)
        else:
            found.append(Gap(left, right, score.gap))
    return found


def lines(result: AnalysisResult) -> list[ScoreLine]:
    """One line a person when several were followed (the most suspicious first), else one for the samples: through the
    moments of those that were judged at every moment, and through the middles of the others."""
    timed = sorted((s for s in result.scores if s.time_s is not None), key=lambda s: s.time_s or 0.0)
    if len(result.people) < 2 or not result.seen_enough:
        return [ScoreLine(None, *_moments(timed))]
    times = np.array([_middle(score) for score in timed])
    shown = sorted(result.seen_enough, key=lambda row: row.p_fake, reverse=True)[:MAX_LINES]
    by_person: dict[int, dict[int, float]] = defaultdict(dict)
    for position, score in enumerate(timed):
        for face in score.faces:
            if face.person is not None:
                by_person[face.person][position] = face.p_fake
    return [
        ScoreLine(row.person, times, np.array([by_person[row.person].get(i, np.nan) for i in range(len(timed))]))
        for row in sorted(shown, key=lambda row: row.person)
    ]


def score_chart(result: AnalysisResult) -> chart.Chart:
    """The chart for the page: p_fake in [0, 1] over the seconds of the file. Raises: ValueError for a result without times."""
    axis, limits = chart.Axis(*bounds(result)), result.thresholds
    drawn = lines(result)
    hidden = _hidden(result, drawn)
    levels = [chart.Level(100 * (1 - limits.fake), f"suspicious from {limits.fake:.2f}")]
    if limits.real:  # else such a detector never clears a file
        near = limits.fake - limits.real < NEAR
        levels.append(chart.Level(100 * (1 - limits.real), f"nothing found up to {limits.real:.2f}", below=near))
    return chart.Chart(
        title="Score over time",
        description=describe(result),
        axis=axis,
        ticks=chart.ticks(axis),
        scale=tuple(chart.Label(100 * (1 - level), f"{level:g}") for level in SCALE),
        levels=tuple(levels),
        suspicious=round(100 * (1 - limits.fake), 2),
        lines=tuple(
            chart.Trace(
                look=number,
                path=chart.path(axis, line.times_s, line.p_fake),
                marks=chart.marks(axis, line.times_s, line.p_fake, MAX_MARKERS),
                name="" if line.person is None else f"Person {line.person}",
            )
            for number, line in enumerate(drawn)
        ),
        gaps=tuple(_band(axis, gap) for gap in gaps(result)),
        grid=True,
        legend=len(drawn) > 1,
        more=f"and {hidden} more in the list" if hidden else "",
    )


def _band(axis: chart.Axis, gap: Gap) -> chart.Band:
    why = f"not judged: {gap_words(gap.reason)}"
    told = f"{words.fine_clock(gap.start_s)}-{words.fine_clock(gap.end_s)} {why}"
    full = chart.band(axis, gap.start_s, gap.end_s, told, why)
    return chart.band(axis, gap.start_s, gap.end_s, told, gap_words(gap.reason)) if full.room else full


def _hidden(result: AnalysisResult, drawn: list[ScoreLine]) -> int:
    """How many people have no line."""
    return max(len(result.seen_enough) - len(drawn), 0)


def draw_timeline(result: AnalysisResult) -> Figure:
    """The figure for documents, on white: p_fake in [0, 1] over the seconds of the file.

    Raises: ValueError for a result without times.
    """
    from matplotlib.figure import Figure

    look = LIGHT
    figure = Figure(figsize=SIZE_IN, dpi=DPI, facecolor=look.background)
    drawn = lines(result)
    hidden = _hidden(result, drawn)
    top = AXES_TOP if len(drawn) + bool(hidden) <= LEGEND_COLUMNS else TOP_OF_TWO_ROWS
    axes = figure.add_axes((AXES_LEFT, AXES_BOTTOM, AXES_RIGHT - AXES_LEFT, top - AXES_BOTTOM))
    _style(axes, result, look, ticks=8)
    _draw_gaps(axes, result, look)
    _draw_thresholds(axes, result, look)
    for number, line in enumerate(drawn):
        _draw_line(axes, line, look.people[number % MAX_LINES], MARKERS[number % MAX_LINES])
    if len(drawn) > 1:
        _draw_legend(axes, look, hidden)
    return figure


def timeline_png(result: AnalysisResult) -> bytes:
    """`draw_timeline` as the bytes of a PNG."""
    buffer = io.BytesIO()
    draw_timeline(result).savefig(buffer, format="png")
    return buffer.getvalue()


def describe(result: AnalysisResult) -> str:
    """The picture in words, for those who do not see it."""
    scored = [score for score in result.scores if score.p_fake is not None]
    parts = [f"Score over time, {words.span_words(*bounds(result))}."]
    if scored:
        highest = max(scored, key=lambda score: score.p_fake or 0.0)
        parts.append(f"Highest score {highest.p_fake:.2f} at {words.place(highest)}.")
    missing = gaps(result)
    if missing:
        listed = "; ".join(f"{words.span_words(gap.start_s, gap.end_s)} {gap_words(gap.reason)}" for gap in missing[:5])
        parts.append(f"Not judged: {listed}{' and more' if len(missing) > 5 else ''}.")
    return " ".join(parts)


def _moments(timed: Sequence[SampleScore]) -> tuple[np.ndarray, np.ndarray]:
    """Times in s and p_fake, NaN for gaps. Of samples that overlap, each goes up to where the next one begins; neighbouring
    moments are averaged where there are more than `MAX_MOMENTS`."""
    together = -(-sum(len(score.curve) for score in timed) // MAX_MOMENTS)
    times: list[float] = []
    values: list[float] = []
    for score, following in zip_longest(timed, timed[1:]):
        start, end = score.time_s or 0.0, score.end_s
        if not score.curve or end is None:
            times.append(_middle(score))
            values.append(np.nan if score.p_fake is None else score.p_fake)
            continue
        step = (end - start) / len(score.curve)
        until = end if following is None else following.time_s or 0.0
        for first in range(0, len(score.curve), together):
            part = score.curve[first : first + together]
            at = start + (first + len(part) / 2) * step
            if at < until:
                times.append(at)
                values.append(float(np.mean(part)))
    return np.array(times), np.array(values)


def _middle(score: SampleScore) -> float:
    start = score.time_s or 0.0
    return start if score.end_s is None else (start + score.end_s) / 2


def gap_words(reason: GapReason) -> str:
    """A reason in two or three words, to stand in a picture."""
    return GAP_WORDS.get(reason, reason.value.replace("_", " "))


def _style(axes: Axes, result: AnalysisResult, look: Ground, ticks: int) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    start, end = bounds(result)
    axes.set_facecolor(look.background)
    axes.set_xlim(start, end)
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks(list(SCALE))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=ticks, steps=[1, 2, 3, 5, 6, 10]))
    short = end - start < ticks
    axes.xaxis.set_major_formatter(FuncFormatter(lambda s, _: words.fine_clock(s) if short else words.clock(s)))
    axes.set_ylabel("score", color=look.muted, fontsize=TEXT_PT)
    axes.set_xlabel("time in the file", color=look.muted, fontsize=TEXT_PT)
    axes.tick_params(colors=look.muted, labelsize=TEXT_PT, length=0, pad=5)
    axes.grid(axis="y", color=look.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_gaps(axes: Axes, result: AnalysisResult, look: Ground) -> None:
    """Hatched spans, which say why where they are wide enough."""
    start, end = bounds(result)
    for gap in gaps(result):
        axes.axvspan(gap.start_s, gap.end_s, facecolor="none", edgecolor=look.gap, hatch="////", linewidth=0, zorder=1)
        why, room = gap_words(gap.reason), (gap.end_s - gap.start_s) / (end - start) / LETTER
        if text := next((text for text in (f"not judged: {why}", why) if len(text) <= room), ""):
            axes.text(
                (gap.start_s + gap.end_s) / 2,
                0.1,
                text,
                color=look.text,
                fontsize=TEXT_PT,
                ha="center",
                va="center",
                bbox={"facecolor": look.background, "edgecolor": "none", "pad": 2.5},
                zorder=4,
            )


def _draw_thresholds(axes: Axes, result: AnalysisResult, look: Ground) -> None:
    limits = result.thresholds
    _, end = axes.get_xlim()
    axes.axhspan(limits.fake, 1.03, facecolor=look.suspicious, zorder=0)
    near = limits.fake - limits.real < NEAR
    for level, label, align in (
        (limits.fake, f"suspicious\nfrom {limits.fake:.2f}", "bottom" if near else "center"),
        (limits.real, f"nothing found\nup to {limits.real:.2f}", "top" if near else "center"),
    ):
        if level == 0:  # such a detector never clears a file
            continue
        axes.axhline(level, color=look.muted, linewidth=1, linestyle=(0, (5, 3)), zorder=2)
        axes.annotate(
            label,
            (end, level),
            xytext=(5, 0),
            textcoords="offset points",
            ha="left",
            va=align,
            color=look.muted,
            fontsize=TEXT_PT,
            annotation_clip=False,
        )


def _draw_legend(axes: Axes, look: Ground, hidden: int) -> None:
    if hidden:
        axes.plot([], [], linestyle="none", label=f"and {hidden} more in the list")
    legend = axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=LEGEND_COLUMNS, frameon=False, fontsize=TEXT_PT
    )
    for text in legend.get_texts():
        text.set_color(look.text)


def _draw_line(axes: Axes, line: ScoreLine, colour: str, marker: str) -> None:
    label = None if line.person is None else f"Person {line.person}"
    axes.plot(
        line.times_s,
        line.p_fake,
        color=colour,
        marker=marker,
        markersize=4.5,
        linewidth=1.8,
        label=label,
        zorder=3,
        solid_capstyle="round",
    )
