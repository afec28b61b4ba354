"""How well it knows families of autoencoders that it never saw: one training per family left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from drishtiksha.networks.face_synth import neighbour_residuals
from training.face_synth.generators import RECIPES
from training.face_synth.leak import plain_auc
from training.face_synth.pairs import Pairs, Pool
from training.face_synth.train import Plan, judge, train
from training.face_synth.views import log_spectrum, pixels
from training.loop import Schedule

TRIED_ON = "subpixel"
"""The family left out when the views of a picture are compared."""
PLANS = (
    *(Plan(view, TRIED_ON) for view in (neighbour_residuals, pixels, log_spectrum)),
    *(Plan(left_out=family) for family in ("transposed", "nearest", "bilinear")),
)
LEAK_PAIRS = 1200


def validate(
    pool: Pool, splits: dict[str, list[int]], folder: Path, minutes: float, seed: int
) -> dict[str, dict[str, Any]]:
    """Train every plan and judge it on people of val, on the family left out and on what nobody trains on.

    What `folder`/left_out.json holds already is not done again. Returns its content: numbers by plan.
    """
    store = folder / "left_out.json"
    report = json.loads(store.read_text()) if store.exists() else {}
    for plan in PLANS:
        if plan.name not in report:
            schedule = Schedule(minutes, seed, warm_steps=40, ema_decay=0.99, checkpoint_s=60)
            network, run = train(plan, pool, splits["train"], folder / plan.name, schedule)
            unseen = [recipe for recipe in RECIPES if recipe.kept_out or recipe.family == plan.left_out]
            judged = judge(network, pool, splits["val"], unseen)
            report[plan.name] = {"steps": run.step, **judged}
            store.write_text(json.dumps(report, indent=1) + "\n")
            clean = {name: rows["clean"] for name, rows in judged.items()}
            print(plan.name, json.dumps(clean), flush=True)
    return report


def check_leak(pool: Pool, splits: dict[str, list[int]], folder: Path, seed: int) -> dict[str, float]:
    """AUC of classifiers on sharpness, noise and colour alone, trained on train and asked about val; `folder`/leak.json
    keeps it."""
    store = folder / "leak.json"
    if not store.exists():
        recipes = Plan().recipes
        train_pairs, val_pairs = (Pairs(pool, splits[name], recipes, seed) for name in ("train", "val"))
        store.write_text(json.dumps(plain_auc(train_pairs, val_pairs, LEAK_PAIRS)) + "\n")
    return json.loads(store.read_text())
