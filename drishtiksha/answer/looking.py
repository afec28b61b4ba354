"""What the pictures that a person looks at show, and what they are not proof of."""

from __future__ import annotations

from typing import NamedTuple

from drishtiksha.answer.texts import ENGLISH, Texts
from drishtiksha.forensics import Filter
from drishtiksha.forensics.filters import ERROR_GAIN, JPEG_QUALITY, NOISE_GAIN

_VALUES: dict[Filter, dict[str, object]] = {
    Filter.NOISE: {"gain": NOISE_GAIN},
    Filter.ERROR_LEVEL: {"gain": ERROR_GAIN, "quality": JPEG_QUALITY},
}


class LookText(NamedTuple):
    """A filter in words: its name, one sentence each on what it shows and on what that does not prove."""

    title: str
    shows: str
    not_proof: str


def look_text(through: Filter, language: str = ENGLISH) -> LookText:
    """Raises: ConfigError for a language without a catalogue."""
    texts, key = Texts.of(language), f"look.{through.value}"
    shows = texts(f"{key}.shows", **_VALUES.get(through, {}))
    return LookText(texts(f"{key}.title"), shows, texts(f"{key}.not_proof"))
