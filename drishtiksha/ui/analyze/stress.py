"""A stress test as HTML: the band of scores, what it tells in sentences, and every change as a row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from drishtiksha.casefile import StressPoint, StressResult
from drishtiksha.render import words
from drishtiksha.results import GAP_TEXT
from drishtiksha.ui.shared.icons import icon

KINDS = {"jpeg": "JPEG", "h264": "H.264", "excerpt": "A part of the file"}


def markup(stress: StressResult) -> str:
    """The whole panel; everything that comes from a file or a message is escaped."""
    told = "".join(f"<li>{escape(sentence)}</li>" for sentence in stress.sentences)
    changes = sum(point.kind != "excerpt" for point in stress.points)
    return (
        f"{_band(stress)}"
        f'<ul class="dk-more">{told}</ul>'
        f"<details><summary>Every change, one by one ({changes})</summary>{_table(stress)}</details>"
        f'<p class="dk-hint">{escape(stress.model_name)}, {words.duration(stress.seconds)}.</p>'
    )


def _band(stress: StressResult) -> str:
    """The scores of all copies on the scale from 0 to 1, with the untouched file's as a pin."""
    if stress.low is None or stress.high is None:
        return ""
    low, high = stress.low * 100, stress.high * 100
    threshold = stress.baseline.thresholds.fake * 100
    p = stress.baseline.p_fake
    pin = "" if p is None else f'<i class="dk-pin" style="left:{p * 100:.2f}%"></i>'
    own = "it could not be scored" if p is None else f"{p:.2f}"
    text = (
        f"Scores between {stress.low:.2f} and {stress.high:.2f}; the untouched file: {own}; "
        f"suspicious from {stress.baseline.thresholds.fake:.2f}."
    )
    return (
        f'<div class="dk-scale"><div class="dk-figure"><span>Scores of all copies</span>'
        f"<b>{stress.low:.2f} to {stress.high:.2f}</b></div>"
        f'<div class="dk-bar dk-band" role="img" aria-label="{text}">'
        f'<i class="dk-zone dk-z0" style="width:{threshold:.2f}%"></i>'
        f'<i class="dk-zone dk-z2" style="width:{100 - threshold:.2f}%"></i>'
        f'<i class="dk-span" style="left:{low:.2f}%;width:{max(high - low, 0.8):.2f}%"></i>{pin}</div>'
        f'<p class="dk-hint">{text}</p></div>'
    )


def _table(stress: StressResult) -> str:
    bodies = "".join(_kind(kind, list(points)) for kind, points in groupby(stress.points, lambda point: point.kind))
    return (
        '<div class="dk-scroll" tabindex="0" role="group" aria-label="Every change, one by one"><table class="dk-stress">'
        '<caption class="dk-quiet">Each change of the file, the score of the changed copy, and whether the verdict turns'
        '</caption><thead><tr><th scope="col">Change</th><th scope="col">Score</th><th scope="col">Verdict</th></tr>'
        f"</thead>{bodies}</table></div>"
    )


def _kind(kind: str, points: Sequence[StressPoint]) -> str:
    title = KINDS.get(kind, kind.capitalize())
    rows = "".join(_row(point) for point in points)
    return f'<tbody><tr><th colspan="3" scope="colgroup">{escape(title)}</th></tr>{rows}</tbody>'


def _row(point: StressPoint) -> str:
    look = words.GRADE_LOOKS[point.grade]
    score = "none" if point.p_fake is None else f"{point.p_fake:.2f}"
    why = f" <small>{escape(GAP_TEXT[point.gap])}</small>" if point.gap is not None else ""
    flips = ' <span class="dk-chip dk-flips">Turns</span>' if point.flips else ""
    return (
        f'<tr><th scope="row">{escape(point.label)}</th><td>{score}</td>'
        f"<td>{icon(look.icon)} {escape(look.title)}{flips}{why}</td></tr>"
    )
