"""The training of the network: one process, one thread, on `training.loop`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from drishtiksha.networks.efficientnet_lite import INPUT_SIZE, FaceBlendNetwork
from training.face_blend.data import FaceCache
from training.face_blend.dataset import Pairs
from training.face_blend.fast import speed_up_depthwise
from training.loop import Run, Schedule, Weights

NETWORK = "network"
"""The name of the network in the run's checkpoint."""
MAX_GRADIENT = 5.0


@dataclass(frozen=True)
class TrainConfig:
    """What a run depends on besides its `Schedule`."""

    pairs: int = 16
    """Real and fake of so many faces make a batch."""
    small_size: int = 160
    small_share: float = 0.55
    """The first part of the time is spent on smaller pictures, which are twice as fast."""
    peak_lr: float = 4e-4
    weight_decay: float = 1e-4
    smoothing: float = 0.03
    drop_rate: float = 0.2


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


class Trainer:
    """One run in one folder; `run()` trains until the time is used up, from the last checkpoint if there is one."""

    def __init__(
        self,
        cache: FaceCache,
        members: list[int],
        start: Weights,
        folder: Path,
        schedule: Schedule,
        config: TrainConfig = TrainConfig(),
    ) -> None:
        self.config, self.pairs = config, Pairs(cache, members, schedule.seed)
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
        self.loop = Run(folder, {NETWORK: self.network}, {NETWORK: self.optimizer}, schedule)

    def _batch(self, step: int) -> torch.Tensor:
        """float32 (2 * pairs, 3, S, S): real and fake in turn."""
        size = self.config.small_size if self.loop.progress < self.config.small_share else INPUT_SIZE
        if size == INPUT_SIZE:
            _freeze_first(self.network, 2)
        first = step * self.config.pairs
        made = [self.pairs.tensors(item, size) for item in range(first, first + self.config.pairs)]
        return torch.cat(made).contiguous(memory_format=torch.channels_last)

    def _learn(self, batch: torch.Tensor) -> float:
        goal = torch.tensor([self.config.smoothing, 1 - self.config.smoothing]).repeat(len(batch) // 2)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network(batch)
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), goal)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT)
        self.optimizer.step()
        return loss.item()

    def run(self) -> Weights:
        """Train to the end of the time. Returns the averaged weights."""
        for step in self.loop.steps():
            self.loop.note(loss=self._learn(self._batch(step)))
        return self.loop.ema[NETWORK]
