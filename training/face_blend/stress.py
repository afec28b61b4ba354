"""Real faces under light, poses and treatments that portraits lack, drawn onto whole portraits of people kept out."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from drishtiksha.faces.crop import square_around
from drishtiksha.networks.efficientnet_lite import CROP_MARGIN
from drishtiksha.results import FaceBox

DENOISED_MARGIN = 0.5
"""On each side of the face box, as a fraction of its side; the crop takes in CROP_MARGIN."""

Change = Callable[[np.ndarray, FaceBox, np.random.Generator], np.ndarray]


def _around(image: np.ndarray, box: FaceBox) -> tuple[np.ndarray, np.ndarray]:
    """x and y of every pixel in units of half the detector's crop, from the face's middle."""
    half = max(box[2] - box[0], box[3] - box[1]) * (0.5 + CROP_MARGIN)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    return (x - (box[0] + box[2]) / 2) / half, (y - (box[1] + box[3]) / 2) / half


def _shade(image: np.ndarray, lit: np.ndarray, dark: float) -> np.ndarray:
    return (image * (dark + (1 - dark) * lit[..., None])).astype(np.uint8)


def _hard_shadow(image: np.ndarray, box: FaceBox, rng: np.random.Generator) -> np.ndarray:
    """One half of the face, cut at a random angle through its middle, at 40 % of its light."""
    x, y = _around(image, box)
    angle = rng.uniform(0, 2 * np.pi)
    return _shade(image, 1 / (1 + np.exp(np.clip(-40 * (x * np.cos(angle) + y * np.sin(angle)), -30, 30))), 0.4)


def _brim_shadow(image: np.ndarray, box: FaceBox, rng: np.random.Generator) -> np.ndarray:
    """The shadow of a hat's brim over forehead and eyes, round and sharp; training draws none of this shape."""
    x, y = _around(image, box)
    low = rng.uniform(-0.15, 0.1) - 0.35 * (x - rng.uniform(-0.2, 0.2)) ** 2
    return _shade(image, 1 / (1 + np.exp(np.clip(-45 * (y - low), -30, 30))), 0.45)


def _overexposed(image: np.ndarray, _box: FaceBox, _rng: np.random.Generator) -> np.ndarray:
    return np.clip(image * 1.6, 0, 255).astype(np.uint8)


def _motion_blur(image: np.ndarray, box: FaceBox, rng: np.random.Generator) -> np.ndarray:
    """A straight smear of a twentieth of the face."""
    length = max(int((box[2] - box[0]) / 20) | 1, 3)
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turn = cv2.getRotationMatrix2D((length // 2, length // 2), rng.uniform(0, 180), 1)
    kernel = np.asarray(cv2.warpAffine(kernel, turn, (length, length)), np.float32)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()))


def _denoised(image: np.ndarray, box: FaceBox, rng: np.random.Generator) -> np.ndarray:
    """Noise, then the non-local means of Buades et al. (CVPR 2005), which training does not use; only around the face,
    far enough that the detector's crop lies within."""
    x0, y0, x1, y1 = (max(round(v), 0) for v in square_around(box, DENOISED_MARGIN))
    image = image.copy()
    part = image[y0:y1, x0:x1]
    noisy = np.clip(part + rng.normal(0, 10, part.shape), 0, 255).astype(np.uint8)
    image[y0:y1, x0:x1] = cv2.fastNlMeansDenoisingColored(noisy, None, 9, 9, 3, 9)
    return image


def _tilted(image: np.ndarray, _box: FaceBox, rng: np.random.Generator) -> np.ndarray:
    """The plane of the picture turned away and rolled."""
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = (corners - (width / 2, height / 2)) * (rng.uniform(0.75, 1), rng.uniform(0.75, 1))
    angle = np.deg2rad(rng.uniform(-25, 25))
    moved = moved @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = moved + (width / 2, height / 2) + rng.uniform(-0.04, 0.04, (4, 2)) * width
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    return np.asarray(cv2.warpPerspective(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE))


STRESSES: dict[str, Change] = {
    "hard_shadow": _hard_shadow,
    "brim_shadow": _brim_shadow,
    "overexposed": _overexposed,
    "motion_blur": _motion_blur,
    "denoised": _denoised,
    "tilted": _tilted,
}
