"""NPR: the first half of a ResNet-50 over the differences of neighbouring pixels.

Tan et al., CVPR 2024, arXiv:2312.10461.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models.resnet import Bottleneck, ResNet

GAIN = 2 / 3
"""By which the paper scales the differences."""


class NPRNetwork(nn.Module):
    """Pictures (B, 3, H, W) of even sides, normalised as for ImageNet, to fake logits (B,)."""

    def __init__(self) -> None:
        super().__init__()
        resnet = ResNet(Bottleneck, [3, 4, 6, 3])
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.bn1, self.relu, self.maxpool = resnet.bn1, resnet.relu, resnet.maxpool
        self.layer1, self.layer2 = resnet.layer1, resnet.layer2
        self.fc1 = nn.Linear(512, 1)

    def maps(self, pictures: Tensor) -> Tensor:
        """The last feature map (B, 512, h, w)."""
        small = interpolate(pictures, scale_factor=0.5, mode="nearest")
        differences = pictures - interpolate(small, size=pictures.shape[-2:], mode="nearest")
        x = self.maxpool(self.relu(self.bn1(self.conv1(differences * GAIN))))
        return self.layer2(self.layer1(x))

    def judge(self, maps: Tensor) -> Tensor:
        return self.fc1(maps.mean(dim=(2, 3)))[:, 0]

    def forward(self, pictures: Tensor) -> Tensor:
        return self.judge(self.maps(pictures))
