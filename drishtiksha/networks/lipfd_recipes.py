"""How LipFD's pictures were prepared, by its authors and by the reference server. No torch is imported here: which samples the
detector looks at is known without it."""

from __future__ import annotations

from dataclasses import dataclass

FRAMES = 5
FRAME_PX = 500
"""Each frame is a square of this side in the picture; the spectrogram above them is as high."""


@dataclass(frozen=True)
class Recipe:
    """How the picture becomes tensors. sample_rate: Hz of the sound under the spectrogram. rounded: where a strip of the
    spectrogram begins and ends is rounded to whole columns; else cut to them."""

    sample_rate: int
    bgr: bool
    normalised: bool
    antialias: bool
    rounded: bool


RELEASED = Recipe(sample_rate=22_050, bgr=True, normalised=False, antialias=False, rounded=True)
"""The authors' preprocess.py and data/datasets.py with the library versions they pin: `librosa.load` resamples to
22050 Hz, `cv2.imread` gives BGR, what `Normalize` returns is thrown away, and torchvision 0.16 does not antialias
tensors."""
REFERENCE = Recipe(sample_rate=16_000, bgr=False, normalised=True, antialias=True, rounded=False)
"""The reference server: RGB, mean and std of CLIP, on values from 0 to 255."""
