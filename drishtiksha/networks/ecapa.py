"""ECAPA-TDNN (Desplanques et al., Interspeech 2020, arXiv:2005.07143) as SPECTRA-0 uses it: on an encoder's vectors, to two
logits. Everywhere convolution, ReLU, norm. Names of modules are those of the published checkpoint."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

SPLITS = 8
DILATIONS = (2, 3, 4, 5)
POOLED = 1536
FLOOR = 1e-4
"""Of variances."""


class _SqueezeExcitation(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.se = nn.Sequential(
            nn.AdaptiveAvgPool1d(1), nn.Conv1d(channels, channels, 1), nn.ReLU(), nn.Conv1d(channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.se(x))


class _Res2Block(nn.Module):
    """Each split of the channels sees what the one before it made; the last passes as it is."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        part = channels // SPLITS
        self.conv1 = nn.Conv1d(channels, channels, 1)
        self.bn1 = nn.BatchNorm1d(channels)
        wide = [nn.Conv1d(part, part, 3, padding=dilation, dilation=dilation) for _ in range(SPLITS - 1)]
        self.convs = nn.ModuleList(wide)
        self.bns = nn.ModuleList(nn.BatchNorm1d(part) for _ in range(SPLITS - 1))
        self.conv3 = nn.Conv1d(channels, channels, 1)
        self.bn3 = nn.BatchNorm1d(channels)
        self.se = _SqueezeExcitation(channels)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.bn1(relu(self.conv1(x))).chunk(SPLITS, dim=1)
        done: list[Tensor] = []
        for part, conv, norm in zip(parts, self.convs, self.bns, strict=False):
            done.append(norm(relu(conv(part + done[-1] if done else part))))
        y = torch.cat([*done, parts[-1]], dim=1)
        return self.se(self.bn3(relu(self.conv3(y)))) + x


class ECAPA(nn.Module):
    """(B, frames, width) -> (B, 2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, 5, padding=2)
        self.bn1 = nn.BatchNorm1d(width)
        for number, dilation in enumerate(DILATIONS, start=1):
            self.add_module(f"layer{number}", _Res2Block(width, dilation))
        self.layer5 = nn.Conv1d(len(DILATIONS) * width, POOLED, 1)
        self.attention = nn.Sequential(
            nn.Conv1d(3 * POOLED, 256, 1), nn.ReLU(), nn.BatchNorm1d(256), nn.Tanh(), nn.Conv1d(256, POOLED, 1)
        )
        self.bn5 = nn.BatchNorm1d(2 * POOLED)
        self.fc6 = nn.Linear(2 * POOLED, 2)

    def forward(self, x: Tensor) -> Tensor:
        total = self.bn1(relu(self.conv1(x.transpose(1, 2))))
        outputs = []
        for number in range(1, len(DILATIONS) + 1):
            outputs.append(self.get_submodule(f"layer{number}")(total))
            total = total + outputs[-1]
        x = relu(self.layer5(torch.cat(outputs, dim=1)))
        mean = x.mean(dim=2, keepdim=True).expand_as(x)
        spread = x.var(dim=2, keepdim=True).clamp_min(FLOOR).sqrt().expand_as(x)
        weights = self.attention(torch.cat([x, mean, spread], dim=1)).softmax(dim=2)
        middle = (x * weights).sum(dim=2)
        spread = ((x.square() * weights).sum(dim=2) - middle.square()).clamp_min(FLOOR).sqrt()
        return self.fc6(self.bn5(torch.cat([middle, spread], dim=1)))
