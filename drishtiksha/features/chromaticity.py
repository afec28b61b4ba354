"""How much of a face has which colour, whatever its brightness: histograms of rg chromaticity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

OFFSET = 1e-6
"""Added to each channel, so that black counts as grey instead of dividing by zero."""
TOP = 255.0
"""The fullest bin of a scaled histogram."""


def rg_chromaticity(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """r = R / (R + G + B) and g = G / (R + G + B), each float32 (H, W) in [0, 1], of a uint8 RGB (H, W, 3)."""
    channels = picture.astype(np.float32) + np.float32(OFFSET)
    total = channels.sum(axis=2)
    return channels[..., 0] / total, channels[..., 1] / total


def bins_of(r: np.ndarray, g: np.ndarray, bins: int) -> np.ndarray:
    """Which of bins x bins equal cells of [0, 1]^2 each pixel falls into: row of r * bins + column of g, int64 (H, W)."""
    rows, columns = (np.minimum((part * bins).astype(np.int64), bins - 1) for part in (r, g))
    return rows * bins + columns


def scaled_histogram(counts: np.ndarray) -> np.ndarray:
    """Pixel counts (bins, bins), r first, stretched from their least to 0 and their largest to 255: float32.

    All zeros where every bin holds the same.
    """
    least, most = counts.min(), counts.max()
    span = float(most - least)
    return ((counts - least) * (TOP / span if span else 0.0)).astype(np.float32)


def count_bins(cells: np.ndarray, bins: int) -> np.ndarray:
    """Pixels in each cell that `bins_of` names, int64 (bins, bins), r first."""
    return np.bincount(cells.ravel(), minlength=bins * bins).reshape(bins, bins)


def chromaticity_drift(means: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """How far the mean (r, g) of a face moved from the first to the last third of its frames, and how much it varied
    around its mean meanwhile (standard deviation of both together). In units of chromaticity, 0 to 1.

    Raises: ValueError without any frame.
    """
    if not means:
        raise ValueError("chromaticity_drift needs at least one frame")
    points = np.asarray(means, dtype=np.float64)
    third = max(len(points) // 3, 1)
    moved = points[-third:].mean(axis=0) - points[:third].mean(axis=0)
    return float(np.linalg.norm(moved)), float(np.sqrt(points.var(axis=0).sum()))
