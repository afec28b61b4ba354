"""Two spectrograms of a second of sound, one above the other, as the picture that a network learned from."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from drishtiksha.features.raster import draw

SAMPLE_RATE = 16_000
HOP = 160
N_FFT_BROAD = 512
PANEL_PX = (231, 465)
"""Height and width of one of the two panels of the figure (6 x 6 inches at 100 dpi, cut to the axes)."""
SIZE = (512, 256)
"""Height and width that the network takes, px."""
TOP_DB, FLOOR = 80.0, 1e-5
"""Defaults of `librosa.amplitude_to_db`."""


def stft_decibels(waveform: np.ndarray, n_fft: int) -> np.ndarray:
    """float32 (n_fft / 2 + 1, frames) in dB under the loudest cell, -80 to 0: `librosa.stft` with a Hann window."""
    padded = np.pad(waveform.astype(np.float32), n_fft // 2)
    frames = sliding_window_view(padded, n_fft)[::HOP]
    amplitude = np.maximum(np.abs(np.fft.rfft(frames * _hann(n_fft), axis=1)).T, FLOOR)
    return np.maximum(20 * np.log10(amplitude / amplitude.max()), -TOP_DB).astype(np.float32)


def stft_picture(waveform: np.ndarray, n_fft_narrow: int) -> np.ndarray:
    """uint8 RGB (512, 256, 3): the broad-band spectrogram above the narrow-band one, low pitches at the bottom of each.

    waveform: float32 (n,) in [-1, 1] at 16 kHz.
    """
    panels = [draw(stft_decibels(waveform, n_fft), *PANEL_PX) for n_fft in (N_FFT_BROAD, n_fft_narrow)]
    drawn = Image.fromarray(np.concatenate(panels))
    return np.asarray(drawn.resize(SIZE[::-1], Image.Resampling.BILINEAR))


def narrow_panel(picture: np.ndarray) -> np.ndarray:
    """(512, W) over the picture -> (256, W) over its narrow-band panel, 0 Hz in the first row."""
    return picture[SIZE[0] // 2 :][::-1]


@cache
def _hann(n_fft: int) -> np.ndarray:
    """float32 (n_fft,), periodic."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
