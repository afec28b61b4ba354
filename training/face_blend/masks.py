"""Which part of a face is exchanged: soft masks from the mesh's points."""

from __future__ import annotations

import cv2
import numpy as np

OVAL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149]
OVAL += [150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
LIPS = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185]
BROWS = [70, 63, 105, 66, 107, 336, 296, 334, 293, 300]
EYES = [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7]
EYES += [263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249]
_NOSE = [168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 48, 278]
_LOWER = [234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 4]
KINDS = ("oval", "mesh", "inner", "lower", "mouth", "eyes", "random", "forehead")
_WEIGHTS = np.array([0.24, 0.14, 0.16, 0.14, 0.1, 0.07, 0.08, 0.07])
SWAP_KINDS = ("oval", "mesh", "inner", "lower", "mouth", "eyes")
SWAP_WEIGHTS = (0.26, 0.18, 0.2, 0.12, 0.12, 0.12)
"""What is taken from another person, and how often."""


def _points(mesh: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    if kind == "mesh":
        return mesh
    if kind == "inner":
        return mesh[BROWS + LIPS + _NOSE]
    if kind == "lower":
        return mesh[_LOWER]
    if kind == "mouth":
        lips = mesh[LIPS]
        return lips.mean(0) + (lips - lips.mean(0)) * rng.uniform(1.2, 2.2)
    if kind == "eyes":
        return mesh[BROWS + EYES]
    if kind == "random":
        return mesh[rng.choice(len(mesh), size=int(rng.integers(5, 14)), replace=False)]
    oval = mesh[OVAL]
    if kind == "forehead":
        upwards = mesh[10] - mesh[152]
        return np.concatenate([oval, mesh[[10, 67, 297]] + upwards * rng.uniform(0.05, 0.25)])
    return oval


def hull_mask(mesh: np.ndarray, size: int, kind: str, rng: np.random.Generator) -> np.ndarray:
    """The filled convex hull of one part of a face. mesh: (468, 2) px. Returns float32 (size, size) of 0 and 1."""
    hull = cv2.convexHull(np.round(_points(mesh, kind, rng)).astype(np.int32))
    mask = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(mask, hull, 1)
    return mask.astype(np.float32)


def deform(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bend a mask elastically, shift and scale it a little: as in SBI, so that its edge follows no landmark."""
    size = mask.shape[0]
    grid = int(rng.integers(3, 8))
    bend = rng.normal(0, rng.uniform(0.005, 0.03) * size, (2, grid, grid)).astype(np.float32)
    field = [cv2.resize(axis, (size, size), interpolation=cv2.INTER_CUBIC) for axis in bend]
    y, x = np.mgrid[:size, :size].astype(np.float32)
    scale = rng.uniform(0.92, 1.08)
    shift = rng.uniform(-0.03, 0.03, 2) * size
    map_x = ((x - size / 2) * scale + size / 2 + shift[0]).astype(np.float32) + field[0]
    map_y = ((y - size / 2) * scale + size / 2 + shift[1]).astype(np.float32) + field[1]
    return cv2.remap(mask, map_x, map_y, cv2.INTER_LINEAR)


def soften(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur a mask's edge by a random width, from nearly hard to very wide; values stay within [0, 1]."""
    size = mask.shape[0]
    first = cv2.GaussianBlur(mask, (0, 0), float(np.exp(rng.uniform(np.log(0.004), np.log(0.04))) * size))
    eroded = (first > rng.uniform(0.3, 0.8)).astype(np.float32) if rng.random() < 0.5 else first
    soft = cv2.GaussianBlur(eroded, (0, 0), float(np.exp(rng.uniform(np.log(0.003), np.log(0.035))) * size))
    peak = soft.max()
    return np.clip(soft / peak, 0, 1) if peak > 0 else soft


def random_mask(mesh: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A soft mask of a random part of the face. Returns float32 (size, size) in [0, 1]."""
    kind = str(rng.choice(KINDS, p=_WEIGHTS))
    return soften(deform(hull_mask(mesh, size, kind, rng), rng), rng)
