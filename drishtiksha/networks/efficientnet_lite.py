"""The network of FACE-BLEND-LITE-V1 and the one way a face crop becomes its input."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import timm
import torch
from torch import nn

INPUT_SIZE = 224
"""Side of the square input, px."""
CROP_MARGIN = 0.25
"""What the crop adds on each side of the (squared) face box, as a fraction of its side."""
WIDE_SIZE, WIDE_MARGIN = 268, 0.4
"""The crop that is looked at twice, px and margin: its middle INPUT_SIZE px are the crop with CROP_MARGIN."""
MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)
"""Per channel in RGB order, for pixels in [0, 1]: the network sees [-1, 1]."""


def preprocess_face(crop: np.ndarray, size: int = INPUT_SIZE) -> torch.Tensor:
    """Turn a face crop into the network's input, the same in training and in use.

    crop: uint8 RGB (S, S, 3). A crop that is not `size` px is resized (area down, cubic up).
    Returns float32 (3, size, size), RGB, in [-1, 1].
    Raises: ValueError when the crop is not a uint8 picture with three channels.
    """
    if crop.dtype != np.uint8 or crop.ndim != 3 or crop.shape[2] != 3:
        raise ValueError(f"a face crop must be uint8 (S, S, 3), not {crop.dtype} {crop.shape}")
    if crop.shape[:2] != (size, size):
        down = min(crop.shape[:2]) > size
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA if down else cv2.INTER_CUBIC)
    pixels = torch.from_numpy(np.ascontiguousarray(crop)).permute(2, 0, 1).float() / 255
    return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


class FaceBlendNetwork(nn.Module):
    """EfficientNet-Lite0 with one logit, above 0 for a face that was blended into its picture.

    Tan & Le, EfficientNet (ICML 2019), the Lite0 variant without squeeze-and-excitation and with ReLU6;
    trained on self-blended images (Shiohara & Yamasaki, CVPR 2022).
    """

    backbone: Any

    def __init__(self, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.backbone = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=1, drop_rate=drop_rate)
        # timm scales a classifier's first weights by its outputs: far too large for one.
        nn.init.normal_(self.backbone.classifier.weight, std=0.01)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: float (B, 3, S, S) as `preprocess_face` makes it. Returns the fake logit (B,)."""
        return self.backbone(x).flatten(0)

    def two_looks(self, x: torch.Tensor) -> torch.Tensor:
        """Mean logit (B,) of the middle of each crop, and of the whole of it made smaller and mirrored.

        x: float (B, 3, WIDE_SIZE, WIDE_SIZE). The two err differently, so that their mean errs less than either.
        """
        edge = (WIDE_SIZE - INPUT_SIZE) // 2
        near = x[..., edge : edge + INPUT_SIZE, edge : edge + INPUT_SIZE]
        size = (INPUT_SIZE, INPUT_SIZE)
        far = nn.functional.interpolate(x, size=size, mode="bilinear", antialias=True).flip(3)
        return (self(near) + self(far)) / 2
