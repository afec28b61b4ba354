"""The pictures that the network is judged by: whole portraits of people kept out, through the same finder and crop as in
use, real and faked, as they are and as they arrive."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from scipy.interpolate import LinearNDInterpolator

from drishtiksha.faces.crop import face_crop, square_around
from drishtiksha.faces.detect import BlazeFaceFinder
from drishtiksha.faces.landmarks import FaceMesh
from drishtiksha.networks.efficientnet_lite import CROP_MARGIN, INPUT_SIZE
from drishtiksha.training.face_blend.blend import self_blend, swap
from drishtiksha.training.face_blend.data import CACHE_MARGIN, read_rgb
from drishtiksha.training.face_blend.degrade import h264, jpeg
from drishtiksha.training.face_blend.masks import hull_mask

FRAME_PX = 720
"""Portraits are made this large at most, which keeps fakes and deliveries alike for both sources of portraits."""
MIN_FACE_PX = 40

Region = tuple[np.ndarray, np.ndarray]
"""A square cut out of a frame, and the mesh in it."""
Delivery = Callable[[np.ndarray], np.ndarray]


def scaled(image: np.ndarray, factor: float) -> np.ndarray:
    """A picture made smaller by area."""
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


DELIVERIES: dict[str, Delivery] = {
    "clean": lambda image: image,
    **{f"jpeg_{quality}": partial(jpeg, quality=quality) for quality in (90, 70, 50, 30)},
    **{f"h264_crf{crf}": partial(h264, crf=crf, frames=3, step=(1.5, 0.5)) for crf in (23, 28, 34, 40)},
    "resized_0.5": partial(scaled, factor=0.5),
    "resized_0.25": partial(scaled, factor=0.25),
    "resized_0.5_jpeg_70": lambda image: jpeg(scaled(image, 0.5), 70),
}


def poisson_swap(target: Region, source: Region, rng: np.random.Generator) -> np.ndarray:
    """A swap that training never sees: warped piece by piece along the mesh, pasted by Poisson blending.

    Perez et al., Poisson image editing (SIGGRAPH 2003), OpenCV's seamlessClone.
    """
    image, mesh = target
    size = image.shape[0]
    steps = np.arange(0, size, 4)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    sparse = LinearNDInterpolator(mesh, source[1], fill_value=-1)(grid).reshape(len(steps), len(steps), 2)
    flow = cv2.resize(sparse.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    warped = cv2.remap(source[0], flow[..., 0], flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    hull = hull_mask(mesh, size, str(rng.choice(["oval", "inner"])), rng).astype(np.uint8)
    mask = cv2.erode(hull, np.ones((3, 3), np.uint8), iterations=max(size // 50, 2))
    mask[[0, 1, -2, -1]], mask[:, [0, 1, -2, -1]] = 0, 0
    x, y, width, height = cv2.boundingRect(mask)
    centre = (x + width // 2, y + height // 2)
    return cv2.seamlessClone(warped, image, mask * 255, centre, cv2.NORMAL_CLONE)


def self_blended(target: Region, _other: Region, rng: np.random.Generator) -> np.ndarray:
    """A self-blend, as in training."""
    return self_blend(*target, rng)[0]


def affine_swap(target: Region, other: Region, rng: np.random.Generator) -> np.ndarray:
    """A swap of two people, as in training."""
    size = target[0].shape[0]
    factor = size / other[0].shape[0]
    return swap(*target, cv2.resize(other[0], (size, size), interpolation=cv2.INTER_AREA), other[1] * factor, rng)[0]


FAKES: dict[str, Callable[[Region, Region, np.random.Generator], np.ndarray]] = {
    "self_blend": self_blended,
    "swap": affine_swap,
    "poisson_swap": poisson_swap,
}


class HeldOut:
    """Makes crops of the people of one split. Every draw comes from (seed, person, kind)."""

    def __init__(self, portraits: Path, names: list[str], models_dir: Path, seed: int) -> None:
        self.names, self.seed = names, seed
        self.finder, mesh = BlazeFaceFinder(models_dir), FaceMesh(models_dir)
        self.originals = [read_rgb(portraits / name) for name in names]
        self.frames = [scaled(i, FRAME_PX / max(i.shape)) if max(i.shape) > FRAME_PX else i for i in self.originals]
        self.boxes, self.meshes = [], []
        for frame in self.frames:
            face = self.finder.find(frame)[0]
            points = mesh.landmarks(frame, face)
            if points is None:
                raise ValueError("the mesh refuses a face that it accepted at full size; leave the portrait out")
            self.boxes.append(face.box)
            self.meshes.append(points)

    def crop(self, frame: np.ndarray) -> np.ndarray | None:
        """What the detector would cut out of a frame: uint8 RGB (224, 224, 3), or None without a face."""
        faces = [face for face in self.finder.find(frame) if face.size >= MIN_FACE_PX]
        return face_crop(frame, faces[0].box, INPUT_SIZE, CROP_MARGIN) if faces else None

    def _region(self, person: int) -> tuple[Region, tuple[int, int, int, int]]:
        """The part of the frame around the face, inside the frame, cut to a square by repeating edges."""
        height, width = self.frames[person].shape[:2]
        x0, y0, x1, y1 = (round(v) for v in square_around(self.boxes[person], CACHE_MARGIN))
        place = (max(x0, 0), max(y0, 0), min(x1, width), min(y1, height))
        part = self.frames[person][place[1] : place[3], place[0] : place[2]]
        side = max(part.shape[:2])
        square = cv2.copyMakeBorder(part, 0, side - part.shape[0], 0, side - part.shape[1], cv2.BORDER_REPLICATE)
        return (square, self.meshes[person] - np.array(place[:2], np.float32)), place

    def fake(self, person: int, kind: str, draw: int = 0) -> np.ndarray:
        """The frame of one person with the face faked. `draw` numbers the fakes of one kind."""
        rng = np.random.default_rng([self.seed, person, list(FAKES).index(kind), draw])
        other = int((person + 1 + rng.integers(len(self.names) - 1)) % len(self.names))
        target, place = self._region(person)
        made = FAKES[kind](target, self._region(other)[0], rng)
        frame = self.frames[person].copy()
        frame[place[1] : place[3], place[0] : place[2]] = made[: place[3] - place[1], : place[2] - place[0]]
        return frame
