"""Colours of pictures on light and dark ground, chosen to differ for colour-blind readers too (Okabe & Ito 2008)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ground:
    """One background and what is drawn on it; matplotlib colours."""

    background: str
    text: str
    muted: str
    grid: str
    gap: str
    suspicious: str
    people: tuple[str, ...]


LIGHT = Ground(
    background="#ffffff",
    text="#1c2430",
    muted="#5b6675",
    grid="#e3e7ed",
    gap="#c3cad4",
    suspicious="#fdf3e7",
    people=("#0b5fa5", "#b8470b", "#00785a", "#8a3b76", "#7a6200", "#3f4753"),
)
DARK = Ground(
    background="#171c24",
    text="#e8ecf2",
    muted="#a3adbb",
    grid="#2a323d",
    gap="#48525f",
    suspicious="#2b251d",
    people=("#66b3f0", "#f29a5c", "#3fc9a0", "#e08ecb", "#e3cd57", "#c5ccd6"),
)
MARKERS = ("o", "s", "^", "D", "v", "P")


def ground(dark: bool) -> Ground:
    """The palette for a dark or a light page."""
    return DARK if dark else LIGHT
