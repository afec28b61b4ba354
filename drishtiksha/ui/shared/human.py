"""What people conclude, as HTML. It goes before the machine's answer wherever both are shown."""

from __future__ import annotations

from drishtiksha.casefile import CaseFile, HumanVerdict
from drishtiksha.ui.shared.templates import fill

HUMAN_WORDS = {
    HumanVerdict.GENUINE: ("Genuine", "search", "neutral"),
    HumanVerdict.MANIPULATED: ("Manipulated", "alert", "strong"),
    HumanVerdict.UNCLEAR: ("Unclear", "question", "grey"),
}
"""Verdict -> words, icon, tone."""


def verdict_of_people(case: CaseFile) -> str:
    """The verdict of the reviewers with who said it; empty while nobody said a word."""
    return fill("shared/human.html", case=case, verdicts=HUMAN_WORDS) if case.human_verdict is not None else ""
