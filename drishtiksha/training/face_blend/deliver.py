"""From a checkpoint to what ships: weights, sidecar, report, card."""

from __future__ import annotations

import csv
import hashlib
import json
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
)
from drishtiksha.training.face_blend.heldout import DELIVERIES, HeldOut
from drishtiksha.training.face_blend.report import draw_curves, write_card

MODEL_NAME = "FACE-BLEND-LITE-V1"
CANARY_SEED = 1234
CANARY_TOLERANCE = 0.05


def canary_input() -> torch.Tensor:
    """The fixed input whose logits the sidecar holds, float32 (2, 3, S, S)."""
    return torch.randn((2, 3, INPUT_SIZE, INPUT_SIZE), generator=torch.Generator().manual_seed(CANARY_SEED))


def sha256_of(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_weights(weights: dict[str, torch.Tensor], path: Path) -> FaceBlendNetwork:
    """Write the weights and hand back the network as everyone will load it, in evaluation mode."""
    save_file({name: value.contiguous().clone() for name, value in weights.items()}, path)
    network = FaceBlendNetwork()
    network.load_state_dict(load_file(path))
    return network.eval()


def _heldout_crops(
    portraits: Path, names: list[str], split: list[int], models: Path, runs: Path, test: bool, seed: int
) -> Crops:
    store = runs / ("test_crops.npz" if test else "val_crops.npz")
    chosen = [names[member] for member in split]
    heldout = HeldOut(portraits, [] if store.exists() else chosen, models, seed + test)
    return make_crops(heldout, tuple(DELIVERIES) if test else CALIBRATION_DELIVERIES, 2, test, store)


def _write_scores(path: Path, data: Crops, p: np.ndarray) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["person", "kind", "delivery", "p_fake"])
        for person, kind, delivery, value in zip(data.person, data.kind, data.delivery, p, strict=True):
            writer.writerow([person, kind, delivery, f"{value:.4f}"])


def deliver(
    weights: dict[str, torch.Tensor],
    data: Path,
    names: list[str],
    splits: dict[str, list[int]],
    models: Path,
    runs: Path,
    out: Path,
    seed: int,
    facts: dict[str, object],
) -> dict:
    """Calibrate on val, measure on test, and write everything into `out`. Returns the measured numbers.

    facts: what the card says of the run (steps, minutes, machine).
    """
    path = out / f"{MODEL_NAME}.safetensors"
    network = save_weights(weights, path)
    val = _heldout_crops(data / "portraits", names, splits["val"], models, runs, False, seed)
    test = _heldout_crops(data / "portraits", names, splits["test"], models, runs, True, seed)
    val_logits, test_logits = logits_of(network, val.crops), logits_of(network, test.crops)
    scale, offset = fit_platt(val_logits, val.fake)
    thresholds = choose_thresholds(expit(scale * val_logits + offset), val)
    measured = judge(test_logits, test, scale, offset, thresholds, seed)
    measured["clips"] = judge_clips(network, data / "clips", models, scale, offset, thresholds)
    measured["run"] = facts
    with torch.inference_mode():
        canary = [round(float(v), 5) for v in network(canary_input())]
    sidecar = {
        "sha256": sha256_of(path),
        "canary": {
            "seed": CANARY_SEED,
            "shape": [2, 3, INPUT_SIZE, INPUT_SIZE],
            "logits": canary,
            "tolerance": CANARY_TOLERANCE,
        },
        "calibration": {
            "method": "platt",
            "scale": scale,
            "offset": offset,
            "data": "portraits of people in neither train nor test, real and faked, "
            f"as {', '.join(CALIBRATION_DELIVERIES)}",
            "n_real": int((~val.fake).sum()),
            "n_fake": int(val.fake.sum()),
        },
        "thresholds": thresholds,
        "measured": measured,
    }
    (out / f"{MODEL_NAME}.json").write_text(json.dumps(sidecar, indent=1) + "\n")
    report = out / f"{MODEL_NAME}-report"
    report.mkdir(exist_ok=True)
    _write_scores(report / "test_scores.csv", test, expit(scale * test_logits + offset))
    (report / "measured.json").write_text(json.dumps(measured, indent=1) + "\n")
    if (runs / "log.csv").exists():
        (report / "training_log.csv").write_text((runs / "log.csv").read_text())
    draw_curves(report / "curves.png", test, expit(scale * test_logits + offset), thresholds["fake"])
    write_card(out / f"{MODEL_NAME}.md", sidecar)
    return measured
