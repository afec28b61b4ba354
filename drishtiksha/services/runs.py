"""One run: models examine a file, one after the other, over one decoding.

Every surface comes here: jobs of the page and the REST server, and the commands. The run knows no store, no server and no
page. It tells its caller what happens through a `Sink`, and stops when a `CancelToken` is set.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar, ParamSpec, Protocol, Self, TypeVar

from drishtiksha.casefile import Kind, Outcome
from drishtiksha.contract import Explain
from drishtiksha.detectors.device import out_of_memory
from drishtiksha.errors import AnalysisCancelledError, DrishtikshaError, ModelFailedError
from drishtiksha.events import CancelToken, ProgressEvent, Reporter, silent
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult

if TYPE_CHECKING:
    from drishtiksha.analysis.shared import SharedMedia
    from drishtiksha.contract import SamplingPlan
    from drishtiksha.detectors.base import Detector

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


class Sink(Protocol):
    """Receives what a run finds. An error that a method raises ends the run: it is the caller's, and no model's failure."""

    keeps_chunks: ClassVar[bool]
    """Whether `chunk` is to be called at all."""

    def progress(self, event: ProgressEvent) -> None: ...

    def answered(self, name: str, answer: Outcome) -> None: ...

    def failed(self, name: str, error: DrishtikshaError) -> None:
        """Why this model has no answer. The text may hold paths of this machine."""

    def chunk(self, name: str, data: bytes) -> None:
        """What is finished of a model's work, to go on from after an interruption."""

    def chunks(self, name: str) -> Sequence[bytes]:
        """The chunks of an interrupted run, in order."""
        ...


@dataclass
class Answers:
    """A sink that keeps everything in memory, for callers that wait for the end."""

    reporter: Reporter = silent
    answers: dict[str, Outcome] = field(default_factory=dict)
    failures: dict[str, DrishtikshaError] = field(default_factory=dict)
    keeps_chunks: ClassVar[bool] = False

    @property
    def results(self) -> tuple[AnalysisResult, ...]:
        return tuple(answer for answer in self.answers.values() if isinstance(answer, AnalysisResult))

    def required(self) -> Self:
        """Itself. Raises: what stopped the first model, when none has an answer."""
        if self.failures and not self.answers:
            raise next(iter(self.failures.values()))
        return self

    def progress(self, event: ProgressEvent) -> None:
        self.reporter(event)

    def answered(self, name: str, answer: Outcome) -> None:
        self.answers[name] = answer

    def failed(self, name: str, error: DrishtikshaError) -> None:
        self.failures[name] = error

    def chunk(self, name: str, data: bytes) -> None:
        """Nothing is kept: such a run does not go on after an interruption."""

    def chunks(self, name: str) -> Sequence[bytes]:
        return ()


def examine(
    evidence: Evidence,
    names: Sequence[str],
    manager: ModelManager,
    reporter: Reporter = silent,
    cancel: CancelToken | None = None,
    *,
    kind: Kind = "analyze",
    explain: Explain = True,
) -> Answers:
    """As `run_models`, with the answers and failures of all models returned at the end.

    Raises: ModelRegistryError for a name that is not configured, before anything runs; AnalysisCancelledError.
    """
    for name in names:
        manager.status(name)
    answers = Answers(reporter)
    run_models(evidence, names, manager, answers, cancel, kind=kind, explain=explain)
    return answers


def run_models(
    evidence: Evidence,
    names: Sequence[str],
    manager: ModelManager,
    sink: Sink,
    cancel: CancelToken | None = None,
    *,
    kind: Kind = "analyze",
    explain: Explain = True,
) -> None:
    """Run each model once. Whatever a model raises is told to `sink` as its failure and stops no other.

    Raises: AnalysisCancelledError; what the sink raises.
    """
    from drishtiksha.analysis.shared import SharedMedia

    names, token, limits = list(dict.fromkeys(names)), cancel or CancelToken(), manager.settings.limits
    many = kind == "analyze" and len(names) > 1
    with (SharedMedia if many else SharedMedia.alone)(evidence, limits, token.check) as shared:
        run = _Run(evidence, manager, sink, token, kind, explain, shared)
        if many:
            names = run.prepare(names)
        for name in names:
            run.model(name)


