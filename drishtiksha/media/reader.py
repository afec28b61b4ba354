"""Decodes one file: what every part of the tool reads evidence with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drishtiksha.media.audio import read_sound
from drishtiksha.media.channels import MIXTURE, Sound, SoundPart
from drishtiksha.media.guard import no_check
from drishtiksha.media.image import read_image
from drishtiksha.media.video import FrameIndex, FrameStream, frames_at, iter_frames, read_index
from drishtiksha.settings import MediaLimits

if TYPE_CHECKING:
    from drishtiksha.contract import Resampling


@dataclass(frozen=True)
class Reader:
    """name: what messages call the file. check: called while decoding; raises to stop. picture_track: index of a stream;
    None: the main moving picture. part: what of the sound.

    Each method raises what the function raises that it names.
    """

    path: Path
    name: str
    limits: MediaLimits
    check: Callable[[], None] = no_check
    picture_track: int | None = None
    part: SoundPart = MIXTURE

    def picture(self) -> np.ndarray:
        """uint8 RGB (H, W, 3), as `media.image.read_image`."""
        return read_image(self.path, limits=self.limits, check=self.check, name=self.name)

    def sound(self, sample_rate: int) -> np.ndarray:
        """float32 (n,), the waveform of `heard`."""
        return self.heard(sample_rate).waveform

    def heard(self, sample_rate: int, part: SoundPart | None = None, resampling: Resampling = "filtered") -> Sound:
        """As `media.audio.read_sound`. part: another one than the reader's."""
        return read_sound(
            self.path,
            sample_rate,
            limits=self.limits,
            check=self.check,
            name=self.name,
            part=part or self.part,
            resampling=resampling,
        )

    def index(self) -> FrameIndex:
        """As `media.frameindex.read_index`."""
        return read_index(self.path, limits=self.limits, check=self.check, name=self.name, track=self.picture_track)

    def frames(self, indices: Sequence[int] | None = None, *, index: FrameIndex | None = None) -> FrameStream:
        """As `media.video.iter_frames`."""
        return self._stream(iter_frames, indices, index)

    def frames_at(self, indices: Sequence[int], *, index: FrameIndex | None = None) -> FrameStream:
        """As `media.video.frames_at`."""
        return self._stream(frames_at, indices, index)

    def _stream(
        self, read: Callable[..., FrameStream], indices: Sequence[int] | None, index: FrameIndex | None
    ) -> FrameStream:
        track = self.picture_track
        return read(self.path, indices, limits=self.limits, check=self.check, index=index, name=self.name, track=track)
