"""Eyes by their landmarks: how open they are, where they are, and how often they were seen closed."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from drishtiksha.results import FaceBox

LEFT, RIGHT = slice(36, 42), slice(42, 48)
"""Of the 68 points of iBUG 300-W, each from the outer or inner corner along the upper lid and back along the lower."""
EYES = slice(36, 48)
FRAME_WIDTH = 640
"""px that a frame is scaled to before its eyes are cut out, as for the Eyeblink checkpoint."""
MARGIN_PX = 15
"""Around both eyes, at that width."""
CLOSED_BELOW = 0.2
"""Eye aspect ratio of a closed eye: the fixed threshold that Soukupova & Cech, CVWW 2016, compare with."""
GAP_SPACINGS = 1.5
"""Two samples farther apart than so many times the usual distance have something unseen between them."""


def eye_aspect_ratio(landmarks: np.ndarray) -> float:
    """Height over width of the eyes (Soukupova & Cech, CVWW 2016), the mean of both; around 0.3 when open.

    landmarks: (68, 2) px. An eye without width counts as 0.
    """

    def ratio(eye: np.ndarray) -> float:
        height = np.linalg.norm(eye[1] - eye[5]) + np.linalg.norm(eye[2] - eye[4])
        width = np.linalg.norm(eye[0] - eye[3])
        return float(height / (2 * width)) if width > 0 else 0.0

    return (ratio(landmarks[LEFT]) + ratio(landmarks[RIGHT])) / 2


def eye_crop(frame: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, FaceBox]:
    """Both eyes of one face with `MARGIN_PX` around them, cut out of the frame scaled to `FRAME_WIDTH`, and their box
    xyxy in px of the frame as given.

    frame: uint8 RGB (H, W, 3). landmarks: (68, 2) px in it. The crop is empty where the eyes lie outside of the frame.
    """
    scale = FRAME_WIDTH / frame.shape[1]
    size = (FRAME_WIDTH, max(int(frame.shape[0] * scale), 1))
    scaled = frame if scale == 1 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    points = np.rint(landmarks[EYES] * scale).astype(int)
    low = np.maximum(points.min(axis=0) - MARGIN_PX, 0)
    high = np.maximum(np.minimum(points.max(axis=0) + 1 + MARGIN_PX, size), low)
    (x0, y0), (x1, y1) = low.tolist(), high.tolist()
    return scaled[y0:y1, x0:x1], (x0 / scale, y0 / scale, x1 / scale, y1 / scale)


def runs(flags: Sequence[bool]) -> list[range]:
    """Positions of unbroken runs of True, in order."""
    edges = np.flatnonzero(np.diff([False, *flags, False]))
    return [range(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def blinks_seen(times_s: Sequence[float], ears: Sequence[float]) -> tuple[int, float | None]:
    """Times that the eyes were closed (under `CLOSED_BELOW`) in frames sampled in time order, and that per minute of
    what the samples stand for; None with fewer than two samples.

    A blink lasts 0.1 to 0.4 s: of samples farther apart than that most blinks are missed, so both are lower bounds. Two
    closed samples count as one blink unless an open or an unseen one lies between them.
    """
    closed = [ear < CLOSED_BELOW for ear in ears]
    if len(times_s) < 2:
        return len(runs(closed)), None
    steps = np.diff(times_s)
    spacing = float(np.median(steps))
    unseen = steps > GAP_SPACINGS * spacing
    blinks = int(closed[0]) + sum(
        now and (not before or bool(gap)) for before, now, gap in zip(closed, closed[1:], unseen, strict=False)
    )
    minutes = len(times_s) * spacing / 60
    return blinks, blinks / minutes if minutes else None
