"""The network of VOICE-SPOOF-LITE-V1 and the one way a stretch of sound becomes its input."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SAMPLE_RATE = 16_000
"""Hz."""
WINDOW = 64_000
"""Samples of the input: 4 s."""
LEVEL = 0.1
"""Root mean square that every window is brought to, full scale being 1."""
FFT_SIZE = 512
HOP = 200
BINS = FFT_SIZE // 2
"""Of the spectrogram: 31.25 Hz each, the lowest (0 Hz) left out."""
FRAMES = WINDOW // HOP
"""Of the spectrogram: 12.5 ms each."""
FLOOR = 1e-6
"""Added to the power of every bin: what lies some 60 dB below the loudest speech counts as silence, so that the
noise floor of a recording tells little."""
SMOOTHING = 33
"""Bins (1 kHz) over which the mean spectrum is smoothed before it is taken away."""


def preprocess_voice(waveform: np.ndarray, length: int = WINDOW) -> torch.Tensor:
    """Turn a stretch of sound into the network's input, the same in training and in use.

    waveform: float32 (n,) at SAMPLE_RATE. What is shorter than `length` is repeated, since added silence would be a cue;
    what is longer is cut. Returns float32 (length,) without offset and at the level LEVEL.
    Raises: ValueError when it is not a waveform or holds no sample.
    """
    if waveform.ndim != 1 or not waveform.size:
        raise ValueError(f"a voice window must be a waveform (n,) with samples, not {waveform.shape}")
    samples = np.resize(waveform, length).astype(np.float32)
    samples -= samples.mean()
    level = float(np.sqrt(np.mean(np.square(samples))))
    return torch.from_numpy(samples * np.float32(LEVEL / max(level, 1e-6)))


class _Block(nn.Module):
    """Two 3x3 convolutions beside a short cut (He et al., CVPR 2016); the first may halve both axes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels_out)
        self.second = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels_out)
        changes = stride != 1 or channels_in != channels_out
        self.short_cut = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False) if changes else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(y)) + self.short_cut(x))


class _TimePooling(nn.Module):
    """Attentive statistics over time (Okabe et al., Interspeech 2018), then one logit."""

    def __init__(self, channels: int, width: int, drop_rate: float) -> None:
        super().__init__()
        self.squeeze = nn.Conv1d(channels, width, 1)
        self.attention = nn.Sequential(nn.Conv1d(width, width // 4, 1), nn.Tanh(), nn.Conv1d(width // 4, width, 1))
        self.drop = nn.Dropout(drop_rate)
        self.classifier = nn.Linear(2 * width, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """features: (B, C, f, t). Returns (B,)."""
        x = functional.relu(self.squeeze(features.flatten(1, 2)))
        weight = self.attention(x).float().softmax(dim=-1)
        x = x.float()
        mean = (weight * x).sum(-1)
        spread = ((weight * x.square()).sum(-1) - mean.square()).clamp_min(1e-5).sqrt()
        return self.classifier(self.drop(torch.cat([mean, spread], dim=1))).float().flatten(0)


class VoiceSpoofNetwork(nn.Module):
    """A compact residual network over the log spectrogram; its logit is above 0 for a voice that was synthesised.

    It sees the spectrogram less the recording's own mean spectrum smoothed over 1 kHz: what a microphone, a telephone
    or an equaliser does to the whole recording is gone, narrow lines and fine structure stay.
    """

    def __init__(
        self, stem: int = 32, widths: tuple[int, ...] = (48, 96, 96, 160, 160), drop_rate: float = 0.0
    ) -> None:
        """stem, widths: channels of the first convolution and of each block; a block that widens halves both axes."""
        super().__init__()
        self.stem = nn.Conv2d(2, stem, (5, 7), (2, 4), (2, 3), bias=False)
        self.stem_norm = nn.BatchNorm2d(stem)
        before = (stem, *widths[:-1])
        strides = [1 if out == into else 2 for into, out in zip(before, widths, strict=True)]
        self.blocks = nn.Sequential(*map(_Block, before, widths, strides))
        self.head = _TimePooling(widths[-1] * BINS // 2 // math.prod(strides), 128, drop_rate)

    def spectrogram(self, x: torch.Tensor) -> torch.Tensor:
        """x: float (B, WINDOW) as `preprocess_voice` makes it. Returns float32 (B, 1, BINS, FRAMES), low bins first;
        one unit is 10 dB about the recording's own smoothed mean spectrum."""
        with torch.autocast(x.device.type, enabled=False):
            taper = torch.hann_window(FFT_SIZE, device=x.device)
            x = functional.pad(x.float(), ((FFT_SIZE - HOP) // 2, (FFT_SIZE - HOP) // 2), mode="constant")
            spectrum = torch.stft(x, FFT_SIZE, HOP, window=taper, center=False, return_complex=True)[:, 1:]
            power = spectrum.real.square() + spectrum.imag.square()
            log_power = torch.log10(power / taper.sum() + FLOOR)
            mean = log_power.mean(dim=-1, keepdim=True).transpose(1, 2)
            smooth = functional.avg_pool1d(
                functional.pad(mean, (SMOOTHING // 2, SMOOTHING // 2), mode="replicate"), SMOOTHING, 1
            )
            return (log_power - smooth.transpose(1, 2)).unsqueeze(1)

    def features(self, spectrogram: torch.Tensor) -> torch.Tensor:
        """spectrogram: (B, 1, BINS, FRAMES). Returns (B, C, BINS / 16, FRAMES / 32)."""
        # Convolutions look alike everywhere, and what is natural at 300 Hz may not be at 7 kHz.
        height = torch.linspace(-1, 1, spectrogram.shape[2], device=spectrogram.device, dtype=spectrogram.dtype)
        x = torch.cat([spectrogram, height.view(1, 1, -1, 1).expand_as(spectrogram)], dim=1)
        x = x.contiguous(memory_format=torch.channels_last)
        return self.blocks(functional.relu(self.stem_norm(self.stem(x))))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: float (B, WINDOW) as `preprocess_voice` makes it. Returns the fake logit (B,)."""
        return self.head(self.features(self.spectrogram(x)))
