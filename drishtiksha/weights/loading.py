"""From a checkpoint file to the tensors of a network.

Nothing is ever unpickled that could run code: see `weights.pickles`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drishtiksha.errors import WeightsDamagedError, WeightsMismatchError
from drishtiksha.weights.files import require
from drishtiksha.weights.kinds import refuse_others
from drishtiksha.weights.pickles import Inert, load_pickle

if TYPE_CHECKING:
    from torch import Tensor, nn

MAX_HEADER_BYTES = 16_000_000
"""Of a safetensors file: what 20,000 tensors with long names need, many times over."""
MAX_TENSORS = 20_000
MAX_NAME = 200
"""Characters of a tensor's name that a message tells."""
WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "model_state",
    "model_ema",
    "state_dict_ema",
    "params",
    "params_ema",
)
"""Keys under which training scripts keep the state dict next to their epoch and optimiser; the first one counts."""
OPTIMISER = ("param_groups", "optimizer", "optimiser", "optimizer_state_dict", "optimizer_states")
"""Keys of what training keeps to go on."""
MAX_WRAPPED = 3
"""How many such wrappers lie in one another."""
COUNTERS = ("total_ops", "total_params")
"""What the profiler thop leaves in every layer."""


def load_state_dict(path: Path, how_to_get: str = "") -> dict[str, Tensor]:
    """The tensors of a checkpoint on the CPU, memory-mapped where the format allows; its content tells which that is.

    A wrapper such as `{"state_dict": ..., "epoch": ...}` is taken off, and so are a profiler's counters. Half and double
    precision become float32. `how_to_get` is what `remedy` says of the file.

    Raises: WeightsMissingError; WeightsDamagedError; WeightsNotAllowedError when it is a pickle that asks for a type which
    could run code (it is refused, never loaded in another way); WeightsMismatchError when it holds anything but tensors, or
    values that are not finite.
    """
    return as_state_dict(load_content(path, how_to_get), path)


def load_content(path: Path, how_to_get: str = "") -> Any:
    """All that a checkpoint holds, as it is: tensors, numbers, text and containers of them, `Inert` for metadata.

    Raises as `load_state_dict`.
    """
    require(path, how_to_get or f"Put it at {path}.")
    if is_safetensors(path):
        return _load_safetensors(path)
    refuse_others(path)
    return load_pickle(path)


def as_state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    """The names and tensors in what `load_content` read from `path`. Raises as `load_state_dict`."""
    tensors = {key: tensor for key, tensor in _unwrap(content, path).items() if key.rpartition(".")[2] not in COUNTERS}
    if len(tensors) > MAX_TENSORS:
        raise WeightsMismatchError(f"{path} holds {len(tensors)} tensors; no network here has over {MAX_TENSORS}.")
    _refuse_inflated(tensors, path)
    if packed := [key for key, tensor in tensors.items() if key.endswith("weight") and _is_quantised(tensor)]:
        raise WeightsMismatchError(
            f"{path} holds quantised weights (whole numbers of {_bits(tensors[packed[0]])} bits in {_some(packed)}), which are "
            "not computed with here. Ask its publisher for the file in half, single or double precision."
        )
    plain = {key: _as_float32(tensor) for key, tensor in tensors.items()}
    if bad := [key for key, tensor in plain.items() if not _finite(tensor)]:
        raise WeightsMismatchError(
            f"{path} holds values that are not finite (NaN or infinity) in {_some(bad)}: its training failed, or it was "
            "damaged afterwards. Ask its publisher for another."
        )
    return plain


