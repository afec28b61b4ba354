"""The one command that makes FACE-BLEND-LITE-V1."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from drishtiksha.networks.efficientnet_lite import FaceBlendNetwork
from drishtiksha.training.face_blend.prepare import prepare
from drishtiksha.training.face_blend.train import TrainConfig, Trainer, imagenet_weights


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="drishtiksha.training.face_blend", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds portraits/*.jpg")
    parser.add_argument("--out", type=Path, default=Path("models"), help="where weights, sidecar and report go")
    parser.add_argument("--runs", type=Path, default=Path("runs/face_blend"), help="cache, checkpoints and log")
    parser.add_argument("--models", type=Path, default=Path("models"), help="where the face finder and the mesh are")
    parser.add_argument("--imagenet", type=Path, required=True, help="efficientnet-lite0-57934424.pth; see the card")
    parser.add_argument("--minutes", type=float, default=85)
    parser.add_argument("--seed", type=int, default=20261123)
    return parser.parse_args()


def main() -> None:
    """Prepare, train, evaluate, export."""
    given = _arguments()
    torch.set_num_threads(os.cpu_count() or 1)
    config = TrainConfig(minutes=given.minutes, seed=given.seed)
    start = imagenet_weights(given.imagenet, FaceBlendNetwork())
    cache, splits = prepare(given.data / "portraits", given.models, given.runs, start, given.seed)
    Trainer(cache, splits["train"], start, given.runs, config).run()


if __name__ == "__main__":
    main()
