"""How a published state dict is laid out, made that of a network: prefixes and bookkeeping, once for all detectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from drishtiksha.errors import WeightsMismatchError

if TYPE_CHECKING:
    from torch import Tensor

MAX_PREFIXES = 4
"""How many names of wrappers stand before every name: of parallel training, Lightning, torch.compile, or a network that it was
part of."""
LEFTOVERS = re.compile(r"^(\w+_)?(loss|losses|loss_fn|criterion|metric|metrics|acc|accuracy|auc|auroc)(_\w+)?\.")
"""Names of what Lightning keeps of losses and metrics, which no network needs for its answer."""
COUNTER, BESIDE = ".num_batches_tracked", ".running_mean"
Remap = Callable[[Mapping[str, "Tensor"]], Mapping[str, "Tensor"]]


def fitted(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], remap: Remap, name: str) -> dict[str, Tensor]:
    """The tensors under the names of the network `wanted`, after `remap`.

    The names are tried as they are first; then without the first part, where all of them have the same; then with that of the
    network's own names. `num_batches_tracked`, which old
    files lack and no answer needs, is filled in. Where nothing fits, what fits best comes back, for the strict loading to
    say what differs. `name` is what messages call the model.

    Raises: WeightsMismatchError when `remap` understands none of it.
    """
    best: tuple[int, dict[str, Tensor]] | None = None
    refused: Exception | None = None
    above = _first_part(wanted)
    for stripped in _ways(tensors):
        try:
            plain = remap(stripped)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError, RuntimeError) as error:
            refused = refused or error
            continue
        for named in (plain, {above + key: tensor for key, tensor in plain.items()} if above else plain):
            renamed = _with_counters(named, wanted)
            faults = len(wanted.keys() ^ renamed.keys())
            faults += sum(renamed[key].shape != wanted[key].shape for key in wanted.keys() & renamed.keys())
            if not faults:
                return renamed
            if best is None or faults < best[0]:
                best = faults, renamed
    if best is None:
        raise WeightsMismatchError(
            f"The checkpoint is not laid out as {name} needs it ({type(refused).__name__}: {refused}). It belongs to another "
            "model or release."
        ) from refused
    return best[1]


def _ways(tensors: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
    """The tensors as they are, without leftovers of training, and without one after the other of the prefixes."""
    yield tensors
    current = tensors
    for _ in range(MAX_PREFIXES):
        kept = {key: tensor for key, tensor in current.items() if not LEFTOVERS.match(key)}
        if kept and len(kept) < len(current):
            yield kept
        prefix = _first_part(kept)
        if not prefix:
            return
        current = {key.removeprefix(prefix): tensor for key, tensor in kept.items()}
        yield current


def _first_part(tensors: Mapping[str, Tensor]) -> str:
    """What stands before the first full stop of every name, with it; empty where they differ."""
    first = next(iter(tensors), "").partition(".")
    prefix = first[0] + first[1]
    return prefix if first[1] and all(key.startswith(prefix) for key in tensors) else ""


def _with_counters(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    import torch

    missing = (key for key in wanted if key.endswith(COUNTER) and key not in tensors)
    here = [key for key in missing if key.removesuffix(COUNTER) + BESIDE in tensors]
    return {**tensors, **{key: torch.tensor(0) for key in here}}
