"""Faces turned upright and brought to one size by five points: eyes, nose, corners of the mouth, left before right as seen."""

from __future__ import annotations

import cv2
import numpy as np

from drishtiksha.results import FaceBox

WIDENED = 1.3
"""How much more than the template both published ways take in, about its middle."""
GEND_TEMPLATE = np.array([(0.34, 0.46), (0.66, 0.46), (0.5, 0.64), (0.37, 0.82), (0.63, 0.82)])
"""Where GenD (arXiv:2508.06248) puts the five points, in fractions of the side, before it widens."""
BENCH_TEMPLATE = (
    np.array([(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]) / 112
)
"""The same of ArcFace (arXiv:1801.07698), as DeepfakeBench (arXiv:2307.01426) uses it."""
BENCH_POINTS = (37, 44, 30, 49, 55)
"""Which of dlib's 68 landmarks DeepfakeBench takes for the five: upper lids, tip of the nose, near the mouth's corners."""


def gend_alignment(points: np.ndarray) -> tuple[np.ndarray, int]:
    """GenD's way: a similarity that one bad point does not disturb (least median of squares), at the face's own size.

    points: (5, 2) px. Returns the matrix (2, 3) from the frame to the crop, and the crop's side in px.
    """
    pairs = np.triu_indices(len(points), 1)
    ratio = _distances(points, pairs) / _distances(GEND_TEMPLATE, pairs)
    side = max(round(WIDENED * float(ratio.mean())), 1)
    matrix, _ = cv2.estimateAffinePartial2D(
        np.asarray(points, np.float64), _widened(GEND_TEMPLATE) * side, method=cv2.LMEDS
    )
    return (similarity(points, _widened(GEND_TEMPLATE) * side) if matrix is None else matrix), side


def bench_alignment(points: np.ndarray, side: int) -> np.ndarray:
    """DeepfakeBench's way: the matrix (2, 3) from the frame to a crop of `side` px. points: (5, 2) px.

    In single precision and in the order of its steps: in double, one value of a crop in some thousands is rounded to the level
    beside. Values midway between two levels remain, which the last bit of the decomposition decides, here and there.
    """
    shift, margin = np.array([8, 0], np.float32), side * (WIDENED - 1) / 2
    places = (BENCH_TEMPLATE * 112 - shift).astype(np.float32) + shift
    places = (places * side / 112 + margin) * (side / (side + 2 * margin))
    return similarity(points, places, np.float32)


def similarity(points: np.ndarray, places: np.ndarray, precision: type[np.floating] = np.float64) -> np.ndarray:
    """The turn, scale and shift that bring points (N, 2) nearest to places (N, 2) by least squares, as a matrix (2, 3).

    Umeyama, PAMI 1991.
    """
    source, target = np.asarray(points, precision), np.asarray(places, precision)
    from_middle, to_middle = source - source.mean(axis=0), target - target.mean(axis=0)
    left, strengths, right = np.linalg.svd(to_middle.T @ from_middle / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))], precision)
    turn = left @ np.diag(signs) @ right
    scale = 1 / from_middle.var(axis=0).sum() * (strengths @ signs)
    return np.hstack([scale * turn, (target.mean(axis=0) - scale * (turn @ source.mean(axis=0)))[:, None]])


def aligned_crop(frame: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """uint8 RGB (side, side, 3) out of a frame, bilinear, black beyond its edges."""
    return cv2.warpAffine(frame, matrix, (side, side), flags=cv2.INTER_LINEAR)


def crop_box(matrix: np.ndarray, side: int) -> FaceBox:
    """The upright box, xyxy px of the frame, that holds the crop's turned square."""
    corners = np.array([[(0.0, 0.0), (side, 0.0), (side, side), (0.0, side)]])
    found = cv2.transform(corners, cv2.invertAffineTransform(matrix))[0]
    (x0, y0), (x1, y1) = found.min(axis=0), found.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def turned_back(values: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """A map (h, w) over the crop as one over `crop_box`, float32 of the crop's size; 0 outside the turned square."""
    x0, y0, x1, y1 = crop_box(matrix, side)
    scale = max(x1 - x0, y1 - y0) / side
    to_frame = np.array([[scale, 0.0, x0], [0.0, scale, y0], [0.0, 0.0, 1.0]])
    from_frame = np.vstack([matrix, (0.0, 0.0, 1.0)])
    own = np.diag([values.shape[1] / side, values.shape[0] / side, 1.0])
    back = (own @ from_frame @ to_frame)[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(np.asarray(values, np.float32), back, (side, side), flags=flags)


def _widened(template: np.ndarray) -> np.ndarray:
    return (template - 0.5) / WIDENED + 0.5


def _distances(points: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return np.linalg.norm(points[pairs[0]] - points[pairs[1]], axis=1)
