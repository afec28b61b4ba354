"""One batch: items through an engine into a folder of results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from drishtiksha.batch.items import Item
from drishtiksha.batch.judge import Engine, Job, Told
from drishtiksha.batch.parts import PartWriter, ResultFolder
from drishtiksha.settings import Settings

KNOWN = "known"
"""Among the kinds that `Tally` counts: done by an earlier run, or for another file with the same bytes."""


class Note(Protocol):
    """Told of each file and model as soon as it is done."""

    def __call__(self, told: Told, tally: Tally) -> None: ...


@dataclass
class Tally:
    """What a run has done so far. counts: pairs of a file and a model by prediction, kind of error, or `KNOWN`."""

    models: int
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def files(self) -> int:
        """All whose every model is done, give or take those at work."""
        return sum(self.counts.values()) // self.models

    def add(self, told: Told) -> None:
        self.counts[KNOWN if told.row is None else told.row.error_kind or told.row.prediction or ""] += 1


def run_batch(
    items: Iterable[Item], models: Sequence[str], settings: Settings, engine: Engine, folder: ResultFolder, note: Note
) -> Tally:
    """Judge what `folder` does not know yet. Hold the folder meanwhile (`ResultFolder.held`).

    What is finished is written, whatever happens. Raises: as `Engine.run`; OSError where nothing can be written.
    """
    tally = Tally(len(models))
    job = Job(settings, tuple(models), folder.known())
    with PartWriter(folder) as writer:

        def take(told: Told) -> None:
            writer.add(told)
            tally.add(told)
            note(told, tally)

        engine.run(job, items, take)
    return tally
