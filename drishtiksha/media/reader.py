"""Decodes one file: what every part of the tool reads evidence with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drishtiksha.media.audio import read_audio
from drishtiksha.media.guard import no_check
from drishtiksha.media.image import read_image
from drishtiksha.media.video import FrameIndex, FrameStream, frames_at, iter_frames, read_index
from drishtiksha.settings import MediaLimits


@dataclass(frozen=True)
class Reader:
    """name: what messages call the file. check: called while decoding; raises to stop.

    Each method raises what the function raises that it names.
    """

    path: Path
    name: str
    limits: MediaLimits
    check: Callable[[], None] = no_check

    def picture(self) -> np.ndarray:
        """uint8 RGB (H, W, 3), as `media.image.read_image`."""
        return read_image(self.path, limits=self.limits, check=self.check, name=self.name)

    def sound(self, sample_rate: int) -> np.ndarray:
        """float32 (n,), as `media.audio.read_audio`."""
        return read_audio(self.path, sample_rate, limits=self.limits, check=self.check, name=self.name)

    def index(self) -> FrameIndex:
        """As `media.frameindex.read_index`."""
        return read_index(self.path, limits=self.limits, check=self.check, name=self.name)

    def frames(self, indices: Sequence[int] | None = None, *, index: FrameIndex | None = None) -> FrameStream:
        """As `media.video.iter_frames`."""
        return iter_frames(self.path, indices, limits=self.limits, check=self.check, index=index, name=self.name)

    def frames_at(self, indices: Sequence[int], *, index: FrameIndex | None = None) -> FrameStream:
        """As `media.video.frames_at`."""
        return frames_at(self.path, indices, limits=self.limits, check=self.check, index=index, name=self.name)
