"""Attention roll-out (Abnar & Zuidema, ACL 2020, arXiv:2005.00928): which tokens went into which, over all layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import interpolate

from drishtiksha.explain.maps import normalise


def rollout(attentions: Sequence[torch.Tensor]) -> torch.Tensor:
    """How much each token of the last layer (rows) draws on each token of the first (columns).

    attentions: one (B, heads, N, N) a layer, first layer first; rows are queries and sum to 1. The way past the attention
    (the residual connection) counts as much as the attention itself, heads count alike.
    Returns float32 (B, N, N) whose rows sum to 1.

    Raises: ValueError without any layer.
    """
    if not attentions:
        raise ValueError("rollout needs the attention of at least one layer")
    total: torch.Tensor | None = None
    for attention in attentions:
        mixed = attention.float().mean(dim=1)
        mixed = mixed + torch.eye(mixed.shape[-1], device=mixed.device)
        mixed = mixed / mixed.sum(dim=-1, keepdim=True)
        total = mixed if total is None else mixed @ total
    assert total is not None
    return total


def token_map(weights: torch.Tensor, grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Weights of patch tokens as a picture: what stands out from the least attended patch.

    weights: (rows * columns,) of `grid`, row by row. size: (H, W) px of the picture.
    Returns float32 (H, W) in [0, 1], scaled to a maximum of 1; all zeros where every patch weighs the same.
    """
    raised = (weights.float() - weights.min()).reshape(1, 1, *grid)
    shown = interpolate(raised, size=size, mode="bilinear", align_corners=False)[0, 0]
    return normalise(shown.cpu().numpy())
