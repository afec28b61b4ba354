"""The machines of a Ray cluster: Ray Data hands items to actors, each of which keeps a worker with its models loaded.

What a file may do to its worker is seen to as on one machine, by the worker's `Crew` inside the actor; Ray starts lost
actors elsewhere and gives them the items that have no answer yet.
"""

from __future__ import annotations

import itertools
import math
import os
import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from drishtiksha.batch.items import Item
from drishtiksha.batch.judge import Job, Take, Told
from drishtiksha.batch.local import Crew, threads_asked_for
from drishtiksha.batch.worker import FILES, Share
from drishtiksha.errors import ConfigError, DrishtikshaError, ModelFailedError
from drishtiksha.services.lines import raised, told

INSTALL = (
    "The engine ray needs Ray, which is not installed here. Install it with: pip install 'drishtiksha[ray]' (or: pip install "
    "'ray[data]'), or use --engine local."
)
BATCH = 8
"""Items that an actor is given at once, and that are done again when its node is lost."""
ROUNDS = 4
"""So many times the files that it judges at once an actor is given at least: it waits for the last of them before it is given
more."""
ITEM, TOLD = "item", "told"
Answer = tuple[int, list[Told] | dict[str, Any]]
"""Number of an item, and what is told of it, or the error that every other item would meet, too."""


@dataclass(frozen=True)
class RayEngine:
    """An actor for each worker. address: of a cluster (`auto`, `ray://host:10001`); None: one is started on this machine.

    workers: None: one a CPU (or GPU) of the cluster; more of them than it has GPUs share those. files: that each judges at once;
    None: one, on a GPU several. gpus: that each actor takes; None: by the cluster and the settings.
    """

    workers: int | None = None
    threads: int | None = None
    address: str | None = None
    files: int | None = None
    gpus: float | None = None
    batch: int = BATCH

    def run(self, job: Job, items: Iterable[Item], take: Take) -> None:
        """As `Engine.run`. Raises: ConfigError, too, without Ray or a cluster at `address`; ModelFailedError where it fails."""
        ray = _ray()
        ours = _connect(ray, self.address)
        try:
            seen: set[int] = set()
            for number, answer in self._answers(ray, job, items):
                if isinstance(answer, dict):
                    raise raised(answer)
                if number not in seen:  # else its actor was lost right after it had answered
                    seen.add(number)
                    for told_of_it in answer:
                        take(told_of_it)
        except ray.exceptions.RayError as error:
            raise ModelFailedError(
                f"Ray stopped: {str(error).splitlines()[0]} What was found is kept; the same command goes on from there."
            ) from error
        finally:
            if ours:
                ray.shutdown()

    def _answers(self, ray: Any, job: Job, items: Iterable[Item]) -> Iterator[Answer]:
        threads = self.threads or threads_asked_for()
        workers, gpus = self._shares(ray.cluster_resources(), job.settings.device, threads)
        batch = max(self.batch, ROUNDS * (self.files or (FILES if gpus else 1)))
        share = Share(self.files, math.ceil(1 / gpus) if gpus else 1)
        judged = ray.data.from_arrow_refs(list(_blocks(ray, items, batch))).map_batches(
            _Actor,
            fn_constructor_args=(ray.put(job), threads, share),
            batch_size=batch,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
            num_cpus=threads,
            num_gpus=gpus or None,
        )
        for row in judged.iter_rows():
            yield pickle.loads(row[TOLD])  # noqa: S301 - of our own actors

    def _shares(self, there: Mapping[str, float], device: str, threads: int) -> tuple[int, float]:
        """How many actors there may be, and how much of a GPU each takes. there: what the cluster has."""
        held, gpus = there.get("GPU", 0.0), self.gpus
        if gpus is None and held and device != "cpu":
            gpus = 1 / max(1, math.ceil((self.workers or 1) / held))
        room = held / gpus if gpus else there.get("CPU", 1.0) / threads
        return self.workers or max(1, int(room)), gpus or 0.0


class _Actor:
    """Keeps a worker process with its models, on whatever node Ray chose."""

    def __init__(self, job: Any, threads: int, share: Share) -> None:
        """job: a reference to it."""
        self._crew = Crew(_ray().get(job), 1, threads, share)
        self._crew.__enter__()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        numbered = [pickle.loads(packed) for packed in batch[ITEM]]  # noqa: S301 - our own
        return {TOLD: [pickle.dumps(answer) for answer in self._answers(numbered)]}

    def _answers(self, numbered: list[tuple[int, Item]]) -> list[Answer]:
        found: list[tuple[int, list[Told]]] = [(number, []) for number, _ in numbered]

        def take(told: Told) -> None:
            """Of an item that is named twice in the batch, both are told."""
            alike = (pieces for (_, pieces), (_, item) in zip(found, numbered, strict=True) if item == told.item)
            next(pieces for pieces in alike if all(one.model != told.model for one in pieces)).append(told)

        try:
            self._crew.work([item for _, item in numbered], take)
        except DrishtikshaError as error:
            return [(number, told(error)) for number, _ in numbered]
        return list(found)


def _blocks(ray: Any, items: Iterable[Item], size: int) -> Iterator[Any]:
    """The list as references to blocks in Ray's store, so that this process need not hold it."""
    import pyarrow as pa

    numbered = enumerate(items)
    while some := list(itertools.islice(numbered, size)):
        yield ray.put(pa.table({ITEM: pa.array([pickle.dumps(one) for one in some], pa.binary())}))


def _ray() -> Any:
    """The module ray. Raises: ConfigError where it is not installed."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ConfigError(INSTALL) from error
    return ray


def _connect(ray: Any, address: str | None) -> bool:
    """Join a cluster, or start one; whether that was done here, and is to be ended. Raises: ConfigError."""
    # Ray reports how it is used to its makers, unless told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    if ray.is_initialized():
        return False
    try:
        ray.init(
            address=address, include_dashboard=None if address else False, log_to_driver=False, logging_level="error"
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"There is no Ray cluster at {address or 'this machine'} ({str(error).splitlines()[0]}). Start one with `ray start "
            "--head`, and name it with --address; without --address one is started on this machine."
        ) from error
    return True
