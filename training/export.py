"""What every training hands over in the same way: weights, the canary that proves them, the record of the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from drishtiksha.weights import Canary
from training.loop import Weights

CANARY_SEED = 1234
CANARY_TOLERANCE = 0.05
"""Of a logit; other processors round otherwise."""


def save_state(weights: Weights, path: Path) -> None:
    """Write weights as safetensors, whatever memory they share or stride they have."""
    save_file({name: value.contiguous().clone() for name, value in weights.items()}, path)


def canary_input(shape: tuple[int, ...]) -> torch.Tensor:
    """The fixed input whose logits a sidecar holds, float32 of `shape`, batch axis included."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(CANARY_SEED))


def make_canary(forward: Callable[[torch.Tensor], torch.Tensor], shape: tuple[int, ...]) -> Canary:
    """What `forward` (inputs to logits (B,), in evaluation mode) answers to the fixed input."""
    with torch.inference_mode():
        logits = tuple(round(float(value), 5) for value in forward(canary_input(shape)))
    return Canary(seed=CANARY_SEED, shape=shape, logits=logits, tolerance=CANARY_TOLERANCE)


def write_run(models: Path, name: str, facts: dict[str, Any]) -> None:
    """Write `reports/<name>/run.json`: steps, minutes, seed, counts, and who is in which split."""
    path = models / "reports" / name / "run.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=1) + "\n")
