"""Attention roll-out (Abnar & Zuidema, ACL 2020, arXiv:2005.00928): which tokens went into which, over all layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

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


NAMES = ("query", "key")
"""Of the first two arguments of torch's attention."""


class _Watch(TorchFunctionMode):
    """Keeps what each call of torch's attention attends to, the mean of its heads: (B, 1, N, M). In this thread alone."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[torch.Tensor] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is scaled_dot_product_attention:
            queries, keys = (args[i] if i < len(args) else kwargs[name] for i, name in enumerate(NAMES))
            scale = kwargs.get("scale") or queries.shape[-1] ** -0.5
            weights = (queries.float() @ keys.float().transpose(-2, -1) * scale).softmax(dim=-1)
            self.found.append(weights.mean(dim=1, keepdim=True))
        return func(*args, **kwargs)


def attention_map(network: Callable[[torch.Tensor], Any], picture: torch.Tensor, grid: tuple[int, int]) -> np.ndarray:
    """Which parts of a picture went into the class token of a vision transformer, or into the token that pools it.

    network: called once with `picture` (1, C, H, W); its attention must be torch's `scaled_dot_product_attention`, its
    patches the last tokens, row by row of `grid`. A last attention with a single query is the pooling.
    Returns float32 (H, W) in [0, 1].
    """
    with _Watch() as watch:
        network(picture)
    layers, queries = watch.found, watch.found[-1].shape[-2] if watch.found else 0
    pooled = layers.pop()[0, 0, 0] if queries == 1 else None
    total = rollout(layers)[0]
    weights = total[0] if pooled is None else pooled @ total
    return token_map(weights[-grid[0] * grid[1] :], grid, (picture.shape[-2], picture.shape[-1]))
