"""The face cache: every portrait once through finder, mesh and crop; and the split by person."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from drishtiksha.faces.crop import face_crop, square_around
from drishtiksha.faces.detect import BlazeFaceFinder
from drishtiksha.faces.landmarks import FaceMesh

CACHE_PX = 448
CACHE_MARGIN = 0.6
"""Wider than the network's crop, so that training can shift, turn and scale within it."""
SPLITS = {"train": 0.70, "val": 0.15, "test": 0.15}
LARGE_GROUP = 10
"""Groups above this size are no person but a kind of picture (old paintings); they go to train."""


@dataclass(frozen=True)
class FaceCache:
    """names (N,); crops uint8 RGB (N, 448, 448, 3); meshes float32 (N, 468, 2) px in the crop; boxes (N, 4) likewise;
    native_px (N,): how many px of the original the crop's side spans."""

    names: list[str]
    crops: np.ndarray
    meshes: np.ndarray
    boxes: np.ndarray
    native_px: np.ndarray

    def __len__(self) -> int:
        return len(self.names)


def read_rgb(path: Path) -> np.ndarray:
    """A picture file as uint8 RGB (H, W, 3). Raises: ValueError when it cannot be read."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"{path} is not a picture that OpenCV reads; remove it from the training folder")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def build_cache(portraits: Path, models_dir: Path, folder: Path) -> FaceCache:
    """Find the largest face of every `*.jpg` in `portraits` and store crops and meshes in `folder`.

    Pictures without a face, or whose mesh is refused, are left out and listed in `skipped.json`.
    Raises: ValueError when no picture at all has a face.
    """
    folder.mkdir(parents=True, exist_ok=True)
    finder, mesh = BlazeFaceFinder(models_dir), FaceMesh(models_dir)
    names, crops, meshes, boxes, native, skipped = [], [], [], [], [], []
    for path in sorted(portraits.glob("*.jpg")):
        frame = read_rgb(path)
        faces = finder.find(frame)
        points = mesh.landmarks(frame, faces[0]) if faces else None
        if points is None:
            skipped.append(path.name)
            continue
        x0, y0, x1, _ = square_around(faces[0].box, CACHE_MARGIN)
        scale = CACHE_PX / (x1 - x0)
        names.append(path.name)
        crops.append(face_crop(frame, faces[0].box, CACHE_PX, CACHE_MARGIN))
        meshes.append((points - (x0, y0)) * scale)
        boxes.append((np.array(faces[0].box) - (x0, y0, x0, y0)) * scale)
        native.append(x1 - x0)
    if not names:
        raise ValueError(f"no face was found in any picture of {portraits}; it must hold portraits as *.jpg")
    np.save(folder / "crops.npy", np.stack(crops))
    stored = [np.array(values, np.float32) for values in (meshes, boxes, native)]
    np.savez(folder / "faces.npz", meshes=stored[0], boxes=stored[1], native_px=stored[2])
    (folder / "names.json").write_text(json.dumps(names))
    (folder / "skipped.json").write_text(json.dumps(skipped))
    return load_cache(folder)


def load_cache(folder: Path) -> FaceCache:
    """Read what `build_cache` stored; the crops stay on disk (memory-mapped), shared by all processes."""
    faces = np.load(folder / "faces.npz")
    names = json.loads((folder / "names.json").read_text())
    crops = np.load(folder / "crops.npy", mmap_mode="r")
    return FaceCache(names, crops, faces["meshes"], faces["boxes"], faces["native_px"])


def split_groups(groups: np.ndarray, seed: int) -> dict[str, list[int]]:
    """Deal whole groups (N,) of look-alikes into train, val and test by `SPLITS`; the same for the same seed."""
    rng = np.random.default_rng(seed)
    numbers, sizes = np.unique(groups, return_counts=True)
    order = np.concatenate([numbers[sizes > LARGE_GROUP], rng.permutation(numbers[sizes <= LARGE_GROUP])])
    bounds = np.cumsum(list(SPLITS.values())) * len(groups)
    splits: dict[str, list[int]] = {name: [] for name in SPLITS}
    dealt = 0
    for group in order:
        members = np.flatnonzero(groups == group)
        name = list(SPLITS)[min(int(np.searchsorted(bounds, dealt, side="right")), len(SPLITS) - 1)]
        splits[name].extend(int(member) for member in members)
        dealt += len(members)
    return {name: sorted(members) for name, members in splits.items()}
