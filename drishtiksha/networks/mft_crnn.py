"""Convolutions over stacked features, followed over time by a recurrent network. Keys are those of the checkpoint."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

CHANNELS = (1, 16, 32, 64)
POOLS = ((2, 2), (2, 2), (2, 1))
"""Rows and time steps that become one after each convolution: 8 steps are left of 32."""
DROPOUT = 0.4


class MFTNetwork(nn.Module):
    """Features float32 (B, 1, 1619, 32) to fake logits (B,)."""

    def __init__(self, rows: int = 1619, lstm_width: int = 128) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for (before, after), pool in zip(pairwise(CHANNELS), POOLS, strict=True):
            blocks += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(after), nn.MaxPool2d(pool)]
        self.cnn_extractor = nn.Sequential(*blocks)
        pooled = CHANNELS[-1] * (rows // 2 ** len(POOLS))
        self.lstm = nn.LSTM(pooled, lstm_width, num_layers=2, batch_first=True, bidirectional=True)
        self.classifier = nn.Sequential(nn.Linear(2 * lstm_width, 64), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(64, 1))

    def forward(self, features: Tensor) -> Tensor:
        return self.judge(self.cnn_extractor(features))

    def judge(self, maps: Tensor) -> Tensor:
        """Last feature maps (B, 64, 202, 8) to fake logits (B,): from what each direction knows once it has read all."""
        steps = maps.permute(0, 3, 1, 2).flatten(2)
        with torch.autocast(maps.device.type, enabled=False):
            _, (hidden, _) = self.lstm(steps.float())
        return self.classifier(torch.cat([hidden[-2], hidden[-1]], dim=1))[:, 0]
