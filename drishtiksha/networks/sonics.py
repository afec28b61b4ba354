"""SpecTTTra (Rahman et al., ICLR 2025, arXiv:2408.14080): a mel spectrogram as tokens over time and tokens over pitch.

Names of modules are those of the published checkpoints.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate, scaled_dot_product_attention

SAMPLE_RATE = 16_000
"""Hz."""
FFT_SIZE, HOP, MELS = 2048, 512, 128
LOW_HZ, HIGH_HZ = 20.0, 8000.0
FLOOR, RANGE_DB = 1e-10, 80.0
CLIP_FRAMES = 3
"""Frames of the spectrogram in one token over time; one over pitch is a single row of it."""
MLP_RATIO = 2.67


@cache
def mel_filters() -> Tensor:
    """Triangles equally wide in HTK's mel, not normalised by their area: float32 (MELS, FFT_SIZE / 2 + 1)."""
    lowest, highest = (2595 * np.log10(1 + hz / 700) for hz in (LOW_HZ, HIGH_HZ))
    corners = 700 * (10 ** (np.linspace(lowest, highest, MELS + 2) / 2595) - 1)
    bins = np.linspace(0, SAMPLE_RATE / 2, FFT_SIZE // 2 + 1)
    left, middle, right = (corners[i : MELS + i, None] for i in range(3))
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    return torch.from_numpy(np.minimum(rising, falling).clip(min=0).astype(np.float32))


def spectrogram(waveform: Tensor, frames: int) -> Tensor:
    """What the network sees of sound (n,): float32 (MELS, frames), low pitches first, at mean 0 and deviation 1.

    In dB, at most 80 below the loudest; the columns are interpolated to `frames`.
    """
    taper = torch.hann_window(FFT_SIZE, device=waveform.device)
    spectrum = torch.stft(waveform, FFT_SIZE, HOP, window=taper, center=True, pad_mode="reflect", return_complex=True)
    power = mel_filters().to(waveform.device) @ (spectrum.real.square() + spectrum.imag.square())
    decibels = 10 * torch.log10(power.clamp_min(FLOOR))
    decibels = torch.maximum(decibels, decibels.max() - RANGE_DB)
    standard = (decibels - decibels.mean()) / (decibels.std() + 1e-6)
    return interpolate(standard[None, None], (MELS, frames), mode="bilinear", align_corners=False)[0, 0]


class _Positions(nn.Module):
    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.pe = nn.Parameter(torch.zeros(1, tokens, width))


class _Tokenizer(nn.Module):
    """Pieces of a picture (B, rows, columns), each all rows high and `piece` columns wide."""

    def __init__(self, rows: int, columns: int, piece: int, width: int) -> None:
        super().__init__()
        self.conv1d = nn.Conv1d(rows, width, piece, stride=piece, bias=False)
        self.pos_encoder = _Positions(columns // piece, width)
        self.norm_pre = nn.LayerNorm(width, eps=1e-6)

    def forward(self, picture: Tensor) -> Tensor:
        tokens = gelu(self.conv1d(picture)).transpose(1, 2)
        return self.norm_pre(tokens + self.pos_encoder.pe)


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        queries, keys, values = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        hidden = int(MLP_RATIO * width)
        self.norm1 = nn.LayerNorm(width)
        self.attn = _Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, hidden), "fc2": nn.Linear(hidden, width)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp["fc2"](gelu(self.mlp["fc1"](self.norm2(x))))


class SpecTTTra(nn.Module):
    """Spectrograms (B, MELS, frames) to fake logits (B,)."""

    def __init__(self, frames: int, width: int = 384, layers: int = 12, heads: int = 6) -> None:
        super().__init__()
        tokenizers = {
            "temporal_tokenizer": _Tokenizer(MELS, frames, CLIP_FRAMES, width),
            "spectral_tokenizer": _Tokenizer(frames, MELS, 1, width),
        }
        blocks = nn.Sequential(*(_Block(width, heads) for _ in range(layers)))
        parts = {"st_tokenizer": nn.ModuleDict(tokenizers), "transformer": nn.ModuleDict({"blocks": blocks})}
        self.encoder = nn.ModuleDict(parts)
        self.classifier = nn.Linear(width, 1)

    def features(self, picture: Tensor) -> Tensor:
        """Tokens over time, then those over pitch: (B, width, tokens)."""
        over_time = self.encoder.get_submodule("st_tokenizer.temporal_tokenizer")(picture)
        over_pitch = self.encoder.get_submodule("st_tokenizer.spectral_tokenizer")(picture.transpose(1, 2))
        x = torch.cat([over_time, over_pitch], dim=1)
        x = self.encoder.get_submodule("transformer.blocks")(x)
        return x.transpose(1, 2)

    def judge(self, features: Tensor) -> Tensor:
        return self.classifier(features.mean(dim=2)).float().flatten(0)

    def forward(self, picture: Tensor) -> Tensor:
        return self.judge(self.features(picture))
