"""The network of VOICE-SPOOF-LITE-V2: the lower layers of Whisper's encoder, and how their states are spread over time."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from drishtiksha.networks.voice_spoof import LEVEL
from drishtiksha.networks.whisper_encoder import WhisperEncoder, log_mel

DEPTH = 2
"""Layers of the encoder that are kept, of four. The card compares others."""
STATES = 2
"""Of the last ones that are looked at."""
WIDTH = 384
HIDDEN = 64
FRAMES_PER_SECOND = 50
"""Of the features; each stands for 20 ms."""
POSITIONS = 200
"""Frames of a window of 4 s."""
STEPS = 32767 * LEVEL
"""Of a window's samples: a unit has so many. With LEVEL as root mean square, rounding lies some 60 dB below the speech, so
that the noise floor of a recording tells little."""


def coarse(window: torch.Tensor) -> torch.Tensor:
    """A window of `preprocess_voice`, each sample cut to a whole number of steps towards zero, as int16 would hold it."""
    return torch.trunc((window * STEPS).clamp(-32767, 32767)) / STEPS


def statistics(features: torch.Tensor) -> torch.Tensor:
    """features: (B, C, 1, T). Returns float32 (B, 2 C): mean and standard deviation over time."""
    x = features.squeeze(2).float()
    return torch.cat([x.mean(-1), x.var(-1, unbiased=False).clamp_min(1e-6).sqrt()], dim=1)


class StatisticsHead(nn.Module):
    """Each statistic brought to the scale that it has in training, then a small perceptron: one logit."""

    def __init__(self, channels: int, hidden: int, drop_rate: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2 * channels, affine=False)
        self.perceptron = nn.Sequential(
            nn.Dropout(drop_rate),
            nn.Linear(2 * channels, hidden),
            nn.ReLU(),
            nn.Dropout(drop_rate),
            nn.Linear(hidden, 1),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """features: (B, C, 1, T). Returns (B,)."""
        return self.judge(statistics(features))

    def judge(self, pooled: torch.Tensor) -> torch.Tensor:
        """pooled: (B, 2 C) as `statistics` makes them. Returns (B,)."""
        return self.perceptron(self.norm(pooled)).flatten(0)


class VoiceWhisperNetwork(nn.Module):
    """Its logit is above 0 for a voice that was synthesised."""

    def __init__(self, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.encoder = WhisperEncoder(DEPTH, WIDTH, positions=POSITIONS)
        self.head = StatisticsHead(WIDTH * STATES, HIDDEN, drop_rate)

    def spectrogram(self, x: torch.Tensor) -> torch.Tensor:
        """x: float (B, n) as `coarse` makes it. Returns float32 (B, 1, 80, n / 160), low bands first."""
        return log_mel(x).unsqueeze(1)

    def features(self, spectrogram: torch.Tensor) -> torch.Tensor:
        """spectrogram: (B, 1, 80, 2 T). Returns (B, C, 1, T): the encoder's last states, each brought to one level."""
        states = self.encoder(spectrogram.squeeze(1))[-STATES:]
        return torch.cat([functional.layer_norm(x, x.shape[-1:]) for x in states], dim=-1).transpose(1, 2).unsqueeze(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: float (B, n) as `coarse` makes it. Returns the fake logit (B,)."""
        return self.head(self.features(self.spectrogram(x)))
