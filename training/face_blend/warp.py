"""Reenactment and lip exchange in small: a real face whose mouth, jaw and eyes follow somebody else's landmarks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from training.face_blend.blend import Layers, coarsen, composite, match_colours, mesh_warp
from training.face_blend.masks import BROWS, EYES, LIPS, hull_mask, soften

INNER_LIPS = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95]
_CHIN = [152, 148, 176, 149, 150, 377, 400, 378, 379, 199, 200, 175, 18, 83, 313, 201, 421, 208, 428, 32, 262]
_STILL = [10, 67, 297, 54, 284, 127, 356, 234, 454, 168, 6, 197, 195, 33, 263, 133, 362]
"""Points that no expression moves: forehead, temples, the bridge of the nose, the corners of the eyes."""
PARTS = {"mouth": [*LIPS, *INNER_LIPS, *_CHIN], "eyes": [*EYES, *BROWS]}
NEAR = 0.35
"""Points this near to a moved one (in distances between the eyes) follow it, the less the farther."""
SOFT_SOURCE = 0.5
"""Of the warps: what is pasted was made smaller and larger again, as networks of low resolution do."""


def aligned(mesh: np.ndarray, to: np.ndarray) -> np.ndarray:
    """A mesh (468, 2) moved by the similarity that brings its still points nearest to those of `to`."""
    matrix, _ = cv2.estimateAffinePartial2D(mesh[_STILL], to[_STILL], method=cv2.LMEDS)
    return np.asarray(cv2.transform(mesh[None].astype(np.float64), matrix)[0], np.float32)


def moved_mesh(
    mesh: np.ndarray, own: Sequence[np.ndarray], driver: np.ndarray, driver_own: Sequence[np.ndarray], part: str
) -> np.ndarray:
    """The mesh with one of PARTS where another face's expression puts it.

    mesh, driver: (468, 2) px of this moment. own, driver_own: meshes of other moments of each, whose mean is its rest.
    """
    points = PARTS[part]
    rest = np.mean([aligned(one, mesh) for one in own], axis=0)
    there = aligned(driver, mesh)
    there_rest = np.mean([aligned(one, mesh) for one in driver_own], axis=0)
    step = (rest + there - there_rest - mesh)[points]
    eyes = float(np.linalg.norm(mesh[33] - mesh[263])) + 1e-6
    apart = np.linalg.norm(mesh[:, None] - mesh[points][None], axis=2)
    weight = np.exp(-((apart / (NEAR * eyes / 2)) ** 2))
    spread = (weight[..., None] * step[None]).sum(1) / np.maximum(weight.sum(1), 1e-6)[:, None]
    fade = np.clip(weight.max(1), 0, 1)[:, None]
    return (mesh + spread * fade).astype(np.float32)


def openness(mesh: np.ndarray) -> float:
    """How far the lips are apart, in distances between the eyes."""
    return float(np.linalg.norm(mesh[13] - mesh[14]) / (np.linalg.norm(mesh[33] - mesh[263]) + 1e-6))


def expression(
    image: np.ndarray,
    mesh: np.ndarray,
    goal: np.ndarray,
    mouth: tuple[np.ndarray, np.ndarray] | None,
    part: str,
    seed: int | list[int],
) -> Layers:
    """A face whose `part` was moved to the mesh `goal`, pasted with a soft edge.

    image: uint8 RGB (S, S, 3). mouth: picture and mesh of another moment of the same person, whose mouth is about as far open
    as the goal's, from which the inside of the mouth comes. seed: one draws the same edge for every frame of a clip.
    """
    rng, size = np.random.default_rng(seed), image.shape[0]
    warped = mesh_warp(image, mesh, goal, size)
    if part == "mouth" and mouth is not None:
        inside = np.zeros((size, size), np.float32)
        cv2.fillPoly(inside, [np.round(goal[LIPS]).astype(np.int32)], 1)
        inside = np.asarray(cv2.GaussianBlur(inside, (0, 0), 0.008 * size), np.float32)
        other = mesh_warp(*mouth, goal, size)
        warped = composite(warped, match_colours(other, warped, inside), inside)
    kind = "lower" if part == "mouth" and rng.random() < 0.6 else "mouth" if part == "mouth" else "eyes"
    mask = soften(hull_mask(goal, size, kind, rng), rng)
    if rng.random() < SOFT_SOURCE:
        warped = coarsen(warped, rng, 3.0)
    return Layers(image, warped, mask)
