"""Cross Efficient ViT: two EfficientNets look at a face, and two small transformers ask each other about it.

Coccomini, Messina, Gennaro, Falchi: Combining EfficientNet and Vision Transformers for Video Deepfake Detection, ICIAP
2022, arXiv:2107.02612. The cross attention is CrossViT's (Chen et al., ICCV 2021, arXiv:2103.14899).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from drishtiksha.networks.dfdc_efficientnet import Box, centred_on_black, normalised
from drishtiksha.networks.lukemelas import B0_BLOCKS, stages_of, timm_name

INPUT_SIZE = 224
"""Side of the square input, px. Each branch then sees its whole feature map as one patch."""
BACKBONE = "tf_efficientnet_b0"
LARGE_STAGES = 2
"""The large branch ends after the third block: the second stage, with 24 channels of 56x56."""
SMALL_PATCH, LARGE_PATCH = 7, 56
"""Sides of the last feature maps, cells."""
HEADS, HEAD_WIDTH = 8, 64
SMALL_LAYERS, LARGE_LAYERS, CROSS_LAYERS = 2, 3, 2
"""Layers of one round: of the small branch, of the large one, and questions each asks the other."""


def reference_crop(frame: np.ndarray, box: Box) -> Tensor:
    """The face box cut out of the frame, stretched to a square.

    frame: uint8 RGB (H, W, 3). box: xyxy px. Returns float32 (3, 224, 224) RGB, normalised as for ImageNet.
    """
    x0, y0, x1, y1 = (max(int(side), 0) for side in box)
    crop = cv2.resize(frame[y0:y1, x0:x1], (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_LINEAR)
    return normalised(crop)


def released_crop(frame: np.ndarray, box: Box) -> Tensor:
    """What the authors' own code feeds to their published checkpoint: the box made square, where it leaves the frame
    black, and **BGR from 0 to 255**, as OpenCV reads a file.

    frame: uint8 RGB (H, W, 3). box: xyxy px. Returns float32 (3, 224, 224).
    """
    x0, y0, x1, y1 = (int(side) for side in box)
    add_x, add_y = max(y1 - y0 - x1 + x0, 0) // 2, max(x1 - x0 - y1 + y0, 0) // 2
    crop = frame[max(y0 - add_y, 0) : y1 + add_y, max(x0 - add_x, 0) : x1 + add_x, ::-1]
    square = centred_on_black(np.ascontiguousarray(crop), INPUT_SIZE)
    return torch.from_numpy(square).permute(2, 0, 1).float()


class Attention(nn.Module):
    """Attention of tokens to one another, or to themselves and to `others`, which are not normalised."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, HEADS * HEAD_WIDTH, bias=False)
        self.to_kv = nn.Linear(width, 2 * HEADS * HEAD_WIDTH, bias=False)
        self.to_out = nn.Linear(HEADS * HEAD_WIDTH, width)

    def forward(self, tokens: Tensor, others: Tensor | None = None) -> Tensor:
        """tokens (B, n, width), others (B, m, width). Returns (B, n, width)."""
        tokens = self.norm(tokens)
        seen = tokens if others is None else torch.cat((tokens, others), dim=1)
        parts = (self.to_q(tokens), *self.to_kv(seen).chunk(2, dim=-1))
        queries, keys, values = (part.unflatten(-1, (HEADS, HEAD_WIDTH)).transpose(1, 2) for part in parts)
        return self.to_out(scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2))


class Question(Attention):
    """What the class token of one branch takes from the patches of the other, in the other's width."""

    def __init__(self, own_width: int, width: int) -> None:
        super().__init__(width)
        self.project_in = nn.Linear(own_width, width)
        self.project_out = nn.Linear(width, own_width)

    def forward(self, tokens: Tensor, others: Tensor | None = None) -> Tensor:
        return self.project_out(super().forward(self.project_in(tokens), others))


class FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen, self.narrow = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.narrow(gelu(self.widen(self.norm(tokens))))


