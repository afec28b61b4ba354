"""One frame of the evidence, as it is decoded."""

from __future__ import annotations

import numpy as np

from drishtiksha.errors import UnreadableMediaError, WrongMediaKindError
from drishtiksha.media.decode import Frame
from drishtiksha.media.evidence import Evidence
from drishtiksha.results import MediaKind
from drishtiksha.settings import MediaLimits

HALF_STEP_S = 0.001
"""Times are handed around with three digits: a frame that begins so little later is meant as well."""


def frame_at(evidence: Evidence, time_s: float, limits: MediaLimits) -> Frame:
    """The frame that a player shows at `time_s` (the one picture of a picture file): uint8 RGB, upright, real pixels.

    Before the first frame the first, beyond the last the last one. Raises: WrongMediaKindError for sound, MediaError.
    """
    media = evidence.media
    if not media.has_video:
        raise WrongMediaKindError(f"{media.name} has no picture to look at. Choose a picture or a video.")
    reader = evidence.reader(limits)
    if media.kind is MediaKind.IMAGE:
        return Frame(0, 0.0, reader.picture())
    index = reader.index()
    shown = int(np.searchsorted(index.times, time_s + HALF_STEP_S, side="right")) - 1
    wanted = min(max(shown, 0), max(len(index) - 1, 0))
    with reader.frames_at([wanted], index=index) as frames:
        for frame in frames:
            return frame
    raise UnreadableMediaError(f"The frame of {media.name} at this moment is damaged. Look at another moment.")
