"""One file through the models of a batch, by the loop that all surfaces use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from drishtiksha.analysis.recipe import recipe_of
from drishtiksha.batch.items import Item, on_disk
from drishtiksha.batch.known import Facts, Known, content_key, key_of, version_key
from drishtiksha.batch.rows import Row, Sample, facts_of, failed_row, kind_of, row_of
from drishtiksha.casefile import Outcome
from drishtiksha.detectors.joined import Together
from drishtiksha.errors import DrishtikshaError, MediaError
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult
from drishtiksha.services.runs import Answers, run_models
from drishtiksha.settings import Settings
from drishtiksha.weights import sha256_of

PART = 1000
"""Items that one group of models judges before the next is loaded."""


@dataclass(frozen=True)
class Job:
    """What the workers of a batch are told. known: what is not to be done again."""

    settings: Settings
    models: tuple[str, ...]
    known: Known = field(default_factory=Known)


class Made(NamedTuple):
    """How the scores of a loaded model come about. checkpoint_sha256: of its weights, where it has any."""

    recipe: str
    checkpoint_sha256: str | None = None


class Content(NamedTuple):
    """Bytes that were judged in one way."""

    sha256: str
    recipe: str


@dataclass(frozen=True)
class Told:
    """What became of one item by one model. row: None where it is known: from an earlier run, or with `same_as`, as that of
    another file with the same bytes. checkpoint_sha256: of the model's weights."""

    item: Item
    model: str
    row: Row | None = None
    samples: Sequence[Sample] = ()
    same_as: Content | None = None
    checkpoint_sha256: str | None = None

    @property
    def content(self) -> Content | None:
        """What was judged with a result, or is to be taken from there; None otherwise."""
        if self.row is None or self.row.error is not None or not self.row.sha256:
            return self.same_as
        return Content(self.row.sha256, self.row.recipe)


Take = Callable[[Told], None]
Ask = Callable[[str], Sequence[str]]
"""Which models are to judge a file with this SHA-256; of the others it is told elsewhere."""


class Ledger:
    """What needs no judging: what an earlier run told of the same file, and what has the bytes of a file that was judged."""

    def __init__(self, known: Known, made: Mapping[str, Made]) -> None:
        self._known, self._done, self._made = known, Known(), made

    def left(self, item: Item, models: Sequence[str], take: Take, sha256: str | None = None) -> list[str]:
        """The models that are to judge it; `take` is told of the others. sha256: None: by its version alone."""
        facts = facts_of(item)
        return [model for model in models if not self._passed_over(item, facts, model, take, sha256)]

    def add(self, told: Told) -> None:
        """Other files with these bytes need no judging from now on, where they have a result."""
        if told.row is not None and told.content is not None:
            self._done.add(content_key(*told.content, told.model))

    def _passed_over(self, item: Item, facts: Facts, model: str, take: Take, sha256: str | None) -> bool:
        recipe, checkpoint = self._made[model]
        same = None
        if sha256 is None:
            if not item.version or version_key(facts, recipe, model) not in self._known:
                return False
        elif key_of(facts, sha256, recipe, model) not in self._known:
            key = content_key(sha256, recipe, model)
            if key not in self._known and key not in self._done:
                return False
            same = Content(sha256, recipe)
        take(Told(item, model, same_as=same, checkpoint_sha256=checkpoint))
        return True


