"""What a run starts from: the cache, the groups and the split, kept in the run's folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from drishtiksha.networks.efficientnet_lite import FaceBlendNetwork
from training.face_blend.data import FaceCache, build_cache, load_cache, split_groups
from training.face_blend.groups import (
    aligned_faces,
    feature_likeness,
    group,
    pixel_likeness,
    without_lookalikes,
)

Splits = dict[str, list[int]]


def prepare(
    portraits: Path, models_dir: Path, folder: Path, start: dict[str, torch.Tensor], seed: int
) -> tuple[FaceCache, Splits]:
    """Build the cache and the split, or read them where an earlier run left them.

    start: ImageNet weights, by which look-alikes are found. Also writes likeness.npz for a look at the closest pairs.
    """
    stored = folder / "cache"
    done = (stored / "skipped.json").exists()
    cache = load_cache(stored) if done else build_cache(portraits, models_dir, stored)
    if not (folder / "splits.json").exists():
        network = FaceBlendNetwork()
        network.load_state_dict(start)
        faces = aligned_faces(cache)
        pixels, features = pixel_likeness(faces), feature_likeness(faces, network.eval())
        groups = group(pixels, features)
        np.savez(folder / "likeness.npz", pixels=pixels, features=features, groups=groups)
        splits = without_lookalikes(split_groups(groups, seed), features)
        (folder / "splits.json").write_text(json.dumps(splits))
    return cache, json.loads((folder / "splits.json").read_text())
