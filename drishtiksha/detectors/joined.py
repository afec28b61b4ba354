"""One batch for a network out of what several files bring, which threads of one process judge at the same time.

A network that is given one picture at a time leaves most of a GPU idle. Here the thread that comes first waits a few
milliseconds for others that have samples of the same shape for the same network, and computes for all of them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from drishtiksha.detectors.base import Detector, Engine
from drishtiksha.detectors.device import MOST_AT_ONCE, batch_that_fits, forget_peak, give_back_memory, out_of_memory
from drishtiksha.detectors.engine import replaced
from drishtiksha.results import TORCH

if TYPE_CHECKING:
    from torch import Tensor

WINDOW_S = 0.005
"""How long a batch waits for others."""
CLOSE = 0.04
"""How far logits may lie apart between a joined batch and its parts, which is 0.01 of p_fake, as between devices."""

log = logging.getLogger(__name__)


class Together:
    """Files that threads of this process judge at the same time. One network computes at a time."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._files = 0
        self._computing = False
        self.waiting = 0
        """Batches that wait for others. Read and changed while `changed` is held."""
        self.changed = threading.Condition()

    def join(self, detector: Detector) -> None:
        """Have a loaded detector compute batches of several files as one: the part of it that gives each sample its own row."""
        engine = detector.engine
        part = engine.part if engine is not None else replaced(detector).__name__
        detector.engine = Joined(self, engine, part, detector.config.batch_size)

    @contextmanager
    def file(self) -> Iterator[None]:
        """This thread judges a file, for as long as the block lasts."""
        with self.changed:
            self._files += 1
        try:
            yield
        finally:
            with self.changed:
                self._files -= 1
                self.changed.notify_all()

    @contextmanager
    def turn(self, ready: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """This thread computes, as soon as no other does and `ready` says so, all threads wait, or time is up."""
        until = time.monotonic() + self._window_s
        with self.changed:
            while self._computing or not (ready() or self.waiting >= self._files or time.monotonic() >= until):
                self.changed.wait(self._window_s)
            self._computing = True
        try:
            yield
        finally:
            with self.changed:
                self._computing = False
                self.changed.notify_all()


@dataclass(eq=False)
class _Group:
    """Batches that become one. parts: what the network gave for each, once it is done; None: each is computed by itself."""

    batches: list[Tensor] = field(default_factory=list)
    full: bool = False
    done: bool = False
    parts: Sequence[Any] | None = None

    @property
    def rows(self) -> int:
        return sum(map(len, self.batches))


class Joined:
    """An `Engine` that computes what several threads give it as one batch, and gives each its own rows. What fails together
    is computed by each thread for itself, so that one file's failure is that of no other."""

    def __init__(self, together: Together, inner: Engine | None, part: str, batch_size: int) -> None:
        """inner: what computes in place of torch. batch_size: as configured."""
        self._together, self._inner, self._configured = together, inner, batch_size
        self.part = part
        self.name = TORCH if inner is None else inner.name
        self.memory_bytes = 0 if inner is None else inner.memory_bytes
        self.batch_size = 0
        self._most, self._ceiling = batch_size, MOST_AT_ONCE
        self._open: dict[tuple[object, ...], _Group] = {}
        self._proven = False
        self._never = False
        """What it gives for a sample depends on the others of its batch."""

    def __call__(self, work: Callable[[Tensor], Any], batch: Tensor) -> Any:
        compute = work if self._inner is None else partial(self._inner, work)
        if len(batch) < self._most and not self._never:
            group, place = self._entered(batch)
            if place == 0:
                self._compute(compute, group)
            else:
                with self._together.changed:
                    self._together.changed.wait_for(lambda: group.done)
            if group.parts is not None:
                return group.parts[place]
        with self._together.turn():
            return self._measured(compute, batch)

    def _entered(self, batch: Tensor) -> tuple[_Group, int]:
        """The group that it belongs to, and its place in that."""
        key = (*batch.shape[1:], batch.dtype)
        with self._together.changed:
            group = self._open.setdefault(key, _Group())
            if group.full or group.rows + len(batch) > self._most:
                group.full = True
                group = self._open[key] = _Group()
            group.batches.append(batch)
            group.full = group.rows >= self._most
            self._together.waiting += 1
            self._together.changed.notify_all()
            return group, len(group.batches) - 1

    def _compute(self, compute: Callable[[Tensor], Any], group: _Group) -> None:
        """Wait until it is time, and compute what the group has by then."""
        try:
            with self._together.turn(lambda: group.full):
                with self._together.changed:
                    self._open = {key: one for key, one in self._open.items() if one is not group}
                    self._together.waiting -= len(group.batches)
                if len(group.batches) > 1:
                    group.parts = self._parts(compute, group.batches)
        finally:
            with self._together.changed:
                group.done = True
                self._together.changed.notify_all()

    def _parts(self, compute: Callable[[Tensor], Any], batches: Sequence[Tensor]) -> Sequence[Any] | None:
        """What the network gives for each of the batches; None where it fails for all of them together."""
        import torch

        try:
            parts = _divided(self._measured(compute, torch.cat(list(batches))), list(map(len, batches)))
            if self._proven or self._prove(parts, [compute(batch) for batch in batches]):
                return parts
        except Exception as error:  # whatever it is: whose batch it belongs to meets it again by itself
            log.info("%d batches could not be computed as one", len(batches), exc_info=error)
            if out_of_memory(error):
                self._ceiling = self._most = max(1, sum(map(len, batches)) // 2)
        give_back_memory(batches[0].device)
        return None

    def _prove(self, parts: Sequence[Any], alone: Sequence[Any]) -> bool:
        """Whether a sample's row does not depend on the others of its batch; found out once."""
        for one, own in (
            (_first(part).float(), _first(single).float()) for part, single in zip(parts, alone, strict=True)
        ):
            scale = max(1.0, float(own.abs().nan_to_num(0.0, 0.0, 0.0).max()))
            if not one.allclose(own, atol=CLOSE * scale, rtol=0, equal_nan=True):
                log.warning(
                    "A network answers otherwise for samples of several files together: each is given to it alone"
                )
                self._never = True
                return False
        self._proven = True
        return True

    def _measured(self, compute: Callable[[Tensor], Any], batch: Tensor) -> Any:
        forget_peak(batch.device)
        found = compute(batch)
        self.batch_size = batch_that_fits(batch.device, len(batch))
        self._most = min(self._ceiling, max(self._configured, self.batch_size))
        return found


def _first(found: Any) -> Tensor:
    """The logits, or features, of what a network gave."""
    return found[0] if isinstance(found, tuple) else found


def _divided(found: Any, sizes: list[int]) -> list[Any]:
    """What a network gave for a batch, for each of the parts of it. Raises: ValueError where it has another number of rows."""
    if isinstance(found, Mapping):
        named = {name: _divided(values, sizes) for name, values in found.items()}
        return [{name: parts[place] for name, parts in named.items()} for place in range(len(sizes))]
    if isinstance(found, tuple):
        return list(zip(*(_divided(values, sizes) for values in found), strict=True))
    if len(found) != sum(sizes):
        raise ValueError(f"{len(found)} rows for {sum(sizes)} samples")
    return list(found.split(sizes))
