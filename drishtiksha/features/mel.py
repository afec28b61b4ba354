"""The grey mel spectrogram pictures that the scattering networks learned from."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from drishtiksha.features.raster import cells, draw

SAMPLE_RATE = 16_000
N_FFT, HOP, BANDS = 2048, 512, 256
PRE_EMPHASIS = 0.97
TOP_DB, FLOOR = 80.0, 1e-10
"""Defaults of `librosa.power_to_db`."""
LINEAR_UNTIL_HZ, HZ_A_MEL, LOG_A_MEL = 1000.0, 200 / 3, np.log(6.4) / 27
"""Slaney's mel scale (Auditory Toolbox, 1998), as in librosa."""
DRAWN_PX, SIZE = 400, 256
"""The figure of 4 inches at 100 dpi, and what it was resized to."""

GreyFirst = Literal["before the resize", "after the resize"]


def mel_decibels(waveform: np.ndarray) -> np.ndarray:
    """float32 (256, frames) in dB under the loudest cell, -80 to 0, of a mono waveform float32 (n,), 16 kHz, [-1, 1].

    As `librosa.power_to_db(librosa.feature.melspectrogram(librosa.effects.preemphasis(waveform)), ref=np.max)`, without
    the seconds that importing librosa takes. Each waveform is pre-emphasised by itself.
    """
    before = np.concatenate([[(waveform[1] - 2 * waveform[0]) / PRE_EMPHASIS], waveform[:-1]])  # goes on in a line
    emphasised = np.pad((waveform - PRE_EMPHASIS * before).astype(np.float32), N_FFT // 2)
    frames = sliding_window_view(emphasised, N_FFT)[::HOP]
    power = np.square(np.abs(np.fft.rfft(frames * _window(), axis=1)))
    mel = np.maximum(_bands() @ power.T, FLOOR)
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
    centres = _band_edges()[1:-1]
    hz = (np.arange(len(picture)) + 0.5) / len(picture) * SAMPLE_RATE / 2
    band = np.abs(centres[None] - hz[:, None]).argmin(axis=1)
    rows = np.searchsorted(cells(BANDS, len(picture)), band)
    return picture[::-1][rows]


@cache
def _window() -> np.ndarray:
    """float32 (2048,): a periodic Hann window."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)


@cache
def _band_edges() -> np.ndarray:
    """Hz (258,) from 0 to 8000: equal steps on Slaney's mel scale, which is linear up to 1 kHz and logarithmic above."""
    top = LINEAR_UNTIL_HZ / HZ_A_MEL + np.log(SAMPLE_RATE / 2 / LINEAR_UNTIL_HZ) / LOG_A_MEL
    mels = np.linspace(0, top, BANDS + 2)
    above = LINEAR_UNTIL_HZ * np.exp(LOG_A_MEL * (mels - LINEAR_UNTIL_HZ / HZ_A_MEL))
    return np.where(mels < LINEAR_UNTIL_HZ / HZ_A_MEL, mels * HZ_A_MEL, above)


@cache
def _bands() -> np.ndarray:
    """float32 (256, 1025): triangles of equal area over the frequencies of the transform."""
    hz = np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE)[None]
    low, centre, high = (_band_edges()[i : i + BANDS, None] for i in range(3))
    triangles = np.minimum((hz - low) / (centre - low), (high - hz) / (high - centre))
    return (np.maximum(triangles, 0) * 2 / (high - low)).astype(np.float32)
