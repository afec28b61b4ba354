"""Three small neural vocoders, one for each way in which generators climb from frames to samples."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from drishtiksha.features.library import librosa

SAMPLE_RATE = 16000
"""Hz, of everything here."""

MELS = 80

FFT = 1024
"""Samples; the window of the mel spectrogram and of the inverse-STFT head."""

QUIET = 1e-5
"""Magnitudes are taken to be at least this before the logarithm."""

LOUDEST = 6.0
"""Upper end of a log magnitude that the inverse-STFT head may ask for; a sine at full scale has ln(FFT / 4) = 5.5."""


class Mel(nn.Module):
    """Log-mel magnitudes (B, 80, 1, frames + 1) of waveforms (B, frames * hop): frame i is centred on sample i * hop."""

    filters: torch.Tensor
    window: torch.Tensor

    def __init__(self, hop: int) -> None:
        super().__init__()
        self.hop = hop
        filters = librosa().filters.mel(sr=SAMPLE_RATE, n_fft=FFT, n_mels=MELS, fmax=SAMPLE_RATE / 2)
        self.register_buffer("filters", torch.from_numpy(filters), persistent=False)
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(waveform, FFT, self.hop, window=self.window, return_complex=True).abs()
        return (self.filters @ spectrum).clamp(min=QUIET).log().unsqueeze(2)


def _conv(before: int, after: int, width: int, dilation: int = 1) -> nn.Conv2d:
    """A convolution over time of (B, C, 1, T); in two dimensions, because channels-last memory makes it fast."""
    return nn.Conv2d(before, after, (1, width), padding=(0, dilation * (width // 2)), dilation=(1, dilation))


class _FrameBlock(nn.Module):
    """Residual block at the frame rate, normalised over channels: long context costs little there."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.wide = _conv(channels, channels, 3)
        self.back = _conv(channels, channels, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return x + self.back(functional.gelu(self.wide(normed)))


class _SampleBlock(nn.Module):
    """Residual block of two dilated convolutions without normalisation, as in HiFi-GAN."""

    def __init__(self, channels: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        self.first = _conv(channels, channels, 3, dilations[0])
        self.second = _conv(channels, channels, 3, dilations[1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(functional.leaky_relu(self.first(functional.leaky_relu(x, 0.1)), 0.1))


class _Shuffle(nn.Module):
    """One-dimensional pixel shuffle: (B, C * factor, 1, T) to (B, C, 1, T * factor)."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, channels, _, frames = x.shape
        split = x.permute(0, 2, 3, 1).reshape(batch, 1, frames * self.factor, channels // self.factor)
        return split.permute(0, 3, 1, 2)


def _transposed_up(before: int, after: int, factor: int) -> nn.Module:
    width, pad = (1, 2 * factor), (0, (factor + 1) // 2)
    return nn.ConvTranspose2d(before, after, width, stride=(1, factor), padding=pad, output_padding=(0, factor % 2))


def _subpixel_up(before: int, after: int, factor: int) -> nn.Module:
    return nn.Sequential(_conv(before, after * factor, 3), _Shuffle(factor))


def _trunk(channels: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(_conv(MELS, channels, 7), *(_FrameBlock(channels) for _ in range(blocks)))


class Climbing(nn.Module):
    """From frames to samples in steps (HiFi-GAN, Kong et al. 2020, arXiv:2010.05646; sub-pixel: Shi et al. 2016).

    Takes log-mels (B, 80, 1, T + 1), gives waveforms (B, T * hop) in [-1, 1], float32.
    """

    def __init__(self, *, shuffle: bool, factors: tuple[int, ...], widths: tuple[int, ...]) -> None:
        super().__init__()
        up = _subpixel_up if shuffle else _transposed_up
        stages: list[nn.Module] = [_trunk(widths[0], 2)]
        for (before, after), factor in zip(pairwise(widths), factors, strict=True):
            stages += [nn.LeakyReLU(0.1), up(before, after, factor)]
            stages += [_SampleBlock(after, (1, 3)), _SampleBlock(after, (5, 1))]
        self.stages = nn.Sequential(*stages)
        self.last = _conv(widths[-1], 1, 7)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        samples = self.stages(mel[..., :-1].contiguous(memory_format=torch.channels_last))
        with torch.autocast("cpu", enabled=False):  # a waveform needs more than the 8 bits of bfloat16
            return torch.tanh(self.last(functional.leaky_relu(samples.float(), 0.1))).flatten(1)


class Spectral(nn.Module):
    """Magnitude and phase at the frame rate, then one inverse STFT (Vocos, Siuzdak 2024, arXiv:2306.00814).

    Takes log-mels (B, 80, 1, T + 1), gives waveforms (B, T * hop) in [-1, 1], float32.
    """

    window: torch.Tensor

    def __init__(self, *, hop: int, width: int, blocks: int) -> None:
        super().__init__()
        self.hop = hop
        self.trunk = _trunk(width, blocks)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, FFT + 2)
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        frames = self.trunk(mel.contiguous(memory_format=torch.channels_last))[:, :, 0].transpose(1, 2)
        with torch.autocast("cpu", enabled=False):
            magnitude, phase = self.head(self.norm(frames.float())).transpose(1, 2).chunk(2, dim=1)
            spectrum = torch.polar(magnitude.clamp(max=LOUDEST).exp(), phase)
            length = (frames.shape[1] - 1) * self.hop
            return torch.istft(spectrum, FFT, self.hop, window=self.window, length=length).clamp(-1, 1)


@dataclass(frozen=True)
class Family:
    """What sets a kind of vocoder apart, and the crops that suit its speed."""

    hop: int
    """Samples a frame."""
    crop_frames: int
    batch: int

    @property
    def crop(self) -> int:
        """Samples of a training example."""
        return self.hop * self.crop_frames


FAMILIES = {
    "transposed": Family(hop=256, crop_frames=32, batch=8),
    "istft": Family(hop=256, crop_frames=48, batch=8),
    "subpixel": Family(hop=200, crop_frames=40, batch=8),
}
"""The hops differ, so that the repetition of their traces does too."""


def build(family: str) -> nn.Module:
    """A fresh generator. Raises: KeyError when `family` is none of FAMILIES."""
    hop = FAMILIES[family].hop
    if family == "istft":
        return Spectral(hop=hop, width=256, blocks=4)
    if family == "subpixel":
        return Climbing(shuffle=True, factors=(5, 5, 8), widths=(256, 128, 64, 16))
    return Climbing(shuffle=False, factors=(8, 8, 4), widths=(256, 128, 64, 24))


class Discriminator(nn.Module):
    """Judges log spectrograms at several resolutions (UnivNet, Jang et al. 2021, arXiv:2106.07889), small."""

    def __init__(self, resolutions: tuple[tuple[int, int], ...] = ((256, 64), (512, 128), (1024, 256))) -> None:
        super().__init__()
        self.resolutions = resolutions
        self.towers = nn.ModuleList(self._tower() for _ in resolutions)

    @staticmethod
    def _tower() -> nn.ModuleList:
        widths = (1, 16, 32, 32, 32)
        strides = ((2, 1), (2, 2), (2, 1), (2, 2))
        convs = [
            nn.Conv2d(before, after, (7, 3), stride, (3, 1))
            for (before, after), stride in zip(pairwise(widths), strides, strict=True)
        ]
        return nn.ModuleList([*convs, nn.Conv2d(widths[-1], 1, 3, padding=1)])

    def forward(self, waveform: torch.Tensor) -> list[list[torch.Tensor]]:
        """Waveforms (B, n) to what each tower's layers answer; the last of each is the verdict map."""
        answers = []
        for (size, hop), tower in zip(self.resolutions, self.towers, strict=True):
            window = torch.hann_window(size)
            spectrum = torch.stft(waveform, size, hop, window=window, return_complex=True).abs()
            x = spectrum.clamp(min=1e-4).log().unsqueeze(1).contiguous(memory_format=torch.channels_last)
            maps: list[torch.Tensor] = []
            for layer in tower.children():
                x = layer(functional.leaky_relu(x, 0.1) if maps else x)
                maps.append(x)
            answers.append(maps)
        return answers
