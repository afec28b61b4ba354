"""UniversalFakeDetect: CLIP's embedding of a picture, as it was published, and one linear layer.

Ojha et al., CVPR 2023, arXiv:2302.10174.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from drishtiksha.networks.clip_tower import GRID, clip_config, clip_embedder, from_openai

TEXT = ("text_model.", "text_projection.", "logit_scale", "vision_model.embeddings.position_ids")
"""What a file of the whole CLIP holds beside the image tower."""


class UniversalFakeNetwork(nn.Module):
    """Pictures (B, 3, 224, 224), normalised as for CLIP, to fake logits (B,)."""

    grid = GRID

    def __init__(self, width: int = 1024, layers: int = 24, heads: int = 16, projection: int = 768) -> None:
        super().__init__()
        self.clip: Any = clip_embedder(clip_config(width, layers, heads, projection))
        self.fc = nn.Linear(projection, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.fc(self.clip(pixel_values=pictures).image_embeds)[:, 0]


def image_tower(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of a file of CLIP, under transformers' names or OpenAI's, the image tower alone under transformers'."""
    if any(key.startswith("visual.") for key in state_dict):
        return from_openai({key: t for key, t in state_dict.items() if key.startswith("visual.")})
    return {key: tensor for key, tensor in state_dict.items() if not key.startswith(TEXT)}
