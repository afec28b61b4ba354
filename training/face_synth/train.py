"""Trains the network on pairs, with or without a family of autoencoders, and judges it on pictures of people kept out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from drishtiksha.evaluation.metrics import auc, eer, share_at_least, threshold_for
from drishtiksha.networks.face_synth import RESIDUALS, FaceSynthesisNetwork, View, neighbour_residuals, to_input
from training.face_synth.chain import DELIVERIES
from training.face_synth.generators import RECIPES, Recipe
from training.face_synth.pairs import Pairs, Pool
from training.face_synth.views import PIXELS, pixels
from training.loop import Run, Schedule

PAIRS = 16
PEAK_RATE = 1.5e-3
WEIGHT_DECAY = 0.02
SMOOTHING = 0.02
DROP_RATE = 0.2
JUDGED = 30
"""People that each recipe is judged on."""
STATED_FALSE_ALARMS = 0.05
"""At which share of genuine pictures called fake the recall of a family left out is stated."""


@dataclass(frozen=True)
class Plan:
    """What one training sees. view: how the network looks at a picture. left_out: a family, or none."""

    view: View = neighbour_residuals
    left_out: str | None = None

    @property
    def name(self) -> str:
        return f"{self.view.__name__}-{self.left_out or 'all'}"

    def network(self, drop_rate: float = 0.0) -> FaceSynthesisNetwork:
        """A new one."""
        return FaceSynthesisNetwork(drop_rate, self.view, PIXELS if self.view is pixels else RESIDUALS)

    @property
    def recipes(self) -> list[Recipe]:
        """What it is trained on."""
        return [recipe for recipe in RECIPES if not recipe.kept_out and recipe.family != self.left_out]


def train(
    plan: Plan, pool: Pool, members: list[int], folder: Path, schedule: Schedule
) -> tuple[FaceSynthesisNetwork, Run]:
    """Train until the time is used up; resumes from `folder`. Returns the network with averaged weights, and the run."""
    torch.manual_seed(schedule.seed)
    network = plan.network(DROP_RATE).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), PEAK_RATE, weight_decay=WEIGHT_DECAY, fused=True)
    run = Run(folder, {"network": network}, {"network": optimizer}, schedule)
    pairs = Pairs(pool, members, plan.recipes, schedule.seed)
    goal = torch.tensor([SMOOTHING, 1 - SMOOTHING]).repeat(PAIRS)
    network.train()
    for step in run.steps():
        batch = pairs.batch(step * PAIRS, PAIRS)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(batch)
        loss = functional.binary_cross_entropy_with_logits(logits.float(), goal)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        hits = float(((logits > 0) == (goal > 0.5)).float().mean())
        run.note(loss=loss.item(), accuracy=hits)
    best = plan.network()
    best.load_state_dict(run.ema["network"])
    return best.eval(), run


def logits_of(network: FaceSynthesisNetwork, images: Iterable[np.ndarray], *, fast: bool = False) -> np.ndarray:
    """float64 (N,) of pictures uint8 RGB (H, W, 3), one by one, in float32 as in use; `fast`: in bfloat16."""
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=fast):
        return np.array([float(network(to_input(image)[None])[0]) for image in images])


def _even(image: np.ndarray) -> np.ndarray:
    height, width = (side // 8 * 8 for side in image.shape[:2])
    return image[:height, :width]


def _judged(real: np.ndarray, fake: np.ndarray) -> dict[str, float | None]:
    labels, scores = np.repeat([False, True], [len(real), len(fake)]), np.concatenate([real, fake])
    recall = share_at_least(fake, threshold_for(real, STATED_FALSE_ALARMS))
    found = {"auc": auc(labels, scores), "eer": eer(labels, scores), "recall_at_5_percent_false_alarms": recall}
    return {name: None if value is None else round(value, 4) for name, value in found.items()}


def judge(network: FaceSynthesisNetwork, pool: Pool, members: list[int], recipes: list[Recipe]) -> dict[str, dict]:
    """By recipe and delivery: AUC, EER and recall against the same people's genuine pictures; `soft` are those filtered to
    the sharpness of the reconstruction."""
    report: dict[str, dict] = {}
    for recipe in recipes:
        pictures, places = pool.pictures[recipe.name], pool.places(recipe, members)[:JUDGED]
        rows: dict[str, dict] = {}
        for name, deliver in DELIVERIES.items():
            real, fake, soft = (
                logits_of(network, [_even(deliver(pictures[kind, place])) for place in places], fast=True)
                for kind in range(3)
            )
            rows[name] = _judged(real, fake) | {"auc_soft": _judged(soft, fake)["auc"]}
        report[recipe.name] = rows
    return report
