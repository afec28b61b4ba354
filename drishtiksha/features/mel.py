"""The grey mel spectrogram pictures that the scattering networks learned from."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from PIL import Image

from drishtiksha.features.raster import cells, draw

SAMPLE_RATE = 16_000
N_FFT, HOP, BANDS = 2048, 512, 256
PRE_EMPHASIS = 0.97
TOP_DB, FLOOR = 80.0, 1e-10
"""Defaults of `librosa.power_to_db`."""
DRAWN_PX, SIZE = 400, 256
"""The figure of 4 inches at 100 dpi, and what it was resized to."""

GreyFirst = Literal["before the resize", "after the resize"]


def mel_decibels(waveform: np.ndarray) -> np.ndarray:
    """float32 (256, frames) in dB under the loudest cell, -80 to 0, of a mono waveform float32 (n,), 16 kHz, [-1, 1].

    As `librosa.power_to_db(librosa.feature.melspectrogram(librosa.effects.preemphasis(waveform)), ref=np.max)`. Each
    waveform is pre-emphasised by itself.
    """
    import librosa

    emphasised = librosa.effects.preemphasis(waveform, coef=PRE_EMPHASIS)
    power = np.square(np.abs(librosa.stft(emphasised, n_fft=N_FFT, hop_length=HOP)))
    mel = np.maximum(_filters() @ power, FLOOR)
    return np.maximum(10 * np.log10(mel / mel.max()), -TOP_DB).astype(np.float32)


def mel_picture(waveform: np.ndarray, grey: GreyFirst) -> np.ndarray:
    """uint8 (256, 256): low bands at the bottom, time to the right, in grey values of the magma colours.

    grey: whether the colours were turned grey before or after the picture was made smaller; the networks differ in that.
    """
    drawn = Image.fromarray(draw(mel_decibels(waveform), DRAWN_PX, DRAWN_PX))
    if grey == "before the resize":
        drawn = drawn.convert("L")
    return np.asarray(drawn.resize((SIZE, SIZE), Image.Resampling.BILINEAR).convert("L"))


def to_linear_hz(picture: np.ndarray) -> np.ndarray:
    """(H, W) over a mel picture, low bands at the bottom -> (H, W) with 0 Hz at the top (first row) and rows of equal Hz
    up to 8000 Hz, as `to_sound_heatmap` takes it."""
    centres = _band_centres()
    hz = (np.arange(len(picture)) + 0.5) / len(picture) * SAMPLE_RATE / 2
    band = np.abs(centres[None] - hz[:, None]).argmin(axis=1)
    rows = np.searchsorted(cells(BANDS, len(picture)), band)
    return picture[::-1][rows]


@cache
def _filters() -> np.ndarray:
    """float32 (256, 1025): Slaney's mel bands."""
    from librosa.filters import mel

    return mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=BANDS)


@cache
def _band_centres() -> np.ndarray:
    """Hz (256,)."""
    from librosa import mel_frequencies

    return mel_frequencies(n_mels=BANDS + 2, fmax=SAMPLE_RATE / 2)[1:-1]
