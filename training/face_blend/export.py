"""What ships beside the report: the weights and their sidecar."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file

from drishtiksha.networks.efficientnet_lite import WIDE_SIZE, FaceBlendNetwork
from drishtiksha.results import Thresholds
from drishtiksha.weights.files import Calibration, Sidecar, sha256_of
from training.export import make_canary, save_state
from training.loop import Weights

CANARY_SHAPE = (2, 3, WIDE_SIZE, WIDE_SIZE)


def save_weights(weights: Weights, path: Path) -> FaceBlendNetwork:
    """Write the weights and hand back the network as everyone will load it, in evaluation mode."""
    save_state(weights, path)
    network = FaceBlendNetwork()
    network.load_state_dict(load_file(path))
    return network.eval()


def write_sidecar(network: FaceBlendNetwork, path: Path, calibration: Calibration, thresholds: Thresholds) -> None:
    """Write the sidecar of the weights at `path`; `training.publish` adds what is measured."""
    canary = make_canary(network.two_looks, CANARY_SHAPE)
    sidecar = Sidecar(sha256=sha256_of(path), canary=canary, calibration=calibration, thresholds=thresholds)
    path.with_suffix(".json").write_text(sidecar.model_dump_json(indent=1, exclude_defaults=True) + "\n")
