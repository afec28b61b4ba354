"""FACE-BLEND-LITE-V2: the upper stages of V1, tuned on faces of moving video and expression warps.

    python -m training.face_blend.film_media --data <data> --out runs/face_blend_v2/film
    python -m training.face_blend.pool --data <data>
    python -m training.face_blend.tune --data <data>

Every person of the clips is left out of one of the trainings, by which clips and thresholds are judged; a last training takes
all of them. Each part goes on from what an interrupted run left in `--runs`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from drishtiksha.networks.efficientnet_lite import FaceBlendNetwork
from training.face_blend.film_scores import FilmFaces, clip_scores, read_film_faces, two_looks
from training.face_blend.measure import Measured, measure
from training.face_blend.pictures import Pictures, read_pictures
from training.face_blend.pool import FROZEN, Pool, load_pool, load_v1
from training.loop import Run, Schedule, Weights

KEPT = 5
"""So many stages keep V1's weights in training; the pool holds what the first `FROZEN` make."""
PAIRS = 16
EPOCHS = 4
PEAK_LR = 3e-4
WEIGHT_DECAY = 1e-4
SMOOTHING = 0.03
N_FOLDS = 4
ALL = "all"
SCENES = frozenset({"stage", "street"})
"""Clips of several people: no person of theirs is left out, since nobody is followed in them here."""
SEED = 20261129


def middle(network: FaceBlendNetwork, x: torch.Tensor) -> torch.Tensor:
    """From what the pool holds to what the tuned stages take."""
    for block in network.backbone.blocks[FROZEN:KEPT]:
        x = block(x)
    return x


def top(network: FaceBlendNetwork, x: torch.Tensor) -> torch.Tensor:
    """The logits (B,) of what `middle` made."""
    backbone = network.backbone
    for block in backbone.blocks[KEPT:]:
        x = block(x)
    return backbone.forward_head(backbone.bn2(backbone.conv_head(x))).flatten(0)


def middles(features: np.ndarray, store: Path) -> np.ndarray:
    """float16 (N, 2, C, H, W) of pairs or looks (N, 2, ...); kept in the file `store`."""
    if not store.exists():
        network, made = load_v1(), []
        with torch.inference_mode():
            for start in range(0, len(features), 32):
                part = torch.from_numpy(features[start : start + 32]).float()
                made.append(middle(network, part.flatten(0, 1)).unflatten(0, (-1, 2)).half().numpy())
        np.save(store, np.concatenate(made))
    return np.asarray(np.load(store, mmap_mode="r"))


