"""The image tower of CLIP (Radford et al., ICML 2021, arXiv:2103.00020) under the key names of transformers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from transformers import CLIPVisionConfig, CLIPVisionModel, CLIPVisionModelWithProjection

from drishtiksha.networks.build import without_init

SIDE_PX, PATCH_PX = 224, 14
GRID = (SIDE_PX // PATCH_PX, SIDE_PX // PATCH_PX)


def clip_config(width: int = 1024, layers: int = 24, heads: int = 16, projection: int = 768) -> CLIPVisionConfig:
    """That of ViT-L/14, or of a smaller one for tests."""
    return CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=SIDE_PX,
        patch_size=PATCH_PX,
        projection_dim=projection,
        hidden_act="quick_gelu",
    )


def clip_tower(config: CLIPVisionConfig) -> CLIPVisionModel:
    """Built without weights, on any device. `pooler_output` (B, width) is the class token after the last norm."""
    with without_init():
        tower = CLIPVisionModel(config)
    _number_places(tower)
    return tower


def clip_embedder(config: CLIPVisionConfig) -> CLIPVisionModelWithProjection:
    """The same with CLIP's projection: `image_embeds` (B, projection)."""
    with without_init():
        tower = CLIPVisionModelWithProjection(config)
    _number_places(tower.vision_model)
    return tower


def _number_places(tower: CLIPVisionModel) -> None:
    """No checkpoint holds these numbers, so that they must be there even when the rest is built without memory."""
    places = torch.arange(GRID[0] * GRID[1] + 1, device="cpu")[None]
    tower.embeddings.register_buffer("position_ids", places, persistent=False)


OPENAI_NAMES = (
    ("visual.class_embedding", "vision_model.embeddings.class_embedding"),
    ("visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"),
    ("visual.conv1.", "vision_model.embeddings.patch_embedding."),
    ("visual.ln_pre.", "vision_model.pre_layrnorm."),
    ("visual.ln_post.", "vision_model.post_layernorm."),
    ("visual.transformer.resblocks.", "vision_model.encoder.layers."),
    (".attn.out_proj.", ".self_attn.out_proj."),
    (".ln_1.", ".layer_norm1."),
    (".ln_2.", ".layer_norm2."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
)


def from_openai(state_dict: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The image tower of OpenAI's own checkpoints (`visual.*`) under the key names of `clip_embedder`."""
    found = {}
    for published, tensor in state_dict.items():
        key = published
        for theirs, ours in OPENAI_NAMES:
            key = key.replace(theirs, ours, 1)
        if published == "visual.proj":
            found["visual_projection.weight"] = tensor.T.contiguous()
        elif ".attn.in_proj_" in key:
            before, kind = key.split(".attn.in_proj_")
            for name, part in zip("qkv", tensor.chunk(3), strict=True):
                found[f"{before}.self_attn.{name}_proj.{kind}"] = part
        else:
            found[key] = tensor
    return found