def _refuse_inflated(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raises: WeightsDamagedError for tensors that are no plain memory, or claim far more of it than the file holds."""
    import torch

    odd = [key for key, t in tensors.items() if t.is_meta or t.layout is not torch.strided]
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values() if not tensor.is_meta)
    if odd:
        raise WeightsDamagedError(
            f"{path} holds tensors without plain values: {_some(odd)}. Wanted a plain state dict."
        )
    if claimed > 4 * path.stat().st_size + 1_000_000:  # tied weights may count more than once
        raise WeightsDamagedError(
            f"{path} is no plain checkpoint: its tensors claim {claimed} bytes, and it has {path.stat().st_size}."
        )


def _is_quantised(tensor: Tensor) -> bool:
    """Whether a weight is stored as whole numbers, whose scale lies elsewhere."""
    return tensor.is_quantized or (tensor.ndim > 1 and not (tensor.is_floating_point() or tensor.is_complex()))


def _bits(tensor: Tensor) -> int:
    return 8 * tensor.element_size()


def _as_float32(tensor: Tensor) -> Tensor:
    import torch

    plain = tensor.detach()
    return plain.float() if plain.is_floating_point() and plain.dtype is not torch.float32 else plain


def _finite(tensor: Tensor) -> bool:
    import torch

    if not tensor.is_floating_point() or not tensor.numel():
        return True
    low, high = torch.aminmax(tensor)  # NaN goes through; nothing is allocated
    return bool(torch.isfinite(low) and torch.isfinite(high))


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


def is_safetensors(path: Path) -> bool:
    """Whether it begins as such a file: the length of its header as eight bytes, then the header, which is JSON."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and not start.startswith(b"PK")


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    """Raises: WeightsDamagedError, also for a header that is larger than weights need."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > min(MAX_HEADER_BYTES, path.stat().st_size):
        raise WeightsDamagedError(
            f"{path} is damaged or no checkpoint: its header claims {length} bytes, at most {MAX_HEADER_BYTES} are read."
        )
    try:
        return load_file(path, device="cpu")
    except (SafetensorError, ValueError) as error:
        raise WeightsDamagedError(f"{path} is damaged or no safetensors file ({error}). Fetch it again.") from error


def _unwrap(loaded: Any, path: Path) -> dict[str, Tensor]:
    from torch import Tensor

    for _ in range(MAX_WRAPPED):
        if _is_state_dict(loaded) or not isinstance(loaded, Mapping):
            break
        inside = next((loaded[key] for key in WRAPPERS if isinstance(loaded.get(key), Mapping) and loaded[key]), None)
        if inside is None and (inside := _only_one(loaded, path)) is None:
            break
        loaded = inside
    if not isinstance(loaded, Mapping) or not loaded:
        held = (
            "an object, not its weights"
            if isinstance(loaded, Inert)
            else "nothing"
            if isinstance(loaded, Mapping)
            else type(loaded).__name__
        )
        raise WeightsMismatchError(f"{path} holds {held}, no state dict; wanted names and tensors.")
    foreign = [str(key) for key, value in loaded.items() if not isinstance(value, Tensor)]
    if any(key in OPTIMISER for key in foreign):
        raise WeightsMismatchError(
            f"{path} holds what an optimiser keeps to go on with training ({_some(foreign)}), and no weights of a network. "
            "Wanted the file of the network itself, which its publisher has beside it."
        )
    if foreign:
        raise WeightsMismatchError(f"{path} holds more than tensors: {_some(foreign)}. Wanted a state dict alone.")
    return {str(key): value for key, value in loaded.items()}


def _is_state_dict(value: Any) -> bool:
    from torch import Tensor

    return isinstance(value, Mapping) and bool(value) and all(isinstance(one, Tensor) for one in value.values())


def _only_one(loaded: Mapping[Any, Any], path: Path) -> Mapping[Any, Any] | None:
    """The state dict under a key that nobody knows, where it is the only one. Raises: WeightsMismatchError where it is not."""
    found = {
        str(key): value
        for key, value in loaded.items()
        if isinstance(value, Mapping)
        and (_is_state_dict(value) or any(_is_state_dict(value.get(wrapper)) for wrapper in WRAPPERS))
    }
    if len(found) > 1:
        raise WeightsMismatchError(
            f"{path} holds several state dicts: {_some(list(found))}. Wanted one alone; save the right one by itself."
        )
    return next(iter(found.values()), None)


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
    return ", ".join(name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…" for name in names[:limit]) + more
