"""People kept out, and the fakes that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from drishtiksha.faces.crop import square_around
from drishtiksha.faces.detect import BlazeFaceFinder
from drishtiksha.faces.landmarks import FaceMesh
from drishtiksha.results import FaceBox
from training.face_blend.blend import Layers, match_colours, mesh_warp, poisson, self_blend, soft_swap
from training.face_blend.data import CACHE_MARGIN
from training.face_blend.masks import hull_mask

FRAME_PX = 720
"""Portraits are made this large at most, which keeps fakes and deliveries alike for both sources of portraits."""
PYRAMID_LEVELS = 5

Region = tuple[np.ndarray, np.ndarray]
"""A square cut out of a frame, uint8 RGB (S, S, 3), and the mesh in it, (468, 2) px."""


@dataclass(frozen=True)
class Person:
    """One portrait. name: its file. frame: uint8 RGB. box: of the face, xyxy px. region: the square around the face,
    filled up by repeating edges where it leaves the frame. place: xyxy px of the part of it inside the frame."""

    name: str
    frame: np.ndarray
    box: FaceBox
    region: Region
    place: tuple[int, int, int, int]

    def with_face(self, made: np.ndarray) -> np.ndarray:
        """The frame with another picture in the region's place."""
        x0, y0, x1, y1 = self.place
        frame = self.frame.copy()
        frame[y0:y1, x0:x1] = made[: y1 - y0, : x1 - x0]
        return frame


def find_people(portraits: Mapping[str, np.ndarray], models_dir: Path) -> list[Person]:
    """Raises: ValueError when a portrait has no face, or the mesh refuses it."""
    finder, mesh = BlazeFaceFinder(models_dir), FaceMesh(models_dir)
    people = []
    for name, portrait in portraits.items():
        factor = min(FRAME_PX / max(portrait.shape), 1)
        frame = cv2.resize(portrait, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        faces = finder.find(frame)
        points = mesh.landmarks(frame, faces[0]) if faces else None
        if points is None:
            raise ValueError(f"no face was found in {name}; leave it out of the split")
        height, width = frame.shape[:2]
        x0, y0, x1, y1 = (round(v) for v in square_around(faces[0].box, CACHE_MARGIN))
        place = (max(x0, 0), max(y0, 0), min(x1, width), min(y1, height))
        part = frame[place[1] : place[3], place[0] : place[2]]
        side = max(part.shape[:2])
        square = cv2.copyMakeBorder(part, 0, side - part.shape[0], 0, side - part.shape[1], cv2.BORDER_REPLICATE)
        people.append(Person(name, frame, faces[0].box, (square, points - np.array(place[:2], np.float32)), place))
    return people


def _self_blend(target: Region, _other: Region, rng: np.random.Generator) -> Layers:
    return self_blend(*target, rng)


def plain_swap(target: Region, other: Region, rng: np.random.Generator) -> Layers:
    """A swap of the face with a soft edge, as in training."""
    return soft_swap(*target, *other, rng, str(rng.choice(["oval", "mesh", "inner", "lower"])))[0]


def _mouth_or_eyes(target: Region, other: Region, rng: np.random.Generator) -> Layers:
    return soft_swap(*target, *other, rng, str(rng.choice(["mouth", "eyes"])))[0]


def _warped(target: Region, other: Region, rng: np.random.Generator) -> tuple[Layers, np.ndarray]:
    """Another face, warped along the mesh, and the hull within which it is to be pasted."""
    (image, mesh), size = target, target[0].shape[0]
    hull = hull_mask(mesh, size, str(rng.choice(["oval", "inner"])), rng)
    return Layers(image, mesh_warp(*other, mesh, size), hull), hull


def _poisson_swap(target: Region, other: Region, rng: np.random.Generator) -> Layers:
    return poisson(*_warped(target, other, rng))


def _pyramid(image: np.ndarray) -> list[np.ndarray]:
    """Laplacian pyramid, finest level first; the last one is what remains."""
    levels = []
    for _ in range(PYRAMID_LEVELS):
        small = cv2.pyrDown(image)
        levels.append(image - cv2.pyrUp(small, dstsize=image.shape[1::-1]))
        image = small
    return [*levels, image]


def multiband_swap(target: Region, other: Region, rng: np.random.Generator) -> Layers:
    """A swap of a kind that training never sees: each band of frequencies is blended over its own width.

    Burt and Adelson, A multiresolution spline (ACM Transactions on Graphics, 1983).
    """
    layers, hull = _warped(target, other, rng)
    source = match_colours(layers.source, layers.target, hull)
    mask = cv2.erode(hull, np.ones((3, 3), np.uint8), iterations=max(hull.shape[0] // 40, 2)).astype(np.float32)
    weights = [mask]
    for _ in range(PYRAMID_LEVELS):
        weights.append(np.asarray(cv2.pyrDown(weights[-1]), np.float32))
    bands = zip(_pyramid(source.astype(np.float32)), _pyramid(layers.target.astype(np.float32)), weights, strict=True)
    mixed = [there + (here - there) * weight[..., None] for here, there, weight in bands]
    image = mixed[-1]
    for band in reversed(mixed[:-1]):
        image = cv2.pyrUp(image, dstsize=band.shape[1::-1]) + band
    return Layers(layers.target, np.clip(np.round(image), 0, 255).astype(np.uint8), np.ones_like(mask))


FAKES: dict[str, Callable[[Region, Region, np.random.Generator], Layers]] = {
    "swap": plain_swap,
    "self_blend": _self_blend,
    "mouth_eyes": _mouth_or_eyes,
    "poisson_swap": _poisson_swap,
    "multiband_swap": multiband_swap,
}
