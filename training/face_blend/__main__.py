"""The one command that makes FACE-BLEND-LITE-V1: prepare, train, calibrate, export. Go on with `training.publish`."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import torch
from safetensors.torch import load_file

from drishtiksha.networks.efficientnet_lite import FaceBlendNetwork
from training.export import write_run
from training.face_blend.calibrate import choose, logits_of, read_faces
from training.face_blend.export import save_weights, write_sidecar
from training.face_blend.heldout import MANIFEST, NAME, REPOSITORY, write_media
from training.face_blend.prepare import prepare
from training.face_blend.train import TrainConfig, Trainer, imagenet_weights
from training.loop import Schedule


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="training.face_blend", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds portraits/*.jpg")
    parser.add_argument("--out", type=Path, default=Path("models"), help="where weights, sidecar and record go")
    parser.add_argument("--runs", type=Path, default=Path("runs/face_blend"), help="cache, checkpoints and log")
    parser.add_argument("--imagenet", type=Path, required=True, help="efficientnet-lite0-57934424.pth; see the card")
    parser.add_argument("--start", type=Path, help="*.safetensors of an earlier stage to go on from; see the card")
    parser.add_argument("--minutes", type=float, default=86)
    parser.add_argument("--seed", type=int, default=20261123)
    return parser.parse_args()


def main() -> None:
    """Each part goes on from what an interrupted run left in `--runs`."""
    given = _arguments()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    models = REPOSITORY / "models"
    imagenet = imagenet_weights(given.imagenet, FaceBlendNetwork())
    cache, splits = prepare(given.data / "portraits", models, given.runs, imagenet, given.seed)
    start = load_file(given.start) if given.start else imagenet
    schedule, config = Schedule(minutes=given.minutes, seed=given.seed, warm_steps=200), TrainConfig()
    trainer = Trainer(cache, splits["train"], start, given.runs, schedule, config)
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"{NAME}.safetensors"
    network = save_weights(trainer.run(), path)
    names = {split: [cache.names[member] for member in members] for split, members in splits.items()}
    manifest = given.runs / "val" / MANIFEST
    if not manifest.exists():
        write_media(given.data / "portraits", names["val"], models, manifest.parent)
    faces = read_faces(manifest, models, given.runs / "val_faces.npz")
    write_sidecar(network, path, *choose(logits_of(network, faces.crops), faces))
    facts = {
        "steps": trainer.loop.step,
        "minutes": round(trainer.loop.spent_s / 60, 1),
        "images": trainer.loop.step * config.pairs * 2,
        "seed": given.seed,
        "start": given.start.name if given.start else given.imagenet.name,
        **{f"n_{split}": len(members) for split, members in names.items()},
        "split": names,
    }
    write_run(given.out, NAME, facts)


if __name__ == "__main__":
    main()
