"""Pairs of a real and a fake for FACE-BLEND-LITE-V2: faces of moving video beside portraits, and expression warps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from drishtiksha.networks.efficientnet_lite import INPUT_SIZE
from training.face_blend.blend import MIN_CHANGE, Layers, self_blend, source_transform, swap
from training.face_blend.data import CACHE_PX, FaceCache
from training.face_blend.dataset import mirrored, partner, view, view_matrix
from training.face_blend.degrade import degrade
from training.face_blend.scene import set_scene
from training.face_blend.sequence import last_frame
from training.face_blend.warp import PARTS, expression, moved_mesh, openness

PORTRAIT_SHARE = 0.45
"""Of the pairs; the others are made of frames of moving video."""
WARP_SHARE, SWAP_SHARE = 0.3, 0.35
"""Of the fakes: expressions moved, faces of two people; the others are self-blends."""
HARD_REAL_SHARE, CLIP_SHARE = 0.4, 0.2
OVERLAY_SHARE, TIGHT_SHARE = 0.12, 0.12
"""Of the pairs: captions and marks are laid over both; the picture ends close to the face."""
TIGHT = (0.0, 0.12)
"""What is left around the face of a tightly cut picture, of the crop's side."""
NO_PERSON = -1
"""Of portraits: they are never left out as somebody of the clips."""


def film_cache(folder: Path) -> tuple[FaceCache, list[str]]:
    """Faces of moving video as `training.face_blend.film_media` keeps them, and whose each is (the clip's stem)."""
    names, people, parts = [], [], []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as kept:
            parts.append({name: kept[name] for name in ("crops", "meshes", "boxes", "native_px")})
        names += [f"{path.stem}_{n}" for n in range(len(parts[-1]["crops"]))]
        people += [path.stem.split("_")[0]] * len(parts[-1]["crops"])
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return FaceCache(names, joined["crops"], joined["meshes"], joined["boxes"], joined["native_px"]), people


def joined(one: FaceCache, two: FaceCache) -> FaceCache:
    """Two caches as one, in this order."""
    fields = ("crops", "meshes", "boxes", "native_px")
    return FaceCache(
        one.names + two.names, *(np.concatenate([getattr(one, name), getattr(two, name)]) for name in fields)
    )


