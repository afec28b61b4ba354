"""From any checkpoint to a .safetensors file of its tensors alone. No code in it is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drishtiksha.errors import DownloadError, WeightsMismatchError
from drishtiksha.weights.files import require, require_room, sha256_of
from drishtiksha.weights.kinds import parts_listed, refuse_others
from drishtiksha.weights.loading import WRAPPERS, as_state_dict, is_safetensors, load_content
from drishtiksha.weights.pickles import Inert, load_tensors_only

if TYPE_CHECKING:
    from torch import Tensor

MAX_DEPTH = 100
"""Of modules in modules."""


def convert(given: Path, out: Path) -> int:
    """Write the tensors of `given` to `out`, float32 under their own names; how many they are. Of a list of parts
    (`model.safetensors.index.json`), those of all parts, which lie beside it.

    Types that no loader here allows stand for nothing, and of a whole pickled network its tensors are taken. A wrapper is
    taken off, as `load_state_dict` does.

    Raises: WeightsMissingError; WeightsMismatchError and its kinds; DownloadError when `out` exists or cannot be written.
    """
    from safetensors.torch import save_file

    require(given, f"Put it at {given}.")
    if out.exists():
        raise DownloadError(f"{out} exists already. Choose another name, or delete it.")
    parts = [given] if is_safetensors(given) else parts_listed(given) or [given]
    tensors: dict[str, Tensor] = {}
    for part in parts:
        # Copies: two names of one tensor may not share memory in such a file.
        tensors |= {key: tensor.contiguous().clone() for key, tensor in as_state_dict(_content(part), part).items()}
    beside = out.with_name(out.name + ".part")
    try:
        require_room(out.parent, sum(tensor.nbytes for tensor in tensors.values()))
        save_file(tensors, beside, metadata={"format": "pt", "converted_from_sha256": sha256_of(given)})
        beside.replace(out)
    except OSError as error:
        raise DownloadError(f"{out} could not be written: {error.strerror or error}.") from error
    finally:
        beside.unlink(missing_ok=True)
    return len(tensors)


def _content(given: Path) -> Any:
    if is_safetensors(given):
        return load_content(given)
    refuse_others(given)
    return _of_networks(load_tensors_only(given))


def _of_networks(content: Any) -> Any:
    """`content` with the tensors of a pickled network in the place of that network."""
    if isinstance(content, Inert):
        return dict(_tensors(content, "", 0))
    if isinstance(content, Mapping):
        held = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Inert)), None)
        return dict(_tensors(held, "", 0)) if held is not None else content
    return content


def _tensors(module: Inert, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of a pickled `torch.nn.Module`, from what the pickle says it holds."""
    from torch import Tensor

    state = module.state
    if depth > MAX_DEPTH or not isinstance(state, Mapping) or not isinstance(state.get("_modules"), Mapping):
        raise WeightsMismatchError("What the file holds is no network of PyTorch whose tensors could be taken.")
    passing = state.get("_non_persistent_buffers_set") or ()
    for kind in ("_parameters", "_buffers"):
        own = state.get(kind)
        for name, tensor in own.items() if isinstance(own, Mapping) else ():
            if isinstance(tensor, Tensor) and name not in passing:
                yield f"{prefix}{name}", tensor
    for name, part in state["_modules"].items():
        if isinstance(part, Inert):
            yield from _tensors(part, f"{prefix}{name}.", depth + 1)
