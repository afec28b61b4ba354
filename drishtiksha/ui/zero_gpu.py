"""ZeroGPU on Hugging Face Spaces: a GPU is lent to one call, from the quota of the visitor who asked for it.

The process of the page never uses CUDA. A job calls a generator that `spaces.GPU` has decorated: it runs in a forked process,
which has the GPU, and yields what the run tells; here it is told to the job, so that progress, links, cancelling and going on
after an interruption work as anywhere. Only pickled values of the CPU cross between the two. Without quota, token or a
free GPU the CPU judges, and the results say so.

Source of the rules: huggingface.co/docs/hub/spaces-zerogpu, and the package `spaces` 0.51.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from gradio.context import LocalContext

from drishtiksha.casefile import Kind, Outcome
from drishtiksha.errors import AnalysisCancelledError, DrishtikshaError, ModelFailedError
from drishtiksha.events import CancelToken, ProgressEvent
from drishtiksha.media.evidence import Evidence
from drishtiksha.platform import on_zero_gpu
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult
from drishtiksha.services.running import JobRun, Runner, run_job
from drishtiksha.services.runs import Sink

TOKEN = "x-ip-token"  # noqa: S105 - the name of a header
"""Says whose quota a call uses."""
WAITING_JOBS = 1000
"""Visitors are remembered for so many jobs; for those before them the quota of their address counts."""
START_S, MODEL_S, STRESS_TIMES, MOST_S = 15, 12, 6, 120
"""GPU seconds that are asked for: to begin, for each model, how many times that for a stress test, and at most."""
NO_GPU = (
    "No GPU was to be had ({}), so the CPU judged this file: the scores are the same within 0.01, and it takes longer."
)
REASONS = {
    "ZeroGPU quota exceeded": "the visitor's quota of GPU time is used up",
    "ZeroGPU pending credits exceeded": "other analyses of this visitor hold the quota of GPU time",
    "ZeroGPU illegal duration": "this file needs more GPU time than a visitor may ask for",
    "ZeroGPU queue timeout": "none was free",
    "ZeroGPU client error": "none was free",
}
"""By the titles of the errors of `spaces` 0.51."""
BROKE_OFF = "its work broke off"

Step = tuple[str, tuple[Any, ...]]
"""What a run tells: the name of a method of its sink, and what it is called with."""
Steps = Generator[Step, None, None]
Lend = Callable[..., Callable[[Callable[..., Steps]], Callable[..., Steps]]]

log = logging.getLogger(__name__)


def runner_here(manager: ModelManager) -> Runner | None:
    """What runs jobs on ZeroGPU, with the recommended detectors that are ready placed on the GPU; None anywhere else.

    To be called before the app is launched. Raises: ModelRegistryError for one that cannot be loaded.
    """
    if not on_zero_gpu():
        return None
    runner = LentGpu(manager)
    ready = [status for status in manager.describe() if status.config.recommended and status.can_examine(None)]
    manager.preload(status.name for status in ready)
    return runner


class NoGpuError(DrishtikshaError):
    """The GPU was not lent, or was taken back. The text is the reason, as a part of a sentence."""


class LentGpu:
    """A `Runner` that borrows a GPU for each job. It must exist before the app is launched."""

    def __init__(self, manager: ModelManager, lend: Lend | None = None) -> None:
        """lend: `spaces.GPU`, or what stands in for it."""
        if lend is None:
            import spaces

            lend = spaces.GPU
        self._manager = manager
        self._on_cpu: ModelManager | None = None
        self._visitors: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

        # A generator of its own, since what decorates it looks whether it is one. The fork knows the manager.
        def examined(
            names: Sequence[str], evidence: Evidence, kept: Mapping[str, Sequence[bytes]], kind: Kind
        ) -> Steps:
            yield from steps(names, evidence, kept, kind, manager)

        self._examined = lend(duration=gpu_seconds)(examined)

    def queued(self, job_id: str) -> None:
        """Keep in memory whose quota this job uses."""
        request = LocalContext.request.get(None)
        token = request.headers.get(TOKEN) if request is not None else None
        if token is not None:
            with self._lock:
                self._visitors[job_id] = token
                while len(self._visitors) > WAITING_JOBS:
                    self._visitors.popitem(last=False)

    def run(self, job: JobRun, evidence: Evidence, names: Sequence[str]) -> None:
        """Raises: AnalysisCancelledError; what the sink raises."""
        left = dict.fromkeys(names)
        kept = {name: tuple(job.chunks(name)) for name in left}
        with self._lock:
            token = self._visitors.pop(job.claim.job_id, None)
        try:
            with _as_visitor(token), closing(self._borrowed(left, evidence, kept, job.claim.kind)) as told:
                for call, values in told:
                    job.cancel.check()
                    getattr(job, call)(*values)
                    if call in ("answered", "failed"):
                        left.pop(values[0], None)
        except NoGpuError as refused:
            log.warning("Job %s goes on without a GPU: %s", job.claim.job_id, refused, exc_info=refused.__cause__)
            if self._on_cpu is None:
                self._on_cpu = ModelManager(self._manager.settings.model_copy(update={"device": "cpu"}))
            sink = _Noting(job, NO_GPU.format(refused))
            run_job(evidence, list(left), self._on_cpu, sink, job.cancel, job.claim.kind)

    def _borrowed(
        self, names: Iterable[str], evidence: Evidence, kept: Mapping[str, Sequence[bytes]], kind: Kind
    ) -> Steps:
        """The steps of a run on the GPU. Raises: NoGpuError for whatever stops it."""
        told = self._examined(tuple(names), evidence, kept, kind)
        try:
            while True:
                try:
                    step = next(told)
                except StopIteration:
                    return
                except Exception as error:
                    raise NoGpuError(REASONS.get(getattr(error, "title", ""), BROKE_OFF)) from error
                yield step
        finally:
            told.close()


def gpu_seconds(names: Sequence[str], evidence: Evidence, kept: Mapping[str, Sequence[bytes]], kind: Kind) -> int:
    """How long the GPU is asked for; what is not done by then goes on without it. The arguments are those of the call."""
    del evidence, kept
    return min(START_S + MODEL_S * len(names) * (STRESS_TIMES if kind == "stress" else 1), MOST_S)


def steps(
    names: Sequence[str], evidence: Evidence, kept: Mapping[str, Sequence[bytes]], kind: Kind, manager: ModelManager
) -> Steps:
    """A run, step by step as it tells them. Closing the iterator cancels it."""
    told: queue.SimpleQueue[Step | Exception | None] = queue.SimpleQueue()
    cancel = CancelToken()

    def work() -> None:
        try:
            run_job(evidence, names, manager, _Telling(told, kept), cancel, kind)
        except AnalysisCancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - raised again where the steps are read
            told.put(error)
        finally:
            told.put(None)

    thread = threading.Thread(target=work, name="run", daemon=True)
    thread.start()
    try:
        while (step := told.get()) is not None:
            if isinstance(step, Exception):
                raise step
            yield step
    finally:
        cancel.cancel()
        thread.join()


@dataclass(frozen=True)
class _Telling:
    """A sink that puts what it is told into a queue, as values that can be pickled."""

    told: queue.SimpleQueue[Step | Exception | None]
    kept: Mapping[str, Sequence[bytes]]
    keeps_chunks: ClassVar[bool] = True

    def progress(self, event: ProgressEvent) -> None:
        self.told.put(("progress", (event,)))

    def answered(self, name: str, answer: Outcome) -> None:
        self.told.put(("answered", (name, answer)))

    def failed(self, name: str, error: DrishtikshaError) -> None:
        self.told.put(("failed", (name, ModelFailedError(str(error)))))

    def chunk(self, name: str, data: bytes) -> None:
        self.told.put(("chunk", (name, data)))

    def chunks(self, name: str) -> Sequence[bytes]:
        return self.kept.get(name, ())


@dataclass(frozen=True)
class _Noting:
    """A sink that adds a note to every result."""

    sink: Sink
    note: str
    keeps_chunks: ClassVar[bool] = True

    def progress(self, event: ProgressEvent) -> None:
        self.sink.progress(event)

    def answered(self, name: str, answer: Outcome) -> None:
        if isinstance(answer, AnalysisResult):
            answer = answer.model_copy(update={"notes": (*answer.notes, self.note)})
        self.sink.answered(name, answer)

    def failed(self, name: str, error: DrishtikshaError) -> None:
        self.sink.failed(name, error)

    def chunk(self, name: str, data: bytes) -> None:
        self.sink.chunk(name, data)

    def chunks(self, name: str) -> Sequence[bytes]:
        return self.sink.chunks(name)


class _Headers(dict[str, str]):
    """What `spaces` reads of a request: `get`, on an object with a `__dict__`."""


@dataclass(frozen=True)
class _Request:
    headers: _Headers


@contextmanager
def _as_visitor(token: str | None) -> Iterator[None]:
    """For calls to `spaces.GPU` from a thread that serves no request: as if the visitor with this token had made them."""
    before = LocalContext.request.set(_Request(_Headers({TOKEN: token})) if token is not None else None)  # type: ignore[arg-type]
    try:
        yield
    finally:
        LocalContext.request.reset(before)
