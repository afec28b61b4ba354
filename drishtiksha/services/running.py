"""One job: each answer and each chunk of its run is kept as soon as it is there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from drishtiksha.casefile import JobState, Kind, Outcome
from drishtiksha.errors import DrishtikshaError, JobGoneError, without_server_paths
from drishtiksha.events import CancelToken, ProgressEvent
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.services.folders import CaseFolders
from drishtiksha.services.runs import Sink, run_models
from drishtiksha.store.cases import Cases
from drishtiksha.store.jobs import Jobs
from drishtiksha.store.queue import Claim, Progress

TELL_S = 0.25
"""Progress goes into the database at most so often, but for a new phase or a preview."""


class LostError(JobGoneError):
    """The job was deleted, or another process works on it by now."""


class Runner(Protocol):
    """Where the models of a job run."""

    def queued(self, job_id: str) -> None:
        """A job is about to be queued; called in the thread of the request that asks for it."""

    def run(self, job: JobRun, evidence: Evidence, names: Sequence[str]) -> None:
        """Have these models examine the file, and tell `job`, which is the sink of the run.

        Raises: AnalysisCancelledError; what the sink raises.
        """


def run_job(
    evidence: Evidence, names: Sequence[str], manager: ModelManager, sink: Sink, cancel: CancelToken, kind: Kind
) -> None:
    """Run the models of a job, wherever that is; heatmaps are made only of what is suspected. Raises: as `run_models`."""
    run_models(evidence, names, manager, sink, cancel, kind=kind, explain="suspicious")


class Here:
    """In the thread that works on the job. A `Runner`."""

    def queued(self, job_id: str) -> None:
        """Nothing is to be kept of the request."""

    def run(self, job: JobRun, evidence: Evidence, names: Sequence[str]) -> None:
        run_job(evidence, names, job.manager, job, job.cancel, job.claim.kind)


@dataclass
class JobRun:
    """A claimed job at work, and the sink of its run. `cancel` stops it at its next check; it waits for another start where `put_back` is set."""

    claim: Claim
    manager: ModelManager
    jobs: Jobs
    cases: Cases
    runner: Runner = field(default_factory=Here)
    cancel: CancelToken = field(default_factory=CancelToken)
    put_back: bool = False
    keeps_chunks: ClassVar[bool] = True
    errors: dict[str, str] = field(init=False)
    _told: float = field(default=0.0, init=False)
    _newest: Progress | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.errors = dict(self.claim.errors)

    def execute(self) -> JobState:
        """DONE when any model has an answer, else FAILED, each with the errors of the others noted.

        Raises: MediaError for evidence that was altered; AnalysisCancelledError; LostError; SQLAlchemyError.
        """
        case_id = self.claim.case_id
        evidence = CaseFolders(self.manager.settings).evidence(case_id, self.cases.place(case_id))
        evidence.verify()
        if self.claim.track is not None:
            evidence = evidence.only(self.claim.track)
        answered = self.jobs.finished(self.claim.job_id)
        left = [name for name in self.claim.models if name not in answered and name not in self.errors]
        self.runner.run(self, evidence, left)
        return JobState.DONE if self.jobs.finished(self.claim.job_id) else JobState.FAILED

    def fail(self, why: str) -> JobState:
        """Note why nothing came of the models that have no answer; DONE when any has one, else FAILED."""
        answered = self.jobs.finished(self.claim.job_id)
        errors = dict.fromkeys(self.claim.models, without_server_paths(why)) | self.errors
        self.jobs.note_errors(self.claim.job_id, {name: e for name, e in errors.items() if name not in answered})
        return JobState.DONE if answered else JobState.FAILED

    def answered(self, name: str, answer: Outcome) -> None:
        self._still_ours(self.jobs.keep(self.claim.job_id, self.claim.case_id, name, answer))

    def failed(self, name: str, error: DrishtikshaError) -> None:
        self.errors[name] = without_server_paths(str(error))
        self.jobs.note_errors(self.claim.job_id, self.errors)

    def chunk(self, name: str, data: bytes) -> None:
        self._still_ours(self.jobs.add_chunk(self.claim.job_id, name, data))

    def chunks(self, name: str) -> Sequence[bytes]:
        return self.jobs.chunks(self.claim.job_id, name)

    def beat(self) -> None:
        """Give a sign of life, with the progress that came too soon after the last one to be told; from any thread."""
        if self.jobs.queue.pulse(self.claim.job_id, self._newest) is not False:  # asked to stop, or not ours any more
            self.cancel.cancel()

    def progress(self, event: ProgressEvent) -> None:
        now, before = time.monotonic(), self._newest
        preview = None if event.preview is None else event.preview.model_dump_json()
        self._newest = Progress(event.model_name, event.phase, event.message, event.progress, event.total, preview)
        if before is not None and before.phase == event.phase and preview is None and now - self._told < TELL_S:
            return
        self._told = now
        asked = self.jobs.queue.pulse(self.claim.job_id, self._newest)
        self._still_ours(asked is not None)
        if asked:
            self.cancel.cancel()

    def _still_ours(self, ours: bool) -> None:
        if not ours:
            raise LostError("This analysis goes on elsewhere, or its case was deleted.")
