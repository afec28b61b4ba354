"""A stress test as HTML: the band of scores, what it tells in sentences, and every change as a row of a table."""

from __future__ import annotations

from itertools import groupby

from drishtiksha.casefile import StressResult
from drishtiksha.results import GAP_TEXT
from drishtiksha.ui.shared.templates import fill

KINDS = {"jpeg": "JPEG", "h264": "H.264", "excerpt": "A part of the file"}


def markup(stress: StressResult) -> str:
    """The whole panel."""
    groups = [
        (KINDS.get(kind, kind.capitalize()), list(points))
        for kind, points in groupby(stress.points, lambda point: point.kind)
    ]
    return fill("analyze/stress.html", stress=stress, groups=groups, gap_text=GAP_TEXT)
