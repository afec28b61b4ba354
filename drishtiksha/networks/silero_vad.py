"""Silero VAD 6 at 16 kHz: how probable speech is in every 32 ms of sound.

The network of https://github.com/snakers4/silero-vad (MIT), arranged for whole recordings: all frames go through the
convolutions at once, and only the small recurrent layer walks along time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

SAMPLE_RATE = 16_000
"""Hz."""
FRAME = 512
"""Samples that one probability speaks of: 32 ms."""
CONTEXT = 64
"""Samples before a frame that are looked at with it, and mirrored samples that follow it."""
FFT_SIZE, HOP = 256, 128
BINS = FFT_SIZE // 2 + 1

State = tuple[Tensor, Tensor]
"""What the recurrent layer remembers, (1, 1, 128) each."""


class SileroVAD(nn.Module):
    """Four convolutions over the magnitude spectra of one frame, then an LSTM over the frames."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 2 * BINS, FFT_SIZE, HOP, bias=False)
        self.conv1 = nn.Conv1d(BINS, 128, 3, 1, 1)
        self.conv2 = nn.Conv1d(128, 64, 3, 2, 1)
        self.conv3 = nn.Conv1d(64, 64, 3, 2, 1)
        self.conv4 = nn.Conv1d(64, 128, 3, 1, 1)
        self.lstm = nn.LSTM(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """frames: float32 (n, CONTEXT + FRAME), in order; state: that after the frames before, None at the beginning.

        Returns the probability of speech (n,) in each frame, and the state after the last one.
        """
        spectra = self.stft_conv(pad(frames[:, None], (0, CONTEXT), mode="reflect"))
        x = (spectra[:, :BINS].square() + spectra[:, BINS:].square()).sqrt()
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = torch.relu(convolution(x))
        remembered, state = self.lstm(x.permute(0, 2, 1), state)
        logits = self.final_conv(torch.relu(remembered).transpose(1, 2))
        return torch.sigmoid(logits).flatten(), state
