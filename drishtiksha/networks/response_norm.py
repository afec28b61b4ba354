"""ConvNeXt-V2's feed-forward layers, quicker: the response normalisation goes into the weights of the layer after it."""

from __future__ import annotations

import torch
from timm.layers import GlobalResponseNormMlp
from torch import Tensor, nn
from torch.nn.functional import linear


class FoldedResponseNormMlp(nn.Module):
    """The same numbers as timm's `GlobalResponseNormMlp` of linear layers, once training is over.

    The normalisation (Woo et al., CVPR 2023, arXiv:2301.00808) multiplies each of the inner channels by one number and
    adds another. Doing so to the weights of the second layer, of which there are few, spares several passes over the
    inner values, of which there are millions in a large picture.
    """

    def __init__(self, mlp: GlobalResponseNormMlp) -> None:
        super().__init__()
        self.fc1, self.act, self.fc2, self.norm = mlp.fc1, mlp.act, mlp.fc2, mlp.grn

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, H, W, C). Returns the same shape."""
        inner = self.act(self.fc1(x.flatten(1, 2)))
        strength = inner.float().square().sum(dim=1).sqrt()
        response = strength / (strength.mean(dim=1, keepdim=True) + self.norm.eps)
        weights = self.fc2.weight.float()[None] * (1 + self.norm.weight * response)[:, None]
        bias = linear(self.norm.bias[None], self.fc2.weight, self.fc2.bias)
        outer = torch.baddbmm(bias[:, None], inner, weights.transpose(1, 2).to(inner.dtype))
        return outer.unflatten(1, x.shape[1:3])


def fold_response_norms(network: nn.Module) -> nn.Module:
    """Put a `FoldedResponseNormMlp` in the place of each of timm's, in place. Returns `network`."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, GlobalResponseNormMlp) and isinstance(child.fc1, nn.Linear):
                setattr(module, name, FoldedResponseNormMlp(child))
    return network
