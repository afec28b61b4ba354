"""One file through the models of a batch, by the loop that all surfaces use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from drishtiksha.analysis.recipe import recipe_of
from drishtiksha.batch.items import Item, on_disk
from drishtiksha.batch.known import Known, key_of, version_key
from drishtiksha.batch.rows import Row, Sample, failed_row, kind_of, row_of
from drishtiksha.casefile import Outcome
from drishtiksha.errors import DrishtikshaError, MediaError
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult
from drishtiksha.services.runs import Answers, run_models
from drishtiksha.settings import Settings
from drishtiksha.weights import sha256_of


@dataclass(frozen=True)
class Job:
    """What every worker of a batch is told. known: what is not to be done again."""

    settings: Settings
    models: tuple[str, ...]
    known: Known = field(default_factory=Known)


@dataclass(frozen=True)
class Told:
    """What became of one item by one model. row: None where it is known from an earlier run."""

    item: Item
    model: str
    row: Row | None = None
    samples: Sequence[Sample] = ()


Take = Callable[[Told], None]


class Judge:
    """The loaded models of a batch."""

    def __init__(self, job: Job, manager: ModelManager | None = None) -> None:
        """Loads the models, into `manager` where one is given. Raises: ModelRegistryError; ConfigError."""
        self.manager = manager or ModelManager(job.settings)
        self._known = job.known
        self.manager.preload(job.models)
        self.recipes = {name: self._recipe(name) for name in job.models}

    def judge(self, item: Item, models: Sequence[str], take: Take) -> None:
        """Tell `take` once of each model, as soon as it is done. Nothing that is wrong with a file or a model is raised."""
        left = _Left(item, models, self.recipes, take)
        for model in models:
            if item.version and version_key(item.name, item.version, self.recipes[model], model) in self._known:
                left.known(model)
        if not left.models:
            return
        with ExitStack() as stack:
            evidence = self._opened(item, left, stack)
            if evidence is not None:
                left.sha256 = evidence.media.sha256
                run_models(evidence, tuple(left.models), self.manager, left, explain=False)

    def _opened(self, item: Item, left: _Left, stack: ExitStack) -> Evidence | None:
        """None where nothing is left to do, or the file cannot be examined, which is told."""
        path, limits = None, self.manager.settings.limits
        try:
            path = stack.enter_context(on_disk(item, limits))
            if len(self._known):
                self._pass_over(path, item, left)
            return Evidence.open(path, limits) if left.models else None
        except OSError as error:
            left.all_failed(MediaError(f"{item.name} cannot be read: {error.strerror or error}."), None)
        except DrishtikshaError as error:
            left.all_failed(error, None if path is None else digest_of(path))
        return None

    def _pass_over(self, path: Path, item: Item, left: _Left) -> None:
        sha256 = digest_of(path)
        for model in tuple(left.models):
            if sha256 and key_of(item.name, sha256, self.recipes[model], model) in self._known:
                left.known(model)

    def _recipe(self, name: str) -> str:
        with self.manager.use(name) as detector:
            return recipe_of(detector)


def digest_of(path: Path) -> str | None:
    """The SHA-256 of a file of this machine; None where it cannot be read."""
    try:
        return sha256_of(path) if path.is_file() else None
    except OSError:
        return None


class _Left(Answers):
    """The models that have not been told of yet. A `Sink`."""

    def __init__(self, item: Item, models: Sequence[str], recipes: Mapping[str, str], take: Take) -> None:
        super().__init__()
        self._item, self._recipes, self._take = item, recipes, take
        self.models = list(models)
        self.sha256: str | None = None

    def known(self, model: str) -> None:
        self._tell(Told(self._item, model))

    def answered(self, name: str, answer: Outcome) -> None:
        assert isinstance(answer, AnalysisResult)
        row, samples = row_of(self._item, self._recipes[name], answer)
        self._tell(Told(self._item, name, row, samples))

    def failed(self, name: str, error: DrishtikshaError) -> None:
        self._tell_failed(name, error, self.sha256)

    def all_failed(self, error: DrishtikshaError, sha256: str | None) -> None:
        """Of no model there is a result."""
        for name in tuple(self.models):
            self._tell_failed(name, error, sha256)

    def _tell_failed(self, name: str, error: DrishtikshaError, sha256: str | None) -> None:
        row = failed_row(self._item, name, self._recipes[name], sha256, str(error), kind_of(error))
        self._tell(Told(self._item, name, row))

    def _tell(self, told: Told) -> None:
        self._take(told)
        self.models.remove(told.model)


class Engine(Protocol):
    """Where the files of a batch are judged."""

    def run(self, job: Job, items: Iterable[Item], take: Take) -> None:
        """Tell `take`, in this thread, once of each item and model, in no order.

        Raises: ModelRegistryError, ConfigError, before any item; what `take` raises; KeyboardInterrupt.
        """


class Here:
    """In this process, one file after the other."""

    def __init__(self, manager: ModelManager | None = None) -> None:
        self._manager = manager

    def run(self, job: Job, items: Iterable[Item], take: Take) -> None:
        judge = Judge(job, self._manager)
        for item in items:
            judge.judge(item, job.models, take)
