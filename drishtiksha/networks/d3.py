"""D3: how evenly the embeddings of a video's frames move. Zheng et al., ICCV 2025, arXiv:2508.00701.

The frames are embedded by torchvision's ResNet-18 (He et al., CVPR 2016, arXiv:1512.03385) as it was trained on ImageNet, or
by the vision tower of X-CLIP (Ni et al., ECCV 2022, arXiv:2208.02816), in which frames exchange messages in groups of eight.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet
from transformers import XCLIPVisionConfig, XCLIPVisionModel

from drishtiksha.networks.build import without_init
from drishtiksha.networks.pixels import IMAGENET, scaled

SIDE_PX = 224
CUT_OFF = 0.1
"""Share of the longer side that is cut off at each end."""
IN_SEQUENCE = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
"""Names of the ResNet's parts where somebody has put them into a sequence, as the authors' code does."""
GROUP, PATCH_PX = 8, 16
"""Frames that exchange messages in X-CLIP, and the side of its patches."""
NO_VISION = (
    "text_model.",
    "mit.",
    "prompts_",
    "text_projection.",
    "visual_projection.",
    "logit_scale",
    "vision_model.embeddings.position_ids",
)
"""What the file of X-CLIP holds beside its vision tower."""


class FrameEmbedder(ResNet):
    """Frames (B, 3, 224, 224) to embeddings (B, 512): ResNet-18 without its classifier."""

    def __init__(self) -> None:
        super().__init__(BasicBlock, [2, 2, 2, 2])
        del self.fc

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean(dim=(2, 3))


class GroupEmbedder(nn.Module):
    """Frames (B, 3, 224, 224), B a multiple of 8, to embeddings (B, D): the vision tower of X-CLIP."""

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        config = XCLIPVisionConfig(
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            patch_size=PATCH_PX,
            num_frames=GROUP,
        )
        with without_init():
            self.vision = XCLIPVisionModel(config)
        # No checkpoint holds these numbers, so that they must be there even when the rest is built without memory.
        places = torch.arange((SIDE_PX // PATCH_PX) ** 2 + 1, device="cpu")[None]
        self.vision.embeddings.register_buffer("position_ids", places, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.vision(pixel_values=x).pooler_output


def steps(embeddings: Tensor) -> Tensor:
    """float32 (B, N - 1): how far the embeddings (B, N, D) move from each frame to the next."""
    return (embeddings[:, 1:] - embeddings[:, :-1]).float().norm(dim=2)


def unevenness(lengths: Tensor) -> Tensor:
    """(B,) standard deviation of how the lengths (B, M) of the steps change: low where a generator moved the picture."""
    return (lengths[:, 1:] - lengths[:, :-1]).std(dim=1)


def renamed(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's state dict, or one under `encoder.N.`, under the names of `FrameEmbedder`."""
    found = {}
    for published, tensor in state_dict.items():
        if published.startswith("fc."):
            continue
        numbered = re.match(r"encoder\.(\d)\.(.*)", published)
        found[f"{IN_SEQUENCE[numbered[1]]}.{numbered[2]}" if numbered else published] = tensor
    return found


def vision_alone(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of X-CLIP, or of its vision tower under `encoder.`, under the names of `GroupEmbedder`."""
    bare = {key.removeprefix("encoder."): tensor for key, tensor in state_dict.items()}
    return {
        f"vision.{key.removeprefix('vision_model.').removeprefix('vision.')}": tensor
        for key, tensor in bare.items()
        if not key.startswith(NO_VISION)
    }


def preprocess_frame(frame: np.ndarray, bgr: bool) -> Tensor:
    """uint8 RGB (H, W, 3) to float32 (3, 224, 224): the ends of the longer side cut off, bilinear, the aspect ratio lost,
    normalised as for ImageNet, the channels in the order of the authors' loader (`bgr`) or RGB."""
    height, width = frame.shape[:2]
    cut_y, cut_x = (int(height * CUT_OFF), 0) if height >= width else (0, int(width * CUT_OFF))
    inner = frame[cut_y : height - cut_y, cut_x : width - cut_x]
    small = cv2.resize(np.ascontiguousarray(inner), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
    return scaled(small[..., ::-1] if bgr else small, IMAGENET)
