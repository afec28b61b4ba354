"""Pairs of a real face and a fake made of it, each drawn from its own seed: any sample can be made again."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from drishtiksha.networks.efficientnet_lite import CROP_MARGIN, INPUT_SIZE, preprocess_face
from training.face_blend.blend import Layers, self_blend, source_transform, swap
from training.face_blend.data import FaceCache
from training.face_blend.degrade import degrade
from training.face_blend.scene import set_scene
from training.face_blend.sequence import CLIP_SHARE, last_frame

SWAP_SHARE = 0.45
"""Of the fakes: faces of two people; the others are self-blends."""
TILT_SHARE = 0.35
SCENE_BEFORE = 0.5
"""Of the pairs: light, things and make-up are in the picture before it is faked; in the others they come after."""
HARD_REAL_SHARE = 0.5
"""Of the reals: the whole picture gets what the fake's one half got, so that the treatment alone tells nothing."""


def _tilt(size: int, rng: np.random.Generator) -> np.ndarray:
    """The plane of the picture turned away: faces of people who look down or aside are foreshortened. (3, 3)."""
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
    squeeze = np.array([rng.uniform(0.72, 1.0), rng.uniform(0.72, 1.0)])
    moved = (corners - size / 2) * squeeze + size / 2 + rng.uniform(-0.07, 0.07, (4, 2)) * size
    return np.asarray(cv2.getPerspectiveTransform(corners, moved.astype(np.float32)), np.float64)


def view_matrix(box: np.ndarray, size: int, rng: np.random.Generator | None) -> np.ndarray:
    """The (3, 3) map from a cached crop to the picture that is blended, `size` px wide.

    Without rng: exactly the crop of use (CROP_MARGIN around the box). With it: shifted, scaled, turned and tilted at
    random, as boxes of real finders and people who do not pose are.
    """
    side = float(max(box[2] - box[0], box[3] - box[1])) * (1 + 2 * CROP_MARGIN)
    centre = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    angle, tilt = 0.0, np.eye(3)
    if rng is not None:
        side *= rng.uniform(0.85, 1.2)
        centre = centre + rng.uniform(-0.06, 0.06, 2) * side
        angle = rng.normal(0, 6) if rng.random() < 0.75 else rng.uniform(-32, 32)
        if rng.random() < TILT_SHARE:
            tilt = _tilt(size, rng)
    matrix = np.asarray(cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle, size / side), np.float64)
    matrix[:, 2] += size / 2 - centre
    return tilt @ np.vstack([matrix, [0, 0, 1]])


def view(cache: FaceCache, index: int, matrix: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture uint8 RGB (size, size, 3) that `matrix` shows of a cached face, and its mesh there."""
    image = cv2.warpPerspective(
        cache.crops[index], matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return image, cv2.perspectiveTransform(cache.meshes[index][None], matrix)[0]


def mirrored(image: np.ndarray, mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Picture and mesh flipped left to right; the mesh's points keep their numbers."""
    flipped = mesh.copy()
    flipped[:, 0] = image.shape[1] - 1 - flipped[:, 0]
    return np.ascontiguousarray(image[:, ::-1]), flipped


def partner(colours: np.ndarray, index: int, rng: np.random.Generator) -> int:
    """Of eight other faces of the split the one with the nearest skin colour. colours: (N, 3)."""
    others = rng.choice(len(colours), size=min(8, len(colours)), replace=False)
    others = others[others != index]
    if not others.size:
        return index
    return int(others[np.argmin(np.linalg.norm(colours[others] - colours[index], axis=1))])


class Pairs:
    """Any number of pairs of a real and a fake of one face. Pair i depends on (seed, i) alone."""

    def __init__(self, cache: FaceCache, members: list[int], seed: int) -> None:
        self.cache, self.members, self.seed = cache, members, seed
        quarter = cache.crops.shape[1] // 3
        self.colours = np.stack([cache.crops[i][quarter:-quarter, quarter:-quarter].mean((0, 1)) for i in members])

    def images(self, item: int) -> tuple[np.ndarray, np.ndarray]:
        """The real and the fake as uint8 RGB (S, S, 3)."""
        epoch, place = divmod(item, len(self.members))
        position = int(np.random.default_rng([self.seed, epoch]).permutation(len(self.members))[place])
        rng = np.random.default_rng([self.seed, epoch, place])
        size = int(rng.integers(224, 305))
        matrix = view_matrix(self.cache.boxes[self.members[position]], size, rng)
        image, mesh = view(self.cache, self.members[position], matrix, size)
        if rng.random() < 0.5:
            image, mesh = mirrored(image, mesh)
        before = rng.random() < SCENE_BEFORE
        if before:
            image = set_scene(image, mesh, [self.seed, epoch, place, 2])
        layers = self._layers(image, mesh, position, rng)
        real, fake = source_transform(image, rng) if rng.random() < HARD_REAL_SHARE else image, layers.fake()
        if rng.random() < CLIP_SHARE:
            real, fake = last_frame(real, layers, [self.seed, epoch, place, 3])
            mesh = mesh * (real.shape[0] / size)
        if not before:
            real, fake = (set_scene(made, mesh, [self.seed, epoch, place, 2]) for made in (real, fake))
        chain = [self.seed, epoch, place, 1]
        return degrade(real, INPUT_SIZE, chain), degrade(fake, INPUT_SIZE, chain)

    def _layers(self, image: np.ndarray, mesh: np.ndarray, position: int, rng: np.random.Generator) -> Layers:
        if rng.random() >= SWAP_SHARE:
            return self_blend(image, mesh, rng)
        size = image.shape[0]
        second = self.members[partner(self.colours, position, rng)]
        other, other_mesh = view(self.cache, second, view_matrix(self.cache.boxes[second], size, None), size)
        return swap(image, mesh, other, other_mesh, rng)

    def tensors(self, item: int, size: int = INPUT_SIZE) -> torch.Tensor:
        """The real and the fake as the network takes them, float32 (2, 3, size, size)."""
        pair = torch.stack([preprocess_face(image) for image in self.images(item)])
        return pair if size == INPUT_SIZE else torch.nn.functional.interpolate(pair, size=(size, size), mode="area")
