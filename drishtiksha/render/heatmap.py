"""A heatmap laid over the frame that it explains, in a perceptually uniform colour map."""

from __future__ import annotations

import cv2
import numpy as np

from drishtiksha.results import Heatmap

STRENGTH = 0.75
"""How much of the brightest place is colour rather than photograph: what was looked at must stay visible."""


def blend(image: np.ndarray, heatmap: Heatmap) -> np.ndarray:
    """`image` (RGB uint8 (H, W, 3)) with the heatmap over the region that it covers; cold places stay photograph.

    The colours are matplotlib's inferno: brightness rises evenly with the value, also in grey print.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = _region(heatmap, width, height)
    if right <= left or bottom <= top:
        return image.copy()
    values = cv2.resize(heatmap.array(), (right - left, bottom - top), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    colours = cv2.cvtColor(
        cv2.applyColorMap(np.round(values * 255).astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB
    )
    alpha = (STRENGTH * np.sqrt(values))[..., None]
    out = image.copy()
    part = out[top:bottom, left:right].astype(np.float32)
    out[top:bottom, left:right] = np.round(part * (1 - alpha) + colours.astype(np.float32) * alpha).astype(np.uint8)
    return out


def _region(heatmap: Heatmap, width: int, height: int) -> tuple[int, int, int, int]:
    if heatmap.face_box is None:
        return 0, 0, width, height
    left, top, right, bottom = (round(value) for value in heatmap.face_box)
    return max(0, left), max(0, top), min(width, right), min(height, bottom)
