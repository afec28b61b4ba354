"""The one command that makes FACE-BLEND-LITE-V1."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import torch

from drishtiksha.networks.efficientnet_lite import FaceBlendNetwork
from drishtiksha.training.face_blend.deliver import Place, deliver
from drishtiksha.training.face_blend.prepare import prepare
from drishtiksha.training.face_blend.train import TrainConfig, imagenet_weights, train


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="drishtiksha.training.face_blend", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds portraits/*.jpg and clips/*.mp4")
    parser.add_argument("--out", type=Path, default=Path("models"), help="where weights, sidecar and report go")
    parser.add_argument("--runs", type=Path, default=Path("runs/face_blend"), help="cache, checkpoints and log")
    parser.add_argument("--models", type=Path, default=Path("models"), help="where the face finder and the mesh are")
    parser.add_argument("--imagenet", type=Path, required=True, help="efficientnet-lite0-57934424.pth; see the card")
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--deliver-only", action="store_true", help="export the last checkpoint without training on")
    return parser.parse_args()


def main() -> None:
    """Prepare, train, measure, deliver."""
    given = _arguments()
    torch.set_num_threads(os.cpu_count() or 1)
    config = TrainConfig(minutes=given.minutes, seed=given.seed, workers=2)
    start = imagenet_weights(given.imagenet, FaceBlendNetwork())
    cache, splits = prepare(given.data / "portraits", given.models, given.runs, start, given.seed)
    if not given.deliver_only:
        train(splits["train"], start, given.runs, config)
    state = torch.load(given.runs / "last.pt", weights_only=True)
    facts = {
        "steps": state["step"],
        "minutes": round(state["spent_s"] / 60, 1),
        "images": state["step"] * config.pairs * 2,
        "seed": given.seed,
        "n_train": len(splits["train"]),
        "n_val": len(splits["val"]),
        "n_test": len(splits["test"]),
    }
    given.out.mkdir(parents=True, exist_ok=True)
    place = Place(given.data, given.models, given.runs, given.out, given.seed)
    measured = deliver(state["ema"], cache.names, splits, place, facts)
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
