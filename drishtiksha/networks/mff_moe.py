"""MFF-MoE of the team JTGroup (github.com/HighwayWu/DeepFakeDefenders): seven networks that judge one picture each alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn
from torch.nn.functional import interpolate

from drishtiksha.networks.build import without_init
from drishtiksha.networks.fuse import fuse_batch_norms
from drishtiksha.networks.response_norm import fold_response_norms

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""What batch norms keep beside their parameters."""
LEAST = 1e-6
"""Probabilities are kept so far from 0 and 1, where a logit has no value."""


class Expert(nn.Module):
    """One network with two outputs, real and fake, under the name it has in the checkpoint."""

    baseline_extractor: Any

    def __init__(self, architecture: str) -> None:
        super().__init__()
        self.baseline_extractor = timm.create_model(architecture, pretrained=False, num_classes=2)

    def features(self, x: Tensor) -> Tensor:
        """Last feature map (B, K, h, w) of normalised pictures (B, 3, H, W)."""
        return self.baseline_extractor.forward_features(x)

    def judge(self, features: Tensor) -> Tensor:
        """Fake logit (B,) of `features`."""
        pair = self.baseline_extractor.forward_head(features).float()
        return pair[:, 1] - pair[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.features(x))


class MFFMoENetwork(nn.Module):
    """Several experts, none of which knows of the others.

    architectures: their timm names.
    """

    experts: Any

    def __init__(self, architectures: Sequence[str]) -> None:
        super().__init__()
        with without_init():
            self.experts = nn.ModuleList(Expert(architecture) for architecture in architectures)

    def opinions(self, x: Tensor) -> Tensor:
        """p_fake (B, E) of each expert. x: normalised pictures (B, 3, H, W)."""
        return torch.stack([expert(x) for expert in self.experts], dim=1).sigmoid()


def together(opinions: Tensor) -> Tensor:
    """Fake logit (B,) of the mean of the experts' p_fake (B, E)."""
    return torch.logit(opinions.mean(dim=1), eps=LEAST)


def with_averages(state_dict: Mapping[str, Tensor], averages: Mapping[Any, Mapping[str, Any]]) -> dict[str, Tensor]:
    """The experts' weights with the running averages in the place of parameters: the published scores were made so.

    state_dict: of an `MFFMoENetwork`, in the order of its modules, as training scripts leave it. averages: as published,
    {number of the expert: {"shadow_params": [tensor, ...]}}, in the same order. Statistics of batch norms, which are no
    parameters, stay as they are.
    Raises: ValueError when they are not the averages of these experts.
    """
    merged = dict(state_dict)
    numbers = dict.fromkeys(int(key.split(".")[1]) for key in state_dict)
    for number in numbers:
        own = [key for key in state_dict if key.startswith(f"experts.{number}.") and not key.endswith(STATISTICS)]
        shadows = averages[number]["shadow_params"] if number in averages else []
        if [state_dict[key].shape for key in own] != [shadow.shape for shadow in shadows]:
            raise ValueError(
                f"its {len(shadows)} tensors for expert {number} are not the averages of {len(own)} others"
            )
        merged.update(zip(own, shadows, strict=True))
    return merged


def quicken(network: nn.Module) -> nn.Module:
    """Fold normalisations into the layers beside them: the same numbers a fifth sooner. In place, once it has its weights."""
    return fold_response_norms(fuse_batch_norms(network.eval()))


def whole_picture(frame: np.ndarray, size: int) -> Tensor:
    """A picture as the experts' input: its proportions are not kept.

    frame: uint8 RGB (H, W, 3). Returns float32 (3, size, size), RGB, antialiased, normalised as for ImageNet.
    """
    pixels = torch.tensor(frame).permute(2, 0, 1)[None].float()
    pixels = interpolate(pixels, size=(size, size), mode="bilinear", antialias=True, align_corners=False)[0]
    mean, std = (torch.tensor(values)[:, None, None] * 255 for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    return (pixels - mean) / std
