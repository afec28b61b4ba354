"""How weights score the faces of moving video."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drishtiksha.evaluation.manifest import read_manifest
from drishtiksha.networks.efficientnet_lite import FaceBlendNetwork
from drishtiksha.scoring import calibrate, middle_mean
from training.face_blend.calibrate import logits_of, read_faces
from training.face_blend.heldout import REPOSITORY

FACES_A_CLIP = 6
MIN_FACES = 3
"""A clip with fewer usable faces has no score."""


@dataclass(frozen=True)
class FilmLogits:
    """Logits of faces of clips, float64 (N,). item: which clip each is of. Of each clip, M in all: kind, without the
    delivery; person."""

    logits: np.ndarray
    item: np.ndarray
    kind: np.ndarray
    person: np.ndarray

    def clip_scores(self, scale: float, offset: float) -> np.ndarray:
        """p_fake (M,) of each clip by `scoring.middle_mean`; NaN of a clip with fewer than `MIN_FACES` faces."""
        p = calibrate(self.logits, scale, offset)
        own = [p[self.item == number] for number in range(len(self.kind))]
        return np.array([middle_mean(list(some)) if len(some) >= MIN_FACES else np.nan for some in own])


def spread(item: np.ndarray, n_items: int, most: int = FACES_A_CLIP) -> np.ndarray:
    """Numbers of at most so many faces of each clip, evenly over it. item: (N,) which clip each face is of."""
    picked: list[int] = []
    for number in range(n_items):
        own = np.flatnonzero(item == number)
        picked += [int(own[i]) for i in np.linspace(0, len(own) - 1, min(most, len(own))).round().astype(int)]
    return np.array(picked, int)


def film_logits(network: FaceBlendNetwork, manifest: Path, store: Path, crops_store: Path) -> FilmLogits:
    """The logits of at most `FACES_A_CLIP` faces of every clip; kept in the file `store`."""
    items = read_manifest(manifest)
    if not store.exists():
        found = read_faces(manifest, REPOSITORY / "models", crops_store)
        picked = spread(found.item, len(items))
        np.savez(store, logits=logits_of(network, found.crops[picked]), item=found.item[picked])
    with np.load(store) as kept:
        return FilmLogits(
            kept["logits"],
            kept["item"],
            np.array([item.group.split("/")[0] for item in items]),
            np.array([item.source for item in items]),
        )
