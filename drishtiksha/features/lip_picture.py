"""The picture LipFD looks at (Liu et al., arXiv:2401.15668): five frames in a row under what is heard meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from drishtiksha.features.library import librosa
from drishtiksha.features.raster import colour_table, levels
from drishtiksha.networks.lipfd_recipes import FRAME_PX, FRAMES

MEL_BANDS = 128
N_FFT = 2048
HOP = 512
TOP_DB = 80.0
"""These four are librosa's defaults, which the authors left alone."""


def mel_picture(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mel spectrogram in dB of a whole track, darkest where nothing is heard, brightest where it is loudest.

    waveform: float32 (n,) in [-1, 1]. Returns RGB uint8 (3, 128, columns), low frequencies above.
    """
    mel = librosa().feature.melspectrogram(y=waveform, sr=sample_rate, n_fft=N_FFT, hop_length=HOP, n_mels=MEL_BANDS)
    decibels = librosa().power_to_db(mel, ref=np.max, top_db=TOP_DB)
    return colour_table("viridis")[levels(decibels)].transpose(2, 0, 1)


def is_silent(sound: np.ndarray) -> bool:
    """Whether nothing is heard in this part of a mel picture (3, 128, columns): all of it has the darkest colour."""
    return bool((sound == colour_table("viridis")[0][:, None, None]).all())


def lip_picture(frames: Sequence[np.ndarray], sound: np.ndarray) -> np.ndarray:
    """Five frames, RGB uint8 (H, W, 3), under their part of the mel picture, uint8 (3, 128, columns).

    Returns RGB uint8 (3, 1000, 2500): 500 rows of spectrogram, then the frames as squares, not keeping their shape.
    """
    above = cv2.resize(np.ascontiguousarray(sound.transpose(1, 2, 0)), (FRAMES * FRAME_PX, FRAME_PX))
    below = np.concatenate([cv2.resize(frame, (FRAME_PX, FRAME_PX)) for frame in frames], axis=1)
    return np.ascontiguousarray(np.concatenate([above, below]).transpose(2, 0, 1))