class Judge:
    """The models of a batch. groups: those that can be loaded at the same time; a single one where all of them can."""

    def __init__(self, job: Job, manager: ModelManager | None = None) -> None:
        """Loads each model once, into `manager` where one is given. Raises: ModelRegistryError; ConfigError."""
        self.manager = manager or ModelManager(job.settings)
        self.made: dict[str, Made] = {}
        self.groups: list[tuple[str, ...]] = []
        self.on_cpu = True
        self._together = Together()
        for name in dict.fromkeys(job.models):
            self._load(name)

    def compute_together(self) -> None:
        """Before `judge` is called from several threads at once: networks compute what they bring as one batch."""
        self.manager.compute_together(self._together)

    def judge(self, item: Item, models: Sequence[str], take: Take, ask: Ask) -> None:
        """Tell `take` once of each model that `ask` names, as soon as it is done. Nothing that is wrong with a file or a model
        is raised."""
        left = _Left(item, models, self.made, take)
        with ExitStack() as stack:
            evidence = self._opened(item, left, stack, ask)
            if evidence is not None:
                left.sha256 = evidence.media.sha256
                with self._together.file():
                    run_models(evidence, tuple(left.models), self.manager, left, explain=False)

    def _opened(self, item: Item, left: _Left, stack: ExitStack, ask: Ask) -> Evidence | None:
        """None where nothing is left to do, or the file cannot be examined, which is told."""
        path, sha256, limits = None, None, self.manager.settings.limits
        try:
            path = stack.enter_context(on_disk(item, limits))
            sha256 = digest_of(path)
            if sha256 is not None:
                left.models = list(ask(sha256))
            return Evidence.open(path, limits) if left.models else None
        except OSError as error:
            left.all_failed(MediaError(f"{item.name} cannot be read: {error.strerror or error}."), None)
        except DrishtikshaError as error:
            left.all_failed(error, sha256)
        return None

    def _load(self, name: str) -> None:
        with self.manager.use(name) as detector:
            self.made[name] = Made(recipe_of(detector), detector.run_facts()["checkpoint_sha256"])
            self.on_cpu &= detector.runs_on.type == "cpu"
        group = self.groups.pop() if self.groups else ()
        if all(map(self.manager.is_model_loaded, group)):
            self.groups.append((*group, name))
        else:
            self.groups += [group, (name,)]


def in_parts(items: Iterable[Item], groups: list[tuple[str, ...]]) -> Iterator[tuple[Item, tuple[str, ...]]]:
    """Each item with each group of models, in the order in which models are loaded least often: all items of a part by one
    group, then by the next. `groups` is left in the order in which a next call goes on best: what was used last comes last."""
    if len(groups) == 1:
        yield from ((item, groups[0]) for item in items)
        return
    waiting = iter(items)
    while part := list(islice(waiting, PART)):
        groups.reverse()
        yield from ((item, group) for group in tuple(groups) for item in part)


def digest_of(path: Path) -> str | None:
    """The SHA-256 of a file of this machine; None where it cannot be read."""
    try:
        return sha256_of(path) if path.is_file() else None
    except OSError:
        return None


class _Left(Answers):
    """The models that have not been told of yet. A `Sink`."""

    def __init__(self, item: Item, models: Sequence[str], made: Mapping[str, Made], take: Take) -> None:
        super().__init__()
        self._item, self._made, self._take = item, made, take
        self.models = list(models)
        self.sha256: str | None = None

    def answered(self, name: str, answer: Outcome) -> None:
        assert isinstance(answer, AnalysisResult)
        row, samples = row_of(self._item, self._made[name].recipe, answer)
        self._tell(name, row, samples)

    def failed(self, name: str, error: DrishtikshaError) -> None:
        self._tell_failed(name, error, self.sha256)

    def all_failed(self, error: DrishtikshaError, sha256: str | None) -> None:
        """Of no model there is a result."""
        for name in tuple(self.models):
            self._tell_failed(name, error, sha256)

    def _tell_failed(self, name: str, error: DrishtikshaError, sha256: str | None) -> None:
        recipe = self._made[name].recipe
        self._tell(name, failed_row(self._item, name, recipe, sha256, str(error), kind_of(error)))

    def _tell(self, name: str, row: Row, samples: Sequence[Sample] = ()) -> None:
        self._take(Told(self._item, name, row, samples, checkpoint_sha256=self._made[name].checkpoint_sha256))
        self.models.remove(name)


class Engine(Protocol):
    """Where the files of a batch are judged."""

    def run(self, job: Job, items: Iterable[Item], take: Take) -> None:
        """Tell `take`, in this thread, once of each item and model, in no order. Two items with the same bytes are judged once,
        as far as the engine sees both.

        Raises: ModelRegistryError, ConfigError, before any item; what `take` raises; KeyboardInterrupt.
        """


class Here:
    """In this process, one file after the other."""

    def __init__(self, manager: ModelManager | None = None) -> None:
        self._manager = manager

    def run(self, job: Job, items: Iterable[Item], take: Take) -> None:
        judge = Judge(job, self._manager)
        ledger = Ledger(job.known, judge.made)

        def took(told: Told) -> None:
            ledger.add(told)
            take(told)

        for item, group in in_parts(items, judge.groups):
            if models := ledger.left(item, group, take):
                judge.judge(item, models, took, partial(ledger.left, item, models, take))
