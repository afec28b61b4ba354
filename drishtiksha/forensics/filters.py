"""Filters that make visible what the eye passes over in a picture. Each is a plain function of its pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from PIL import Image

from drishtiksha.forensics import Filter

STRETCH_SHARE = 0.005
"""Of the values at either end that the stretch lets go: so few bright or dark pixels do not hold it up."""
LIFT, LOWER = 0.45, 2.2
"""Exponents: below 1 dark places become visible, above 1 bright ones."""
NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
"""The difference of two Laplacians, of Euclidean length 1, so that white noise keeps its standard deviation."""
NOISE_GAIN = 12.0
JPEG_QUALITY = 90
"""Of the one recompression."""
ERROR_GAIN = 20.0
MIDDLE_GREY = 128


def filtered(picture: np.ndarray, through: Filter) -> np.ndarray:
    """uint8 RGB (H, W, 3) of the same size. picture: uint8 RGB (H, W, 3); `Filter.FRAME` gives it back as it is."""
    return _FILTERS[through](picture)


def stretched(picture: np.ndarray) -> np.ndarray:
    """The range of values spread to 0-255, alike in all three channels, so that hues stay. A flat picture stays as it is."""
    low, high = np.quantile(picture[_every(picture)], (STRETCH_SHARE, 1 - STRETCH_SHARE))
    if high <= low:
        return picture
    return _mapped(picture, (np.arange(256) - low) / (high - low))


def with_gamma(picture: np.ndarray, exponent: float) -> np.ndarray:
    """255 x (value / 255) ** exponent."""
    return _mapped(picture, (np.arange(256) / 255) ** exponent)


def channel(picture: np.ndarray, number: int) -> np.ndarray:
    """One of red (0), green (1) and blue (2) as grey."""
    return np.repeat(picture[..., number : number + 1], 3, axis=2)


def noise_residual(picture: np.ndarray) -> np.ndarray:
    """float32 (H, W), in grey levels: what of the brightness a 3 x 3 neighbourhood does not explain. Flat places and straight
    ramps give 0, white noise keeps its standard deviation.

    Source: J. Immerkaer, "Fast Noise Variance Estimation", CVIU 64 (2), 1996.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.filter2D(grey, cv2.CV_32F, NOISE_KERNEL))


def noise_picture(picture: np.ndarray) -> np.ndarray:
    """`noise_residual`, `NOISE_GAIN` times as strong, around middle grey."""
    grey = np.clip(np.rint(noise_residual(picture) * NOISE_GAIN + MIDDLE_GREY), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB))


def error_level(picture: np.ndarray) -> np.ndarray:
    """How far each value moves when the picture is compressed once more as JPEG of `JPEG_QUALITY`, `ERROR_GAIN` times as
    strong.

    Source: N. Krawetz, "A Picture's Worth: Digital Image Analysis and Forensics", Black Hat 2007.
    """
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    packed.seek(0)
    with Image.open(packed, formats=("JPEG",)) as again:
        moved = cv2.absdiff(picture, np.asarray(again.convert("RGB")))
    return np.asarray(cv2.convertScaleAbs(moved, alpha=ERROR_GAIN))


def _mapped(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    """values: float (256,), what each level becomes, 1 for white."""
    table = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table))


def _every(picture: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns enough to know the range of values: about a million pixels of a large picture."""
    step = max(1, round((picture.shape[0] * picture.shape[1] / 1e6) ** 0.5))
    return slice(None, None, step), slice(None, None, step)


_FILTERS: dict[Filter, Callable[[np.ndarray], np.ndarray]] = {
    Filter.FRAME: lambda picture: picture,
    Filter.STRETCH: stretched,
    Filter.LIFT: partial(with_gamma, exponent=LIFT),
    Filter.LOWER: partial(with_gamma, exponent=LOWER),
    Filter.RED: partial(channel, number=0),
    Filter.GREEN: partial(channel, number=1),
    Filter.BLUE: partial(channel, number=2),
    Filter.NOISE: noise_picture,
    Filter.ERROR_LEVEL: error_level,
}
