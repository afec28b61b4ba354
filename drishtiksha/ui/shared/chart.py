"""Pictures of a comparison as HTML: the chart that seeks, and the same moment as each detector saw it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from drishtiksha.comparison import Segment, StripCell
from drishtiksha.render import words
from drishtiksha.render.comparison import comparison_chart, has_chart
from drishtiksha.render.comparison_words import letters
from drishtiksha.render.findings import Finding
from drishtiksha.render.same_moment import Moment, nearest
from drishtiksha.results import AnalysisResult, SampleScore
from drishtiksha.services.workbench import OpenCase
from drishtiksha.ui.shared.templates import fill, macro

SAME_S = 0.05
"""Nearer than this is the same moment to the eye."""


class Seen(NamedTuple):
    """What one model saw at a moment. finding: None where it scored nothing near it. picture: a JPEG in base64; "" without one."""

    model_name: str
    finding: Finding | None
    picture: str


def seen_at(opened: OpenCase, results: Sequence[AnalysisResult], time_s: float | None) -> list[Seen]:
    """What each model saw at a moment (None: of a picture). Raises: CaseGoneError, MediaError."""
    pictures = opened.apart("seen", results=[result.model_dump_json() for result in results], time_s=time_s)
    return [
        Seen(result.model_name, nearest(result, time_s), picture)
        for result, picture in zip(results, pictures, strict=True)
    ]


def chart(
    results: Sequence[AnalysisResult],
    players: str,
    strip: Sequence[StripCell] | None = None,
    segments: Sequence[Segment] | None = None,
    names: Sequence[str] | None = None,
) -> str:
    """The chart; it seeks `players` (ids, spaces between them), of which the first names it. Empty for pictures."""
    if not has_chart(results):
        return ""
    drawn = comparison_chart(results, strip, segments, names)
    at = words.fine_clock(drawn.axis.start_s)
    key = f"{players.split()[0]}-chart"
    return fill("shared/comparison_chart.html", chart=drawn, key=key, players=players, at=at)


def moments(offered: Sequence[Moment], player_id: str, chosen: float | None) -> str:
    """Buttons for moments with heatmaps, and one for the moment of the player."""
    return macro("shared/moments.html", "buttons", offered=offered, player_id=player_id, chosen_s=chosen)


def side_by_side(
    seen: Iterable[Seen],
    title: str,
    buttons: str = "",
    names: Sequence[str] | None = None,
    time_s: float | None = None,
) -> str:
    """A figure for each detector (or of each file, by its name) with what it saw, or a line that it scored nothing there.

    buttons: HTML of `moments`. time_s: the moment asked for; a picture of another one says so.
    """
    shown = list(seen)
    called = names or [one.model_name for one in shown]
    figures = [
        (letter, name, *_picture(one, time_s))
        for letter, name, one in zip(letters(len(shown)), called, shown, strict=True)
    ]
    return macro("shared/moments.html", "side_by_side", figures=figures, title=title, buttons=buttons)


def _picture(one: Seen, time_s: float | None) -> tuple[str, str]:
    """A JPEG in base64, and its caption; "" and why there is none."""
    if one.finding is None or not one.picture:
        return "", "Nothing near this moment could be judged."
    caption = one.finding.title() + _apart(one.finding.score, time_s)
    caption += "" if one.finding.heatmap else "; no heatmap was made here"
    return one.picture, caption


def _apart(score: SampleScore, time_s: float | None) -> str:
    """How far a sample lies from the moment; "" where it is that moment."""
    if time_s is None or score.time_s is None:
        return ""
    end = score.end_s if score.end_s is not None else score.time_s
    apart = score.time_s - time_s if score.time_s > time_s else min(end - time_s, 0.0)
    return "" if abs(apart) < SAME_S else f", {abs(apart):.1f} s {'later' if apart > 0 else 'earlier'}"
