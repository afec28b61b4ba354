"""Makes training on CPUs with AMX or AVX512-BF16 about half again as fast; changes no result beyond rounding."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from timm.layers.padding import pad_same
from torch import nn
from torch.nn import functional


class _DepthwiseConv(torch.autograd.Function):
    """A depthwise convolution whose backward runs in float32: oneDNN's bfloat16 backward is several times slower."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, stride: list[int], padding: list[int]) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(x, weight.to(x.dtype), None, stride, padding, 1, weight.shape[0])

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor, None, None]:
        x, weight = ctx.saved_tensors
        wanted = [ctx.needs_input_grad[0], True, False]
        grad_x, grad_weight, _ = torch.ops.aten.convolution_backward(
            grad.float(),
            x.float(),
            weight,
            None,
            ctx.stride,
            ctx.padding,
            [1, 1],
            False,
            [0, 0],
            weight.shape[0],
            wanted,
        )
        return (None if grad_x is None else grad_x.to(x.dtype)), grad_weight, None, None


def _forward(conv: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    if torch.is_autocast_enabled("cpu"):
        x = x.to(torch.bfloat16)
    padding = list(conv.padding)
    if type(conv).__name__ == "Conv2dSame":
        x, padding = pad_same(x, list(conv.kernel_size), list(conv.stride), list(conv.dilation)), [0, 0]
    return _DepthwiseConv.apply(x, conv.weight, list(conv.stride), padding)


def speed_up_depthwise(network: nn.Module) -> None:
    """Replace the forward of every depthwise convolution in place; the state dict stays as it was."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.forward = partial(_forward, module)  # type: ignore[method-assign]
