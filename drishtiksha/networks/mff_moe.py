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


def take_averages(network: MFFMoENetwork, averages: Mapping[Any, Mapping[str, Any]]) -> None:
    """Give the experts the running averages of their parameters, with which the published scores were made.

    averages: as published, {number of the expert: {"shadow_params": [tensor, ...]}} in the order of `parameters()`. What
    is no parameter, the statistics of batch norms, stays as it is. The tensors themselves are taken, not copies.
    Raises: ValueError when they are not the averages of these experts.
    """
    for number, expert in enumerate(network.experts):
        parameters = list(expert.parameters())
        shadows = averages[number]["shadow_params"] if number in averages else []
        if [parameter.shape for parameter in parameters] != [shadow.shape for shadow in shadows]:
            raise ValueError(f"{len(shadows)} averages do not fit the {len(parameters)} parameters of expert {number}")
        for parameter, shadow in zip(parameters, shadows, strict=True):
            parameter.data = shadow.data


def whole_picture(frame: np.ndarray, size: int) -> Tensor:
    """A picture as the experts' input: its proportions are not kept.

    frame: uint8 RGB (H, W, 3). Returns float32 (3, size, size), RGB, antialiased, normalised as for ImageNet.
    """
    pixels = torch.tensor(frame).permute(2, 0, 1)[None].float()
    pixels = interpolate(pixels, size=(size, size), mode="bilinear", antialias=True, align_corners=False)[0]
    mean, std = (torch.tensor(values)[:, None, None] * 255 for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    return (pixels - mean) / std
