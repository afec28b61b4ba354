"""The filters against plain twins, with numbers."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from drishtiksha.forensics import Filter, filters
from drishtiksha.forensics.filters import filtered
from drishtiksha.settings import ROOT

PORTRAIT = np.asarray(Image.open(ROOT / "assets" / "portrait.jpg").convert("RGB"))


def scene(height: int = 256, width: int = 256) -> np.ndarray:
    """A smooth picture with some texture, never compressed."""
    y, x = np.mgrid[:height, :width]
    base = 120 + 50 * np.sin(x / 17) * np.cos(y / 23)
    grain = np.random.default_rng(1).normal(0, 6, (height, width))
    return np.clip(np.stack([base + grain, base * 0.9 + grain, base * 0.8 + grain], axis=2), 0, 255).astype(np.uint8)


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", quality=quality, subsampling=0)
    return np.array(Image.open(packed).convert("RGB"))


@pytest.mark.parametrize("through", Filter)
@pytest.mark.parametrize("size", [(1, 1), (2, 7), (33, 20)])
def test_every_filter_keeps_the_size_and_leaves_its_input_alone(through: Filter, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    before = picture.copy()
    seen = filtered(picture, through)
    assert (seen.shape, seen.dtype) == (picture.shape, np.uint8)
    assert np.array_equal(picture, before)


def test_the_untouched_frame_is_the_same_pixels() -> None:
    assert np.array_equal(filtered(PORTRAIT, Filter.FRAME), PORTRAIT)


@pytest.mark.parametrize("sigma", [2.0, 5.0, 10.0])
def test_known_noise_is_recovered_and_what_is_smooth_vanishes(sigma: float) -> None:
    ramp = np.tile(np.linspace(60, 180, 300), (300, 1))
    noisy = ramp + np.random.default_rng(3).normal(0, sigma, ramp.shape)
    picture = np.repeat(np.rint(noisy).astype(np.uint8)[..., None], 3, axis=2)
    smooth = np.repeat(np.rint(ramp).astype(np.uint8)[..., None], 3, axis=2)
    inner = filters.noise_residual(picture)[1:-1, 1:-1]
    assert inner.std() == pytest.approx(sigma, rel=0.05)
    assert np.abs(filters.noise_residual(smooth)[1:-1, 1:-1]).max() < 1
    shown = filtered(picture, Filter.NOISE)[1:-1, 1:-1, 0].astype(float)
    clear = np.abs(inner) < 128 / filters.NOISE_GAIN - 1
    assert np.abs(shown[clear] - (128 + filters.NOISE_GAIN * inner[clear])).max() <= 0.51


def test_the_noise_residual_is_the_plain_sum_over_the_neighbourhood() -> None:
    grey = np.random.default_rng(4).integers(0, 256, (9, 11), dtype=np.uint8)
    residual = filters.noise_residual(np.repeat(grey[..., None], 3, axis=2))
    wide = grey.astype(float)
    for y in range(1, 8):
        for x in range(1, 10):
            near = wide[y - 1 : y + 2, x - 1 : x + 2]
            twin = (near[::2, ::2].sum() - 2 * (near[1, ::2].sum() + near[::2, 1].sum()) + 4 * near[1, 1]) / 6
            assert residual[y, x] == pytest.approx(twin, abs=1e-3)


def test_a_part_of_another_quality_stands_out_in_the_error_level() -> None:
    """A background that was compressed before moves little when it is compressed again; a fresh part moves more."""
    fresh = scene()
    spliced = jpeg(fresh, 60)
    spliced[96:160, 96:160] = fresh[96:160, 96:160]
    level = filtered(spliced, Filter.ERROR_LEVEL).mean(axis=2)
    inside = np.zeros(level.shape, bool)
    inside[96:160, 96:160] = True
    assert level[inside].mean() > 1.5 * level[~inside].mean()
    even = filtered(jpeg(fresh, 60), Filter.ERROR_LEVEL).mean(axis=2)
    assert even[inside].mean() < 1.15 * even[~inside].mean(), "without the splice nothing stands out there"


def test_the_error_level_is_the_amplified_difference_to_one_recompression() -> None:
    again = jpeg(PORTRAIT, filters.JPEG_QUALITY).astype(int)
    twin = np.clip(np.abs(PORTRAIT.astype(int) - again) * filters.ERROR_GAIN, 0, 255)
    assert np.array_equal(filtered(PORTRAIT, Filter.ERROR_LEVEL), twin.astype(np.uint8))


def test_levels() -> None:
    dim = (40 + np.arange(100 * 100 * 3).reshape(100, 100, 3) % 61).astype(np.uint8)  # 40 to 100
    wide = filtered(dim, Filter.STRETCH)
    assert (wide.min(), wide.max()) == (0, 255)
    order = np.argsort(dim.ravel(), kind="stable")
    assert (np.diff(wide.ravel()[order].astype(int)) >= 0).all()
    flat = np.full((8, 8, 3), 77, np.uint8)
    assert np.array_equal(filtered(flat, Filter.STRETCH), flat)
    for through, exponent in ((Filter.LIFT, filters.LIFT), (Filter.LOWER, filters.LOWER)):
        seen = filtered(PORTRAIT, through).astype(float)
        assert np.abs(seen - 255 * (PORTRAIT / 255.0) ** exponent).max() <= 0.51
    for number, through in enumerate((Filter.RED, Filter.GREEN, Filter.BLUE)):
        assert all(np.array_equal(filtered(PORTRAIT, through)[..., c], PORTRAIT[..., number]) for c in range(3))
