"""Two files under one detector, side by side, as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from drishtiksha.casefile import CaseFile, JobState, JobView
from drishtiksha.comparison import contrast
from drishtiksha.errors import without_server_paths
from drishtiksha.render import words
from drishtiksha.render.comparison_words import letters
from drishtiksha.results import DISCLAIMER, AnalysisResult, MediaInfo
from drishtiksha.ui.compare.sections import highest
from drishtiksha.ui.shared.human import HUMAN_WORDS
from drishtiksha.ui.shared.icons import icon


def names(media: Sequence[MediaInfo]) -> list[str]:
    """The names of the files; told apart by the start of their hashes where they are called the same."""
    called = [one.name for one in media]
    if len(set(called)) == len(called):
        return called
    return [f"{one.name} ({one.sha256[:8]})" for one in media]


def difference(results: Sequence[AnalysisResult | None]) -> str:
    """How the answers differ, in words, once both are there."""
    first, second = (*results, None, None)[:2]
    if first is None or second is None:
        told = "The second answer is still to come." if first or second else "Neither file was judged yet."
        return f'<section class="dk-verdict dk-consensus dk-prelim" aria-label="Difference"><p class="dk-reason">{told}</p></section>'
    below = words.INDICATION if {first.grade, second.grade} & words.MANIPULATED else DISCLAIMER
    same = (
        '<p class="dk-hint">Both are the same file: their SHA-256 is equal.</p>'
        if first.media.sha256 == second.media.sha256
        else ""
    )
    return (
        '<section class="dk-verdict dk-consensus" aria-label="Difference"><h2>The two files compared</h2>'
        f'<p class="dk-reason">{escape(contrast(first, second))}</p>{same}'
        f'<p class="dk-disclaimer">{escape(below)}</p></section>'
    )


def cards(views: Sequence[JobView], cases: Sequence[CaseFile], players: Sequence[str]) -> str:
    """A card for each file with its graded answer, or with why there is none; a person's verdict above it."""
    called = names([case.media for case in cases])
    heads = [
        f'<p class="dk-model"><span class="dk-letter">{letter}</span> {escape(name)}</p>{_human(case)}'
        for letter, name, case in zip(letters(len(views)), called, cases, strict=True)
    ]
    body = "".join(
        _card(head, name, view, player) for head, name, view, player in zip(heads, called, views, players, strict=True)
    )
    return f'<div class="dk-pair">{body}</div>'


def _human(case: CaseFile) -> str:
    """One line: what people conclude of this file overrides the detector."""
    if case.human_verdict is None:
        return ""
    title, sign, tone = HUMAN_WORDS[case.human_verdict]
    return f'<p class="dk-row-grade dk-tone-{tone}">{icon(sign)}<b>Human verdict: {title}. It overrides the detector.</b></p>'


def _card(head: str, name: str, view: JobView, player: str) -> str:
    if not view.results:
        return f'<section class="dk-box" aria-label="{escape(name)}">{head}<p>{icon("minus")} {escape(_why(view))}</p></section>'
    result = view.results[0]
    look = words.GRADE_LOOKS[result.grade]
    score = "No score" if result.p_fake is None else f"Score {result.p_fake:.2f}"
    reason = result.reasons[0] if result.reasons else look.meaning
    return (
        f'<section class="dk-box dk-pair-card" aria-label="{escape(name)}">{head}'
        f'<p class="dk-row-grade dk-tone-{look.tone}">{icon(look.icon)}<b>{escape(look.title)}</b></p>'
        f'<p><b>{score}</b>, coverage {words.share(result.coverage)}</p><p class="dk-hint">{escape(reason)}</p>{_go(result, player)}</section>'
    )


def _why(view: JobView) -> str:
    if view.errors:
        return without_server_paths(" ".join(view.errors.values()))
    if view.state is JobState.CANCELLED:
        return "Stopped before it was judged."
    return "No result." if view.state.ended else "Waiting for its turn."


def _go(result: AnalysisResult, player: str) -> str:
    """A button to the moment of the highest score of a file with times."""
    best = highest([result])
    if best is None:
        return ""
    return (
        f'<button type="button" class="dk-go" data-player="{player}" data-start="{best.time_s:.3f}" data-end="0">'
        f"Highest {best.p_fake:.2f} at {words.fine_clock(best.time_s or 0.0)}</button>"
    )
