"""Eyeblink: Xception (Chollet, CVPR 2017, arXiv:1610.02357) over eye crops, then an LSTM over the frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn
from torchvision.transforms.v2.functional import normalize, resize

BACKBONE = "legacy_xception"
HIDDEN = 128
DROPOUT = 0.3
INPUT_PX = 160
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
"""ImageNet's, as for the checkpoint's training."""


class EyeblinkNetwork(nn.Module):
    """timm's `features_only` would keep feature maps in hooks, which threads would overwrite for each other: the plain
    network computes the same last map."""

    def __init__(self, backbone: str = BACKBONE, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.backbone: Any = timm.create_model(backbone, pretrained=False, num_classes=0)
        self.lstm = nn.LSTM(self.backbone.num_features, hidden, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.fc = nn.Linear(hidden, 1)

    def maps(self, eyes: Tensor) -> Tensor:
        """The last feature map (B, 2048, 5, 5) of eye crops (B, 3, 160, 160) as `preprocess_eyes` makes them."""
        return self.backbone.forward_features(eyes)

    def forward(self, features: Tensor) -> Tensor:
        """REAL logits (B,) of sequences (B, L, 2048) of feature maps averaged over their places."""
        _, (last, _) = self.lstm(features)
        return self.fc(self.dropout(last[-1]))[:, 0]


def preprocess_eyes(crop: np.ndarray) -> Tensor:
    """uint8 RGB (H, W, 3) to float32 (3, 160, 160), normalised; the aspect ratio is not kept, as in training."""
    picture = torch.from_numpy(np.ascontiguousarray(crop)).permute(2, 0, 1).float() / 255
    return normalize(resize(picture, [INPUT_PX, INPUT_PX], antialias=True), MEAN, STD)
