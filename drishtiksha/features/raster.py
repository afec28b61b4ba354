"""A spectrogram as the picture that `librosa.display.specshow` and matplotlib's `savefig` make of it, without drawing.

Networks that learned from such pictures need the very same pixels. Here they come from three look-ups: cell to colour, and
pixel to cell in either direction. Equal to matplotlib 3.11 to the last bit on the golden pictures.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import cv2
import numpy as np

ColourMap = Literal["magma", "viridis"]
"""magma is what `specshow` takes for values that are all on one side of 0, decibels under the loudest among them."""
LEVELS = 256


@cache
def colour_table(name: ColourMap) -> np.ndarray:
    """uint8 (256, 3) RGB of a colour map of matplotlib, rounded as Agg does; not to be written to."""
    code = {"magma": cv2.COLORMAP_MAGMA, "viridis": cv2.COLORMAP_VIRIDIS}[name]
    ramp = np.arange(LEVELS, dtype=np.uint8)[:, None]
    table = np.ascontiguousarray(cv2.applyColorMap(ramp, code)[:, 0, ::-1])
    table.setflags(write=False)
    return table


@cache
def cells(count: int, pixels: int) -> np.ndarray:
    """Which of `count` equal cells each of `pixels` pixels shows, intp (pixels,), 0 = the left or top one.

    A pixel shows the cell under its centre; one that is centred on an edge belongs to the cell before it, as in Agg.
    """
    edges = (2 * np.arange(pixels) + 1) * count  # in units of half a pixel and whole cells, so that ties are exact
    index = -(-edges // (2 * pixels)) - 1
    index.setflags(write=False)
    return index


def levels(values: np.ndarray) -> np.ndarray:
    """uint8, same shape: values from their lowest to their highest spread over the 256 entries of a colour table."""
    low, high = values.min(), values.max()
    if low == high:
        return np.zeros(values.shape, np.uint8)
    scaled = (values - low) / (high - low) * LEVELS
    return np.minimum(scaled, LEVELS - 1).astype(np.uint8)


def draw(values: np.ndarray, height: int, width: int, colours: ColourMap = "magma") -> np.ndarray:
    """uint8 RGB (height, width, 3) of `values` (bins, frames): bin 0 at the bottom, time to the right, linear axes."""
    rows, columns = cells(values.shape[0], height), cells(values.shape[1], width)
    painted = colour_table(colours)[levels(values[::-1])]
    return painted[rows][:, columns]