def overlay(images: Sequence[np.ndarray], seed: list[int]) -> list[np.ndarray]:
    """The same caption, mark or bar over every picture, wherever it falls, as broadcasters and apps lay them."""
    made = []
    for image in images:
        rng, size = np.random.default_rng(seed), image.shape[0]
        image = image.copy()
        for _ in range(int(rng.integers(1, 3))):
            colour = tuple(int(v) for v in rng.choice([255, 0, int(rng.integers(256))], 3))
            x, y = (int(v) for v in rng.integers(0, size, 2))
            kind = rng.random()
            if kind < 0.5:
                text = "".join(rng.choice(list("ABCDEFGHIKLMNOPRSTUW 0123456789"), int(rng.integers(4, 16))))
                scale = float(rng.uniform(0.4, 1.4)) * size / 256
                cv2.putText(
                    image, text, (x - size // 3, y), int(rng.integers(0, 5)), scale, colour, 1 + int(scale > 0.8)
                )
            elif kind < 0.8:
                end = (x + int(rng.uniform(0.1, 0.6) * size), y + int(rng.uniform(0.03, 0.15) * size))
                cv2.rectangle(image, (x, y), end, colour, -1)
            else:
                cv2.circle(image, (x, y), int(rng.uniform(0.03, 0.12) * size), colour, -1, cv2.LINE_AA)
        made.append(image)
    return made


def tight(images: Sequence[np.ndarray], mesh: np.ndarray, seed: list[int]) -> list[np.ndarray]:
    """Pictures that end close to the face: what lies outside repeats the edge, as `face_crop` fills it up."""
    rng, size = np.random.default_rng(seed), images[0].shape[0]
    low, high = mesh.min(0), mesh.max(0)
    gap = rng.uniform(*TIGHT, 4) * size
    x0, y0 = (int(np.clip(v, 0, size // 3)) for v in (low[0] - gap[0], low[1] - gap[1]))
    x1, y1 = (int(np.clip(v, 2 * size // 3, size)) for v in (high[0] + gap[2], high[1] + gap[3]))
    border = (y0, size - y1, x0, size - x1)
    return [cv2.copyMakeBorder(i[y0:y1, x0:x1], *border, borderType=cv2.BORDER_REPLICATE) for i in images]


class FilmPairs:
    """Any number of pairs. Pair i depends on (seed, i) alone.

    people: of each face of the cache a number, `NO_PERSON` of portraits.
    """

    def __init__(self, cache: FaceCache, people: np.ndarray, seed: int) -> None:
        self.cache, self.people, self.seed = cache, people, seed
        third = CACHE_PX // 3
        self.colours = np.stack([crop[third:-third, third:-third].mean((0, 1)) for crop in cache.crops])
        self.portraits = np.flatnonzero(people == NO_PERSON)
        self.known = np.unique(people[people != NO_PERSON])

    def images(self, item: int) -> tuple[np.ndarray, np.ndarray, set[int]]:
        """The real and the fake, uint8 RGB (S, S, 3), and the people of moving video who are in either."""
        rng = np.random.default_rng([self.seed, item])
        if rng.random() < PORTRAIT_SHARE:
            index = int(rng.choice(self.portraits))
        else:
            index = int(rng.choice(np.flatnonzero(self.people == rng.choice(self.known))))
        size = int(rng.integers(224, 289))
        image, mesh = view(self.cache, index, view_matrix(self.cache.boxes[index], size, rng), size)
        if rng.random() < 0.5:
            image, mesh = mirrored(image, mesh)
        before = rng.random() < 0.5
        if before:
            image = set_scene(image, mesh, [self.seed, item, 2])
        layers, whose = self._layers(image, mesh, index, [self.seed, item, 4], rng)
        real, fake = source_transform(image, rng) if rng.random() < HARD_REAL_SHARE else image, layers.fake()
        if rng.random() < CLIP_SHARE:
            real, fake = last_frame(real, layers, [self.seed, item, 3])
            mesh = mesh * (real.shape[0] / size)
        both: list[np.ndarray] = [real, fake]
        if not before:
            both = [set_scene(made, mesh, [self.seed, item, 2]) for made in both]
        if rng.random() < OVERLAY_SHARE:
            both = overlay(both, [self.seed, item, 5])
        if rng.random() < TIGHT_SHARE:
            both = tight(both, mesh, [self.seed, item, 6])
        real, fake = (degrade(made, INPUT_SIZE, [self.seed, item, 1]) for made in both)
        return real, fake, {int(self.people[i]) for i in (index, *whose)} - {NO_PERSON}

    def _layers(
        self, image: np.ndarray, mesh: np.ndarray, index: int, seed: list[int], rng: np.random.Generator
    ) -> tuple[Layers, list[int]]:
        """The blend, and the further faces of the cache that are in it."""
        kind = rng.random()
        if kind < WARP_SHARE:
            layers, driver = self._warp(image, mesh, index, seed, rng)
            if layers.change() >= MIN_CHANGE:
                return layers, [driver]
        if kind < WARP_SHARE + SWAP_SHARE:
            size = image.shape[0]
            strangers = np.flatnonzero((self.people != self.people[index]) | (self.people == NO_PERSON))
            second = int(strangers[partner(self.colours[strangers], -1, rng)])
            other, other_mesh = view(self.cache, second, view_matrix(self.cache.boxes[second], size, None), size)
            return swap(image, mesh, other, other_mesh, rng), [second]
        return self_blend(image, mesh, rng), []

    def _warp(
        self, image: np.ndarray, mesh: np.ndarray, index: int, seed: list[int], rng: np.random.Generator
    ) -> tuple[Layers, int]:
        """An expression of somebody of the moving video on this face."""
        part = str(rng.choice([*PARTS], p=[0.75, 0.25]))
        person = rng.choice(self.known)
        theirs = np.flatnonzero(self.people == person)
        driver = int(rng.choice(theirs))
        rest = [self.cache.meshes[int(i)] for i in rng.choice(theirs, 8)]
        own, mouth = [mesh], None
        if self.people[index] != NO_PERSON:
            others = np.flatnonzero(self.people == self.people[index])
            picked = rng.choice(others, min(12, len(others)), replace=False)
            own = [self.cache.meshes[int(i)] for i in picked]
        goal = moved_mesh(mesh, own, self.cache.meshes[driver], rest, part)
        if self.people[index] != NO_PERSON and part == "mouth":
            nearest = min(picked, key=lambda i: abs(openness(self.cache.meshes[int(i)]) - openness(goal)))
            mouth = (np.asarray(self.cache.crops[int(nearest)]), self.cache.meshes[int(nearest)])
        return expression(image, mesh, goal, mouth, part, seed), driver

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, set[int]]]:
        item = 0
        while True:
            yield self.images(item)
            item += 1
