"""The network of FACE-SYNTH-LITE-V1 and the one way a face becomes its input."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from drishtiksha.results import FaceBox

WINDOW_PX = 192
"""Side of the square input, px of the picture itself: it is cut out, never resampled, which would wipe out the traces."""
TRAINING_PX = 96
"""Side of the windows in training, cut likewise: the network averages over places, so its size is a matter of cost alone."""
WIDTHS = (32, 64, 128)
"""Channels of the stages; the first works at half the input's size, each other one at half the size before it."""
View = Callable[[torch.Tensor], torch.Tensor]
RESIDUALS = 9
"""Of three pixels to the fourth, for three colours."""
RESIDUAL_GAIN = 2 / 3
"""By which the paper scales the residuals."""


def window_box(box: FaceBox) -> tuple[int, int, int, int]:
    """The square of WINDOW_PX on the middle of a face box, xyxy in whole px; parts of it may lie outside the picture."""
    left = round((box[0] + box[2]) / 2 - WINDOW_PX / 2)
    top = round((box[1] + box[3]) / 2 - WINDOW_PX / 2)
    return left, top, left + WINDOW_PX, top + WINDOW_PX


def native_window(frame: np.ndarray, box: FaceBox) -> np.ndarray:
    """Cut the window of a face out of a frame, pixel by pixel. Outside the frame its edge pixels are repeated.

    frame: uint8 RGB (H, W, 3). box: xyxy px. Returns uint8 RGB (WINDOW_PX, WINDOW_PX, 3).
    Raises: ValueError when no part of the window is inside the frame.
    """
    height, width = frame.shape[:2]
    x0, y0, x1, y1 = window_box(box)
    part = frame[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if part.size == 0:
        raise ValueError(f"the face box {box} has no part inside the frame of {width}x{height} px")
    border = (max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0))
    if any(border):
        part = cv2.copyMakeBorder(part, *border, borderType=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(part)


def to_input(window: np.ndarray) -> torch.Tensor:
    """uint8 RGB (H, W, 3) to float32 (3, H, W) in [-1, 1], the same in training and in use."""
    return torch.from_numpy(np.array(window)).permute(2, 0, 1).float() / 127.5 - 1


def neighbour_residuals(x: torch.Tensor) -> torch.Tensor:
    """By how much three of every 2 x 2 pixels differ from the fourth.

    Tan et al., Rethinking the Up-Sampling Operations in CNN-based Generative Network for Generalizable Deepfake
    Detection (CVPR 2024, arXiv:2312.10461); the fourth residual, always 0, is left out, and the others are laid out as
    channels. float (B, 3, H, W), sides even. Returns (B, 9, H/2, W/2).
    """
    quads = functional.pixel_unshuffle(x, 2).unflatten(1, (3, 4))
    return (quads[:, :, 1:] - quads[:, :, :1]).flatten(1, 2) * RESIDUAL_GAIN


def _conv(wide: int, narrow: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(wide, narrow, 3, stride, padding=1, bias=False), nn.BatchNorm2d(narrow))


class _Block(nn.Module):
    """Two convolutions and a way around them (He et al., CVPR 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(channels, channels), nn.ReLU(), _conv(channels, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(x + self.body(x))


class FaceSynthesisNetwork(nn.Module):
    """A small residual network with one logit, above 0 for a face that a generator made; it averages over all places."""

    def __init__(self, drop_rate: float = 0.0, view: View = neighbour_residuals, channels: int = RESIDUALS) -> None:
        """view: what the first layer sees of the pixels, in so many `channels`; training compares others."""
        super().__init__()
        self.view = view
        layers: list[nn.Module] = [_conv(channels, WIDTHS[0]), nn.ReLU(), _Block(WIDTHS[0])]
        for wide, narrow in itertools.pairwise(WIDTHS):
            layers += [_conv(wide, narrow, stride=2), nn.ReLU(), _Block(narrow), _Block(narrow)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(drop_rate), nn.Linear(WIDTHS[-1], 1)
        )

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """x: float (B, 3, H, W) as `to_input` makes it, sides divisible by 8. Returns maps (B, C, H/8, W/8)."""
        return self.features(self.view(x))

    def forward_head(self, maps: torch.Tensor) -> torch.Tensor:
        """Fake logit (B,) of the maps."""
        return self.head(maps).flatten(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: float (B, 3, H, W) as `to_input` makes it, sides divisible by 8. Returns the fake logit (B,)."""
        return self.forward_head(self.forward_features(x))
