"""DistilDIRE (Lim et al. 2024, arXiv:2406.00856): a ResNet-50 over a picture and the noise found in it."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models import resnet50

from drishtiksha.networks.adm_unet import CHANNELS, HEAD_CHANNELS, NoisePredictor, first_step_noise
from drishtiksha.networks.build import without_init

SIZE = 256
"""Side of the input, px."""
FEATURES = 2048
"""Of a ResNet-50, before its classifier."""
LONGEST = 8
"""Of a strip that is longer than so many squares only the middle is resized: it is cut off afterwards anyway."""


class DistilDIRENetwork(nn.Module):
    """Fake logit of a picture. `noise_predictor` is ADM's, the rest the checkpoint of DistilDIRE.

    noise_channels, head_channels: of the noise predictor.
    """

    def __init__(self, noise_channels: int = CHANNELS, head_channels: int = HEAD_CHANNELS) -> None:
        super().__init__()
        with without_init():
            self.noise_predictor = NoisePredictor(noise_channels, head_channels)
            trunk = OrderedDict(list(resnet50(weights=None).named_children())[:-2])
            trunk["conv1"] = nn.Conv2d(6, 64, 7, stride=2, padding=3, bias=False)
        self.student_backbone = nn.Sequential(trunk)
        self.student_head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(FEATURES, 1))

    def noise(self, picture: Tensor) -> Tensor:
        """picture: (B, 3, 256, 256) in [-1, 1]. Returns what the first step of inversion finds, of the same shape."""
        return first_step_noise(self.noise_predictor, picture)

    def features(self, picture: Tensor, noise: Tensor) -> Tensor:
        """The last map of the ResNet, (B, 2048, 8, 8)."""
        return self.student_backbone(torch.cat([picture, noise], dim=1))

    def judge(self, features: Tensor) -> Tensor:
        """Fake logit (B,) of `features`."""
        return self.student_head(features)[:, 0]

    def forward(self, picture: Tensor) -> Tensor:
        return self.judge(self.features(picture, self.noise(picture)))


def copied(weights: Tensor) -> Tensor:
    """A copy in the layout that convolutions run fastest in, so that the mapped file of 2.2 GB can be let go of."""
    return weights.clone(memory_format=torch.channels_last if weights.ndim == 4 else torch.preserve_format)


def centre_square(frame: np.ndarray) -> Tensor:
    """The middle square of a picture as the network's input.

    frame: uint8 RGB (H, W, 3). Resized so that its shorter side has 256 px, antialiased; small pictures are enlarged.
    Returns float32 (3, 256, 256), RGB, in [-1, 1].
    """
    y, x = (max(0, (side - LONGEST * min(frame.shape[:2])) // 2) for side in frame.shape[:2])
    frame = frame[y : frame.shape[0] - y, x : frame.shape[1] - x]
    height, width = (SIZE * side // min(frame.shape[:2]) for side in frame.shape[:2])
    pixels = torch.tensor(frame).permute(2, 0, 1)[None] / 127.5 - 1
    pixels = interpolate(pixels, size=(height, width), mode="bilinear", antialias=True, align_corners=False)
    top, left = round((height - SIZE) / 2), round((width - SIZE) / 2)
    return pixels[0, :, top : top + SIZE, left : left + SIZE].contiguous()
