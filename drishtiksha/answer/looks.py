"""How a state is shown: an icon, a glyph and a tone beside its words, so that colour is never the only sign."""

from __future__ import annotations

from typing import NamedTuple

from drishtiksha.answer.objects import State
from drishtiksha.render.words import GRADE_LOOKS, Icon, Tone
from drishtiksha.results import Grade


class Look(NamedTuple):
    """`icon` names a picture of the page, `glyph` stands in its place in a document."""

    icon: Icon
    glyph: str
    tone: Tone


def look_of(state: State | None, grade: Grade | None = None) -> Look:
    """Of a line or a whole answer; None: it is still being examined."""
    if grade is not None:
        graded = GRADE_LOOKS[grade]
        return Look(graded.icon, graded.glyph, graded.tone)
    if state is State.NOTHING_FOUND:
        return Look("search", "○", "neutral")
    if state is State.UNCLEAR:
        return Look("question", "?", "grey")
    return Look("eye" if state is None else "minus", "–", "grey")
