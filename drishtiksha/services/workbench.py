"""The one object that the UI, the server and the CLI use: cases, jobs and reviews, on one store and one model manager."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from drishtiksha.casefile import (
    CaseFile,
    Confidence,
    HumanVerdict,
    JobView,
    PinnedNote,
    Provenance,
    Review,
    Viewer,
)
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.results import Prediction
from drishtiksha.settings import Settings

if TYPE_CHECKING:
    from drishtiksha.services.plan import RunPlan
    from drishtiksha.store.db import Store

ANYBODY = Viewer()


class Workbench:
    """Cases, jobs and reviews. Safe to share between threads; several processes may work on one database.

    Every method that takes a `viewer` treats somebody else's case, and its jobs, as if they did not exist.
    """

    manager: ModelManager
    settings: Settings
    store: Store

    def __init__(self, settings: Settings, manager: ModelManager, store: Store | None = None) -> None:
        """Opens the store of the settings unless one is given. Raises: StoreError."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the workers, one thread a device, and the retention sweep; interrupted jobs are taken up from their
        last chunk. Without it jobs only queue up."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop the workers; running jobs go back to the queue and keep their chunks."""
        raise NotImplementedError

    def take(self, upload: Path, original_name: str, *, owner: str = "", question: str = "") -> CaseFile:
        """Copy and hash a file into a case of its own; the upload itself is left where it is.

        Raises: MediaError and its kinds; QuotaError before anything is copied.
        """
        raise NotImplementedError

    def evidence(self, case_id: str, viewer: Viewer = ANYBODY) -> Evidence:
        """The kept file of a case. Raises: CaseGoneError."""
        raise NotImplementedError

    def case(self, case_id: str, viewer: Viewer = ANYBODY) -> CaseFile:
        """Everything known of a case. Raises: CaseGoneError."""
        raise NotImplementedError

    def cases(
        self,
        viewer: Viewer = ANYBODY,
        *,
        prediction: Prediction | None = None,
        model: str | None = None,
        reviewed: bool | None = None,
        disagreement: bool | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 200,
    ) -> list[CaseFile]:
        """What the viewer may see, newest first.

        prediction: some model (or `model`, where given) said so. model: it has a result of that model. reviewed: a
        person said a word. disagreement: its models, or its reviewers, contradict each other. since, until: when it
        was opened, until excluded; naive times are UTC.
        """
        raise NotImplementedError

    def delete_case(self, case_id: str, viewer: Viewer = ANYBODY) -> None:
        """Stop its jobs, then remove evidence, derived files and rows. Raises: CaseGoneError."""
        raise NotImplementedError

    def set_provenance(self, case_id: str, provenance: Provenance) -> None:
        """Keep what the file says of itself. Raises: CaseGoneError."""
        raise NotImplementedError

    def derived_dir(self, case_id: str) -> Path:
        """The folder for derived copies (it exists); it is deleted with the case. Raises: CaseGoneError."""
        raise NotImplementedError

    def submit(
        self,
        case_id: str,
        models: Sequence[str],
        *,
        kind: Literal["analyze", "stress"] = "analyze",
        batch: bool = False,
        viewer: Viewer = ANYBODY,
    ) -> str:
        """Queue a job and give its id. Of several models those that do not fit the file are noted as errors of the job.

        Raises: CaseGoneError, QueueFullError; ModelRegistryError for a name that is not configured;
        WrongMediaKindError when none of the models fits.
        """
        raise NotImplementedError

    def job(self, job_id: str, viewer: Viewer = ANYBODY) -> JobView:
        """The job as it stands. Raises: JobGoneError."""
        raise NotImplementedError

    def watch(self, job_id: str, viewer: Viewer = ANYBODY, *, tick_s: float = 0.25) -> Iterator[JobView]:
        """The job now, then at every change and at least once a tick; last the view of the ended job.

        Raises: JobGoneError, also when the case is deleted meanwhile. Closing the iterator leaves the job running.
        """
        raise NotImplementedError

    def cancel(self, job_id: str, viewer: Viewer = ANYBODY) -> None:
        """Ask a job to stop, wherever it runs; nothing happens to one that has ended. Raises: JobGoneError."""
        raise NotImplementedError

    def retry(self, job_id: str, viewer: Viewer = ANYBODY) -> str:
        """Queue a failed or cancelled job again: what is finished is kept, what is not goes on from its last chunk.

        Raises: JobGoneError, JobStateError, QueueFullError.
        """
        raise NotImplementedError

    def jobs(self, case_id: str, viewer: Viewer = ANYBODY) -> list[JobView]:
        """All jobs of a case, oldest first. Raises: CaseGoneError."""
        raise NotImplementedError

    def add_review(
        self,
        case_id: str,
        reviewer: str,
        verdict: HumanVerdict,
        confidence: Confidence,
        notes: Sequence[PinnedNote] = (),
        tags: Sequence[str] = (),
        viewer: Viewer = ANYBODY,
    ) -> Review:
        """Add a word to a case's history; nothing there is ever changed. Raises: CaseGoneError."""
        raise NotImplementedError

    def reviews(self, case_id: str, viewer: Viewer = ANYBODY) -> list[Review]:
        """The whole history, oldest first. Raises: CaseGoneError."""
        raise NotImplementedError

    def plan(self, case_id: str, models: Sequence[str]) -> RunPlan:
        """What running these models would take: time, memory, what must be loaded. Raises: CaseGoneError."""
        raise NotImplementedError
