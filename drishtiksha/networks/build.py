"""Building a network whose weights come from a checkpoint, without first computing ones that are thrown away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

FILLING = {Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_, Tensor.erfinv_, Tensor.mul_, Tensor.add_}
"""What weights are filled with beside `torch.nn.init`. None of them changes a shape."""


class _WithoutInit(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in FILLING or getattr(func, "__module__", "") == "torch.nn.init":
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **kwargs)


@contextmanager
def without_init() -> Iterator[None]:
    """Leave out the filling of tensors on the meta device, which hold no numbers.

    torch takes its slow Python path for it: timm's larger networks need more than half of their time to fill nothing.
    """
    with _WithoutInit():
        yield


def on_processor(module: nn.Module, *arguments: Any) -> Any:
    """Another module of the same class, built on the CPU: for one that keeps numbers which no checkpoint holds."""
    with torch.device("cpu"):
        return type(module)(*arguments)
