"""A glance at a file before any analysis, in words."""

from __future__ import annotations

from drishtiksha.answer import Glance
from drishtiksha.media.evidence import Evidence
from drishtiksha.render.words import counted
from drishtiksha.results import MediaKind
from drishtiksha.services.glance import look
from drishtiksha.settings import Settings


def remarks(evidence: Evidence, settings: Settings) -> list[str]:
    """Sentences on faces and sound. Raises: MediaError, WeightsMissingError without the files that find faces and speech."""
    return in_words(look(evidence, settings.limits), evidence.media.kind)


def in_words(glance: Glance, kind: MediaKind) -> list[str]:
    """One sentence on faces and one on sound, each where somebody looked or listened."""
    found = []
    if glance.faces is not None:
        found.append(_faces(glance, glance.faces, picture=kind is MediaKind.IMAGE))
    if glance.speech_s is not None:
        found.append(_sound(glance, glance.speech_s))
    return found


def _faces(glance: Glance, most: int, *, picture: bool) -> str:
    where = "in the picture" if picture else f"in {counted(glance.frames, 'frame')}"
    if most == 0:
        return f"Quick look: no face found {where}."
    number = counted(most, "face") if picture else f"up to {counted(most, 'face')} at once"
    return f"Quick look: {number} {where}, the largest {glance.largest_face_px:.0f} px."


def _sound(glance: Glance, spoken_s: float) -> str:
    if spoken_s > 0:
        return f"Quick look: speech: about {spoken_s:.0f} s of {glance.sound_s:.0f} s."
    return "Quick look: the sound track is silent." if glance.silent else "Quick look: no speech found in the sound."
