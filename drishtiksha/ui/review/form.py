"""The form in which a reviewer judges a case, and what the page sends of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drishtiksha.casefile import CaseFile, Confidence, HumanVerdict, PinnedNote, Viewer
from drishtiksha.errors import ReviewError
from drishtiksha.ui.shared.human import HUMAN_WORDS
from drishtiksha.ui.shared.templates import fill

MAX_NOTES, MAX_TAGS = 200, 40


class SentReview(BaseModel):
    """A review as the page sends it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: HumanVerdict
    confidence: Confidence
    reviewer: str = Field(default="", max_length=200)
    tags: tuple[str, ...] = Field(default=(), max_length=MAX_TAGS)
    notes: tuple[PinnedNote, ...] = Field(default=(), max_length=MAX_NOTES)


def read(text: str, case: CaseFile, viewer: Viewer) -> SentReview:
    """What the page sent, by the person who is logged in where somebody is. Raises: ReviewError for what cannot be kept."""
    if not viewer.reviewer:
        raise ReviewError("Only reviewers write verdicts.")
    try:
        sent = SentReview.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise ReviewError(f"This cannot be saved: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
    name = viewer.name or sent.reviewer.strip()
    if not name:
        raise ReviewError("Who are you? The name stands beside your verdict.")
    notes = tuple(_within(note, case) for note in sent.notes)
    tags = tuple(dict.fromkeys(tag.strip()[:80] for tag in sent.tags if tag.strip()))
    return sent.model_copy(update={"reviewer": name, "notes": notes, "tags": tags})


def _within(note: PinnedNote, case: CaseFile) -> PinnedNote:
    """Raises: ReviewError for a region outside the picture."""
    if note.region is None:
        return note
    x0, y0, x1, y1 = note.region
    wide, high = case.media.width or 0, case.media.height or 0
    if not (0 <= x0 < x1 <= wide and 0 <= y0 < y1 <= high):
        raise ReviewError("A region lies outside the picture. Draw it again.")
    return note


def verdict_form(case: CaseFile, viewer: Viewer, told: str = "") -> str:
    """An empty form for a case; `told` stands beside the button."""
    return fill(
        "review/form.html",
        case=case,
        viewer=viewer,
        verdicts=HUMAN_WORDS,
        confidences=list(Confidence),
        told=told,
    )
