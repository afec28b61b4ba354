"""A vision transformer of timm with one output: the network of several published detectors of generated pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
from torch import Tensor, nn

from drishtiksha.networks.build import without_init


class PictureTransformer(nn.Module):
    """Square pictures (B, 3, S, S) to fake logits (B,). Its keys are timm's, under `vit.`.

    architecture: a name of timm, built without weights. side: S, px. depth, width, heads: other sizes than the
    architecture's, for tests.
    """

    def __init__(
        self,
        architecture: str,
        side: int,
        depth: int | None = None,
        width: int | None = None,
        heads: int | None = None,
    ) -> None:
        super().__init__()
        sizes = {"depth": depth, "embed_dim": width, "num_heads": heads}
        given: dict[str, Any] = {name: value for name, value in sizes.items() if value is not None}
        with without_init():
            self.vit: Any = timm.create_model(architecture, pretrained=False, num_classes=1, img_size=side, **given)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.vit(pictures)[:, 0]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        rows, columns = self.vit.patch_embed.grid_size
        return rows, columns


def under_vit(state_dict: Mapping[str, Tensor], *prefixes: str) -> dict[str, Tensor]:
    """A published state dict under the keys of `PictureTransformer`: whichever of `prefixes` a key begins with, one after
    the other, is taken off."""
    renamed = {}
    for published, tensor in state_dict.items():
        key = published
        for prefix in prefixes:
            key = key.removeprefix(prefix)
        renamed[f"vit.{key}"] = tensor
    return renamed
