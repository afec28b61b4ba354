"""SigLIP's picture of each frame, followed over time by a recurrent network.

SigLIP: Zhai et al., ICCV 2023, arXiv:2303.15343. Keys are those of the published checkpoints.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention
from transformers import AttentionInterface, SiglipVisionConfig, SiglipVisionModel
from transformers.models.siglip.modeling_siglip import SiglipMLP

from drishtiksha.networks.packed import linear_gelu

SIDE_PX, PATCH_PX = 224, 16
GRID = (SIDE_PX // PATCH_PX, SIDE_PX // PATCH_PX)
DROPOUT = 0.5
ATTENTION = "drishtiksha_products"


def _attention(
    _module: nn.Module, queries: Tensor, keys: Tensor, values: Tensor, _mask: None, scaling: float, **_: object
) -> tuple[Tensor, None]:
    """(B, heads, N, width) each to (B, N, heads, width), for transformers: on a processor as two plain products, which
    take half the time of torch's own attention with a frame's 196 patches."""
    if queries.device.type == "cpu":
        seen = (queries * scaling @ keys.transpose(2, 3)).softmax(dim=-1, dtype=queries.dtype) @ values
    else:
        seen = scaled_dot_product_attention(queries, keys, values, scale=scaling)
    return seen.transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, _attention)


class _MLP(SiglipMLP):
    """Transformers' layer with its activation as part of the product before it, where that is possible."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.fc2(linear_gelu(self.fc1, hidden_states))


class SiglipLSTM(nn.Module):
    """Frames (B, 3, 224, 224) in [-1, 1] RGB to features (B, D); sequences of features (B, L, D) to fake logits (B,)."""

    def __init__(self, width: int, layers: int, heads: int, lstm_width: int, head_width: int | None) -> None:
        """head_width: of the hidden layer of both heads; None: they are one linear layer each."""
        super().__init__()
        config = SiglipVisionConfig(
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            image_size=SIDE_PX,
            patch_size=PATCH_PX,
        )
        self.siglip_backbone = SiglipVisionModel(config)
        self.siglip_backbone.set_attn_implementation(ATTENTION)
        for layer in self.siglip_backbone.encoder.layers:
            layer.mlp = _MLP(config)
        # No checkpoint holds these numbers, so that they must be there even when the rest is built without memory.
        positions = torch.arange(GRID[0] * GRID[1], device="cpu")[None]
        self.siglip_backbone.embeddings.register_buffer("position_ids", positions, persistent=False)
        self.lstm = nn.LSTM(width, lstm_width, num_layers=2, batch_first=True, bidirectional=True)
        self.video_classifier = _head(2 * lstm_width, head_width)
        self.image_classifier = _head(width, head_width)

    def features(self, frames: Tensor) -> Tensor:
        """What the pooling head makes of each frame, (B, D)."""
        backbone: Any = self.siglip_backbone
        hidden = backbone.encoder(backbone.embeddings(frames)).last_hidden_state
        return self._pooled(backbone.post_layernorm(hidden))[0]

    def forward(self, sequences: Tensor) -> Tensor:
        # Errors of bfloat16 would add up along a sequence, and this part is quick.
        with torch.autocast(sequences.device.type, enabled=False):
            _, (hidden, _) = self.lstm(sequences.float())
        return self.video_classifier(torch.cat([hidden[-2], hidden[-1]], dim=1))[:, 0]

    def attentions(self, frames: Tensor) -> tuple[list[Tensor], Tensor]:
        """One (B, heads, N, N) for each layer, first layer first, and the pooling head's weights over the patches (B, N)."""
        backbone: Any = self.siglip_backbone
        hidden, found = backbone.embeddings(frames), []
        for layer in backbone.encoder.layers:
            attention, normed = layer.self_attn, layer.layer_norm1(hidden)
            shape = (*normed.shape[:2], attention.num_heads, attention.head_dim)
            queries, keys = (
                project(normed).view(shape).transpose(1, 2) for project in (attention.q_proj, attention.k_proj)
            )
            found.append((queries @ keys.transpose(2, 3) * attention.scale).softmax(dim=-1))
            hidden = layer(hidden, None)
        return found, self._pooled(backbone.post_layernorm(hidden))[1]

    def _pooled(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Patches (B, N, D) to SigLIP's `pooler_output` (B, D), and how much each patch counted (B, N).

        The one query is the same for every frame. So it goes through the keys' weights once, and what was attended to goes
        through the values' weights, where transformers makes a key and a value of each patch.
        """
        head: Any = self.siglip_backbone.head
        attention = head.attention
        heads, width = attention.num_heads, attention.head_dim
        with torch.autocast(patches.device.type, enabled=False):
            patches = patches.float()
            for_query, for_keys, for_values = attention.in_proj_weight.chunk(3)
            bias, _, value_bias = attention.in_proj_bias.chunk(3)  # the keys' adds the same to every patch
            query = (for_query @ head.probe[0, 0] + bias).view(heads, width)
            looked_for = torch.einsum("hd,hdc->ch", query, for_keys.view(heads, width, -1)) * width**-0.5
            weights = (patches @ looked_for).softmax(dim=1)
            seen = torch.einsum("bnh,bnc->bhc", weights, patches)
            values = torch.einsum("bhc,hdc->bhd", seen, for_values.view(heads, width, -1)).flatten(1) + value_bias
            pooled = attention.out_proj(values)
        return pooled + head.mlp(head.layernorm(pooled)), weights.mean(dim=2)


def preprocess_frame(frame: np.ndarray) -> Tensor:
    """uint8 RGB (H, W, 3) to float32 (3, 224, 224) in [-1, 1], resized as by the bicubic filter of PIL that SigLIP's
    processor uses: torch's is the same filter in whole numbers, and nine times as fast on large frames."""
    pixels = torch.tensor(frame).permute(2, 0, 1)[None]
    small = interpolate(pixels, (SIDE_PX, SIDE_PX), mode="bicubic", antialias=True, align_corners=False)[0]
    return (small.float() / 127.5 - 1).contiguous()


def _head(width: int, hidden: int | None) -> nn.Module:
    if hidden is None:
        return nn.Linear(width, 1)
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(hidden, 1))
