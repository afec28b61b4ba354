"""From a checkpoint to what ships: weights, sidecar, report, card."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy.special import expit

from drishtiksha.networks.efficientnet_lite import INPUT_SIZE, FaceBlendNetwork
from drishtiksha.training.face_blend.clips import judge_clips
from drishtiksha.training.face_blend.evaluate import (
    CALIBRATION_DELIVERIES,
    Crops,
    choose_thresholds,
    fit_platt,
    judge,
    logits_of,
    make_crops,
    rate_at,
)
from drishtiksha.training.face_blend.heldout import DELIVERIES, HeldOut
from drishtiksha.training.face_blend.report import draw_curves, write_card
from drishtiksha.training.face_blend.stress import STRESSES, stressed
from drishtiksha.weights import sha256_of

MODEL_NAME = "FACE-BLEND-LITE-V1"
CANARY_SEED = 1234
CANARY_TOLERANCE = 0.05


def canary_input() -> torch.Tensor:
    """The fixed input whose logits the sidecar holds, float32 (2, 3, S, S)."""
    return torch.randn((2, 3, INPUT_SIZE, INPUT_SIZE), generator=torch.Generator().manual_seed(CANARY_SEED))


def save_weights(weights: dict[str, torch.Tensor], path: Path) -> FaceBlendNetwork:
    """Write the weights and hand back the network as everyone will load it, in evaluation mode."""
    save_file({name: value.contiguous().clone() for name, value in weights.items()}, path)
    network = FaceBlendNetwork()
    network.load_state_dict(load_file(path))
    return network.eval()


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes. data: holds portraits/ and clips/. models: finder and mesh. runs: checkpoints and
    caches. out: what ships. seed: of all pictures kept out."""

    data: Path
    models: Path
    runs: Path
    out: Path
    seed: int

    def crops(self, names: list[str], test: bool) -> Crops:
        """The pictures of people kept out, made once: all deliveries to test with, some to calibrate with."""
        store = self.runs / ("test_crops.npz" if test else "val_crops.npz")
        heldout = HeldOut(self.data / "portraits", [] if store.exists() else names, self.models, self.seed + test)
        return make_crops(heldout, tuple(DELIVERIES) if test else CALIBRATION_DELIVERIES, 2, test, store)


def _write_scores(path: Path, data: Crops, p: np.ndarray) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["person", "kind", "delivery", "p_fake"])
        for person, kind, delivery, value in zip(data.person, data.kind, data.delivery, p, strict=True):
            writer.writerow([person, kind, delivery, f"{value:.4f}"])


def _canary(network: FaceBlendNetwork) -> dict[str, object]:
    with torch.inference_mode():
        logits = [round(float(value), 5) for value in network(canary_input())]
    shape = [2, 3, INPUT_SIZE, INPUT_SIZE]
    return {"seed": CANARY_SEED, "shape": shape, "logits": logits, "tolerance": CANARY_TOLERANCE}


def _judge_stress(network: FaceBlendNetwork, test: Crops, scale: float, offset: float, at: float, seed: int) -> dict:
    """False alarms on clean reals under each of STRESSES."""
    rows = np.flatnonzero((test.kind == "real") & (test.delivery == "clean"))
    some = Crops(test.crops[rows], test.person[rows], test.kind[rows], test.delivery[rows])
    everyone = np.ones(len(rows), bool)
    scores = {name: expit(scale * logits_of(network, stressed(some.crops, name, seed)) + offset) for name in STRESSES}
    return {name: rate_at(p, some, everyone, at, seed) for name, p in scores.items()}


def _write_report(place: Place, sidecar: dict, test: Crops, p: np.ndarray) -> None:
    report = place.out / f"{MODEL_NAME}-report"
    report.mkdir(exist_ok=True)
    _write_scores(report / "test_scores.csv", test, p)
    (report / "measured.json").write_text(json.dumps(sidecar["measured"], indent=1) + "\n")
    if (place.runs / "log.csv").exists():
        shutil.copyfile(place.runs / "log.csv", report / "training_log.csv")
    draw_curves(report / "curves.png", test, p, sidecar["thresholds"]["fake"])
    write_card(place.out / f"{MODEL_NAME}.md", sidecar)


def deliver(
    weights: dict[str, torch.Tensor], names: list[str], splits: dict[str, list[int]], place: Place, facts: dict
) -> dict:
    """Calibrate on val, measure on test, and write everything that ships. Returns the measured numbers.

    facts: what the card says of the run, such as its steps and minutes.
    """
    path = place.out / f"{MODEL_NAME}.safetensors"
    network = save_weights(weights, path)
    val = place.crops([names[member] for member in splits["val"]], test=False)
    test = place.crops([names[member] for member in splits["test"]], test=True)
    val_logits, test_logits = logits_of(network, val.crops), logits_of(network, test.crops)
    scale, offset = fit_platt(val_logits, val.fake)
    thresholds = choose_thresholds(expit(scale * val_logits + offset), val)
    measured = judge(test_logits, test, scale, offset, thresholds, place.seed)
    measured["clips"] = judge_clips(network, place.data / "clips", place.models, scale, offset, thresholds)
    measured["stress_false_alarms"] = _judge_stress(network, test, scale, offset, thresholds["fake"], place.seed)
    measured["run"] = facts
    people = f"portraits of people in neither train nor test, real and faked, as {', '.join(CALIBRATION_DELIVERIES)}"
    calibration = {"method": "platt", "scale": scale, "offset": offset, "data": people}
    calibration |= {"n_real": int((~val.fake).sum()), "n_fake": int(val.fake.sum())}
    sidecar = {"sha256": sha256_of(path), "canary": _canary(network), "calibration": calibration}
    sidecar |= {"thresholds": thresholds, "measured": measured}
    path.with_suffix(".json").write_text(json.dumps(sidecar, indent=1) + "\n")
    _write_report(place, sidecar, test, expit(scale * test_logits + offset))
    return measured
