"""GenD: a foundation model's picture of a face, its layer norms tuned, and one linear layer.

Yermakov et al., WACV 2026, arXiv:2508.06248. How a face is cut out is part of it: see `faces.align`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize
from transformers import DINOv3ViTConfig, DINOv3ViTModel

from drishtiksha.networks.build import on_processor, without_init
from drishtiksha.networks.clip_tower import clip_config, clip_tower
from drishtiksha.networks.pixels import CLIP, HALVES, IMAGENET, resized, scaled

Backbone = Literal["clip", "pe", "dinov3"]
SIDE_PX = 224
PATCH_PX: Mapping[str, int] = {"clip": 14, "pe": 14, "dinov3": 16}
SCALING = {"clip": CLIP, "pe": HALVES, "dinov3": IMAGENET}
PERCEPTION_ENCODER = "vit_pe_core_large_patch14_336"
"""timm's name; its positions are made for 336 px and resampled for 224."""
UNUSED = ("feature_extractor.visual_projection.", "encoder.embeddings.mask_token")
"""What published files carry and the network never uses; the second by our name."""


class GenDNetwork(nn.Module):
    """Faces (B, 3, 224, 224) as `preprocess_face` makes them to fake logits (B,).

    normalises: whether the linear layer sees the feature at length 1 (the published heads called LinearNorm).
    """

    def __init__(
        self, backbone: Backbone, normalises: bool, width: int = 1024, layers: int = 24, heads: int = 16
    ) -> None:
        super().__init__()
        self.normalises, self.grid = normalises, (SIDE_PX // PATCH_PX[backbone],) * 2
        builders = dict(zip(get_args(Backbone), (_clip, _perception_encoder, _dinov3), strict=True))
        self.encoder: Any = builders[backbone](width, layers, heads)
        self.features = _pooled if backbone != "pe" else _plain
        self.linear = nn.Linear(width, 2)

    def forward(self, faces: Tensor) -> Tensor:
        features = self.features(self.encoder, faces).float()
        if self.normalises:
            features = normalize(features, dim=1)
        real, fake = self.linear(features).float().unbind(dim=1)
        return fake - real


def _pooled(encoder: Any, faces: Tensor) -> Tensor:
    """The class token after the last norm."""
    return encoder(pixel_values=faces).pooler_output


def _plain(encoder: Any, faces: Tensor) -> Tensor:
    return encoder(faces)


def _clip(width: int, layers: int, heads: int) -> nn.Module:
    return clip_tower(clip_config(width, layers, heads))


def _perception_encoder(width: int, layers: int, heads: int) -> nn.Module:
    with without_init():
        encoder: Any = timm.create_model(
            PERCEPTION_ENCODER,
            pretrained=False,
            num_classes=0,
            dynamic_img_size=True,
            embed_dim=width,
            depth=layers,
            num_heads=heads,
        )
    with torch.device("cpu"):  # it holds no weights, and what it holds is in no checkpoint
        encoder.rope.to_empty(device="cpu")
        encoder.rope.init_non_persistent_buffers()
    return encoder


def _dinov3(width: int, layers: int, heads: int) -> nn.Module:
    config = DINOv3ViTConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=SIDE_PX,
        patch_size=PATCH_PX["dinov3"],
        num_register_tokens=4,
        key_bias=False,
    )
    with without_init():
        encoder: Any = DINOv3ViTModel(config)
    del encoder.embeddings.mask_token  # for training alone
    encoder.embeddings.mask_token = None
    encoder.rope_embeddings = on_processor(encoder.rope_embeddings, config)
    return encoder


def renamed(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict (key names of transformers 4.56 and timm 1.0) under the names of `GenDNetwork`."""
    found = {}
    for published, tensor in state_dict.items():
        key = published.replace("model.linear.", "linear.", 1)
        for prefix in ("feature_extractor.vision_model.", "feature_extractor.backbone."):
            key = key.replace(prefix, "encoder.", 1)
        key = key.replace("encoder.layer.", "encoder.model.layer.", 1)  # DINOv3's blocks, in transformers 5
        if not key.startswith(UNUSED):
            found[key] = tensor
    return found


def preprocess_face(crop: np.ndarray, backbone: Backbone) -> Tensor:
    """uint8 RGB (S, S, 3) of any side to float32 (3, 224, 224): bicubic before the scaling for CLIP and PE, bilinear after
    it for DINOv3, antialiased, as the authors' processors do it."""
    if backbone == "dinov3":
        pixels = scaled(crop, ((0.0,) * 3, (1.0,) * 3))[None]
        small = interpolate(pixels, (SIDE_PX, SIDE_PX), mode="bilinear", antialias=True, align_corners=False)[0]
        mean, std = (torch.tensor(values)[:, None, None] for values in SCALING[backbone])
        return (small - mean) / std
    return scaled(resized(crop, SIDE_PX, SIDE_PX, bicubic=True), SCALING[backbone])
