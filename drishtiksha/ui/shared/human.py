"""What people conclude, as HTML. It goes before the machine's answer wherever both are shown."""

from __future__ import annotations

from html import escape

from drishtiksha.casefile import CaseFile, HumanVerdict, Review
from drishtiksha.render import words
from drishtiksha.ui.shared.icons import icon

HUMAN_WORDS = {
    HumanVerdict.GENUINE: ("Genuine", "search", "neutral"),
    HumanVerdict.MANIPULATED: ("Manipulated", "alert", "strong"),
    HumanVerdict.UNCLEAR: ("Unclear", "question", "grey"),
}
"""Verdict -> words, icon, tone."""


def markup(case: CaseFile) -> str:
    """The verdict of the reviewers with who said it; empty while nobody said a word."""
    verdict = case.human_verdict
    if verdict is None:
        return ""
    title, mark, tone = HUMAN_WORDS[verdict]
    said = case.current_reviews
    differ = len({review.verdict for review in said}) > 1
    why = "The reviewers differ." if differ else "It overrides what detectors say below."
    rows = "".join(f"<li>{_line(review)}</li>" for review in said)
    return (
        f'<section class="dk-verdict dk-human dk-{tone}" aria-label="Verdict of people"><p class="dk-early"><b>Human verdict'
        f'</b> {why}</p><div class="dk-grade"><div class="dk-badge">{icon(mark)}</div><div><h2>{title}</h2></div></div>'
        f'<ul class="dk-more">{rows}</ul></section>'
    )


def _line(review: Review) -> str:
    title = HUMAN_WORDS[review.verdict][0].lower()
    notes = f", {words.counted(len(review.notes), 'note')}" if review.notes else ""
    return (
        f"{escape(review.reviewer or 'A reviewer')}: {title}, {review.confidence.value} confidence{notes}, "
        f"{escape(words.moment(review.made_utc))}"
    )
