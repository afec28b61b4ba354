"""A glance at a file before any analysis: are there faces, how large, and does somebody speak?"""

from __future__ import annotations

import numpy as np

from drishtiksha.answer import Glance
from drishtiksha.contract import FaceRequest
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.sampling import evenly_spaced
from drishtiksha.results import MediaKind
from drishtiksha.settings import MediaLimits

FRAMES = 4
LONGEST_SOUND_S = 120.0
"""Longer sound tracks are not listened to for a glance."""
SAMPLE_RATE = 16_000
QUIET = 10 ** (-50 / 20)
"""A sound track that never reaches -50 dB of full scale is called silent."""


def look(evidence: Evidence, limits: MediaLimits) -> Glance:
    """Raises: MediaError, WeightsMissingError without the files that find faces and speech."""
    media = evidence.media
    seen = _faces(evidence, limits) if media.has_video else {}
    heard = _sound(evidence, limits) if media.has_audio and (media.duration_s or 0) <= LONGEST_SOUND_S else {}
    return Glance.model_validate(seen | heard)


def _faces(evidence: Evidence, limits: MediaLimits) -> dict[str, float]:
    from drishtiksha.analysis.faces import find_faces

    anything = FaceRequest(min_size=0)
    pictures = _pictures(evidence, limits)
    found = [find_faces(image, anything)[0] for image in pictures]
    largest = max((face.size for faces in found for face in faces), default=0.0)
    return {"frames": len(pictures), "faces": max(map(len, found), default=0), "largest_face_px": largest}


def _pictures(evidence: Evidence, limits: MediaLimits) -> list[np.ndarray]:
    media, reader = evidence.media, evidence.reader(limits)
    if media.kind is MediaKind.IMAGE:
        return [reader.picture()]
    with reader.frames_at(evenly_spaced(media.frame_count or 1, FRAMES)) as frames:
        return [frame.image for frame in frames]


def _sound(evidence: Evidence, limits: MediaLimits) -> dict[str, float | bool]:
    from drishtiksha.features.speech import speech_spans

    waveform = evidence.reader(limits).sound(SAMPLE_RATE)
    spoken_s = sum(end_s - start_s for start_s, end_s in speech_spans(waveform, SAMPLE_RATE))
    silent = float(np.abs(waveform).max(initial=0.0)) < QUIET
    return {"speech_s": spoken_s, "sound_s": len(waveform) / SAMPLE_RATE, "silent": silent}
