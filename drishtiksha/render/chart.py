"""Charts over time for the page: what `templates/chart.html` draws as one SVG, for light and dark, wide and narrow alike.

Across and down, places are percent of the plot, so that its box alone tells which moment is under a click. The lines lie in a
field of `ACROSS` by `DOWN` that is stretched over the plot; text and markers keep their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drishtiksha.render import words

ACROSS, DOWN = 10_000, 1_000
PHONE_PX, DESK_PX = 230, 480
"""Narrowest plots that labels are fitted to."""
LETTER_PX = 6.2
"""Width of a character of the labels."""
STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
DESK_TICKS, PHONE_TICKS = 8, 4
MOST_POINTS = 2_000
"""Of a line, before it is thinned."""


@dataclass(frozen=True)
class Axis:
    """The seconds that the plot spans."""

    start_s: float
    end_s: float

    def across(self, time_s: float) -> float:
        """A moment as percent of the plot's width, kept inside it."""
        share = (time_s - self.start_s) / (self.end_s - self.start_s)
        return round(100 * min(max(share, 0.0), 1.0), 2)


@dataclass(frozen=True)
class Label:
    """Text at a place. `room` is "" where it fits on a phone, "wide" where it fits on a desk, "none" where it fits nowhere."""

    at: float
    text: str
    room: str = ""


@dataclass(frozen=True)
class Level:
    """A dashed line across the plot, and what it means."""

    down: float
    text: str = ""
    below: bool = False


@dataclass(frozen=True)
class Band:
    """A stretch of time. `text` stands in it, `told` appears over it; `warmth` in [0, 1] is None where nothing was judged."""

    start: float
    width: float
    told: str
    text: str = ""
    room: str = ""
    warmth: float | None = None


@dataclass(frozen=True)
class Trace:
    """A line: its path in the stretched field, and markers (across, down). `look` numbers its colour, dash and marker."""

    look: int
    path: str
    marks: tuple[tuple[float, float], ...]
    name: str
    letter: str = ""
    detail: str = ""
    end: float | None = None
    leader: str = ""


@dataclass(frozen=True)
class Chart:
    """All that is drawn. `cells` and `segments` make the band below the plot, which is left out where `cells` is None."""

    title: str
    description: str
    axis: Axis
    ticks: tuple[Label, ...]
    scale: tuple[Label, ...]
    levels: tuple[Level, ...]
    suspicious: float
    lines: tuple[Trace, ...]
    gaps: tuple[Band, ...] = ()
    cells: tuple[Band, ...] | None = None
    segments: tuple[Band, ...] = ()
    grid: bool = False
    legend: bool = True
    more: str = ""
    field: str = f"{ACROSS} {DOWN}"


def ticks(axis: Axis) -> tuple[Label, ...]:
    """Round moments: at most `DESK_TICKS`, of which a phone shows every second, third, ..."""
    step = next((s for s in STEPS_S if (axis.end_s - axis.start_s) / s < DESK_TICKS), STEPS_S[-1])
    first, last = int(np.ceil(axis.start_s / step - 1e-9)), int(np.floor(axis.end_s / step + 1e-9))
    skip = next(n for n in range(1, last - first + 2) if (last - first) // n < PHONE_TICKS)
    clock = words.fine_clock if step < 1 else words.clock
    return tuple(
        Label(axis.across(n * step), clock(n * step), "wide" if (n - first) % skip else "")
        for n in range(first, last + 1)
    )


def band(axis: Axis, start_s: float, end_s: float, told: str, text: str = "", warmth: float | None = None) -> Band:
    """A stretch, with its text where there is room for it."""
    start, end = axis.across(start_s), axis.across(end_s)
    needed = (len(text) + 1) * LETTER_PX
    room = next(
        (name for name, px in (("", PHONE_PX), ("wide", DESK_PX)) if (end - start) / 100 * px >= needed), "none"
    )
    return Band(start, round(end - start, 2), told, text, room, warmth)


def path(axis: Axis, times_s: np.ndarray, heights: np.ndarray) -> str:
    """An SVG path through (seconds, height in [0, 1]) in the stretched field; it breaks where a height is NaN."""
    parts: list[str] = []
    pen = "M"
    for index in _kept(heights):
        if np.isnan(heights[index]):
            pen = "M"
            continue
        x, y = round(axis.across(float(times_s[index])) / 100 * ACROSS), round((1 - float(heights[index])) * DOWN)
        parts.append(f"{pen}{x} {y}")
        pen = "L"
    return "".join(parts)


def marks(axis: Axis, times_s: np.ndarray, heights: np.ndarray, most: int) -> tuple[tuple[float, float], ...]:
    """Where a line has markers: at every few points, and at each that has a gap on both sides, since no line shows it."""
    known = ~np.isnan(heights)
    padded = np.pad(known, 1)
    alone = known & ~padded[:-2] & ~padded[2:]
    every = np.arange(len(heights)) % max(1, -(-len(heights) // most)) == 0
    return tuple(
        (axis.across(float(times_s[index])), round(100 * (1 - float(heights[index])), 1))
        for index in np.flatnonzero(alone | (known & every))
    )


def spread(wanted: Sequence[float], step: float) -> list[float]:
    """Heights in [0, 1], highest first, moved apart to `step` at least, and kept inside the plot."""
    placed: list[float] = []
    for height in wanted:
        placed.append(min(height, placed[-1] - step if placed else 1 - step / 2))
    low = step / 2
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = max(placed[index], low)
        low = placed[index] + step
    return placed


def _kept(heights: np.ndarray) -> list[int]:
    """Which points a line goes through: of a long one the ends, peaks, lows and first gap of each short stretch."""
    if len(heights) <= MOST_POINTS:
        return list(range(len(heights)))
    kept: set[int] = set()
    for part in np.array_split(np.arange(len(heights)), MOST_POINTS // 4):
        values = heights[part]
        missing = np.isnan(values)
        kept |= {int(part[0]), int(part[-1])} | {int(part[n]) for n in np.flatnonzero(missing)[:1]}
        if not missing.all():
            kept |= {int(part[np.nanargmin(values)]), int(part[np.nanargmax(values)])}
    return sorted(kept)
