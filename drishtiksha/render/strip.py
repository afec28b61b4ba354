"""How warm a moment is drawn: how many kinds of evidence suspect it, of how many that judged it."""

from __future__ import annotations

from drishtiksha.comparison import StripCell
from drishtiksha.render.palette import Ground

HOT = "#b8470b"
"""Vermilion: full agreement. It stays readable for colour-blind readers."""
LONE = 0.35
"""One kind alone agrees with nobody, however few kinds judged the moment: it stays pale."""


def warmth(cell: StripCell) -> float | None:
    """From 0 (nobody suspects it) to 1 (all do); None where nothing judged."""
    if cell.level is None:
        return None
    return cell.level if cell.agree > 1 else LONE * cell.level


def cell_colour(cell: StripCell, look: Ground) -> str | None:
    """Its warmth as #rrggbb; None where nothing judged."""
    level = warmth(cell)
    return None if level is None else colour_of(level, look)


def colour_of(level: float, look: Ground) -> str:
    """From the colour of the grid to `HOT`, as #rrggbb. Level in [0, 1]."""
    cold, hot = ([int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in (look.grid, HOT))
    return "#" + "".join(f"{round(a + (b - a) * level):02x}" for a, b in zip(cold, hot, strict=True))
