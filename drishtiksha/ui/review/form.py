"""The form in which a reviewer says a word of a case, and what comes back of it."""

from __future__ import annotations

from html import escape
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drishtiksha.casefile import CaseFile, Confidence, HumanVerdict, PinnedNote, Viewer
from drishtiksha.errors import ReviewError
from drishtiksha.ui.shared.human import HUMAN_WORDS
from drishtiksha.ui.shared.icons import icon

FORM_JS = (Path(__file__).parents[1] / "js" / "review_form.js").read_text(encoding="utf-8")
MAX_NOTES, MAX_TAGS = 200, 40
_KEYS = {HumanVerdict.GENUINE: "G", HumanVerdict.MANIPULATED: "M", HumanVerdict.UNCLEAR: "U"}


class Said(BaseModel):
    """A reviewer's word as the page sends it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: HumanVerdict
    confidence: Confidence
    reviewer: str = Field(default="", max_length=200)
    tags: tuple[str, ...] = Field(default=(), max_length=MAX_TAGS)
    notes: tuple[PinnedNote, ...] = Field(default=(), max_length=MAX_NOTES)


def read(text: str, case: CaseFile, viewer: Viewer) -> Said:
    """What the page sent, by the person who is logged in where somebody is. Raises: ReviewError for what cannot be kept."""
    if not viewer.reviewer:
        raise ReviewError("Only reviewers write verdicts.")
    try:
        said = Said.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise ReviewError(f"This cannot be saved: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
    name = viewer.name or said.reviewer.strip()
    if not name:
        raise ReviewError("Who are you? The name stands beside your verdict.")
    notes = tuple(_within(note, case) for note in said.notes)
    tags = tuple(dict.fromkeys(tag.strip()[:80] for tag in said.tags if tag.strip()))
    return said.model_copy(update={"reviewer": name, "notes": notes, "tags": tags})


def _within(note: PinnedNote, case: CaseFile) -> PinnedNote:
    """Raises: ReviewError for a region outside the picture."""
    if note.region is None:
        return note
    x0, y0, x1, y1 = note.region
    wide, high = case.media.width or 0, case.media.height or 0
    if not (0 <= x0 < x1 <= wide and 0 <= y0 < y1 <= high):
        raise ReviewError("A region lies outside the picture. Draw it again.")
    return note


def markup(case: CaseFile, viewer: Viewer, told: str = "") -> str:
    """An empty form for a case; `told` stands beside the button."""
    if not viewer.reviewer:
        return '<section class="dk-box"><p class="dk-hint">Only reviewers write verdicts on this server.</p></section>'
    name = (
        f'<p class="dk-hint">You write as <b>{escape(viewer.name)}</b>.</p>'
        if viewer.name
        else '<label class="dk-field"><span>Your name</span><input name="reviewer" maxlength="200" autocomplete="name" '
        'placeholder="kept in this browser"></label>'
    )
    return (
        f'<section class="dk-box" aria-label="Your verdict"><h3>Your verdict</h3><form class="dk-review-form" novalidate '
        f'data-case="{case.case_id}">{_verdicts()}{_confidences()}'
        '<div class="dk-note-part"><ul class="dk-notes" aria-label="Notes"></ul><div class="dk-controls">'
        '<button type="button" class="dk-act" data-do="note"><b>Add a note at this time</b><kbd aria-hidden="true">T</kbd></button>'
        f"{_region_hint(case)}</div></div>"
        '<div class="dk-fields"><label class="dk-field"><span>Tags, with commas between</span><input name="tags" '
        f'maxlength="800" placeholder="lips, lighting, voice"></label>{name}</div>'
        '<div class="dk-save"><button type="submit" class="dk-primary">Save the verdict <kbd aria-hidden="true">Enter</kbd></button>'
        f'<span class="dk-form-line" role="status" aria-live="polite">{escape(told)}</span></div></form></section>'
    )


def _region_hint(case: CaseFile) -> str:
    return (
        '<span class="dk-hint">Drag on the picture to pin a note to a region; on a touch screen press “Mark a region” first.</span>'
        if case.media.has_video
        else ""
    )


def _verdicts() -> str:
    cards = "".join(
        f'<label class="dk-choice dk-tone-{tone}"><input type="radio" name="verdict" value="{verdict.value}" '
        f'data-says="{title}">{icon(mark)}<b>{title}</b><kbd aria-hidden="true">{_KEYS[verdict]}</kbd></label>'
        for verdict, (title, mark, tone) in HUMAN_WORDS.items()
    )
    return f'<fieldset class="dk-choices"><legend class="dk-quiet">Verdict</legend>{cards}</fieldset>'


def _confidences() -> str:
    cards = "".join(
        f'<label class="dk-choice"><input type="radio" name="confidence" value="{one.value}" '
        f'data-says="{one.value.capitalize()} confidence"><b>{one.value.capitalize()}</b><kbd aria-hidden="true">{number}</kbd></label>'
        for number, one in enumerate(Confidence, start=1)
    )
    return f'<fieldset class="dk-choices dk-small"><legend>How sure are you?</legend>{cards}</fieldset>'
