"""The training of the voice network: by wall clock, resumable, on couples of real and fake speech."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from drishtiksha.networks.voice_spoof import WINDOW, VoiceSpoofNetwork
from training.loop import Run, Schedule, Weights
from training.voice_spoof.dataset import Mix
from training.voice_spoof.index import Recording

ITEMS = 10**7
"""Couples that a seed can draw; no run gets so far."""


@dataclass(frozen=True)
class TrainConfig:
    """What a run depends on, besides its recordings."""

    minutes: float = 38
    seed: int = 20261123
    couples: int = 16
    """In a batch; each is a real and a fake recording."""
    peak_lr: float = 1.5e-3
    weight_decay: float = 2e-2
    smoothing: float = 0.05
    drop_rate: float = 0.3
    mask_bins: int = 32
    """The widest band that is hidden from the network, of 256; the longest gap is as many frames, of 320."""
    short_window: int = WINDOW // 2
    short_share: float = 0.75
    """The first part of the time is spent on shorter windows, of which twice as many can be heard."""
    workers: int = 1
    """Processes that prepare the couples."""
    max_steps: int | None = None
    """For tests: stop after so many steps."""


def train(rows: Sequence[Recording], cache: Path, folder: Path, config: TrainConfig) -> Weights:
    """Train on `rows` of `cache` until the time is used up, from `folder`/last.pt if there is one: averaged weights."""
    torch.manual_seed(config.seed)
    network = VoiceSpoofNetwork(drop_rate=config.drop_rate).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(parameter_groups(network, config.weight_decay), lr=config.peak_lr)
    schedule = Schedule(config.minutes, config.seed, max_steps=config.max_steps)
    run = Run(folder, {"network": network}, {"network": optimizer}, schedule)
    batches = _batches(rows, cache, run, config)
    for step in run.steps():
        loss = _loss(network, next(batches), config, step)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        run.note(loss=loss.item())
    return run.ema["network"]


def _batches(rows: Sequence[Recording], cache: Path, run: Run, config: TrainConfig) -> Iterator[torch.Tensor]:
    """float32 (couples, 2, window) from the run's step on; the windows grow once, at `short_share` of the time."""
    for window, until in ((config.short_window, config.short_share), (WINDOW, float("inf"))):
        left = range(run.step * config.couples, ITEMS)
        mix = Mix(rows, cache, config.seed, ITEMS, window)
        ahead = 4 if config.workers else None
        loader = DataLoader(mix, config.couples, sampler=left, num_workers=config.workers, prefetch_factor=ahead)
        for batch in loader if run.progress < until else ():
            yield batch
            if run.progress >= until:
                break


def parameter_groups(network: nn.Module, weight_decay: float, **options: float) -> list[dict]:
    """Only convolutions and matrices decay. options: of the optimizer, for these parameters."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay, **options},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0, **options},
    ]


def _loss(network: VoiceSpoofNetwork, couples: torch.Tensor, config: TrainConfig, step: int) -> torch.Tensor:
    """couples: float32 (N, 2, window), real first. Returns the mean binary cross-entropy with smoothed labels."""
    spectrograms = network.spectrogram(couples.flatten(0, 1))
    draw = torch.Generator().manual_seed(config.seed + step)
    visible = torch.stack([_mask(spectrograms.shape[2:], config.mask_bins, draw) for _ in couples])
    spectrograms = spectrograms * visible.repeat_interleave(2, dim=0)[:, None]
    with torch.autocast("cpu", torch.bfloat16):
        logits = network.head(network.features(spectrograms))
    fake = torch.tensor([0.0, 1.0]).repeat(len(couples))
    return functional.binary_cross_entropy_with_logits(logits, fake * (1 - config.smoothing) + config.smoothing / 2)


def _mask(shape: torch.Size, most: int, draw: torch.Generator) -> torch.Tensor:
    """float32 (bins, frames): 0 in a random band and in a random stretch of time (Park et al., Interspeech 2019)."""
    mask = torch.ones(shape)
    for axis, size in enumerate(shape):
        wide, place = int(torch.randint(most + 1, (), generator=draw)), torch.rand((), generator=draw)
        mask.narrow(axis, int(place * (size - wide)), wide).zero_()
    return mask
