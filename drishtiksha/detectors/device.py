"""Where a network runs, and in which numbers."""

from __future__ import annotations

import ctypes
import errno
import platform
from functools import cache
from typing import TYPE_CHECKING

from drishtiksha.errors import ConfigError, DrishtikshaError

if TYPE_CHECKING:
    import torch
    from torch import nn

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Parameters of glibc's `mallopt`, by its malloc.h."""
KEPT_BYTES, KEPT_BLOCK_BYTES = 256 << 20, 128 << 20
"""How much freed memory the process keeps at most, and the largest block that is kept."""
NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "insufficient memory",
    "failed to allocate memory",
    "bad_alloc",
    "bad allocation",
)
"""How torch on each kind of device, OpenCV and ONNX Runtime say it; none of them raises MemoryError."""
MOST_AT_ONCE = 64
"""Samples of one batch on a GPU: more gain nothing there."""
SHARE_OF_FREE = 0.6
"""How much of a GPU's free memory a batch is planned to fill; the rest is for its fragments and for others."""


@cache
def keep_freed_memory() -> None:
    """Have glibc keep freed blocks for the next layer, for all threads; once for this process, elsewhere nothing.

    By itself it gives blocks of 32 MiB and more back at once, and the kernel clears them anew for every layer: a third of
    the time of a convolutional network with wide layers.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_ARENA_MAX, 1)
    libc.mallopt(M_MMAP_THRESHOLD, KEPT_BLOCK_BYTES)
    libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def resolve_device(wanted: str) -> torch.device:
    """`auto` is cuda, else mps, else cpu. Raises: ConfigError for one that this machine does not have."""
    import torch

    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ConfigError(f"{wanted!r} is not a device; choose auto, cpu, cuda, cuda:0 or mps.") from error
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(device.type, False):
        raise ConfigError(f"This machine has no {wanted}; choose device: auto or cpu.")
    return device


def out_of_memory(error: BaseException | None) -> bool:
    """Whether a library ran out of memory, that of the computer or that of an accelerator."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    foreign = error is not None and not isinstance(error, DrishtikshaError)
    return foreign and any(words in str(error).lower() for words in NO_MEMORY)


def give_back_memory(device: torch.device) -> None:
    """Return what the allocator of an accelerator keeps for later use; nothing on the CPU."""
    import torch

    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def forget_peak(device: torch.device) -> None:
    """Begin to measure the memory that `batch_that_fits` asks for."""
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def batch_that_fits(device: torch.device, judged: int) -> int:
    """How many samples at a time fill a GPU's free memory well, by the peak of a batch of `judged` since `forget_peak`: a
    power of two up to `MOST_AT_ONCE`; 1 where the peak is not known or there is no GPU."""
    import torch

    if device.type != "cuda":
        return 1
    per_sample = (torch.cuda.max_memory_allocated(device) - torch.cuda.memory_allocated(device)) / judged
    free, _ = torch.cuda.mem_get_info(device)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    fitting = int(SHARE_OF_FREE * (free + kept) / per_sample) if per_sample > 0 else 1
    return min(1 << max(fitting, 1).bit_length() - 1, MOST_AT_ONCE)


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is computed by the hardware; elsewhere it is emulated and slower than float32."""
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Versions of torch before 2.10 or so do not tell: then float32 it is.
    told = getattr(torch.cpu, "get_capabilities", None)
    abilities = told() if told is not None and device.type == "cpu" else {}
    return bool(abilities.get("amx_bf16") or abilities.get("avx512_bf16"))


def keep_in_bfloat16(network: nn.Module) -> None:
    """Store the weights of linear and convolution layers in bfloat16, for use under autocast; all others stay as they
    are, since the statistics of normalisation do not bear it."""
    import torch
    from torch import nn

    for module in network.modules():
        if type(module) in (nn.Linear, nn.Conv1d, nn.Conv2d):
            module.to(torch.bfloat16)
