"""Histograms of rg chromaticity."""

from __future__ import annotations

import golden
import numpy as np
import pytest

from drishtiksha.features.chromaticity import (
    bins_of,
    chromaticity_drift,
    count_bins,
    rg_chromaticity,
    scaled_histogram,
)

BINS = 32


def histogram(picture: np.ndarray) -> np.ndarray:
    return scaled_histogram(count_bins(bins_of(*rg_chromaticity(picture), BINS), BINS))


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (60, 47, 3), dtype=np.uint8)


def test_it_is_the_histogram_of_the_reference():
    arrays = golden.arrays("visual_preprocessing")
    ours, wanted = histogram(arrays["face_rgb"]), arrays["color_cues_hist_f32"]
    assert np.abs(ours - wanted).mean() / 255 < 1e-4
    assert np.corrcoef(ours.ravel(), wanted.ravel())[0, 1] > 0.9999


def test_it_counts_as_numpy_does():
    r, g = rg_chromaticity(noise())
    wanted, _, _ = np.histogram2d(r.ravel(), g.ravel(), bins=BINS, range=[[0, 1], [0, 1]])
    assert np.array_equal(count_bins(bins_of(r, g, BINS), BINS), wanted)


@pytest.mark.parametrize(
    ("colour", "r", "g"),
    [
        ((255, 0, 0), 1, 0),
        ((0, 255, 0), 0, 1),
        ((0, 0, 255), 0, 0),
        ((0, 0, 0), 1 / 3, 1 / 3),
        ((9, 9, 9), 1 / 3, 1 / 3),
    ],
)
def test_red_comes_first_and_black_is_grey(colour, r, g):
    picture = np.full((4, 5, 3), colour, np.uint8)
    assert [float(part.mean()) for part in rg_chromaticity(picture)] == pytest.approx([r, g], abs=1e-4)
    counts = histogram(picture)
    row, column = min(int(r * BINS), BINS - 1), min(int(g * BINS), BINS - 1)
    assert counts[row, column] == 255
    assert counts.sum() == 255


def test_brightness_does_not_count():
    bright, dark = np.full((8, 8, 3), (200, 120, 80), np.uint8), np.full((8, 8, 3), (100, 60, 40), np.uint8)
    assert np.array_equal(histogram(bright), histogram(dark))


def test_equal_bins_give_zeros_not_nan():
    assert not scaled_histogram(np.full((4, 4), 7)).any()


def test_drift_is_between_thirds_and_spread_around_the_mean():
    steady = [(0.4, 0.3)] * 9
    assert chromaticity_drift(steady) == pytest.approx((0, 0))
    turned = [(0.4, 0.3)] * 3 + [(0.5, 0.2)] * 3 + [(0.43, 0.34)] * 3
    drift, spread = chromaticity_drift(turned)
    assert drift == pytest.approx(0.05)
    assert spread > 0.03
    assert chromaticity_drift([(0.4, 0.3)]) == (0, 0)
    with pytest.raises(ValueError, match="at least one frame"):
        chromaticity_drift([])
