"""From logits to probabilities and thresholds, on people who are in neither training nor test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch

from drishtiksha.detectors.face_blend import FACES
from drishtiksha.evaluation.manifest import read_manifest
from drishtiksha.evaluation.metrics import fit_platt, threshold_for
from drishtiksha.faces.crop import face_crop
from drishtiksha.faces.detect import BlazeFaceFinder
from drishtiksha.faces.fitness import usable_faces
from drishtiksha.networks.efficientnet_lite import WIDE_MARGIN, WIDE_SIZE, FaceBlendNetwork, preprocess_face
from drishtiksha.results import Thresholds
from drishtiksha.scoring import calibrate
from drishtiksha.weights.files import Calibration
from training.face_blend.data import read_rgb

MAX_FALSE_ALARMS = 0.02
"""Of all real pictures together."""
MAX_FALSE_ALARMS_A_GROUP = 0.05
"""Of the real pictures of each delivery, light and treatment: some hundred of each, which measure no finer."""
MAX_CALLED_REAL = 0.10
"""Of the faked pictures."""
KEPT_UNSEEN = "multiband_swap"
"""The kind of fake that stays out of every choice, as it stays out of training."""
CLIPS = (".mp4", ".mkv")
CLIP_STEP = 3
"""Every third frame of a clip is looked at: its neighbours are alike."""


@dataclass(frozen=True)
class Faces:
    """Faces of held-out media, N in all. crops: uint8 (N, S, S, 3). item: which file each is of. Of each file, M in
    all: fake, bool; group, as the manifest says; clip, bool."""

    crops: np.ndarray
    item: np.ndarray
    fake: np.ndarray
    group: np.ndarray
    clip: np.ndarray


def _frames(path: Path) -> list[np.ndarray]:
    if path.suffix not in CLIPS:
        return [read_rgb(path)]
    with av.open(str(path)) as source:
        frames = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    return frames[::CLIP_STEP]


def read_faces(manifest: Path, models_dir: Path, store: Path) -> Faces:
    """The largest usable face of every picture, and of some frames of every clip; kept in the file `store`."""
    if store.exists():
        with np.load(store) as kept:
            return Faces(**kept)
    finder, items = BlazeFaceFinder(models_dir), read_manifest(manifest)
    crops, owners = [], []
    for number, item in enumerate(items):
        for frame in _frames(Path(item.path)):
            faces, _ = usable_faces(finder.find(frame), FACES)
            if faces:
                crops.append(face_crop(frame, faces[0].box, WIDE_SIZE, WIDE_MARGIN))
                owners.append(number)
    made = Faces(
        np.stack(crops),
        np.array(owners),
        np.array([item.fake for item in items]),
        np.array([item.group for item in items]),
        np.array([Path(item.path).suffix in CLIPS for item in items]),
    )
    np.savez(store, **vars(made))
    return made


def logits_of(network: FaceBlendNetwork, crops: np.ndarray, batch: int = 32) -> np.ndarray:
    """float64 (N,) of uint8 crops (N, S, S, 3), in float32 on the CPU."""
    out = []
    with torch.inference_mode():
        for start in range(0, len(crops), batch):
            stacked = torch.stack([preprocess_face(crop, WIDE_SIZE) for crop in crops[start : start + batch]])
            out.append(network.two_looks(stacked).numpy())
    return np.concatenate(out).astype(np.float64)


def choose(logits: np.ndarray, faces: Faces) -> tuple[Calibration, Thresholds]:
    """Platt's scaling, and the thresholds: FAKE as low as the two limits on false alarms allow, REAL as high as the
    limit on missed fakes allows. Clips, and the kind that is kept unseen, have no part in it. logits: (N,)."""
    group, fake = faces.group[faces.item], faces.fake[faces.item]
    used = ~faces.clip[faces.item] & ~np.char.startswith(group, KEPT_UNSEEN)
    logits, group, fake = logits[used], group[used], fake[used]
    scale, offset = fit_platt(logits, fake)
    p = calibrate(logits, scale, offset)
    names = np.unique(group[~fake])
    limits = [threshold_for(p[(group == name) & ~fake], MAX_FALSE_ALARMS_A_GROUP) for name in names]
    at = max([threshold_for(p[~fake], MAX_FALSE_ALARMS), 0.5, *limits])
    calibration = Calibration(
        scale=scale,
        offset=offset,
        data=f"portraits of people in neither training nor test, real and faked: {', '.join(np.unique(group))}",
        n_real=int((~fake).sum()),
        n_fake=int(fake.sum()),
    )
    return calibration, Thresholds(real=min(0.5, float(np.quantile(p[fake], MAX_CALLED_REAL))), fake=at)
