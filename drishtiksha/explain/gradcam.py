"""Grad-CAM (Selvaraju et al., ICCV 2017, arXiv:1610.02391) without hooks, so that threads can share a network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn.functional import interpolate

from drishtiksha.explain.maps import normalise

Step = Callable[[torch.Tensor], torch.Tensor]


def gradcam(features: Step, head: Step, batch: torch.Tensor) -> np.ndarray:
    """Which places of the last feature map raise the fake logit.

    features: (B, C, H, W) -> (B, K, h, w). head: that map -> fake logit (B,).
    Returns float32 (B, H, W) in [0, 1], each map scaled to a maximum of 1; all zeros where nothing raised the logit.
    """
    with torch.no_grad():
        maps = features(batch).float()
    with torch.enable_grad():
        maps = maps.detach().requires_grad_(True)
        logits = head(maps)
        (gradients,) = torch.autograd.grad(logits.sum(), maps)
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    cam = (weights * maps.detach()).sum(dim=1, keepdim=True).clamp_min(0)
    cam = interpolate(cam, size=batch.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    return np.stack([normalise(one) for one in cam.cpu().numpy()])


def hirescam(features: Step, head: Step, batch: torch.Tensor) -> torch.Tensor:
    """How much each place of the features raises the fake logit: value times gradient, summed over the channels, cut at 0
    (HiResCAM, Draelos & Carin 2020, arXiv:2011.08891). Unlike Grad-CAM it suits a head that weighs every place by itself.

    features: (B, ...) -> (B, K, *places). head: that -> fake logit (B,). Returns float32 (B, *places), not scaled.
    """
    with torch.no_grad():
        maps = features(batch).float()
    with torch.enable_grad():
        maps = maps.detach().requires_grad_(True)
        (gradients,) = torch.autograd.grad(head(maps).sum(), maps)
    return (gradients * maps.detach()).sum(dim=1).clamp_min(0)
