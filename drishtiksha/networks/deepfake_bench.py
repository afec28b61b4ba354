"""Detectors of DeepfakeBench: Yan et al., NeurIPS 2023, arXiv:2307.01426. Each sees an aligned face of 256 px.

Xception: Chollet, CVPR 2017, arXiv:1610.02357. EfficientNet: Tan & Le, ICML 2019, arXiv:1905.11946. UCF: Yan et al., ICCV
2023, arXiv:2304.13949. SPSL: Liu et al., CVPR 2021, arXiv:2103.01856.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from drishtiksha.networks.build import without_init
from drishtiksha.networks.lukemelas import B4_BLOCKS, timm_name

Architecture = Literal["xception", "efficientnet-b4", "ucf", "spsl"]
SIDE_PX = 256
UNUSED: Mapping[str, tuple[str, ...]] = {
    "xception": ("backbone.adjust_channel.",),
    "spsl": ("backbone.adjust_channel.",),
    "ucf": ("encoder_c.", "con_gan.", "head_spe.", "block_spe.", "encoder_f.last_linear."),
    "efficientnet-b4": (),
}
"""Parts that the published files carry for training, or by mistake, and never use to judge."""


class BenchNetwork(nn.Module):
    """What all four have in common: faces (B, 3, 256, 256), RGB in [-1, 1], to a map, and the map to fake logits (B,)."""

    def maps(self, faces: Tensor) -> Tensor:
        """The last feature map (B, C, h, w)."""
        raise NotImplementedError

    def pair(self, maps: Tensor) -> Tensor:
        """Logits (B, 2) of real and fake."""
        raise NotImplementedError

    def judge(self, maps: Tensor) -> Tensor:
        real, fake = self.pair(maps).float().unbind(dim=1)
        return fake - real

    def forward(self, faces: Tensor) -> Tensor:
        return self.judge(self.maps(faces))


class BenchXception(BenchNetwork):
    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.backbone = _xception(channels, classes=2)

    def maps(self, faces: Tensor) -> Tensor:
        return self.backbone.forward_features(faces)

    def pair(self, maps: Tensor) -> Tensor:
        return self.backbone.forward_head(maps)


class BenchSPSL(BenchXception):
    """Sees, beside the colours, what is left of the picture when every frequency counts the same."""

    def __init__(self) -> None:
        super().__init__(channels=4)

    def maps(self, faces: Tensor) -> Tensor:
        return super().maps(torch.cat([faces, phase_only(faces).to(faces.dtype)], dim=1))


class BenchUCF(BenchNetwork):
    """The branch for what all forgeries have in common; the published file holds those for their kinds and contents too."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder_f = _xception(3, classes=0)
        self.encoder_f.act4 = nn.Identity()  # the published one goes on without timm's last ReLU
        self.encoder_f.adjust_channel = nn.Sequential(nn.Conv2d(2048, 512, 1), nn.BatchNorm2d(512), nn.ReLU())
        layers = [
            nn.Conv2d(512, 256, 1),
            nn.LeakyReLU(),
            nn.Conv2d(256, 256, 1),
            nn.LeakyReLU(),
            nn.Conv2d(256, 256, 1),
        ]
        self.block_sha = nn.Sequential(*layers)
        self.head_sha = nn.Sequential(nn.Linear(256, 512), nn.LeakyReLU(), nn.Linear(512, 2))

    def maps(self, faces: Tensor) -> Tensor:
        encoder: Any = self.encoder_f
        return encoder.adjust_channel(encoder.forward_features(faces))

    def pair(self, maps: Tensor) -> Tensor:
        return self.head_sha(self.block_sha(maps).mean(dim=(2, 3)))


class BenchEfficientNet(BenchNetwork):
    """EfficientNet-B4 with the two paddings of the published network that are not TensorFlow's at 256 px."""

    backbone: Any

    def __init__(self) -> None:
        super().__init__()
        with without_init():
            backbone: Any = timm.create_model("tf_efficientnet_b4", pretrained=False, num_classes=2)
        third = backbone.blocks[1][0]
        width = third.conv_dw.in_channels
        backbone.conv_stem = nn.Conv2d(3, backbone.conv_stem.out_channels, 3, stride=2, bias=False)
        third.conv_dw = _PaddedBelow(width, width, 3, stride=2, groups=width, bias=False)
        self.backbone = backbone

    def maps(self, faces: Tensor) -> Tensor:
        return self.backbone.forward_features(faces)

    def pair(self, maps: Tensor) -> Tensor:
        return self.backbone.forward_head(maps)


class _PaddedBelow(nn.Conv2d):
    """Padded by one below and to the right, which is TensorFlow's padding for the 380 px that the network was laid out for."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(pad(input, (0, 1, 0, 1)))


def bench_network(architecture: Architecture) -> BenchNetwork:
    makers = {"xception": BenchXception, "spsl": BenchSPSL, "ucf": BenchUCF, "efficientnet-b4": BenchEfficientNet}
    return makers[architecture]()


def phase_only(faces: Tensor) -> Tensor:
    """float32 (B, 1, H, W): the mean of the colours with every frequency brought to the strength 1."""
    spectrum = torch.fft.fft2(faces.float().mean(dim=1, keepdim=True))
    return torch.fft.ifft2(torch.exp(1j * torch.angle(spectrum))).real


def renamed(state_dict: Mapping[str, Tensor], architecture: Architecture) -> dict[str, Tensor]:
    """A published state dict under the names of `bench_network(architecture)`, without what is never used."""
    found = {}
    for published, tensor in state_dict.items():
        key = published
        if key.startswith(UNUSED[architecture]):
            continue
        if architecture == "efficientnet-b4":
            key = key.replace("backbone.last_layer.", "backbone.classifier.", 1)
            before, net, name = key.partition("efficientnet.")
            key = f"{before}{timm_name(name, B4_BLOCKS)}" if net else key
        key = key.replace("backbone.last_linear.", "backbone.fc.", 1)
        key = key.replace("block_sha.conv2d.", "block_sha.", 1).replace("head_sha.mlp.", "head_sha.", 1)
        found[key] = tensor
    return found


def _xception(channels: int, classes: int) -> Any:
    with without_init():
        return timm.create_model("legacy_xception", pretrained=False, in_chans=channels, num_classes=classes)