def tuned(pairs: np.ndarray, members: np.ndarray, folder: Path, seed: int) -> Weights:
    """Weights after `EPOCHS` over the members of pairs (N, 2, C, H, W) of what a real and a fake look like."""
    network = load_v1()
    for part in network.parameters():
        part.requires_grad_(False)
    backbone = network.backbone
    trained = [backbone.blocks[KEPT:], backbone.conv_head, backbone.bn2, backbone.classifier]
    parameters = [p for part in trained for p in part.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(parameters, lr=PEAK_LR, weight_decay=WEIGHT_DECAY)
    per_epoch = max(len(members) // PAIRS, 1)
    schedule = Schedule(
        minutes=60, seed=seed, warm_steps=20, max_steps=per_epoch * EPOCHS, ema_decay=0.98, checkpoint_s=60
    )
    run = Run(folder, {"network": network}, {"network": optimizer}, schedule)
    goal = torch.tensor([SMOOTHING, 1 - SMOOTHING]).repeat(PAIRS)
    for step in run.steps():
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(members)
        batch = torch.from_numpy(pairs[np.sort(order[place * PAIRS : (place + 1) * PAIRS])]).float().flatten(0, 1)
        loss = nn.functional.binary_cross_entropy_with_logits(top(network, batch), goal[: len(batch)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.note(loss=loss.item())
    return run.ema["network"]


def network_of(weights: Weights) -> FaceBlendNetwork:
    """In evaluation mode, with the weights as float16 keeps them."""
    network = FaceBlendNetwork()
    network.load_state_dict({name: w.half().float() if w.is_floating_point() else w for name, w in weights.items()})
    return network.eval()


def logits(network: FaceBlendNetwork, middled: np.ndarray) -> np.ndarray:
    """float64 (N,): the mean over both looks."""
    out = []
    with torch.inference_mode():
        for start in range(0, len(middled), 64):
            part = torch.from_numpy(middled[start : start + 64]).float()
            out.append(top(network, part.flatten(0, 1)).view(len(part), 2).mean(1).numpy())
    return np.concatenate(out).astype(np.float64)


@dataclass(frozen=True)
class Material:
    """All that is trained and measured on; `..._middle`: as the tuned stages take it."""

    pool: Pool
    pool_middle: np.ndarray
    film: FilmFaces
    film_middle: np.ndarray
    pictures: dict[str, Pictures]
    picture_middle: dict[str, np.ndarray]


def read_material(data: Path, runs: Path, n_val: int, n_test: int) -> Material:
    film = read_film_faces(runs / "film" / "manifest.csv", runs / "film_looks.npz", runs / "film_faces.npz")
    pictures, picture_middle = {}, {}
    for split, count in (("val", n_val), ("test", n_test)):
        found = read_pictures(data / "portraits", split, count, runs / f"pictures_{split}.npz")
        store = runs / f"pictures_{split}_middle.npy"
        looks = np.zeros((0,)) if store.exists() else two_looks(load_v1(), found.crops)
        pictures[split], picture_middle[split] = found, middles(looks, store)
    pool = load_pool(runs)
    store = runs / f"pool_middle_{len(pool.people)}.npy"
    return Material(
        pool,
        middles(pool.features, store),
        film,
        middles(film.looks, runs / "film_middle.npy"),
        pictures,
        picture_middle,
    )


def folds(people: np.ndarray) -> dict[str, set[str]]:
    """Who is left out of which training."""
    names = sorted(set(people) - SCENES)
    return {f"fold{n}": set(names[n::N_FOLDS]) for n in range(N_FOLDS)}


def left_out_logits(material: Material, runs: Path) -> np.ndarray:
    """The logit of every face of the clips by the training that its person was left out of; of scenes by the first."""
    found = np.full(len(material.film.item), np.nan)
    person = material.film.person[material.film.item]
    for number, (name, left_out) in enumerate(folds(material.film.person).items()):
        weights = tuned(material.pool_middle, material.pool.without(left_out | SCENES), runs / name, SEED)
        mine = np.isin(person, list(left_out | (SCENES if number == 0 else set())))
        found[mine] = logits(network_of(weights), material.film_middle[mine])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="training.face_blend.tune", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds portraits/ and clips/")
    parser.add_argument("--runs", type=Path, default=Path("runs/face_blend_v2"))
    parser.add_argument("--val", type=int, default=30, help="people of V1's calibration split")
    parser.add_argument("--test", type=int, default=40, help="people of V1's test split")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    material = read_material(given.data, given.runs, given.val, given.test)
    found: dict[str, Measured] = {}
    old = load_v1()
    found["V1"] = _measured(material, old, logits(old, material.film_middle))
    left_out = left_out_logits(material, given.runs)
    every = tuned(material.pool_middle, np.arange(len(material.pool.people)), given.runs / ALL, SEED)
    found["V2"] = _measured(material, network_of(every), left_out)
    (given.runs / "measured.json").write_text(json.dumps({name: vars(one) for name, one in found.items()}, indent=1))
    print(json.dumps({name: vars(one) for name, one in found.items()}, indent=1))


def _measured(material: Material, network: FaceBlendNetwork, film_logits: np.ndarray) -> Measured:
    pictures = {split: logits(network, found) for split, found in material.picture_middle.items()}
    return measure(material.film, film_logits, material.pictures, pictures, clip_scores)


if __name__ == "__main__":
    main()
