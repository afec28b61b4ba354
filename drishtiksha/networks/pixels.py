"""From a picture to the tensor that a published network takes: the few steps that most of them share."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import center_crop

Scaling = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Mean and standard deviation of each channel, for pixels in [0, 1]."""
IMAGENET: Scaling = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP: Scaling = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALVES: Scaling = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def scaled(picture: np.ndarray, scaling: Scaling) -> Tensor:
    """uint8 (H, W, 3) to float32 (3, H, W) of this mean and standard deviation; the order of channels stays."""
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in scaling)
    return (pixels - mean) / std


def resized(picture: np.ndarray, width: int, height: int, *, bicubic: bool = False) -> np.ndarray:
    """uint8 (H, W, 3) to (height, width, 3), bilinear or bicubic, antialiased as by PIL."""
    kind = Image.Resampling.BICUBIC if bicubic else Image.Resampling.BILINEAR
    return np.array(Image.fromarray(picture).resize((width, height), kind))


def shorter_side(picture: np.ndarray, length: int) -> np.ndarray:
    """uint8 (H, W, 3) resized, bilinear, until its shorter side is `length` px; the longer one is rounded down."""
    height, width = picture.shape[:2]
    short = min(height, width)
    return resized(picture, width * length // short, height * length // short)


def middle(picture: np.ndarray, side: int) -> np.ndarray:
    """The square of `side` px in the middle of a uint8 (H, W, 3); black, half on each side, where it is smaller."""
    return np.ascontiguousarray(
        center_crop(torch.from_numpy(np.array(picture)).permute(2, 0, 1), [side, side]).permute(1, 2, 0)
    )


def middle_box(height: int, width: int, side: float) -> tuple[float, float, float, float]:
    """Where `middle` lies in a picture of this size, xyxy px; beyond its edges where it is smaller."""
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def squares(height: int, width: int, side: int, count: int) -> list[tuple[int, int, int, int]]:
    """Boxes of `count` x `count` squares of `side` px, spread over a picture of this size from edge to edge, xyxy px, row by
    row; those that coincide once. None where the picture is smaller than a square."""
    if min(height, width) < side:
        return []
    tops, lefts = (
        sorted({round(place) for place in np.linspace(0, length - side, count)}) for length in (height, width)
    )
    return [(left, top, left + side, top + side) for top, left in itertools.product(tops, lefts)]
