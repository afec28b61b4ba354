"""LipFD (Liu et al., NeurIPS 2024, arXiv:2401.15668): five frames under their mel spectrogram, seen whole and in crops."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models.resnet import Bottleneck, ResNet

from drishtiksha.networks.clip_visual import CLIPVisual
from drishtiksha.networks.lipfd_recipes import FRAME_PX, FRAMES, Recipe

OVERVIEW_PX = 1120
CROP_PX = 224
INNER_CROPS = ((28, 196), (61, 163))
"""Rows and columns of the first crop that the second and the third one enlarge: 0.75 and 0.46 of it."""
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
FEATURES = 768
"""What the projection of CLIP ViT-L/14 gives."""
POOLED = 512 * Bottleneck.expansion
"""Channels of ResNet-50's last maps."""


def split_picture(picture: Tensor, recipe: Recipe, stride: int = FRAME_PX) -> tuple[Tensor, Tensor]:
    """What the network looks at.

    picture: RGB (B, 3, 1000, 2500), values 0-255 of any dtype: the spectrogram above, five frames below it.
    stride: columns from the left edge of one crop to that of the next: 500 = frame by frame.
    Returns float32 (B, 3, 1120, 1120), the whole picture, and (B, 3, 5, 3, 224, 224), crops by scale and frame.
    """
    pixels = picture.float()
    if recipe.bgr:
        pixels = pixels.flip(1)
    if recipe.normalised:
        mean, std = (torch.tensor(values, device=pixels.device).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
        pixels = (pixels - mean) / std
    frames = pixels[:, :, FRAME_PX:]
    cut = [frames[..., stride * i : stride * i + FRAME_PX] for i in range(FRAMES)]
    outer = _resized(torch.stack(cut, dim=1).flatten(0, 1), CROP_PX, recipe.antialias)
    scales = [outer, *(_resized(outer[..., a:b, a:b], CROP_PX, recipe.antialias) for a, b in INNER_CROPS)]
    crops = torch.stack([scale.unflatten(0, (-1, FRAMES)) for scale in scales], dim=1)
    return _resized(pixels, OVERVIEW_PX, recipe.antialias), crops


def _resized(pixels: Tensor, side: int, antialias: bool) -> Tensor:
    return interpolate(pixels, size=(side, side), mode="bilinear", align_corners=False, antialias=antialias)


class RegionNetwork(ResNet):
    """ResNet-50 over the crops; each frame is the mean of its three crops by weights that it learnt to give them."""

    def __init__(self, layers: tuple[int, int, int, int] = (3, 4, 6, 3)) -> None:
        super().__init__(Bottleneck, list(layers))
        self.get_weight = nn.Sequential(nn.Linear(POOLED + FEATURES, 1), nn.Sigmoid())
        self.fc: nn.Linear = nn.Linear(POOLED + FEATURES, 1)

    def maps(self, crops: Tensor) -> Tensor:
        """(N, 3, 224, 224) -> the last maps (N, 2048, 7, 7)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(crops))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def share(self, maps: Tensor) -> Tensor:
        """What a crop's maps (N, 2048, h, w) add to the logit, but for the weight of the crop: (N,)."""
        return maps.mean(dim=(2, 3)) @ self.fc.weight[0, :POOLED].to(maps.dtype)

    def judge(self, crops: Tensor, overview: Tensor) -> Tensor:
        """Crops (B, 3, 5, 3, 224, 224) and features of the whole picture (B, 768) -> fake logit (B,)."""
        regions = self.maps(crops.flatten(0, 2)).mean(dim=(2, 3)).unflatten(0, crops.shape[:3])
        both = torch.cat([regions, overview[:, None, None].expand(*regions.shape[:3], -1)], dim=3)
        weights = self.get_weight(both).softmax(dim=1)
        return self.fc((both * weights).sum(dim=1).mean(dim=1))[:, 0]


class LipFD(nn.Module):
    """The whole network. The sizes are those of the published checkpoint unless given."""

    def __init__(
        self,
        clip_width: int = 1024,
        clip_layers: int = 24,
        clip_heads: int = 16,
        resnet_layers: tuple[int, int, int, int] = (3, 4, 6, 3),
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 3, kernel_size=5, stride=5)
        self.encoder = nn.ModuleDict({"visual": CLIPVisual(clip_width, clip_layers, clip_heads, out=FEATURES)})
        self.backbone = RegionNetwork(resnet_layers)

    def features(self, overview: Tensor) -> Tensor:
        """(B, 3, 1120, 1120) -> (B, 768)."""
        return self.encoder["visual"](self.conv1(overview))

    def forward(self, overview: Tensor, crops: Tensor) -> Tensor:
        """(B, 3, 1120, 1120) and (B, 3, 5, 3, 224, 224) -> fake logit (B,)."""
        return self.backbone.judge(crops, self.features(overview))
