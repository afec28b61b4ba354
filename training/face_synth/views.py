"""Other ways of looking at a picture, to compare neighbouring-pixel residuals with."""

from __future__ import annotations

import torch
from torch.nn import functional

from drishtiksha.networks.face_synth import neighbour_residuals

PIXELS = 12
"""Channels of `pixels`."""


def pixels(x: torch.Tensor) -> torch.Tensor:
    """The picture itself in the same layout: (B, 3, H, W) to (B, 12, H/2, W/2)."""
    return functional.pixel_unshuffle(x, 2)


def log_spectrum(x: torch.Tensor) -> torch.Tensor:
    """Logarithm of the magnitudes of the residuals' Fourier transform: (B, 3, H, W) to (B, 9, H/2, W/2)."""
    magnitudes = torch.fft.fft2(neighbour_residuals(x.float()), norm="ortho").abs()
    return torch.fft.fftshift(torch.log(magnitudes + 1e-2), dim=(-2, -1)) / 2
