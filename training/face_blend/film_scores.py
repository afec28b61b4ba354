"""How weights score the faces of moving video: what the frozen stages make of each look is computed once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from drishtiksha.evaluation.manifest import read_manifest
from drishtiksha.networks.efficientnet_lite import INPUT_SIZE, WIDE_SIZE, FaceBlendNetwork, preprocess_face
from drishtiksha.scoring import calibrate, middle_mean
from training.face_blend.calibrate import read_faces
from training.face_blend.heldout import REPOSITORY
from training.face_blend.pool import load_v1, lower, upper

FACES_A_CLIP = 6
MIN_FACES = 3
"""A clip with fewer usable faces has no score."""


@dataclass(frozen=True)
class FilmFaces:
    """Faces of clips, N in all. looks: float16 (N, 2, C, H, W). item: which clip each is of. Of each clip, M in all: fake,
    bool; kind, without the delivery; person."""

    looks: np.ndarray
    item: np.ndarray
    fake: np.ndarray
    kind: np.ndarray
    person: np.ndarray


def two_looks(network: FaceBlendNetwork, crops: np.ndarray) -> np.ndarray:
    """What the frozen stages make of both looks at each crop, as `FaceBlendNetwork.two_looks` takes them."""
    made = []
    edge = (WIDE_SIZE - INPUT_SIZE) // 2
    with torch.inference_mode():
        for start in range(0, len(crops), 16):
            x = torch.stack([preprocess_face(crop, WIDE_SIZE) for crop in crops[start : start + 16]])
            near = x[..., edge : edge + INPUT_SIZE, edge : edge + INPUT_SIZE]
            far = nn.functional.interpolate(x, size=(INPUT_SIZE,) * 2, mode="bilinear", antialias=True).flip(3)
            made.append(torch.stack([lower(network, near), lower(network, far)], 1).half().numpy())
    return np.concatenate(made)


def read_film_faces(manifest: Path, store: Path, crops_store: Path) -> FilmFaces:
    """At most `FACES_A_CLIP` faces of every clip; kept in the file `store`."""
    if not store.exists():
        found = read_faces(manifest, REPOSITORY / "models", crops_store)
        items = read_manifest(manifest)
        picked: list[int] = []
        for number in range(len(items)):
            own = np.flatnonzero(found.item == number)
            picked += [
                int(own[i]) for i in np.linspace(0, len(own) - 1, min(FACES_A_CLIP, len(own))).round().astype(int)
            ]
        np.savez(
            store,
            looks=two_looks(load_v1(), found.crops[picked]),
            item=found.item[picked],
            fake=found.fake,
            kind=np.array([item.group.split("/")[0] for item in items]),
            person=np.array([item.source for item in items]),
        )
    with np.load(store) as kept:
        return FilmFaces(**kept)


def logits_of_looks(network: FaceBlendNetwork, looks: np.ndarray) -> np.ndarray:
    """float64 (N,): the mean of both looks."""
    out = []
    with torch.inference_mode():
        for start in range(0, len(looks), 32):
            part = torch.from_numpy(looks[start : start + 32]).float()
            out.append(upper(network, part.flatten(0, 1)).view(len(part), 2).mean(1).numpy())
    return np.concatenate(out).astype(np.float64)


def clip_scores(logits: np.ndarray, faces: FilmFaces, scale: float, offset: float) -> np.ndarray:
    """p_fake (M,) of each clip by `scoring.middle_mean`; NaN of a clip with fewer than `MIN_FACES` faces. logits: (N,)."""
    p = calibrate(logits, scale, offset)
    own = [p[faces.item == number] for number in range(len(faces.fake))]
    return np.array([middle_mean(list(some)) if len(some) >= MIN_FACES else np.nan for some in own])
