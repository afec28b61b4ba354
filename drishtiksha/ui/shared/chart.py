"""Pictures of a comparison as HTML: the chart that seeks, and the same moment as each detector saw it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

from PIL import Image

from drishtiksha.comparison import Segment, StripCell
from drishtiksha.render import words
from drishtiksha.render.comparison import comparison_chart, has_chart
from drishtiksha.render.comparison_words import letters
from drishtiksha.render.moments import QUALITY
from drishtiksha.render.same_moment import Moment, Seen
from drishtiksha.results import AnalysisResult, SampleScore
from drishtiksha.ui.shared.templates import fill

MOMENT_JS = """
element.addEventListener('click', event => {
  const chosen = event.target.closest('button[data-moment]');
  if (!chosen) return;
  let at = Number(chosen.dataset.moment);
  if (chosen.dataset.moment === 'now') {
    const player = document.querySelector('#' + CSS.escape(chosen.dataset.player) + ' :is(video, audio)');
    at = player ? player.currentTime : 0;
  }
  element.querySelectorAll('button[data-moment]').forEach(
    button => button.setAttribute('aria-pressed', String(button === chosen)));
  trigger('select', {time: at});
});
"""
SAME_S = 0.05
"""Nearer than this is the same moment to the eye."""
HEATMAPS = (
    "Each picture is the sample that was judged nearest to the moment: warm places weighed most in its score. A heatmap "
    "shows where a network looked, not what was altered."
)


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
    buttons = "".join(
        f'<button type="button" class="dk-act" data-moment="{moment.time_s:.3f}" '
        f'aria-pressed="{"true" if chosen is not None and abs(moment.time_s - chosen) < 0.001 else "false"}">'
        f"{words.fine_clock(moment.time_s)}<small>{words.counted(len(moment.models), 'heatmap')}</small></button>"
        for moment in offered
    )
    here = (
        f'<button type="button" class="dk-act" data-moment="now" data-player="{player_id}" aria-pressed="false">'
        "Where the player is</button>"
    )
    return f'<div class="dk-moments" role="group" aria-label="Moment to look at">{buttons}{here}</div>'


def side_by_side(
    seen: Iterable[Seen],
    title: str,
    buttons: str = "",
    names: Sequence[str] | None = None,
    time_s: float | None = None,
) -> str:
    """A figure for each detector (or of each file, by its name) with what it saw, or a line that it scored nothing there.

    time_s: the moment asked for; a picture of another one says so.
    """
    shown = list(seen)
    called = names or [one.model_name for one in shown]
    figures = "".join(
        _figure(letter, name, one, time_s) for letter, name, one in zip(letters(len(shown)), called, shown, strict=True)
    )
    return (
        f'<section class="dk-box" aria-label="{escape(title)}"><h3>{escape(title)}</h3>{buttons}'
        f'<div class="dk-seen">{figures}</div><p class="dk-hint">{HEATMAPS}</p></section>'
    )


def _figure(letter: str, title: str, one: Seen, time_s: float | None) -> str:
    name = f'<b><span class="dk-letter">{letter}</span> {escape(title)}</b>'
    if one.finding is None or one.picture is None:
        return f'<figure class="dk-nothing">{name}<figcaption>Nothing near this moment could be judged.</figcaption></figure>'
    buffer = io.BytesIO()
    Image.fromarray(one.picture).save(buffer, format="JPEG", quality=QUALITY)
    caption = one.finding.title() + _apart(one.finding.score, time_s)
    caption += "" if one.finding.heatmap else "; no heatmap was made here"
    return (
        f'<figure>{name}<img src="data:image/jpeg;base64,{_b64(buffer.getvalue())}" '
        f'alt="{escape(title)}: {escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'
    )


def _apart(score: SampleScore, time_s: float | None) -> str:
    """How far a sample lies from the moment; "" where it is that moment."""
    if time_s is None or score.time_s is None:
        return ""
    end = score.end_s if score.end_s is not None else score.time_s
    apart = score.time_s - time_s if score.time_s > time_s else min(end - time_s, 0.0)
    return "" if abs(apart) < SAME_S else f", {abs(apart):.1f} s {'later' if apart > 0 else 'earlier'}"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
