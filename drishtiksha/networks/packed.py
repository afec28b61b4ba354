"""Linear layers in bfloat16 whose weights lie in memory as oneDNN's matrix product wants them, for processors.

torch.compile makes layers such as these, but needs a C++ compiler where it runs; the operators themselves come with torch.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Activation = Literal["none", "gelu_tanh"]
_ONEDNN = {"none": ("none", ""), "gelu_tanh": ("gelu", "tanh")}
"""An activation's name and algorithm there: it is computed while the product is still in the cache."""


class PackedLinear(nn.Module):
    """The same as a linear layer under autocast to bfloat16: any (..., in) to bfloat16 (..., out).

    Raises: RuntimeError when a gradient is asked for, which the operator does not have.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, bias = linear.weight.detach().to(torch.bfloat16), linear.bias
        self.weight = nn.Parameter(torch.ops.mkldnn._reorder_linear_weight(weight, None), requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.detach().to(torch.bfloat16), requires_grad=False)

    def forward(self, x: Tensor, activation: Activation = "none") -> Tensor:
        if x.requires_grad and torch.is_grad_enabled():
            raise RuntimeError("a packed layer has no gradient")
        name, algorithm = _ONEDNN[activation]
        x = x.to(torch.bfloat16)
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, name, [], algorithm)


def pack_linears(network: nn.Module) -> None:
    """Put a `PackedLinear` in the place of each linear layer within `network`, where this build of torch can do so."""
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
        return
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child))


def linear_gelu(linear: nn.Module, x: Tensor) -> Tensor:
    """GELU, by its tanh approximation, of what a linear layer, packed or not, makes of `x`."""
    if isinstance(linear, PackedLinear):
        return linear(x, "gelu_tanh")
    return functional.gelu(linear(x), approximate="tanh")