def failure_of(subject: str, error: Exception) -> DrishtikshaError:
    """Any error as one that a user may read; `subject` is who or what stopped at it. Errors that nobody foresaw are logged
    under a reference that the message names."""
    if out_of_memory(error) or out_of_memory(error.__cause__):
        log.warning("%s ran out of memory", subject, exc_info=error)
        return ModelFailedError(
            f"{subject} stopped, since the memory of this computer was not enough. Close other programs, choose fewer models "
            "or a shorter part of the file, and try again; a smaller batch_size in configs/config.yaml needs less memory."
        )
    if isinstance(error, DrishtikshaError):
        log.warning("%s stopped: %s", subject, error)
        return error
    reference = secrets.token_hex(4)
    log.error("%s stopped at an error, reference %s", subject, reference, exc_info=error)
    return ModelFailedError(
        f"{subject} stopped at an error of this program. The log has the details under the reference {reference}."
    )


@dataclass
class _Run:
    """The run of several models on one file."""

    evidence: Evidence
    manager: ModelManager
    sink: Sink
    token: CancelToken
    kind: Kind
    explain: Explain
    shared: SharedMedia
    _from_sink: Exception | None = field(default=None, init=False)

    def prepare(self, names: Sequence[str]) -> list[str]:
        """Tell the shared decoding what will be looked at; no weights are read. The models that did not fail at that."""
        plans: list[SamplingPlan] = []
        left = [name for name in names if self._try(name, partial(self._plan, name, plans))]
        self.shared.prepare(plans)
        return left

    def model(self, name: str) -> None:
        """Load one model and run it."""
        self.sink.progress(ProgressEvent(name, 0, None, "load", f"Loading {name}"))
        answers: list[Outcome] = []
        if self._try(name, lambda: answers.append(self._answer(name))):
            self.sink.answered(name, answers[0])

    def _try(self, name: str, work: Callable[[], object]) -> bool:
        """Whether the model got through. The one place that catches what a model may raise."""
        try:
            work()
        except AnalysisCancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a detector and its libraries may raise anything; it is logged
            if self._from_sink is not None:
                raise self._from_sink from None
            self.token.check()  # what was stopped in the middle of loading has not failed
            failure = failure_of(name, error)
        else:
            return True
        self.sink.failed(name, failure)
        return False

    def _plan(self, name: str, plans: list[SamplingPlan]) -> None:
        """Nothing of a model that cannot examine this file: why not, it says in its turn."""
        media = self.evidence.media
        if self.manager.status(name).can_examine(media):
            plans.append(self.manager.unloaded(name).sampling(media))

    def _answer(self, name: str) -> Outcome:
        with self.manager.use(name) as detector:
            return self._stress(detector) if self.kind == "stress" else self._analyze(name, detector)

    def _analyze(self, name: str, detector: Detector) -> AnalysisResult:
        from drishtiksha import analysis

        def on_chunk(data: bytes) -> None:
            self._tell(self.sink.chunk, name, data)

        return analysis.analyze(
            self.evidence,
            detector,
            self._report,
            self.token,
            explain=self.explain,
            limits=self.manager.settings.limits,
            shared=self.shared,
            resume=self._tell(self.sink.chunks, name),
            on_chunk=on_chunk if self.sink.keeps_chunks else None,
        )

    def _stress(self, detector: Detector) -> Outcome:
        from drishtiksha.stress import stress_test

        # In the case's folder, so that the copies go with the case when this process is killed in the middle.
        limits, folder = self.manager.settings.limits, self.evidence.case_dir
        return stress_test(self.evidence, detector, self._report, self.token, limits=limits, folder=folder)

    def _report(self, event: ProgressEvent) -> None:
        self._tell(self.sink.progress, event)

    def _tell(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the sink while a model is at work, and note that an error is not the model's."""
        try:
            return call(*args, **kwargs)
        except Exception as error:
            self._from_sink = error
            raise
