"""Pairs of a genuine picture and its reconstruction: made once by each autoencoder, then drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from drishtiksha.networks.face_synth import to_input
from training.face_blend.data import FaceCache
from training.face_synth.chain import as_sharp_as, delivered, sides
from training.face_synth.generate import STATES, clean_picture, cut, large_enough, load_autoencoder
from training.face_synth.generators import RECIPES, Recipe, reconstruct

PICTURE_PX = 192


@dataclass(frozen=True)
class Pool:
    """By recipe's name. members: places in the face cache (N,). pictures: uint8 RGB (3, N, 192, 192, 3): real, fake, and
    the real one filtered to the fake's sharpness."""

    members: dict[str, list[int]]
    pictures: dict[str, np.ndarray]

    def places(self, recipe: Recipe, members: list[int]) -> list[int]:
        """Where those of `members` that this recipe reconstructed lie in its pictures."""
        wanted = set(members)
        return [place for place, member in enumerate(self.members[recipe.name]) if member in wanted]


def shares(cache: FaceCache, splits: dict[str, list[int]]) -> dict[str, list[int]]:
    """Whom each recipe reconstructs: all of val, and every second one of train, in turn, to save time."""
    train, val = (large_enough(cache, splits[name], PICTURE_PX) for name in ("train", "val"))
    return {recipe.name: sorted(train[number % 2 :: 2] + val) for number, recipe in enumerate(RECIPES)}


def _fill(recipe: Recipe, cache: FaceCache, members: list[int], generators: Path, seed: int) -> np.ndarray:
    number = RECIPES.index(recipe)
    autoencoders = {state: load_autoencoder(recipe, generators, state) for state in STATES}
    pictures = np.empty((3, len(members), PICTURE_PX, PICTURE_PX, 3), np.uint8)
    for place, member in enumerate(members):
        rng = np.random.default_rng([seed, number, member])
        pictures[0, place] = cut(clean_picture(cache, member, rng, PICTURE_PX), PICTURE_PX, rng)
        state = STATES[int(rng.random() < 0.7)]
        pictures[1, place] = reconstruct(autoencoders[state], torch.from_numpy(pictures[0, place])[None])[0]
        pictures[2, place] = as_sharp_as(pictures[0, place], pictures[1, place])
    return pictures


def make_pool(cache: FaceCache, splits: dict[str, list[int]], generators: Path, folder: Path, seed: int) -> Pool:
    """Reconstruct people of train and val by every recipe, each time at another size and place; what is in `folder` is
    kept."""
    folder.mkdir(parents=True, exist_ok=True)
    members = shares(cache, splits)
    for recipe in RECIPES:
        path = folder / f"{recipe.name}.npy"
        if not path.exists():
            np.save(path, _fill(recipe, cache, members[recipe.name], generators, seed))
    pictures = {recipe.name: np.load(folder / f"{recipe.name}.npy", mmap_mode="r") for recipe in RECIPES}
    return Pool(members, pictures)


class Pairs:
    """Item i: real and fake of one picture after the same chain. Depends on (seed, i) alone."""

    def __init__(self, pool: Pool, members: list[int], recipes: list[Recipe], seed: int) -> None:
        self.pool, self.recipes, self.seed = pool, recipes, seed
        self.places = [pool.places(recipe, members) for recipe in recipes]

    def images(self, item: int) -> tuple[np.ndarray, np.ndarray]:
        """The real and the fake as uint8 RGB (TRAINING_PX, TRAINING_PX, 3)."""
        rng = np.random.default_rng([self.seed, item])
        turn = item % len(self.recipes)
        place = int(rng.choice(self.places[turn]))
        real, fake, soft = self.pool.pictures[self.recipes[turn].name][:, place]
        real, fake = sides(real, fake, soft, rng)
        chain = [self.seed, item, 1]
        return delivered(real, chain), delivered(fake, chain)

    def batch(self, first: int, count: int) -> torch.Tensor:
        """Items `first` to `first + count`, float32 (2 * count, 3, S, S): real, fake, real, fake, ..."""
        images = [image for item in range(first, first + count) for image in self.images(item)]
        return torch.stack([to_input(image) for image in images]).contiguous(memory_format=torch.channels_last)
