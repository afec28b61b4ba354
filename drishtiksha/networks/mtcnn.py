"""The three networks of MTCNN (Zhang et al., IEEE Signal Processing Letters 2016, arXiv:1604.02878).

Layers and parameter names are those of the published weights of facenet-pytorch (MIT licence). All take RGB pixels as
(pixel - 127.5) / 128, float32 (N, 3, H, W), and answer with the probability of a face and the shifts of the box's
corners in units of its size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _face_probability(logits: Tensor) -> Tensor:
    """Of the two classes (no face, face) on axis 1, the probability of the second."""
    return torch.softmax(logits, dim=1)[:, 1]


def _halve(x: Tensor, dim: int) -> Tensor:
    """The larger of each two neighbours along `dim`; a last one without a neighbour stays."""
    first = x[(slice(None),) * dim + (slice(0, None, 2),)]
    second = x[(slice(None),) * dim + (slice(1, None, 2),)]
    paired = second.shape[dim]
    larger = torch.maximum(first.narrow(dim, 0, paired), second)
    return larger if first.shape[dim] == paired else torch.cat([larger, first.narrow(dim, paired, 1)], dim)


def _flatten(x: Tensor) -> Tensor:
    """(N, C, H, W) to (N, W * H * C): the column-major order in which the dense layers were trained."""
    return x.permute(0, 3, 2, 1).flatten(1)


class ProposalNet(nn.Module):
    """Finds candidates in a whole picture at one scale: (N, 3, H, W) to p_face (N, h, w) and shifts (N, 4, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 10, 3)
        self.prelu1 = nn.PReLU(10)
        self.conv2 = nn.Conv2d(10, 16, 3)
        self.prelu2 = nn.PReLU(16)
        self.conv3 = nn.Conv2d(16, 32, 3)
        self.prelu3 = nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.prelu1(self.conv1(x))
        # Max pooling 2 x 2 with ceil_mode, as slices: several times faster on a CPU than the pooling kernel.
        x = _halve(_halve(x, 2), 3)
        x = self.prelu2(self.conv2(x))
        x = self.prelu3(self.conv3(x))
        return _face_probability(self.conv4_1(x)), self.conv4_2(x)


class RefineNet(nn.Module):
    """Sorts out candidates: (N, 3, 24, 24) to p_face (N,) and shifts (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 28, 3)
        self.prelu1 = nn.PReLU(28)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(28, 48, 3)
        self.prelu2 = nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(48, 64, 2)
        self.prelu3 = nn.PReLU(64)
        self.dense4 = nn.Linear(576, 128)
        self.prelu4 = nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(_flatten(x)))
        return _face_probability(self.dense5_1(x)), self.dense5_2(x)


class OutputNet(nn.Module):
    """Decides and places keypoints: (N, 3, 48, 48) to p_face (N,), shifts (N, 4) and keypoints (N, 10).

    The keypoints are five x, then five y, in units of the box from its top left corner.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.prelu1 = nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.prelu2 = nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.prelu3 = nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4 = nn.Conv2d(64, 128, 2)
        self.prelu4 = nn.PReLU(128)
        self.dense5 = nn.Linear(1152, 256)
        self.prelu5 = nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)
        self.dense6_2 = nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense5(_flatten(x)))
        return _face_probability(self.dense6_1(x)), self.dense6_2(x), self.dense6_3(x)


class MTCNN(nn.Module):
    """The three networks under one roof, for one checkpoint; the cascade between them is in `faces/mtcnn.py`."""

    def __init__(self) -> None:
        super().__init__()
        self.pnet = ProposalNet()
        self.rnet = RefineNet()
        self.onet = OutputNet()