class Encoder(nn.Module):
    """A transformer over the tokens (B, n, width) of one branch."""

    def __init__(self, width: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList([Attention(width), FeedForward(width, hidden)]) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        for layer in self.layers:
            for step in layer.children():
                tokens = tokens + step(tokens)
        return self.norm(tokens)


class Cross(nn.Module):
    """The class tokens of the two branches ask the other's patches in turn."""

    def __init__(self, small: int, large: int) -> None:
        super().__init__()
        pairs = (nn.ModuleList([Question(small, large), Question(large, small)]) for _ in range(CROSS_LAYERS))
        self.layers = nn.ModuleList(pairs)

    def forward(self, small: Tensor, large: Tensor) -> tuple[Tensor, Tensor]:
        (small_class, small_patch), (large_class, large_patch) = small.split(1, dim=1), large.split(1, dim=1)
        for layer in self.layers:
            ask_large, ask_small = layer.children()
            small_class = small_class + ask_large(small_class, large_patch)
            large_class = large_class + ask_small(large_class, small_patch)
        return torch.cat((small_class, small_patch), dim=1), torch.cat((large_class, large_patch), dim=1)


class Round(nn.Module):
    def __init__(self, small: int, large: int, hidden: int) -> None:
        super().__init__()
        self.small = Encoder(small, hidden, SMALL_LAYERS)
        self.large = Encoder(large, hidden, LARGE_LAYERS)
        self.cross = Cross(small, large)

    def forward(self, small: Tensor, large: Tensor) -> tuple[Tensor, Tensor]:
        return self.cross(self.small(small), self.large(large))


class Branch(nn.Module):
    """A picture to two tokens: a learnt class token, and the whole feature map as one patch.

    stages: of the backbone, without its head; None = all of them and the head.
    """

    backbone: Any

    def __init__(self, width: int, patch: int, stages: int | None = None) -> None:
        super().__init__()
        self.backbone = timm.create_model(BACKBONE, pretrained=False, num_classes=0)
        channels = self.backbone.num_features
        if stages is not None:
            channels = self.backbone.feature_info[stages - 1]["num_chs"]
            self.backbone.blocks = self.backbone.blocks[:stages]
            self.backbone.conv_head = self.backbone.bn2 = nn.Identity()
        self.patch = nn.Linear(channels * patch**2, width)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        # Published for as many patches as the picture itself would have; only the first two are ever used.
        self.positions = nn.Parameter(torch.zeros(1, (INPUT_SIZE // patch) ** 2 + 1, width))

    def maps(self, faces: Tensor) -> Tensor:
        """The last feature map (B, channels, patch, patch)."""
        return self.backbone.forward_features(faces)

    def tokens(self, maps: Tensor) -> Tensor:
        """(B, 2, width) of the last feature map."""
        patch = self.patch(maps.permute(0, 2, 3, 1).flatten(1))[:, None]
        return torch.cat((self.class_token.expand(len(maps), -1, -1), patch), dim=1) + self.positions[:, :2]


class CrossEfficientViT(nn.Module):
    """Both branches, `rounds` rounds of encoders and cross attention, and the sum of two heads.

    small, large: widths of the branches' tokens; hidden: of the feed-forward layers.
    """

    def __init__(self, rounds: int = 4, small: int = 192, large: int = 384, hidden: int = 2048) -> None:
        super().__init__()
        self.small = Branch(small, SMALL_PATCH)
        self.large = Branch(large, LARGE_PATCH, LARGE_STAGES)
        self.rounds = nn.ModuleList(Round(small, large, hidden) for _ in range(rounds))
        self.small_head = nn.Sequential(nn.LayerNorm(small), nn.Linear(small, 1))
        self.large_head = nn.Sequential(nn.LayerNorm(large), nn.Linear(large, 1))

    def forward(self, faces: Tensor) -> Tensor:
        """faces: float (B, 3, 224, 224). Returns the fake logit (B,)."""
        return self.judge(self.small.maps(faces), self.large.maps(faces))

    def judge(self, small_maps: Tensor, large_maps: Tensor) -> Tensor:
        """The fake logit (B,) of both branches' last feature maps."""
        small, large = self.small.tokens(small_maps), self.large.tokens(large_maps)
        for step in self.rounds:
            small, large = step(small, large)
        return (self.small_head(small[:, 0]) + self.large_head(large[:, 0])).flatten(0)


NAMES = (
    (r"^multi_scale_encoder\.layers\.(\d+)\.0\.", r"rounds.\1.small."),
    (r"^multi_scale_encoder\.layers\.(\d+)\.1\.", r"rounds.\1.large."),
    (r"^multi_scale_encoder\.layers\.(\d+)\.2\.", r"rounds.\1.cross."),
    (r"\bfn\.", ""),
    (r"\bto_out\.0\.", "to_out."),
    (r"\bnet\.0\.", "widen."),
    (r"\bnet\.3\.", "narrow."),
    (r"^sm_mlp_head\.", "small_head."),
    (r"^lg_mlp_head\.", "large_head."),
    (r"^sm_image_embedder\.", "small."),
    (r"^lg_image_embedder\.", "large."),
    (r"\bto_patch_embedding\.1\.", "patch."),
    (r"\bpos_embedding$", "positions"),
    (r"\bcls_token$", "class_token"),
)
"""Published names (lucidrains' vit-pytorch) and ours, applied in this order."""


def renamed(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published checkpoint under the names of `CrossEfficientViT`.

    Left out is what the published network carries and never uses: the ImageNet classifiers of both EfficientNets, and
    everything of the large branch's after its third block.
    """
    return {_ours(key): tensor for key, tensor in state_dict.items() if not _unused(key)}


def _unused(key: str) -> bool:
    last = next(i for i, (stage, _) in enumerate(stages_of(B0_BLOCKS)) if stage == LARGE_STAGES)
    block = re.search(r"^lg_.*\._blocks\.(\d+)\.", key)
    head = re.search(r"^lg_.*efficient_net\._(conv_head|bn1)\.|efficient_net\._fc\.", key)
    return head is not None or (block is not None and int(block[1]) >= last)


def _ours(key: str) -> str:
    before, net, name = key.partition(".efficient_net.")
    if net:
        key = f"{before}.backbone.{timm_name(name, B0_BLOCKS)}"
    for published, ours in NAMES:
        key = re.sub(published, ours, key)
    return key
