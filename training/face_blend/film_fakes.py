"""Swaps and expression warps made on genuine moving video, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from drishtiksha.faces.crop import square_around
from drishtiksha.faces.detect import BlazeFaceFinder
from drishtiksha.faces.landmarks import FaceMesh
from drishtiksha.results import FaceBox
from training.face_blend.blend import affine_warp, coarsen, composite, match_colours, mesh_warp
from training.face_blend.data import CACHE_MARGIN
from training.face_blend.masks import hull_mask, soften
from training.face_blend.warp import expression, moved_mesh, openness

Region = tuple[np.ndarray, np.ndarray]
MAX_SIDE = 720
"""Of the frames that are worked on, px."""
REST = 8
"""So many moments tell how a face looks at rest."""


@dataclass(frozen=True)
class Moment:
    """One frame, uint8 RGB, and its largest face: box xyxy px and mesh (468, 2) px, None where there is none."""

    frame: np.ndarray
    box: FaceBox | None
    mesh: np.ndarray | None

    @property
    def square(self) -> tuple[int, int, int]:
        """Left, top and side of the square around the face; it may leave the frame."""
        assert self.box is not None
        x0, y0, x1, _ = square_around(self.box, CACHE_MARGIN)
        return round(x0), round(y0), max(round(x1 - x0), 16)

    @cached_property
    def region(self) -> Region:
        """That square, edges repeated outside the frame, and the mesh in it."""
        assert self.mesh is not None
        left, top, side = self.square
        height, width = self.frame.shape[:2]
        x = np.clip(np.arange(left, left + side), 0, width - 1)
        y = np.clip(np.arange(top, top + side), 0, height - 1)
        return np.ascontiguousarray(self.frame[y[:, None], x]), self.mesh - np.array([left, top], np.float32)

    def with_face(self, made: np.ndarray) -> np.ndarray:
        """The frame with another picture in the square's place."""
        left, top, side = self.square
        frame = self.frame.copy()
        height, width = frame.shape[:2]
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
        frame[y0:y1, x0:x1] = made[y0 - top : y1 - top, x0 - left : x1 - left]
        return frame


def follow(frames: Sequence[np.ndarray], models_dir: Path) -> list[Moment]:
    """The largest face of each frame."""
    finder, mesh = BlazeFaceFinder(models_dir), FaceMesh(models_dir)
    moments = []
    for frame in frames:
        factor = min(MAX_SIDE / max(frame.shape[:2]), 1)
        small = cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) if factor < 1 else frame
        faces = finder.find(small)
        points = mesh.landmarks(small, faces[0]) if faces else None
        moments.append(Moment(small, faces[0].box if points is not None else None, points))
    return moments


def swapped(moments: Sequence[Moment], other: Region, seed: int | list[int]) -> list[np.ndarray]:
    """Frames with another person's face: one mask and one way to warp for the whole clip, which jitter a little."""
    rng = np.random.default_rng(seed)
    kind = str(rng.choice(["oval", "mesh", "inner", "lower"]))
    warp = mesh_warp if rng.random() < 0.7 else affine_warp
    soft, edge, strength = rng.random() < 0.4, int(rng.integers(2**31)), rng.uniform(0, 1)
    frames = []
    for moment in moments:
        if moment.mesh is None:
            frames.append(moment.frame)
            continue
        image, mesh = moment.region
        size = image.shape[0]
        jitter = rng.normal(0, 0.003 * size * strength, 2).astype(np.float32)
        source = warp(*other, mesh + jitter, size)
        mask = soften(hull_mask(mesh + jitter, size, kind, np.random.default_rng(edge)), np.random.default_rng(edge))
        source = match_colours(source, image, mask)
        if soft:
            source = coarsen(source, np.random.default_rng(edge))
        frames.append(moment.with_face(composite(image, source, mask)))
    return frames


def reenacted(
    moments: Sequence[Moment], driver: Sequence[np.ndarray], part: str, seed: int | list[int]
) -> list[np.ndarray]:
    """Frames whose mouth and jaw, or eyes and brows, follow the meshes of another clip."""
    own = [moment for moment in moments if moment.mesh is not None]
    if not own:
        return [moment.frame for moment in moments]
    rest = [m.mesh for m in own[:: max(len(own) // REST, 1)] if m.mesh is not None]
    their_rest = driver[:: max(len(driver) // REST, 1)]
    open_wide = np.array([openness(m.mesh) for m in own if m.mesh is not None])
    frames = []
    for number, moment in enumerate(moments):
        if moment.mesh is None:
            frames.append(moment.frame)
            continue
        goal = moved_mesh(moment.mesh, rest, driver[number % len(driver)], their_rest, part)
        nearest = own[int(np.argmin(abs(open_wide - openness(goal))))]
        image, mesh = moment.region
        shift = mesh - moment.mesh
        frames.append(moment.with_face(expression(image, mesh, goal + shift, nearest.region, part, seed).fake()))
    return frames
