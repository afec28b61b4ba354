"""From a checkpoint file to the tensors of a network.

Nothing is ever unpickled that could run code: pickles go through `torch.load(weights_only=True)` and nothing else.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drishtiksha.errors import WeightsMismatchError
from drishtiksha.weights.files import require

if TYPE_CHECKING:
    from torch import Tensor, nn

MAX_HEADER_BYTES = 100_000_000
"""Of a safetensors file, by its format: https://github.com/huggingface/safetensors"""
WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep the state dict next to their epoch and optimiser."""


def load_state_dict(path: Path, how_to_get: str = "") -> dict[str, Tensor]:
    """The tensors of a checkpoint on the CPU, memory-mapped where the format allows; its content tells which that is.

    A wrapper such as `{"state_dict": ..., "epoch": ...}` is taken off. `how_to_get` is what `remedy` says of the file.

    Raises: WeightsMissingError; WeightsMismatchError when the file is damaged, of an unknown format, holds anything
    but tensors, or is a pickle that asks for code to be run (it is refused, never loaded in another way).
    """
    require(path, how_to_get or f"Put it at {path}.")
    return _load_safetensors(path) if _is_safetensors(path) else _unwrap(_load_pickle(path), path)


def load_content(path: Path, how_to_get: str = "") -> Any:
    """All that a checkpoint holds, as it is: tensors, numbers, text and containers of them. Raises as `load_state_dict`."""
    require(path, how_to_get or f"Put it at {path}.")
    return _load_safetensors(path) if _is_safetensors(path) else _load_pickle(path)


def load_into(network: nn.Module, state_dict: Mapping[str, Tensor], name: str) -> None:
    """Give `network` (built anywhere, the meta device included) these tensors themselves, not copies, strictly.

    The tensors keep their own dtype. `name` is what messages call the checkpoint.

    Raises: WeightsMismatchError with the keys that are missing, unexpected or of another shape.
    """
    try:
        network.load_state_dict(dict(state_dict), strict=True, assign=True)
    except RuntimeError as error:
        raise WeightsMismatchError(
            f"The checkpoint of {name} does not fit its network: {differences(network.state_dict(), state_dict) or error}. "
            "It belongs to another model or release; check model_path in configs/config.yaml."
        ) from error
    left = [key for key, tensor in (*network.named_parameters(), *network.named_buffers()) if tensor.is_meta]
    if left:
        raise WeightsMismatchError(
            f"{name} was built without memory and its checkpoint does not fill {_some(left)}. "
            "Build this network on the CPU instead of the meta device."
        )


def _is_safetensors(path: Path) -> bool:
    """Whether it begins as such a file: the length of its header as eight bytes, then the header, which is JSON."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") <= MAX_HEADER_BYTES


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device="cpu")
    except SafetensorError as error:
        raise WeightsMismatchError(f"{path} is damaged or no safetensors file ({error}). Fetch it again.") from error


def _load_pickle(path: Path) -> Any:
    import torch

    _allow_numpy_scalars()
    try:
        # Only the zip format of torch 1.6 and later can be mapped.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a damaged pickle may raise anything
        asked = re.search(r"GLOBAL (\S+)", str(error))
        reason = (
            f"it asks for {asked[1]}, code that this tool refuses to run" if asked else "it is damaged or no checkpoint"
        )
        raise WeightsMismatchError(
            f"{path} cannot be read as plain weights: {reason}. Fetch it again from its publisher, or convert it to "
            ".safetensors."
        ) from error


def _allow_numpy_scalars() -> None:
    """Let through the plain numbers (a best loss, say) that training scripts save beside the weights.

    For good, not for one call: torch keeps this list for the whole process, and other threads may be loading.
    """
    import numpy as np
    import torch

    scalar: Any = np.float64(0).__reduce__()[0]
    dtypes = [np.dtype, np.dtypes.Float32DType, np.dtypes.Float64DType, np.dtypes.Int64DType]
    torch.serialization.add_safe_globals([scalar, (scalar, "numpy.core.multiarray.scalar"), *dtypes])


def _unwrap(loaded: Any, path: Path) -> dict[str, Tensor]:
    from torch import Tensor

    if isinstance(loaded, Mapping):
        loaded = next((loaded[key] for key in WRAPPERS if isinstance(loaded.get(key), Mapping)), loaded)
    if not isinstance(loaded, Mapping) or not loaded:
        raise WeightsMismatchError(f"{path} holds {type(loaded).__name__}, no state dict; wanted names and tensors.")
    foreign = [str(key) for key, value in loaded.items() if not isinstance(value, Tensor)]
    if foreign:
        raise WeightsMismatchError(f"{path} holds more than tensors: {_some(foreign)}. Wanted a state dict alone.")
    return {str(key): value for key, value in loaded.items()}


def differences(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """Which keys are missing, unexpected or of another shape, in words; empty when there are none."""
    shapes = [
        f"{key} {tuple(found[key].shape)} (wanted {tuple(wanted[key].shape)})"
        for key in wanted
        if key in found and found[key].shape != wanted[key].shape
    ]
    groups = {
        "missing": [key for key in wanted if key not in found],
        "unexpected": [key for key in found if key not in wanted],
        "of another shape": shapes,
    }
    return "; ".join(f"{len(keys)} {what}: {_some(keys)}" for what, keys in groups.items() if keys)


def _some(names: list[str], limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
