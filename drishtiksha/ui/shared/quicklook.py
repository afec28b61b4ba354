"""A glance at a file before any analysis: are there faces, how large, and does somebody speak?"""

from __future__ import annotations

import numpy as np

from drishtiksha.contract import FaceRequest
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.sampling import evenly_spaced
from drishtiksha.render.words import counted
from drishtiksha.results import MediaKind
from drishtiksha.settings import Settings

FRAMES = 4
LONGEST_SOUND_S = 120.0
"""Longer sound tracks are not read for a glance."""
SAMPLE_RATE = 16_000
QUIET = 10 ** (-50 / 20)
"""A sound track that never reaches -50 dB of full scale is called silent."""


def remarks(evidence: Evidence, settings: Settings) -> list[str]:
    """Sentences on faces and sound. Raises: MediaError, WeightsMissingError without the files that find faces and speech."""
    media = evidence.media
    found = []
    if media.has_video:
        found.append(_faces(evidence, settings))
    if media.has_audio and (media.duration_s or 0) <= LONGEST_SOUND_S:
        found.append(_sound(evidence, settings))
    return found


def _faces(evidence: Evidence, settings: Settings) -> str:
    from drishtiksha.analysis.faces import find_faces

    anything = FaceRequest(min_size=0)
    looked, most, largest = 0, 0, 0.0
    for image in _pictures(evidence, settings):
        faces, _ = find_faces(image, anything)
        looked += 1
        most = max(most, len(faces))
        largest = max([largest, *(face.size for face in faces)])
    picture = evidence.media.kind is MediaKind.IMAGE
    where = "in the picture" if picture else f"in {counted(looked, 'frame')}"
    if most == 0:
        return f"Quick look: no face found {where}."
    number = counted(most, "face") if picture else f"up to {counted(most, 'face')} at once"
    return f"Quick look: {number} {where}, the largest {largest:.0f} px."


def _pictures(evidence: Evidence, settings: Settings) -> list[np.ndarray]:
    media, reader = evidence.media, evidence.reader(settings.limits)
    if media.kind is MediaKind.IMAGE:
        return [reader.picture()]
    with reader.frames_at(evenly_spaced(media.frame_count or 1, FRAMES)) as frames:
        return [frame.image for frame in frames]


def _sound(evidence: Evidence, settings: Settings) -> str:
    from drishtiksha.features.speech import speech_spans

    waveform = evidence.reader(settings.limits).sound(SAMPLE_RATE)
    whole_s = len(waveform) / SAMPLE_RATE
    spoken_s = sum(end_s - start_s for start_s, end_s in speech_spans(waveform, SAMPLE_RATE))
    if spoken_s > 0:
        return f"Quick look: speech: about {spoken_s:.0f} s of {whole_s:.0f} s."
    silent = float(np.abs(waveform).max()) < QUIET
    return "Quick look: the sound track is silent." if silent else "Quick look: no speech found in the sound."
