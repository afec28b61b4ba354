"""Batch normalisation folded into the convolution before it: the same numbers with less to do, once training is over."""

from __future__ import annotations

from itertools import pairwise

from timm.layers import BatchNormAct2d
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fuse_batch_norms(network: nn.Module) -> nn.Module:
    """Fold, in place, each batch normalisation that a network defines right after a convolution into it.

    network: in eval mode; of its modules, neighbours are taken to be applied one after the other, as timm's EfficientNets,
    MobileNets and RegNets and torchvision's ResNets do. What timm's normalisation does besides (its activation) stays.
    Returns `network`.
    Raises: ValueError when the network is in training mode.
    """
    if network.training:
        raise ValueError("batch norms can be folded in only once the network is in eval mode")
    for module in list(network.modules()):
        for (before, conv), (name, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, before, fuse_conv_bn_eval(conv, norm))
                rest = (norm.drop, norm.act) if isinstance(norm, BatchNormAct2d) else ()
                setattr(module, name, nn.Sequential(*rest))
    return network
