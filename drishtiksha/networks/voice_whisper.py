"""The network of VOICE-SPOOF-LITE-V2: the lower layers of Whisper's encoder, and attentive pooling over time."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from drishtiksha.networks.voice_spoof import TimePooling
from drishtiksha.networks.whisper_encoder import WhisperEncoder, log_mel

DEPTH = 2
"""Layers of the encoder that are used, of four; the upper ones know words rather than sound."""
WIDTH = 384
FRAMES_PER_SECOND = 50
"""Of the features; each stands for 20 ms."""
POSITIONS = 200
"""Frames of a window of 4 s."""


class VoiceWhisperNetwork(nn.Module):
    """Its logit is above 0 for a voice that was synthesised."""

    def __init__(self, depth: int = DEPTH, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.encoder = WhisperEncoder(depth, WIDTH, positions=POSITIONS)
        self.head = TimePooling(WIDTH * (depth + 1), 128, drop_rate)

    def spectrogram(self, x: torch.Tensor) -> torch.Tensor:
        """x: float (B, n) as `preprocess_voice` makes it. Returns float32 (B, 1, 80, n / 160), low bands first."""
        return log_mel(x).unsqueeze(1)

    def features(self, spectrogram: torch.Tensor) -> torch.Tensor:
        """spectrogram: (B, 1, 80, 2 T). Returns (B, C, 1, T): every state of the encoder, each brought to one level."""
        states = self.encoder(spectrogram.squeeze(1))
        return torch.cat([functional.layer_norm(x, x.shape[-1:]) for x in states], dim=-1).transpose(1, 2).unsqueeze(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: float (B, n) as `preprocess_voice` makes it. Returns the fake logit (B,)."""
        return self.head(self.features(self.spectrogram(x)))
