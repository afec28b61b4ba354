"""How real faces fare under light and poses that portraits lack: drawn onto clean crops of people kept out."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _gain(image: np.ndarray, factors: float | list[float]) -> np.ndarray:
    return np.clip(image * np.array(factors), 0, 255).astype(np.uint8)


def _hard_shadow(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One half of the picture, cut at a random angle through its middle, at 40 % of its light."""
    size = image.shape[0]
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    lit = 1 / (1 + np.exp(-40 * (x * np.cos(angle) + y * np.sin(angle))))
    return (image * (0.4 + 0.6 * lit[..., None])).astype(np.uint8)


def _coarse(image: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    size = image.shape[0]
    small = cv2.resize(image, (80, 80), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)


def _turned(image: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    size = image.shape[0]
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), 25, 1)
    return np.asarray(cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE), np.uint8)


STRESSES: dict[str, Change] = {
    "overexposed x1.4": lambda image, _rng: _gain(image, 1.4),
    "overexposed x1.8": lambda image, _rng: _gain(image, 1.8),
    "purple cast": lambda image, _rng: _gain(image, [1.15, 0.95, 1.3]),
    "hard shadow": _hard_shadow,
    "crop of 80 px": _coarse,
    "turned by 25 degrees": _turned,
}


def stressed(crops: np.ndarray, name: str, seed: int) -> np.ndarray:
    """uint8 RGB crops (N, S, S, 3) under one of STRESSES; the same for the same seed."""
    rng = np.random.default_rng(seed)
    return np.stack([STRESSES[name](crop, rng) for crop in crops])
