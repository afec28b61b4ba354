"""The encoder of Whisper, cut after any of its layers, and its log-mel spectrogram (Radford et al., 2022, arXiv:2212.04356)."""

from __future__ import annotations

from functools import cache

import torch
from torch import nn
from torch.nn import functional

SAMPLE_RATE = 16_000
"""Hz."""
FFT_SIZE = 400
HOP = 160
"""Samples between two columns of the spectrogram: 10 ms."""
MELS = 80
FLOOR = 1e-10
DYNAMIC_RANGE = 8.0
"""Powers of ten below the loudest value at which the spectrogram is cut off."""
POSITIONS = 1500
"""Frames of 20 ms that positions were learned for: 30 s."""


@cache
def mel_filters() -> torch.Tensor:
    """float32 (MELS, FFT_SIZE // 2 + 1): Slaney's triangles of equal area from 0 to 8 kHz."""
    edges_hz = _hertz(torch.linspace(0, float(_mel(SAMPLE_RATE / 2)), MELS + 2, dtype=torch.float64))
    bins_hz = torch.linspace(0, SAMPLE_RATE / 2, FFT_SIZE // 2 + 1, dtype=torch.float64)
    rise, fall = edges_hz.diff()[:-1, None], edges_hz.diff()[1:, None]
    up, down = (bins_hz - edges_hz[:-2, None]) / rise, (edges_hz[2:, None] - bins_hz) / fall
    triangles = torch.minimum(up, down).clamp_min(0)
    return (triangles * 2 / (edges_hz[2:, None] - edges_hz[:-2, None])).float()


def band_of_bin() -> torch.Tensor:
    """int64 (FFT_SIZE // 2 + 1): the band whose middle is nearest to each bin, from 0 Hz on."""
    bins_hz = torch.linspace(0, SAMPLE_RATE / 2, FFT_SIZE // 2 + 1)
    middles_hz = bins_hz[mel_filters().argmax(dim=1)]
    return (bins_hz[:, None] - middles_hz).abs().argmin(dim=1)


def _mel(hertz: float) -> torch.Tensor:
    """Slaney's scale: linear up to 1 kHz, logarithmic above it."""
    ratio = torch.tensor(hertz / 1000, dtype=torch.float64)
    return torch.where(ratio < 1, 15 * ratio, 15 + 27 * torch.log(ratio.clamp_min(1)) / torch.log(torch.tensor(6.4)))


def _hertz(mel: torch.Tensor) -> torch.Tensor:
    step = torch.log(torch.tensor(6.4, dtype=torch.float64)) / 27
    return torch.where(mel < 15, mel * 1000 / 15, 1000 * torch.exp(step * (mel - 15)))


def log_mel(waveforms: torch.Tensor) -> torch.Tensor:
    """waveforms: float (B, n) at SAMPLE_RATE, n a multiple of HOP. Returns float32 (B, MELS, n / HOP) as Whisper takes it."""
    with torch.autocast(waveforms.device.type, enabled=False):
        taper = torch.hann_window(FFT_SIZE, device=waveforms.device)
        spectrum = torch.stft(waveforms.float(), FFT_SIZE, HOP, window=taper, return_complex=True)[..., :-1]
        power = spectrum.real.square() + spectrum.imag.square()
        mels = torch.log10((mel_filters().to(power.device) @ power).clamp_min(FLOOR))
        loudest = mels.amax(dim=(1, 2), keepdim=True)
        return (torch.maximum(mels, loudest - DYNAMIC_RANGE) + 4) / 4


class _Layer(nn.Module):
    """Self-attention and a feed-forward part, each behind a layer norm and beside a short cut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query, self.value, self.out = (nn.Linear(width, width) for _ in range(3))
        self.key = nn.Linear(width, width, bias=False)
        self.feed_norm = nn.LayerNorm(width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, T, width); so is the result."""
        y = self.attention_norm(x)
        query, key, value = (
            part(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.narrow(functional.gelu(self.wide(self.feed_norm(x))))


class WhisperEncoder(nn.Module):
    """Two convolutions, positions, and `depth` layers. The sizes are those of Whisper tiny; its last layer norm is left out,
    since it comes after layer 4."""

    def __init__(self, depth: int = 4, width: int = 384, heads: int = 6, positions: int = POSITIONS) -> None:
        super().__init__()
        self.first = nn.Conv1d(MELS, width, 3, padding=1)
        self.second = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.positions = nn.Parameter(torch.zeros(positions, width))
        self.layers = nn.ModuleList(_Layer(width, heads) for _ in range(depth))

    def forward(self, mels: torch.Tensor) -> list[torch.Tensor]:
        """mels: (B, MELS, 2 T) as `log_mel` makes it. Returns (B, T, width): before the layers, and after each of them."""
        x = functional.gelu(self.second(functional.gelu(self.first(mels)))).transpose(1, 2)
        states = [x + self.positions[: x.shape[1]]]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return states
