"""Training of VOICE-SPOOF-LITE-V2: first the head on the frozen encoder's features, then both with a small learning rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from drishtiksha.networks.voice_whisper import FRAMES_PER_SECOND, POSITIONS, VoiceWhisperNetwork
from training.loop import Run, Schedule, Weights
from training.voice_spoof.train import parameter_groups
from training.voice_spoof.views import View, Views


@dataclass(frozen=True)
class HeadConfig:
    """What a run depends on, besides its windows."""

    frozen_minutes: float = 4
    minutes: float = 20
    """Of fine-tuning; 0 for none."""
    seed: int = 20261129
    couples: int = 16
    """In a batch; each is a real and a fake window."""
    head_lr: float = 1e-3
    tuned_lr: float = 4e-5
    """Of the encoder; the head's is ten times as high then."""
    weight_decay: float = 5e-2
    smoothing: float = 0.05
    drop_rate: float = 0.3
    second_share: float = 0.3
    """Of the loss: for one second of the window, drawn anew each time, so that a score per second means something."""
    max_steps: int | None = None
    """For tests: stop after so many steps."""


def new_network(encoder: Weights, drop_rate: float = 0.0) -> VoiceWhisperNetwork:
    """With Whisper's encoder, its positions cut to those of a window, and a head that knows nothing."""
    network = VoiceWhisperNetwork(drop_rate=drop_rate)
    network.encoder.load_state_dict(encoder | {"positions": encoder["positions"][:POSITIONS]}, strict=True)
    return network


def frozen_features(network: VoiceWhisperNetwork, views: Views, batch: int = 16) -> np.ndarray:
    """float16 (N, C, T), memory-mapped, of all windows of `views`; computed once and kept beside them."""
    path = views.folder / "features.npy"
    count = len(views.rows())
    if path.exists() and (kept := np.load(path, mmap_mode="r")).shape[0] == count:
        return kept
    part = path.with_suffix(".part.npy")
    channels = network.head.squeeze.in_channels
    made = np.lib.format.open_memmap(part, "w+", np.float16, (count, channels, POSITIONS))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for first in range(0, count, batch):
            last = min(first + batch, count)
            x = torch.from_numpy(views.windows(range(first, last)))
            made[first:last] = network.features(network.spectrogram(x)).squeeze(2).float().numpy()
    made.flush()
    part.replace(path)
    return np.load(path, mmap_mode="r")


def balanced(rows: Sequence[View], couples: Sequence[int]) -> np.ndarray:
    """(n,): how often each couple is drawn; every system as the fourth root of its windows."""
    systems = [rows[2 * couple + 1].system for couple in couples]
    counts = {system: systems.count(system) for system in set(systems)}
    weights = np.array([counts[system] ** -0.75 for system in systems])
    return weights / weights.sum()


def train(
    network: VoiceWhisperNetwork, views: Views, couples: Sequence[int], folder: Path, config: HeadConfig
) -> Weights:
    """Train on the given couples of `views`, going on from `folder` where there is something: averaged weights."""
    rows = views.rows()
    features = frozen_features(network.eval(), views)
    network.train()
    head = torch.optim.AdamW(parameter_groups(network.head, config.weight_decay), lr=config.head_lr)
    schedule = Schedule(config.frozen_minutes, config.seed, max_steps=config.max_steps, ema_decay=0.99)
    run = Run(folder / "frozen", {"head": network.head}, {"head": head}, schedule)
    for chosen in _drawn(rows, couples, run, config):
        batch = torch.from_numpy(features[chosen].astype(np.float32)).unsqueeze(2)
        _step(network.head, batch, head, run, config)
    network.head.load_state_dict(run.ema["head"])
    if not config.minutes:
        return _copied(network)
    both = torch.optim.AdamW(
        [
            *parameter_groups(network.encoder, config.weight_decay, lr=config.tuned_lr),
            *parameter_groups(network.head, config.weight_decay, lr=10 * config.tuned_lr),
        ]
    )
    schedule = Schedule(config.minutes, config.seed + 1, max_steps=config.max_steps, ema_decay=0.995)
    run = Run(folder / "tuned", {"network": network}, {"network": both}, schedule)
    for chosen in _drawn(rows, couples, run, config):
        x = torch.from_numpy(views.windows(chosen))
        with torch.autocast("cpu", torch.bfloat16):
            batch = network.features(network.spectrogram(x))
        _step(network.head, batch, both, run, config)
    network.load_state_dict(run.ema["network"])
    return _copied(network)


def _copied(network: nn.Module) -> Weights:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _drawn(rows: Sequence[View], couples: Sequence[int], run: Run, config: HeadConfig) -> Iterator[np.ndarray]:
    """Window numbers of each step, real and fake side by side."""
    order, shares = np.array(couples), balanced(rows, couples)
    for step in run.steps():
        draw = np.random.default_rng([config.seed, step])
        chosen = draw.choice(order, config.couples, p=shares)
        yield np.stack([2 * chosen, 2 * chosen + 1], 1).ravel()


def _step(
    head: nn.Module, features: torch.Tensor, optimizer: torch.optim.Optimizer, run: Run, config: HeadConfig
) -> None:
    """features: (2 couples, C, 1, T), real and fake in turn. One step of cross-entropy with smoothed labels."""
    fake = torch.tensor([0.0, 1.0]).repeat(len(features) // 2)
    wanted = fake * (1 - config.smoothing) + config.smoothing / 2
    draw = np.random.default_rng([config.seed, run.step, 1])
    start = int(draw.integers(features.shape[-1] - FRAMES_PER_SECOND + 1))
    whole, second = head(features), head(features[..., start : start + FRAMES_PER_SECOND])
    loss = functional.binary_cross_entropy_with_logits(whole, wanted)
    short = functional.binary_cross_entropy_with_logits(second, wanted)
    optimizer.zero_grad()
    ((1 - config.second_share) * loss + config.second_share * short).backward()
    nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 5.0)
    optimizer.step()
    run.note(loss=loss.item(), second=short.item())


def logits_of_features(head: nn.Module, features: np.ndarray, chosen: Sequence[int], batch: int = 64) -> np.ndarray:
    """(n,): the fake logits of the chosen rows of `features`."""
    found = []
    with torch.inference_mode():
        for first in range(0, len(chosen), batch):
            rows = features[np.asarray(chosen[first : first + batch])].astype(np.float32)
            found.append(head(torch.from_numpy(rows).unsqueeze(2)).numpy())
    return np.concatenate(found)


def logits_of_windows(network: nn.Module, views: Views, chosen: Sequence[int], batch: int = 32) -> np.ndarray:
    """(n,): the fake logits of the chosen windows, by a network of either generation."""
    found = []
    with torch.inference_mode():
        for first in range(0, len(chosen), batch):
            found.append(network(torch.from_numpy(views.windows(chosen[first : first + batch]))).float().numpy())
    return np.concatenate(found)
