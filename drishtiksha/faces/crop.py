"""Square face crops: the one way a face box becomes pixels for a network."""

from __future__ import annotations

import cv2
import numpy as np

from drishtiksha.results import FaceBox


def square_around(box: FaceBox, margin: float) -> FaceBox:
    """The square on the box's centre whose side is the box's longer side times (1 + 2 * margin), xyxy px."""
    x0, y0, x1, y1 = box
    half = max(x1 - x0, y1 - y0) * (0.5 + margin)
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    return cx - half, cy - half, cx + half, cy + half


def face_crop(frame: np.ndarray, box: FaceBox, size: int, margin: float) -> np.ndarray:
    """Cut the square around a face and resize it.

    frame: uint8 RGB (H, W, 3). box: xyxy px. size: side of the result, px. margin: added on each side as a fraction of
    the box's longer side. Where the square leaves the frame, the frame's edge pixels are repeated: a black border would
    draw a sharp line that networks take for a trace of editing. Resampled by area when made smaller, cubic when larger.
    Returns uint8 RGB (size, size, 3).
    Raises: ValueError when the box is empty or wholly outside the frame.
    """
    height, width = frame.shape[:2]
    x0, y0, x1, _ = square_around(box, margin)
    side = max(round(x1 - x0), 1)
    left, top = round(x0), round(y0)
    inside_x = max(left, 0), min(left + side, width)
    inside_y = max(top, 0), min(top + side, height)
    if box[2] <= box[0] or box[3] <= box[1] or inside_x[0] >= inside_x[1] or inside_y[0] >= inside_y[1]:
        raise ValueError(f"the face box {box} has no part inside the frame of {width}x{height} px")
    part = frame[inside_y[0] : inside_y[1], inside_x[0] : inside_x[1]]
    border = (inside_y[0] - top, top + side - inside_y[1], inside_x[0] - left, left + side - inside_x[1])
    if any(border):
        part = cv2.copyMakeBorder(part, *border, borderType=cv2.BORDER_REPLICATE)
    interpolation = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(part, (size, size), interpolation=interpolation))
