"""What the pictures that a person looks at show, and what they are not proof of."""

from __future__ import annotations

from typing import NamedTuple

from drishtiksha.answer.texts import ENGLISH, Texts
from drishtiksha.forensics import Filter
from drishtiksha.forensics.filters import ERROR_GAIN, JPEG_QUALITY, NOISE_GAIN
from drishtiksha.render import words

LAST_FRAMES_S = 1.0
"""So little at the end is no sign that the time was up: the last frame lasts, and sound may go on."""
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


def magnifier_help(language: str = ENGLISH) -> str:
    """How the magnifier is used."""
    return Texts.of(language)("magnifier.help")


def reverse_search_text(language: str = ENGLISH) -> str:
    """How a reverse image search works, and that nothing is sent by itself."""
    return Texts.of(language)("reverse_search")


def key_frames_text(
    shown: int, found: int, step_s: float, until_s: float, duration_s: float | None, language: str = ENGLISH
) -> str:
    """What was looked at, and what may be missing. The times are those of `Scenes`; duration_s: of the video."""
    texts = Texts.of(language)
    told = [texts("key_frames.shorter", step=words.duration(step_s)) if step_s else texts("key_frames.every")]
    if found > shown:
        told.append(texts("key_frames.most", shown=shown, found=found))
    if duration_s is not None and until_s < duration_s - max(step_s, LAST_FRAMES_S):
        told.append(texts("key_frames.until", until=words.clock(until_s)))
    return " ".join(told)
