"""A stretch of sound as a picture: its spectrogram, and below it the same under its heatmap, on axes of time and pitch.

matplotlib without pyplot, so that it is safe in threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drishtiksha.render import words
from drishtiksha.render.heatmap import STRENGTH
from drishtiksha.render.palette import LIGHT
from drishtiksha.results import Heatmap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN, HEIGHT_IN, DPI = 7.2, 4.8, 100
SEGMENT_S, HOP_S = 0.032, 0.008
"""Stretches of 32 ms part the voices of men and women into their harmonics."""
RANGE_DB = 70.0
"""What lies further below the loudest spot is drawn as silence."""
FULL_SCALE_FLOOR = 1e-12
"""Power that counts as nothing: digital silence has no logarithm."""
DIM = "#a0a0a0"
"""The loudest sound under a heatmap: darker than white, so that the heatmap's bright places stand out."""


def draw_window(waveform: np.ndarray, sample_rate: int, start_s: float, heatmap: Heatmap | None) -> np.ndarray:
    """RGB uint8 (480, 720, 3): the sound, and with a `heatmap` the same sound once more under it.

    waveform: float32 (n,) in [-1, 1], beginning at `start_s` of the file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI, facecolor=LIGHT.background, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    rows = figure.subplots(2 if heatmap else 1, 1, sharex=True, squeeze=False)[:, 0]
    for axes, title in zip(rows, ("The sound", "The same sound under its heatmap"), strict=False):
        _sound(axes, waveform, sample_rate, start_s, "white" if axes is rows[0] else DIM)
        axes.set_title(title, loc="left", fontsize=9, color=LIGHT.text)
        axes.set_ylabel("pitch (kHz)", fontsize=9, color=LIGHT.muted)
        axes.tick_params(labelsize=8.5, colors=LIGHT.muted)
        axes.yaxis.set_major_formatter(lambda hz, _: f"{hz / 1000:g}")
    if heatmap is not None:
        _heat(rows[-1], heatmap, (start_s, start_s + len(waveform) / sample_rate), sample_rate / 2)
    rows[-1].set_xlabel("time in the file", fontsize=9, color=LIGHT.muted)
    rows[-1].xaxis.set_major_formatter(lambda seconds, _: words.fine_clock(seconds))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _sound(axes: Axes, waveform: np.ndarray, sample_rate: int, start_s: float, loudest: str) -> None:
    from matplotlib.colors import LinearSegmentedColormap
    from scipy.signal import stft

    segment, hop = round(SEGMENT_S * sample_rate), round(HOP_S * sample_rate)
    padded = np.pad(waveform, (0, max(segment - len(waveform), 0)))
    _, _, spectrum = stft(padded, sample_rate, nperseg=segment, noverlap=segment - hop)
    level = 10 * np.log10(np.square(np.abs(spectrum)) + FULL_SCALE_FLOOR)
    end_s = start_s + len(padded) / sample_rate
    axes.imshow(
        level,
        origin="lower",
        aspect="auto",
        extent=(start_s, end_s, 0, sample_rate / 2),
        cmap=LinearSegmentedColormap.from_list("sound", ["black", loudest]),
        vmin=level.max() - RANGE_DB,
        vmax=level.max(),
    )
    axes.set_xlim(start_s, start_s + len(waveform) / sample_rate)


def _heat(axes: Axes, heatmap: Heatmap, span_s: tuple[float, float], top_hz: float) -> None:
    """Lay the heatmap where its own times and pitches are; where it states none, over all of the window."""
    from matplotlib import colormaps

    values = heatmap.array()
    colours = colormaps["inferno"](values)
    colours[..., 3] = STRENGTH * np.sqrt(values)
    left = span_s[0] if heatmap.time_s is None else heatmap.time_s
    right = span_s[1] if heatmap.end_s is None else heatmap.end_s
    window, top = axes.get_xlim(), axes.get_ylim()
    axes.imshow(
        colours,
        origin="lower",
        aspect="auto",
        extent=(left, right, 0, heatmap.top_hz or top_hz),
        interpolation="bilinear",
    )
    axes.set_xlim(window)
    axes.set_ylim(top)
