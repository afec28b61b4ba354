"""Pairs of a real face and a fake made of it, each drawn from its own seed: any sample can be made again."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from drishtiksha.networks.efficientnet_lite import CROP_MARGIN, INPUT_SIZE, preprocess_face
from drishtiksha.training.face_blend.blend import self_blend, source_transform, swap
from drishtiksha.training.face_blend.data import FaceCache
from drishtiksha.training.face_blend.degrade import degrade

SWAP_SHARE = 0.18
"""Of the fakes: faces of two people; the others are self-blends."""
HARD_REAL_SHARE = 0.5
"""Of the reals: the whole picture gets what the fake's one half got, so that the treatment alone tells nothing."""


def view_matrix(box: np.ndarray, size: int, rng: np.random.Generator | None) -> np.ndarray:
    """The (2, 3) map from a cached crop to the picture that is blended, `size` px wide.

    Without rng: exactly the crop of use (CROP_MARGIN around the box). With it: shifted, scaled and turned at random,
    as boxes of real finders are.
    """
    side = float(max(box[2] - box[0], box[3] - box[1])) * (1 + 2 * CROP_MARGIN)
    centre = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    angle = 0.0
    if rng is not None:
        side *= rng.uniform(0.85, 1.2)
        centre = centre + rng.uniform(-0.06, 0.06, 2) * side
        angle = rng.normal(0, 5) if rng.random() < 0.8 else rng.uniform(-25, 25)
    matrix = np.asarray(cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle, size / side), np.float64)
    matrix[:, 2] += size / 2 - centre
    return matrix


def view(cache: FaceCache, index: int, matrix: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture uint8 RGB (size, size, 3) that `matrix` shows of a cached face, and its mesh there."""
    image = cv2.warpAffine(
        cache.crops[index], matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return image, cv2.transform(cache.meshes[index][None], matrix)[0]


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


class Pairs(Dataset):
    """Item i: uint8-exact real and fake tensors (2, 3, S, S) of one face; real first. Depends on (seed, i) alone."""

    def __init__(self, cache: FaceCache, members: list[int], seed: int, length: int, size: int = INPUT_SIZE) -> None:
        self.cache, self.members, self.seed, self.length, self.size = cache, members, seed, length, size
        quarter = cache.crops.shape[1] // 3
        self.colours = np.stack([cache.crops[i][quarter:-quarter, quarter:-quarter].mean((0, 1)) for i in members])

    def __len__(self) -> int:
        return self.length

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
        if rng.random() < SWAP_SHARE:
            second = self.members[partner(self.colours, position, rng)]
            other, other_mesh = view(self.cache, second, view_matrix(self.cache.boxes[second], size, None), size)
            fake, _ = swap(image, mesh, other, other_mesh, rng)
        else:
            fake, _ = self_blend(image, mesh, rng)
        real = source_transform(image, rng) if rng.random() < HARD_REAL_SHARE else image
        chain = [self.seed, epoch, place, 1]
        return degrade(real, INPUT_SIZE, chain), degrade(fake, INPUT_SIZE, chain)

    def __getitem__(self, item: int) -> torch.Tensor:
        pair = torch.stack([preprocess_face(image) for image in self.images(item)])
        if self.size != INPUT_SIZE:
            pair = torch.nn.functional.interpolate(pair, size=(self.size, self.size), mode="area")
        return pair
