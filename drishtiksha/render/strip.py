"""The band under a comparison: at each moment, how many kinds of evidence suspect it of how many that judged it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drishtiksha.comparison import Segment, StripCell
from drishtiksha.render.palette import Ground

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HOT = "#b8470b"
"""Vermilion: full agreement. It grows darker on light ground and stays readable for colour-blind readers."""
HOT_ON_DARK = "#f29a5c"
LONE = 0.35
"""One kind alone agrees with nobody, however few kinds judged the moment: it stays pale."""
LABEL_INCHES = 0.3
"""A cell narrower than this has no number in it."""


def draw_strip(
    axes: Axes,
    strip: Sequence[StripCell],
    segments: Sequence[Segment],
    bounds: tuple[float, float],
    look: Ground,
    narrow: bool,
) -> None:
    """Fill `axes` (x: seconds, from `bounds`): hatched where nothing judged, warmer the more kinds suspect.

    Above it a bar with a number for each segment, as the list of segments numbers them.
    """
    start, end = bounds
    figure = axes.get_figure()
    inches = axes.get_position().width * (figure.get_figwidth() if figure is not None else 1.0)  # type: ignore[union-attr]
    axes.set_facecolor(look.background)
    axes.set_xlim(start, end)
    axes.set_ylim(0, 1)
    axes.axvspan(start, end, facecolor="none", edgecolor=look.gap, hatch="////", linewidth=0, zorder=0)
    for cell in strip:
        colour = cell_colour(cell, look)
        if colour is None:
            continue
        axes.axvspan(cell.start_s, cell.end_s, facecolor=colour, edgecolor=look.background, linewidth=0.6, zorder=1)
        if (cell.end_s - cell.start_s) / (end - start) * inches >= LABEL_INCHES:
            ink = max(look.text, look.background, key=lambda ink: abs(_brightness(ink) - _brightness(colour)))
            middle = (max(cell.start_s, start) + min(cell.end_s, end)) / 2
            axes.text(
                middle, 0.47, f"{cell.agree}/{cell.judged}", color=ink, fontsize=7.5, ha="center", va="center", zorder=2
            )
    for number, segment in enumerate(segments, start=1):
        _bar(axes, segment, number, look)
    _frame(axes, look, narrow)


def cell_colour(cell: StripCell, look: Ground) -> str | None:
    """The warmer, the more kinds suspect it, and pale for one alone, as #rrggbb; None where nothing judged."""
    if cell.level is None:
        return None
    return colour_of(cell.level if cell.agree > 1 else LONE * cell.level, look)


def colour_of(level: float, look: Ground) -> str:
    """From the colour of the grid (nobody suspects) to vermilion (all suspect), as #rrggbb. Level in [0, 1]."""
    hot = HOT_ON_DARK if _brightness(look.background) < 128 else HOT
    cold, warm = ([int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in (look.grid, hot))
    return "#" + "".join(f"{round(a + (b - a) * level):02x}" for a, b in zip(cold, warm, strict=True))


def _frame(axes: Axes, look: Ground, narrow: bool) -> None:
    """Its name to the left and, where there is room, how to read it to the right."""
    axes.set_yticks([0.5], ["agreeing" if narrow else "kinds agreeing"])
    axes.tick_params(axis="y", colors=look.muted, labelsize=8 if narrow else 8.5, length=0, pad=5)
    if not narrow:
        axes.annotate(
            "2/3: two of the three kinds of evidence\nthat judged this moment suspect it",
            (1, 0.5), xycoords="axes fraction", xytext=(10, 0), textcoords="offset points",
            color=look.muted, fontsize=7, va="center",
        )  # fmt: skip
    for spine in axes.spines.values():
        spine.set_visible(False)


def _brightness(code: str) -> float:
    """Perceived brightness of #rrggbb in [0, 255] (Rec. 601 weights)."""
    red, green, blue = (int(code[i : i + 2], 16) for i in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _bar(axes: Axes, segment: Segment, number: int, look: Ground) -> None:
    """The bracket above a segment."""
    axes.plot(
        [segment.start_s, segment.end_s], [1.16, 1.16], color=look.text, linewidth=2.2, clip_on=False,
        solid_capstyle="butt", zorder=3,
    )  # fmt: skip
    axes.annotate(
        str(number), ((segment.start_s + segment.end_s) / 2, 1.16), xytext=(0, 2), textcoords="offset points",
        ha="center", va="bottom", fontsize=7, color=look.text, annotation_clip=False,
    )  # fmt: skip
