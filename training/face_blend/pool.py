"""Pairs made once for all trainings of FACE-BLEND-LITE-V2, kept as what the frozen lower stages make of them.

    python -m training.face_blend.pool --data <folder with portraits/> --runs runs/face_blend_v2 --pairs 2400

Adds to what is there until so many pairs, or so many minutes, are reached.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file

from drishtiksha.networks.efficientnet_lite import FaceBlendNetwork, preprocess_face
from training.face_blend.data import FaceCache, build_cache, load_cache
from training.face_blend.film_pairs import NO_PERSON, FilmPairs, film_cache, joined
from training.face_blend.heldout import NAME, REPOSITORY, split_of

FROZEN = 3
"""So many stages keep the weights of V1: what they make of a picture is computed once."""
PORTRAITS = 220
"""Of the people that V1 was trained on."""
CHUNK = 50
SEED = 20261129


@dataclass(frozen=True)
class Pool:
    """features: float16 (N, 2, C, H, W) of the real and the fake. people: who of the moving video is in either."""

    features: np.ndarray
    people: list[set[str]]

    def without(self, left_out: set[str]) -> np.ndarray:
        """Numbers of the pairs that none of these people is in."""
        return np.array([n for n, who in enumerate(self.people) if not who & left_out])


def load_v1(dropout: float = 0.0) -> FaceBlendNetwork:
    """The network with the committed weights of V1, in evaluation mode."""
    network = FaceBlendNetwork(dropout)
    network.load_state_dict(load_file(REPOSITORY / "models" / f"{NAME}.safetensors"))
    return network.eval()


def lower(network: FaceBlendNetwork, x: torch.Tensor) -> torch.Tensor:
    """What the frozen stages make of pictures (B, 3, S, S)."""
    backbone = network.backbone
    x = backbone.bn1(backbone.conv_stem(x))
    for block in backbone.blocks[:FROZEN]:
        x = block(x)
    return x


def upper(network: FaceBlendNetwork, x: torch.Tensor) -> torch.Tensor:
    """The logits (B,) of what `lower` made."""
    backbone = network.backbone
    for block in backbone.blocks[FROZEN:]:
        x = block(x)
    return backbone.forward_head(backbone.bn2(backbone.conv_head(x))).flatten(0)


def _caches(data: Path, runs: Path) -> tuple[FaceCache, np.ndarray, list[str]]:
    folder = runs / "portraits"
    if not (folder / "skipped.json").exists():
        picked = split_of(REPOSITORY / "models", "train")
        picked = [picked[int(i)] for i in np.linspace(0, len(picked) - 1, PORTRAITS)]
        links = runs / "portrait_files"
        links.mkdir(parents=True, exist_ok=True)
        for name in picked:
            (links / name).unlink(missing_ok=True)
            (links / name).symlink_to((data / "portraits" / name).resolve())
        build_cache(links, REPOSITORY / "models", folder)
    portraits, (film, whose) = load_cache(folder), film_cache(runs / "film" / "faces")
    names = sorted(set(whose))
    numbers = np.array([NO_PERSON] * len(portraits) + [names.index(who) for who in whose])
    return joined(portraits, film), numbers, names


def load_pool(runs: Path) -> Pool:
    """All pairs that are there."""
    features, people = [], []
    for path in sorted((runs / "pool").glob("*.npz")):
        with np.load(path) as kept:
            features.append(kept["features"])
            people += [set(json.loads(str(one))) for one in kept["people"]]
    return Pool(np.concatenate(features), people)


def _chunk(
    pairs: FilmPairs, names: list[str], first: int, network: FaceBlendNetwork
) -> Iterator[tuple[np.ndarray, str]]:
    for item in range(first, first + CHUNK):
        real, fake, whose = pairs.images(item)
        with torch.inference_mode():
            made = lower(network, torch.stack([preprocess_face(real), preprocess_face(fake)]))
        yield made.half().numpy(), json.dumps(sorted(names[one] for one in whose))


def make_pool(data: Path, runs: Path, n_pairs: int, minutes: float) -> None:
    """Add chunks of pairs until there are `n_pairs`, or the minutes are over."""
    started, folder = time.monotonic(), runs / "pool"
    folder.mkdir(parents=True, exist_ok=True)
    cache, numbers, names = _caches(data, runs)
    pairs, network = FilmPairs(cache, numbers, SEED), load_v1()
    for first in range(0, n_pairs, CHUNK):
        path = folder / f"{first:06}.npz"
        if path.exists():
            continue
        if time.monotonic() - started > minutes * 60:
            return
        features, people = zip(*_chunk(pairs, names, first, network), strict=True)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, features=np.stack(features), people=np.array(people))
        part.rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="training.face_blend.pool", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/face_blend_v2"))
    parser.add_argument("--pairs", type=int, default=2400)
    parser.add_argument("--minutes", type=float, default=30)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    make_pool(given.data, given.runs, given.pairs, given.minutes)


if __name__ == "__main__":
    main()
