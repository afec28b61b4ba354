"""The training loop: by wall clock, resumable, with checkpoints that `evaluate` and `export` read."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import distributed, multiprocessing, nn

from drishtiksha.networks.efficientnet_lite import INPUT_SIZE, FaceBlendNetwork
from drishtiksha.training.face_blend.data import FaceCache, load_cache
from drishtiksha.training.face_blend.dataset import Pairs
from drishtiksha.training.face_blend.fast import speed_up_depthwise

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class TrainConfig:
    """What a run depends on. Times are wall-clock; the learning rate falls by them, so a slow machine trains less."""

    minutes: float = 85
    seed: int = 20261123
    pairs: int = 16
    """Real and fake of so many faces make a batch."""
    small_size: int = 160
    small_share: float = 0.6
    """The first part of the time is spent on smaller pictures, which are twice as fast."""
    workers: int = 1
    """Processes that share each batch, one thread each. On a busy machine two of them lose far less time than one
    process with two threads, which wait for each other at every layer."""
    peak_lr: float = 6e-4
    weight_decay: float = 1e-4
    smoothing: float = 0.03
    drop_rate: float = 0.2
    ema_decay: float = 0.998
    checkpoint_s: float = 180
    max_steps: int | None = None
    """For tests: stop after so many steps."""


def imagenet_weights(path: Path, network: FaceBlendNetwork) -> Weights:
    """The ImageNet checkpoint of EfficientNet-Lite0 under this network's names; all but the classifier.

    Both list the same tensors in the same order under other names. Raises: ValueError when they do not.
    """
    theirs = torch.load(path, weights_only=True, map_location="cpu")
    ours = network.state_dict()
    if len(theirs) != len(ours):
        raise ValueError(f"{path} holds {len(theirs)} tensors, the network {len(ours)}; it is another network")
    for name, tensor in zip(ours, theirs.values(), strict=True):
        if name.startswith("backbone.classifier"):
            continue
        if ours[name].shape != tensor.shape:
            raise ValueError(f"{path}: {name} should be {tuple(ours[name].shape)}, not {tuple(tensor.shape)}")
        ours[name] = tensor
    return ours


def _freeze_first(network: FaceBlendNetwork, stages: int) -> None:
    """Keep the stem and the first stages as they are; the first layers cost the most and learn the least."""
    for part in (network.backbone.conv_stem, network.backbone.bn1, *network.backbone.blocks[:stages]):
        part.requires_grad_(False)
        part.eval()


def _schedule(progress: float, step: int) -> float:
    warm = min(1.0, (step + 1) / 100)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))


def _update_ema(average: Weights, network: nn.Module, decay: float) -> None:
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


class Trainer:
    """One run in one folder; `run()` trains until the time is used up, from the last checkpoint if there is one.

    rank: which of `config.workers` processes this is; the first one writes. More than one need torch.distributed.
    """

    def __init__(
        self, cache: FaceCache, members: list[int], start: Weights, folder: Path, config: TrainConfig, rank: int = 0
    ) -> None:
        if config.pairs % config.workers:
            raise ValueError(
                f"{config.pairs} pairs a batch cannot be shared by {config.workers} workers; choose a multiple"
            )
        torch.manual_seed(config.seed + rank)
        self.rank = rank
        self.cache, self.members, self.folder, self.config = cache, members, folder, config
        self.network = FaceBlendNetwork(config.drop_rate)
        self.network.load_state_dict(start)
        self.network.to(memory_format=torch.channels_last)
        speed_up_depthwise(self.network)
        self.network.train()
        _freeze_first(self.network, 1)
        trained = [p for p in self.network.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=config.peak_lr)
        self.ema = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.step, self.spent_s, self.loss = 0, 0.0, math.log(2)
        self.clock = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "last.pt").exists():
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self.folder / "last.pt", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.ema = state["ema"]
        self.step, self.spent_s, self.loss = state["step"], state["spent_s"], state["loss"]

    def save(self) -> None:
        """Write the checkpoint under another name first: a crash while writing leaves the old one."""
        state: dict[str, Any] = {"network": self.network.state_dict(), "ema": self.ema}
        state |= {"optimizer": self.optimizer.state_dict(), "loss": self.loss}
        state |= {"step": self.step, "spent_s": self.spent_s}
        torch.save(state, self.folder / "last.pt.part")
        (self.folder / "last.pt.part").replace(self.folder / "last.pt")
        new = not (self.folder / "log.csv").exists()
        with (self.folder / "log.csv").open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "minutes", "loss", "lr"])
            rate = self.optimizer.param_groups[0]["lr"]
            writer.writerow([self.step, round(self.spent_s / 60, 2), round(self.loss, 4), f"{rate:.2e}"])

    @property
    def progress(self) -> float:
        """How much of the time is used, 0 to 1."""
        return self.spent_s / (self.config.minutes * 60)

    def _batches(self, size: int) -> Iterator[torch.Tensor]:
        pairs = Pairs(self.cache, self.members, self.config.seed, 10**8, size)
        share = self.config.pairs // self.config.workers
        while True:
            first = self.step * self.config.pairs + self.rank * share
            yield torch.stack([pairs[item] for item in range(first, first + share)])

    def _agree(self) -> None:
        """Average the gradients of all workers, and their clocks, so that all of them stop at the same step."""
        now = time.monotonic()
        self.spent_s, self.clock = self.spent_s + now - self.clock, now
        if self.config.workers == 1:
            return
        grads = [p.grad for p in self.network.parameters() if p.grad is not None]
        flat = torch.cat([*(g.flatten() for g in grads), torch.tensor([self.spent_s])])
        distributed.all_reduce(flat)
        flat /= self.config.workers
        for grad, part in zip(grads, flat[:-1].split([g.numel() for g in grads]), strict=True):
            grad.copy_(part.view_as(grad))
        self.spent_s = float(flat[-1])

    def _learn(self, pairs: torch.Tensor) -> None:
        batch = pairs.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        smooth = self.config.smoothing
        goal = torch.tensor([smooth, 1 - smooth]).repeat(len(pairs))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.peak_lr * _schedule(self.progress, self.step)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network(batch)
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), goal)
        self.optimizer.zero_grad()
        loss.backward()
        self._agree()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        _update_ema(self.ema, self.network, min(self.config.ema_decay, (1 + self.step) / (10 + self.step)))
        self.loss += (loss.item() - self.loss) * max(0.02, 1 / self.step)

    def _wanted_size(self) -> int:
        return self.config.small_size if self.progress < self.config.small_share else INPUT_SIZE

    def _finished(self) -> bool:
        return self.progress >= 1 or (self.config.max_steps is not None and self.step >= self.config.max_steps)

    def run(self) -> Weights:
        """Train to the end of the time. Returns the averaged weights."""
        saved = self.clock = time.monotonic()
        while not self._finished():
            size = self._wanted_size()
            if size == INPUT_SIZE:
                _freeze_first(self.network, 2)
            for pairs in self._batches(size):
                self._learn(pairs)
                if self.rank == 0 and self.clock - saved > self.config.checkpoint_s:
                    self.save()
                    saved = self.clock
                if self._finished() or self._wanted_size() != size:
                    break
        if self.rank == 0:
            self.save()
        return self.ema


def train_worker(rank: int, members: list[int], start: Weights, folder: Path, config: TrainConfig) -> None:
    """One of `config.workers` processes, as `torch.multiprocessing.spawn` starts them. The cache lies in `folder`."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    meeting = folder / "meeting"
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting.resolve()}", rank=rank, world_size=config.workers
    )
    Trainer(load_cache(folder / "cache"), members, start, folder, config, rank).run()
    distributed.destroy_process_group()


def train(members: list[int], start: Weights, folder: Path, config: TrainConfig) -> None:
    """Train with all workers, until the time is used up; the result is `folder/last.pt`."""
    (folder / "meeting").unlink(missing_ok=True)
    multiprocessing.spawn(train_worker, (members, start, folder, config), nprocs=config.workers)
