"""Small autoencoders that differ in how they enlarge: the makers of the fakes. Nothing of them ships."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

Upsampler = Literal["nearest", "bilinear", "subpixel", "transposed4", "transposed3", "fir"]
Loss = Literal["l1", "adversarial", "perceptual"]


@dataclass(frozen=True)
class Recipe:
    """One autoencoder. up: its way of doubling the size. factor: how far the code is reduced, a power of two.
    kept_out: its pictures are neither trained nor calibrated on."""

    up: Upsampler
    factor: int
    loss: Loss
    kept_out: bool = False

    @property
    def name(self) -> str:
        return f"{self.up}_x{self.factor}_{self.loss}"

    @property
    def family(self) -> str:
        """What is left out together: both transposed convolutions leave the same kind of trace."""
        return "transposed" if self.up.startswith("transposed") else self.up


RECIPES = (
    Recipe("nearest", 4, "l1"),
    Recipe("subpixel", 2, "adversarial"),
    Recipe("transposed4", 4, "adversarial"),
    Recipe("bilinear", 2, "l1"),
    Recipe("fir", 4, "perceptual", kept_out=True),
    Recipe("transposed3", 2, "l1"),
    Recipe("nearest", 2, "adversarial"),
    Recipe("subpixel", 4, "l1"),
    Recipe("bilinear", 4, "adversarial"),
    Recipe("fir", 2, "perceptual", kept_out=True),
)
WIDTH = 128
"""Channels of the body of an autoencoder whose factor is 4; half as many at 2."""


class _Binomial(nn.Module):
    """A fixed blur by (1, 3, 3, 1) / 8 each way, as StyleGAN filters after it inserted zeros (Karras et al., 2019).

    (B, C, H, W) to (B, C, H - 1, W - 1).
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.pad(x, (1, 1, 1, 1))
        for _ in range(3):
            x = functional.avg_pool2d(x, 2, stride=1)
        return x


def _doubling(up: Upsampler, wide: int, narrow: int) -> nn.Sequential:
    """(B, wide, H, W) to (B, narrow, 2H, 2W)."""
    if up in ("nearest", "bilinear"):
        smooth = False if up == "bilinear" else None
        return nn.Sequential(
            nn.Upsample(scale_factor=2, mode=up, align_corners=smooth), nn.Conv2d(wide, narrow, 3, padding=1)
        )
    if up == "subpixel":
        return nn.Sequential(nn.Conv2d(wide, narrow * 4, 3, padding=1), nn.PixelShuffle(2))
    if up == "transposed4":
        return nn.Sequential(nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1))
    if up == "transposed3":
        return nn.Sequential(nn.ConvTranspose2d(wide, narrow, 3, stride=2, padding=1, output_padding=1))
    return nn.Sequential(nn.ConvTranspose2d(wide, narrow, 3, stride=2), _Binomial())


def enlarge(doubling: nn.Sequential) -> None:
    """Give a doubling of three channels the weights of plain interpolation."""
    layer = next(module for module in doubling if isinstance(module, nn.Conv2d | nn.ConvTranspose2d))
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    nn.init.zeros_(layer.weight)
    side = layer.kernel_size[0]
    if isinstance(layer, nn.ConvTranspose2d):
        lines = {4: [0.25, 0.75, 0.75, 0.25], 3: [0.5, 1.0, 0.5]}
        line = torch.tensor([0.0, 2.0, 0.0] if len(doubling) > 1 else lines[side])
        for channel in range(3):
            layer.weight.data[channel, channel] = line[:, None] * line[None, :]
        return
    copies = layer.out_channels // 3
    for out in range(layer.out_channels):
        layer.weight.data[out, out // copies, side // 2, side // 2] = 1


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


class _Octave(nn.Module):
    """Doubles features and picture, and adds to the picture what the features know of its finer half."""

    def __init__(self, up: Upsampler, wide: int, narrow: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _doubling(up, wide, narrow), nn.SiLU(), nn.Conv2d(narrow, narrow, 3, padding=1), nn.SiLU()
        )
        self.picture = _doubling(up, 3, 3)
        self.to_rgb = nn.Conv2d(narrow, 3, 3, padding=1)

    def forward(self, x: torch.Tensor, rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.features(x)
        # The picture itself in full precision: bfloat16 steps would mark fakes by rounding.
        with torch.autocast("cpu", enabled=False):
            return x, self.picture(rgb) + self.to_rgb(x.float())


class Autoencoder(nn.Module):
    """Picture to a code of half as many numbers and back, without any way around the code.

    float (B, 3, H, W) in [-1, 1], sides divisible by `factor`, to the same. All doublings are of one kind, and the
    picture grows with the features, octave by octave, as in StyleGAN2 (Karras et al., 2020).
    """

    def __init__(self, up: Upsampler, factor: int) -> None:
        super().__init__()
        width = WIDTH * factor // 4
        code = 3 * factor * factor // 2
        self.encoder = nn.Sequential(nn.PixelUnshuffle(factor), nn.Conv2d(3 * factor * factor, code, 3, padding=1))
        self.body = nn.Sequential(nn.Conv2d(code, width, 3, padding=1), nn.SiLU(), _Residual(width), nn.SiLU())
        self.to_rgb = nn.Conv2d(code, 3, 1)
        octaves = []
        while factor > 1:
            octaves.append(_Octave(up, width, max(width // 2, 32)))
            width, factor = max(width // 2, 32), factor // 2
        self.octaves = nn.ModuleList(octaves)
        self._start_as_enlarger()

    def _start_as_enlarger(self) -> None:
        """First weights with which the picture is made small and enlarged again: minutes of training saved."""
        shrink, pick = self.encoder[1], self.to_rgb
        assert isinstance(shrink, nn.Conv2d)
        assert pick.bias is not None
        per_channel = shrink.in_channels // 3
        with torch.no_grad():
            for channel in range(3):
                shrink.weight[channel] = 0
                shrink.weight[channel, channel * per_channel : (channel + 1) * per_channel, 1, 1] = 1 / per_channel
            nn.init.dirac_(pick.weight)
            nn.init.zeros_(pick.bias)
            for octave in self.octaves:
                assert isinstance(octave, _Octave)
                enlarge(octave.picture)
                octave.to_rgb.weight *= 0.1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        code = self.encoder(x)
        x, rgb = self.body(code), self.to_rgb(code).float()
        for octave in self.octaves:
            x, rgb = octave(x, rgb)
        return rgb


class Critic(nn.Module):
    """Judges overlapping patches of 22 px (Isola et al., 2017). float (B, 3, H, W) to (B, 1, H/4, W/4), above 0: real."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 48, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(48, 96, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(96, 96, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(96, 1, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def to_tensor(images: torch.Tensor) -> torch.Tensor:
    """uint8 RGB (B, H, W, 3) to float32 (B, 3, H, W) in [-1, 1], channels last."""
    return (images.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def to_images(tensor: torch.Tensor) -> torch.Tensor:
    """float (B, 3, H, W) in [-1, 1] to uint8 RGB (B, H, W, 3)."""
    return ((tensor.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def reconstruct(autoencoder: Autoencoder, images: torch.Tensor) -> torch.Tensor:
    """uint8 RGB (B, H, W, 3), sides divisible by 8, to the same through the autoencoder, in bfloat16 where that is fast."""
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        return to_images(autoencoder(to_tensor(images)))
