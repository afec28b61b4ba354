"""What happens to media on their way: the changes of a stress test, from mild to strong within each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from drishtiksha.stress.encode import SOUND_RATE

PictureFunction = Callable[[np.ndarray], np.ndarray]
"""uint8 RGB (H, W, 3) to the same, of another size perhaps."""
SoundFunction = Callable[[np.ndarray], np.ndarray]
"""float32 (n,) at SOUND_RATE Hz to the same."""

NOISE_SEED = 20_241
"""One seed for all noise: the same evidence gives the same band each time."""


@dataclass(frozen=True)
class PictureChange:
    """A change of a picture or of each frame of a video.

    jpeg: quality that a picture is then stored at (None: without loss). crf: of H.264 for a video.
    """

    kind: str
    label: str
    strength: float
    apply: PictureFunction
    jpeg: int | None = None
    crf: int = 18


@dataclass(frozen=True)
class SoundChange:
    """A change of a recording; encoder and suffix: how it is then stored (PCM where only the sound itself changes)."""

    kind: str
    label: str
    strength: float
    apply: SoundFunction
    encoder: str = "pcm_s16le"
    suffix: str = "wav"
    bit_rate: int | None = None


def picture_changes() -> tuple[PictureChange, ...]:
    """For pictures: recompression as JPEG, then what videos undergo too."""
    return (*(PictureChange("jpeg", f"JPEG quality {q}", 100 - q, _same, jpeg=q) for q in (90, 70, 50, 30)), *_common())


def video_changes() -> tuple[PictureChange, ...]:
    """For videos: the H.264 ladder, then what pictures undergo too, nearly without loss (CRF 18)."""
    return (*(PictureChange("h264", f"H.264 CRF {crf}", crf, _same, crf=crf) for crf in (23, 28, 33, 38)), *_common())


def sound_changes() -> tuple[SoundChange, ...]:
    """For recordings and the sound of videos."""
    return (
        SoundChange("audio codec", "AAC at 64 kbit/s", 1, _same, "aac", "m4a", 64_000),
        SoundChange("audio codec", "MP3 at 32 kbit/s", 2, _same, "libmp3lame", "mp3", 32_000),
        SoundChange("audio codec", "Opus at 16 kbit/s (a voice message)", 3, _same, "libopus", "opus", 16_000),
        SoundChange("band limit", "Nothing above 7 kHz", 1, lambda wave: _band(wave, 20, 7000)),
        SoundChange("band limit", "300 to 3400 Hz (a telephone)", 2, lambda wave: _band(wave, 300, 3400)),
        SoundChange("noise", "Noise 30 dB below the sound", 1, lambda wave: _hiss(wave, 30)),
        SoundChange("noise", "Noise 15 dB below the sound", 2, lambda wave: _hiss(wave, 15)),
    )


def _common() -> tuple[PictureChange, ...]:
    return (
        *(
            PictureChange("downscale", f"Scaled down to {share:.0%}", 1 - share, partial(_smaller, share=share))
            for share in (0.75, 0.5)
        ),
        *(
            PictureChange("crop", f"Cropped to the middle {share:.0%}", 1 - share, partial(_middle, share=share))
            for share in (0.9, 0.75)
        ),
        PictureChange("mirror", "Mirrored left to right", 1, lambda image: image[:, ::-1]),
        *(
            PictureChange("noise", f"Noise of {level} grey levels", level, partial(_grain, level=level))
            for level in (4, 10)
        ),
    )


def _same(values: np.ndarray) -> np.ndarray:
    return values


def _smaller(image: np.ndarray, share: float) -> np.ndarray:
    height, width = image.shape[:2]
    size = (max(round(width * share), 2), max(round(height * share), 2))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _middle(image: np.ndarray, share: float) -> np.ndarray:
    height, width = image.shape[:2]
    top, left = round(height * (1 - share) / 2), round(width * (1 - share) / 2)
    return image[top : height - top, left : width - left]


def _grain(image: np.ndarray, level: float) -> np.ndarray:
    grain = np.random.default_rng(NOISE_SEED).normal(0, level, image.shape).astype(np.float32)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def _band(waveform: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    from scipy.signal import butter, sosfilt

    passed = sosfilt(butter(8, (low_hz, high_hz), "bandpass", fs=SOUND_RATE, output="sos"), waveform)
    return np.clip(passed, -1, 1).astype(np.float32)


def _hiss(waveform: np.ndarray, below_db: float) -> np.ndarray:
    """White noise this far below the root mean square of the sound."""
    loudness = float(np.sqrt(np.mean(np.square(waveform)))) if len(waveform) else 0.0
    noise = np.random.default_rng(NOISE_SEED).standard_normal(len(waveform)) * loudness * 10 ** (-below_db / 20)
    return np.clip(waveform + noise, -1, 1).astype(np.float32)
