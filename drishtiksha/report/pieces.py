"""What a report is made of, before it becomes HTML or PDF: plain text and pictures, nothing escaped yet."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from drishtiksha.answer import Answer
from drishtiksha.answer.doubts import Doubt
from drishtiksha.render.words import Tone

Facts = tuple[tuple[str, str], ...]
"""Rows of (what, value)."""


@dataclass(frozen=True)
class Picture:
    """A derived picture. `name` is its fixed file name in a bundle; `alt` says what it shows to who cannot see it."""

    name: str
    data: bytes
    media_type: str
    width: int
    height: int
    alt: str
    caption: str

    @property
    def uri(self) -> str:
        """The picture itself as a data: address."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class Table:
    """The first cell of each row names the row."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Headline:
    """A conclusion in words. `glyph` and `title` say it without colour. `voices`: (name, what was said) of each person
    behind it; apart, so that a name written from right to left does not turn the sentence that it stands in."""

    title: str
    glyph: str
    tone: Tone
    text: str
    voices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ModelSection:
    """One model's answer, with what is known of the model."""

    name: str
    evidence: str
    verdict: Headline
    experimental: bool
    score: str
    judged: str
    sentence: str
    reasons: tuple[str, ...]
    odds: tuple[str, ...]
    card: Facts
    people: Table | None
    timeline: Picture | None
    moments: tuple[Picture, ...]
    custody: Facts
    config: Facts


@dataclass(frozen=True)
class OriginFinding:
    """One finding on where the file comes from."""

    title: str
    detail: str
    tells: str
    does_not_tell: str
    notable: bool


@dataclass(frozen=True)
class Origin:
    """What the file says of itself."""

    credentials: str
    findings: tuple[OriginFinding, ...]
    fields: Facts


@dataclass(frozen=True)
class StressSection:
    model_name: str
    sentences: tuple[str, ...]
    table: Table


@dataclass(frozen=True)
class Note:
    place: str
    text: str


@dataclass(frozen=True)
class ReviewEntry:
    """A reviewer's word. `current`: it is this reviewer's newest."""

    reviewer: str
    verdict: str
    confidence: str
    when: str
    tags: tuple[str, ...]
    notes: tuple[Note, ...]
    current: bool


@dataclass(frozen=True)
class Content:
    """All of a report, in the order in which it is read."""

    title: str
    case_id: str
    file_name: str
    made_utc: str
    version: str
    question: str
    human: Headline | None
    machine: Headline
    answer: Answer
    models: tuple[ModelSection, ...]
    key_picture: Picture | None
    media: Facts
    origin: Origin | None
    consensus: str
    agreement: Table | None
    strip: Picture | None
    segments: Table | None
    stress: tuple[StressSection, ...]
    doubt: Doubt | None
    reviews: tuple[ReviewEntry, ...]
    custody: Facts
    pictures_left_out: str

    @property
    def remarks(self) -> tuple[str, ...]:
        """What page one tells beside the lines: disagreement, what was left out, and what decides nothing."""
        return (*self.answer.disagreements, *self.answer.not_judged, *self.answer.asides)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Each derived picture once, in order."""
        own = [p for m in self.models for p in ((m.timeline,) if m.timeline else ()) + m.moments]
        return (*((self.strip,) if self.strip else ()), *own)

    @property
    def derived(self) -> Table | None:
        """The pictures with their sizes and SHA-256, so that a copy of one can be told from another."""
        if not self.pictures:
            return None
        return Table(
            "Pictures derived from the evidence for this report",
            ("Picture", "Size", "SHA-256"),
            tuple(
                (picture.name, f"{len(picture.data)} bytes", hashlib.sha256(picture.data).hexdigest())
                for picture in self.pictures
            ),
        )
