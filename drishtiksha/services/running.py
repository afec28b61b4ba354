"""One job: its models one after the other over one decoding, each answer and each chunk kept as soon as it is there."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from drishtiksha.casefile import JobState
from drishtiksha.errors import (
    AnalysisCancelledError,
    CaseGoneError,
    DrishtikshaError,
    JobGoneError,
    without_server_paths,
)
from drishtiksha.events import CancelToken, ProgressEvent
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.services.compare import plans
from drishtiksha.settings import Settings
from drishtiksha.store.cases import Cases
from drishtiksha.store.jobs import Jobs
from drishtiksha.store.queue import Claim, Progress

if TYPE_CHECKING:
    from drishtiksha.analysis.shared import SharedMedia
    from drishtiksha.detectors.base import Detector
    from drishtiksha.store.results import Answer

TELL_S = 0.25
"""Progress goes into the database at most so often, but for a new phase or a preview."""

log = logging.getLogger(__name__)


def kept(cases: Cases, settings: Settings, case_id: str) -> Evidence:
    """The untouched file of a case. Raises: CaseGoneError."""
    place = cases.place(case_id)
    case_dir = settings.cases_dir / case_id
    if not (case_dir / place.file_name).is_file():
        raise CaseGoneError("The file of this case is no longer on this machine. Upload it again.")
    return Evidence(case_dir / place.file_name, place.media, case_dir)


class LostError(JobGoneError):
    """The job was deleted, or another process works on it by now."""


@dataclass
class JobRun:
    """A claimed job at work. `cancel` stops it at its next check; it waits for another start where `put_back` is set."""

    claim: Claim
    manager: ModelManager
    jobs: Jobs
    cases: Cases
    cancel: CancelToken = field(default_factory=CancelToken)
    put_back: bool = False
    errors: dict[str, str] = field(init=False)
    _told: float = field(default=0.0, init=False)
    _newest: Progress | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.errors = dict(self.claim.errors)

    def execute(self) -> JobState:
        """DONE when any model has an answer, else FAILED, each with the errors of the others noted.

        Raises: MediaError for evidence that was altered; AnalysisCancelledError; LostError; SQLAlchemyError.
        """
        from drishtiksha.analysis.shared import SharedMedia

        evidence = kept(self.cases, self.manager.settings, self.claim.case_id)
        evidence.verify()
        answered = self.jobs.finished(self.claim.job_id)
        open_names = [name for name in self.claim.models if name not in answered and name not in self.errors]
        with SharedMedia(evidence, self.manager.settings.limits, self.cancel.check) as shared:
            if self.claim.kind == "analyze":
                shared.prepare(plans(evidence.media, open_names, self.manager))
            for name in open_names:
                if self._answer(name, evidence, shared):
                    answered.add(name)
        return JobState.DONE if answered else JobState.FAILED

    def fail(self, why: str) -> JobState:
        """Note why nothing came of the models that have no answer; DONE when any has one, else FAILED."""
        answered = self.jobs.finished(self.claim.job_id)
        errors = dict.fromkeys(self.claim.models, without_server_paths(why)) | self.errors
        self.jobs.note_errors(self.claim.job_id, {name: e for name, e in errors.items() if name not in answered})
        return JobState.DONE if answered else JobState.FAILED

    def _answer(self, name: str, evidence: Evidence, shared: SharedMedia) -> bool:
        """Whether the model came to an answer; why not is noted, and stops no other model."""
        self._tell(ProgressEvent(name, 0, None, "load", f"Loading {name}"))
        try:
            with self.manager.use(name) as detector:
                answer = self._run(detector, evidence, shared)
        except (AnalysisCancelledError, LostError, SQLAlchemyError):
            raise
        except DrishtikshaError as error:
            log.warning("%s gave no answer in job %s: %s", name, self.claim.job_id, error)
            self._note(name, without_server_paths(str(error)))
            return False
        except Exception:
            log.exception("%s failed in job %s", name, self.claim.job_id)
            self._note(name, f"{name} stopped at an error of this program. The server's log has the details.")
            return False
        self._still_ours(self.jobs.keep(self.claim.job_id, self.claim.case_id, name, answer))
        return True

    def _run(self, detector: Detector, evidence: Evidence, shared: SharedMedia) -> Answer:
        limits, name = self.manager.settings.limits, detector.model_name
        if self.claim.kind == "stress":
            from drishtiksha.stress import stress_test

            # In the case's folder, so that they go with the case when this process is killed in the middle.
            folder = evidence.case_dir
            return stress_test(evidence, detector, self._tell, self.cancel, limits=limits, folder=folder)
        from drishtiksha.analysis import analyze

        return analyze(
            evidence,
            detector,
            self._tell,
            self.cancel,
            limits=limits,
            shared=shared,
            resume=self.jobs.chunks(self.claim.job_id, name),
            on_chunk=lambda data: self._still_ours(self.jobs.add_chunk(self.claim.job_id, name, data)),
        )

    def _note(self, name: str, why: str) -> None:
        self.cancel.check()  # a model that was stopped in the middle of loading has not failed
        self.errors[name] = why
        self.jobs.note_errors(self.claim.job_id, self.errors)

    def beat(self) -> None:
        """Give a sign of life, with the progress that came too soon after the last one to be told; from any thread."""
        if self.jobs.queue.pulse(self.claim.job_id, self._newest) is not False:  # asked to stop, or not ours any more
            self.cancel.cancel()

    def _tell(self, event: ProgressEvent) -> None:
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
