"""The network that won the DeepFake Detection Challenge, and how a face becomes its input.

S. Seferbekov, 2020: https://github.com/selimsef/dfdc_deepfake_challenge (MIT).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import timm
import torch
from torch import nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, per channel in RGB order, for pixels in [0, 1]."""
MARGIN = 3
"""The author's crop adds a third of the box's width and height on each side."""


Box = tuple[float, float, float, float]


def wide_box(box: Box, height: int, width: int) -> tuple[int, int, int, int]:
    """The face box xyxy px with a third of its sides added all round, as far as a frame of this size reaches.

    Whole pixels as the author counts them: the box is cut to them before it is widened.
    """
    x0, y0, x1, y1 = (int(side) for side in box)
    add_x, add_y = (x1 - x0) // MARGIN, (y1 - y0) // MARGIN
    return max(x0 - add_x, 0), max(y0 - add_y, 0), min(x1 + add_x, width), min(y1 + add_y, height)


def centred_on_black(crop: np.ndarray, size: int) -> np.ndarray:
    """The crop resized until its longer side is `size` px (area down, cubic up), in the middle of a black square.

    crop: uint8 (h, w, 3). Returns uint8 (size, size, 3) in the same colour order.
    """
    height, width = crop.shape[:2]
    scale = size / max(height, width)
    # The longer side exactly: int(side * scale) may fall one pixel short.
    fitted = tuple(size if side == max(height, width) else max(int(side * scale), 1) for side in (width, height))
    resized = cv2.resize(crop, fitted, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    square = np.zeros((size, size, 3), np.uint8)
    left, top = (size - fitted[0]) // 2, (size - fitted[1]) // 2
    square[top : top + fitted[1], left : left + fitted[0]] = resized
    return square


def normalised(picture: np.ndarray) -> torch.Tensor:
    """uint8 RGB (H, W, 3) to float32 (3, H, W) with ImageNet's mean and deviation."""
    pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float() / 255
    return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


class DFDCNetwork(nn.Module):
    """A timm EfficientNet without its classifier, the mean over space, and one linear layer."""

    encoder: Any

    def __init__(self, architecture: str = "tf_efficientnet_b7") -> None:
        super().__init__()
        self.encoder = timm.create_model(architecture, pretrained=False, num_classes=0)
        self.fc = nn.Linear(self.encoder.num_features, 1)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """faces: float (B, 3, S, S) as `normalised` makes them. Returns the fake logit (B,)."""
        return self.judge(self.encoder.forward_features(faces))

    def judge(self, maps: torch.Tensor) -> torch.Tensor:
        """The fake logit (B,) of the encoder's last feature map (B, K, h, w)."""
        return self.fc(maps.mean(dim=(2, 3))).flatten(0)
