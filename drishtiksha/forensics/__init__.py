"""Pictures of the evidence for a person to examine: filters over one frame, and where scenes begin. None gives a verdict."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Filter"]


class Filter(StrEnum):
    """What a picture may be looked at through."""

    FRAME = "frame"
    """The untouched pixels."""
    STRETCH = "stretch"
    LIFT = "lift"
    LOWER = "lower"
    RED = "red"
    GREEN = "green"
    BLUE = "blue"
    NOISE = "noise"
    ERROR_LEVEL = "error-level"
