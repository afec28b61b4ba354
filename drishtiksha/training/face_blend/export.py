"""What ships beside the report: the weights, their sidecar, and the record of the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from drishtiksha.networks.efficientnet_lite import WIDE_SIZE, FaceBlendNetwork
from drishtiksha.results import Thresholds
from drishtiksha.training.face_blend.heldout import NAME
from drishtiksha.training.loop import Weights
from drishtiksha.weights.files import Calibration, Canary, Sidecar, sha256_of

CANARY_SEED = 1234
CANARY_SHAPE = (2, 3, WIDE_SIZE, WIDE_SIZE)
CANARY_TOLERANCE = 0.05
"""Of a logit; other processors round otherwise."""


def canary_input() -> torch.Tensor:
    """The fixed input whose logits the sidecar holds, float32 (2, 3, S, S)."""
    return torch.randn(CANARY_SHAPE, generator=torch.Generator().manual_seed(CANARY_SEED))


def save_weights(weights: Weights, path: Path) -> FaceBlendNetwork:
    """Write the weights and hand back the network as everyone will load it, in evaluation mode."""
    save_file({name: value.contiguous().clone() for name, value in weights.items()}, path)
    network = FaceBlendNetwork()
    network.load_state_dict(load_file(path))
    return network.eval()


def write_sidecar(network: FaceBlendNetwork, path: Path, calibration: Calibration, thresholds: Thresholds) -> None:
    """Write the sidecar of the weights at `path`; `training.publish` adds what is measured."""
    with torch.inference_mode():
        logits = tuple(round(float(value), 5) for value in network.two_looks(canary_input()))
    canary = Canary(seed=CANARY_SEED, shape=CANARY_SHAPE, logits=logits, tolerance=CANARY_TOLERANCE)
    sidecar = Sidecar(sha256=sha256_of(path), canary=canary, calibration=calibration, thresholds=thresholds)
    path.with_suffix(".json").write_text(sidecar.model_dump_json(indent=1, exclude_defaults=True) + "\n")


def write_run(models: Path, facts: dict[str, Any]) -> None:
    """Write `reports/<NAME>/run.json`: steps, minutes, seed, counts, and who is in which split."""
    path = models / "reports" / NAME / "run.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=1) + "\n")
