"""Colours of pictures for documents, chosen to differ for colour-blind readers too (Okabe & Ito 2008). Those of the page's
charts, light and dark, stand in its style sheets."""

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
MARKERS = ("o", "s", "^", "D", "v", "P")
