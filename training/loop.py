"""A training run: by wall clock, resumable, with a learning-rate schedule, averaged weights and a log."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. Times are wall-clock, so a slow or busy machine takes fewer steps."""

    minutes: float
    seed: int
    warm_steps: int = 100
    last_rate: float = 0.02
    """What is left of the learning rate at the end of the cosine."""
    ema_decay: float = 0.998
    checkpoint_s: float = 180
    max_steps: int | None = None
    """Stop after so many steps, wherever in the time that is."""
    spread_over: int | None = None
    """A run of so many steps, over which the rate falls, and not over the time."""

    def rate(self, progress: float, step: int) -> float:
        """The share of the optimizer's own learning rate to use: a linear warm-up, then half a cosine."""
        warm = min(1.0, (step + 1) / max(self.warm_steps, 1))
        cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        return warm * (self.last_rate + (1 - self.last_rate) * cosine)


class Run:
    """Networks and optimizers that are trained together, and their checkpoint `folder/last.pt`.

        run = Run(folder, {"network": network}, {"network": optimizer}, Schedule(minutes=30, seed=1))
        for step in run.steps():
            loss = ...  # backward, optimizer.step()
            run.note(loss=loss.item())
        weights = run.ema["network"]

    Continues where `last.pt` was left. What an item of data looks like should depend on (seed, step) alone.
    """

    def __init__(
        self, folder: Path, networks: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer], schedule: Schedule
    ) -> None:
        self.folder, self.networks, self.optimizers, self.schedule = folder, networks, optimizers, schedule
        self.ema = {name: _copy(network) for name, network in networks.items()}
        self.step, self.spent_s = 0, 0.0
        self.losses: dict[str, float] = {}
        self._own_rates = {name: [g["lr"] for g in o.param_groups] for name, o in optimizers.items()}
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "last.pt").exists():
            self._resume()
        torch.manual_seed(schedule.seed + self.step)

    @property
    def progress(self) -> float:
        """How much of the run is done, 0 to 1."""
        steps = self.schedule.spread_over
        return self.spent_s / (self.schedule.minutes * 60) if steps is None else self.step / steps

    @property
    def finished(self) -> bool:
        most = self.schedule.max_steps
        return self.progress >= 1 or (most is not None and self.step >= most)

    def steps(self) -> Iterator[int]:
        """The number of each step until the time is used up. Averages the weights after each, saves now and then."""
        clock = saved = time.monotonic()
        while not self.finished:
            self._set_rates()
            yield self.step
            self.step += 1
            self._average()
            now = time.monotonic()
            self.spent_s, clock = self.spent_s + now - clock, now
            if now - saved > self.schedule.checkpoint_s:
                self.save()
                saved = now
        self.save()

    def note(self, **losses: float) -> None:
        """Take losses of this step into the running means that the log shows."""
        for name, value in losses.items():
            mean = self.losses.get(name, value)
            self.losses[name] = mean + (value - mean) * max(0.02, 1 / (self.step + 1))

    def save(self) -> None:
        """Write the checkpoint under another name first: a crash while writing leaves the old one."""
        state: dict[str, Any] = {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "ema": self.ema,
            "losses": self.losses,
            "step": self.step,
            "spent_s": self.spent_s,
        }
        torch.save(state, self.folder / "last.pt.part")
        (self.folder / "last.pt.part").replace(self.folder / "last.pt")
        new = not (self.folder / "log.csv").exists()
        with (self.folder / "log.csv").open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "minutes", *self.losses])
            writer.writerow(
                [self.step, round(self.spent_s / 60, 2), *(round(loss, 4) for loss in self.losses.values())]
            )

    def _resume(self) -> None:
        state = torch.load(self.folder / "last.pt", weights_only=True)
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.ema, self.losses = state["ema"], state["losses"]
        self.step, self.spent_s = state["step"], state["spent_s"]

    def _set_rates(self) -> None:
        share = self.schedule.rate(self.progress, self.step)
        for name, optimizer in self.optimizers.items():
            for group, own in zip(optimizer.param_groups, self._own_rates[name], strict=True):
                group["lr"] = own * share

    def _average(self) -> None:
        decay = min(self.schedule.ema_decay, (1 + self.step) / (10 + self.step))
        for name, network in self.networks.items():
            for key, value in network.state_dict().items():
                if value.is_floating_point():
                    self.ema[name][key].lerp_(value, 1 - decay)
                else:
                    self.ema[name][key].copy_(value)


def _copy(network: nn.Module) -> Weights:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
