"""Training of VOICE-SPOOF-LITE-V2's head on what Whisper's encoder, which stays as it is, hears in stored windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from drishtiksha.networks.voice_spoof import VoiceSpoofNetwork
from drishtiksha.networks.voice_whisper import FRAMES_PER_SECOND, POSITIONS, VoiceWhisperNetwork, statistics
from training.loop import Run, Schedule, Weights
from training.voice_spoof.train import parameter_groups
from training.voice_spoof.views import View, Views

STRETCHES = 2
"""Of a second, beside the whole window: so that a score per second means something."""


@dataclass(frozen=True)
class HeadConfig:
    """What a run depends on, besides its windows."""

    minutes: float = 30
    steps: int = 300
    seed: int = 20261129
    couples: int = 64
    """In a batch; each is a real and a fake window."""
    peak_lr: float = 1e-3
    weight_decay: float = 5e-2
    smoothing: float = 0.05
    drop_rate: float = 0.5
    second_share: float = 0.3
    """Of the loss: for one of the stretches of a second."""


def new_network(encoder: Weights, drop_rate: float = 0.0) -> VoiceWhisperNetwork:
    """With Whisper's encoder, its positions cut to those of a window, and a head that knows nothing."""
    network = VoiceWhisperNetwork(drop_rate=drop_rate)
    network.encoder.load_state_dict(encoder | {"positions": encoder["positions"][:POSITIONS]}, strict=True)
    return network.requires_grad_(False)


def pooled(network: VoiceWhisperNetwork, views: Views, batch: int = 16) -> np.ndarray:
    """float32 (N, 1 + STRETCHES, C): `statistics` of each window and of seconds in it; made once and kept beside them."""
    path, count = views.folder / "pooled.npy", len(views.rows())
    if path.exists() and len(kept := np.load(path)) == count:
        return kept
    found = []
    with torch.inference_mode():
        for first in range(0, count, batch):
            x = torch.from_numpy(views.windows(range(first, min(first + batch, count))))
            with torch.autocast("cpu", torch.bfloat16):
                features = network.features(network.spectrogram(x))
            found.append(pooled_parts(features, first))
    np.save(path, np.concatenate(found))
    return np.load(path)


def pooled_parts(features: torch.Tensor, seed: int) -> np.ndarray:
    """float32 (B, 1 + STRETCHES, C) of features (B, C, 1, T)."""
    draw = np.random.default_rng(seed)
    starts = draw.integers(features.shape[-1] - FRAMES_PER_SECOND + 1, size=STRETCHES)
    parts = [features, *(features[..., start : start + FRAMES_PER_SECOND] for start in starts)]
    return torch.stack([statistics(part) for part in parts], dim=1).numpy()


def shares(rows: Sequence[View], couples: Sequence[int]) -> np.ndarray:
    """(n,): how often each couple is drawn; a system by the fourth root of its windows, its recordings alike."""
    systems = np.array([rows[2 * couple + 1].system for couple in couples])
    weights = np.array([float(np.sum(systems == system)) ** -0.75 for system in systems])
    return weights / weights.sum()


def train(
    network: VoiceWhisperNetwork, views: Views, couples: Sequence[int], folder: Path, config: HeadConfig
) -> Weights:
    """Train the head on the given couples, going on from `folder`/last.pt: all weights, the head's averaged."""
    rows, heard = views.rows(), torch.from_numpy(pooled(network.eval(), views))
    head, order, share = network.head.requires_grad_(True).train(), np.array(couples), shares(rows, couples)
    optimizer = torch.optim.AdamW(parameter_groups(head, config.weight_decay), lr=config.peak_lr)
    schedule = Schedule(config.minutes, config.seed, ema_decay=0.99, spread_over=config.steps)
    run = Run(folder, {"head": head}, {"head": optimizer}, schedule)
    wanted = torch.tensor([0.0, 1.0]).repeat(config.couples) * (1 - config.smoothing) + config.smoothing / 2
    for step in run.steps():
        draw = np.random.default_rng([config.seed, step])
        chosen = draw.choice(order, config.couples, p=share)
        batch = heard[np.stack([2 * chosen, 2 * chosen + 1], 1).ravel()]
        losses = [
            functional.binary_cross_entropy_with_logits(head.judge(batch[:, part]), wanted)
            for part in (0, 1 + int(draw.integers(STRETCHES)))
        ]
        optimizer.zero_grad()
        ((1 - config.second_share) * losses[0] + config.second_share * losses[1]).backward()
        optimizer.step()
        run.note(loss=losses[0].item(), second=losses[1].item())
    head.load_state_dict(run.ema["head"])
    return {name: value.detach().clone() for name, value in network.eval().state_dict().items()}


def logits(network: VoiceWhisperNetwork, views: Views, part: int = 0) -> np.ndarray:
    """(N,): the fake logits of all windows; part: 1 or 2 for those of a second in each."""
    heard = torch.from_numpy(pooled(network.eval(), views)[:, part])
    with torch.inference_mode():
        return network.head.judge(heard).numpy()


def first_logits(views: Views, weights: Path) -> np.ndarray:
    """(N,): what VOICE-SPOOF-LITE-V1 says of all windows; made once and kept beside them."""
    path = views.folder / "first.npy"
    if not path.exists():
        network = VoiceSpoofNetwork()
        network.load_state_dict(load_file(weights), strict=True)
        np.save(path, logits_of_windows(network.eval(), views, range(len(views.rows()))))
    return np.load(path)


def logits_of_windows(network: nn.Module, views: Views, chosen: Sequence[int], batch: int = 32) -> np.ndarray:
    """(n,): the fake logits of the chosen windows, by a network of either generation."""
    found = []
    with torch.inference_mode():
        for first in range(0, len(chosen), batch):
            found.append(network(torch.from_numpy(views.windows(chosen[first : first + batch]))).float().numpy())
    return np.concatenate(found)
