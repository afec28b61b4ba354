"""Effort: CLIP, of whose attention only one direction per layer was tuned. Yan et al., ICML 2025, arXiv:2411.15633."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from torch import Tensor, nn

from drishtiksha.networks.clip_tower import GRID, SIDE_PX, clip_config, clip_tower
from drishtiksha.networks.pixels import CLIP, scaled

MAIN = ".weight_main"
TUNED = (".U_residual", ".S_residual", ".V_residual")
FROZEN = (".U_r", ".S_r", ".V_r")
"""The parts of the frozen weight, which `weight_main` holds multiplied out: 200 million numbers that nothing needs."""


class EffortNetwork(nn.Module):
    """Pictures (B, 3, 224, 224), normalised as for CLIP, to fake logits (B,)."""

    grid = GRID

    def __init__(self, width: int = 1024, layers: int = 24, heads: int = 16) -> None:
        super().__init__()
        self.backbone: Any = clip_tower(clip_config(width, layers, heads))
        self.head = nn.Linear(width, 2)

    def forward(self, pictures: Tensor) -> Tensor:
        real, fake = self.head(self.backbone(pixel_values=pictures).pooler_output).float().unbind(dim=1)
        return fake - real


def plain(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict with what was tuned added to the frozen weights: that of an ordinary CLIP tower."""
    found = {}
    for key, tensor in state_dict.items():
        if key.endswith((*FROZEN, *TUNED, "embeddings.position_ids")):
            continue
        layer = key.removesuffix(MAIN)
        if layer != key:
            left, strength, right = (state_dict[layer + part] for part in TUNED)
            key, tensor = f"{layer}.weight", tensor + (left * strength) @ right
        found[key] = tensor
    return found


def whole_picture(frame: np.ndarray) -> Tensor:
    """uint8 RGB (H, W, 3) to float32 (3, 224, 224): bilinear, not antialiased, the aspect ratio lost, as published."""
    small = cv2.resize(np.ascontiguousarray(frame), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
    return scaled(small, CLIP)
