"""The one object that the UI, the server and the CLI use: cases, jobs and reviews, on one store and one model manager."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from drishtiksha.casefile import (
    ANYBODY,
    CaseFile,
    Confidence,
    HumanVerdict,
    JobView,
    PinnedNote,
    Provenance,
    Review,
    Viewer,
)
from drishtiksha.errors import CaseGoneError, WrongMediaKindError
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.results import MediaInfo, Prediction
from drishtiksha.services.folders import CaseFolders
from drishtiksha.services.plan import RunPlan, plan
from drishtiksha.services.running import kept
from drishtiksha.services.workers import Workers
from drishtiksha.settings import Settings
from drishtiksha.store.cases import CaseFilter, Cases
from drishtiksha.store.db import Store, open_store
from drishtiksha.store.jobs import Jobs
from drishtiksha.store.queue import Queue, new_worker
from drishtiksha.store.results import ResultReader
from drishtiksha.store.reviews import Reviews

SWEEP_S = 60.0
"""How often cases whose time is over are looked for."""
LET_GO_S = 5.0
"""How long a deletion waits for a running job to let go of the file."""


class Workbench:
    """Cases, jobs and reviews. Safe to share between threads; several processes may work on one database.

    Every method that takes a `viewer` treats somebody else's case, and its jobs, as if they did not exist.
    """

    manager: ModelManager
    settings: Settings
    store: Store

    def __init__(self, settings: Settings, manager: ModelManager, store: Store | None = None) -> None:
        """Opens the store of the settings unless one is given. Raises: StoreError."""
        self.settings, self.manager = settings, manager
        self.store = store or open_store(settings.database_url, settings.data_root)
        self._folders = CaseFolders(settings)
        reader = ResultReader()
        self._cases = Cases(self.store, reader)
        self._jobs = Jobs(self.store, Queue(self.store, new_worker()), reader)
        self._reviews = Reviews(self.store)
        self._workers = Workers(manager, self._jobs, self._cases, self.sweep, SWEEP_S)

    def start(self) -> None:
        """Start the workers, one thread a device, and the retention sweep; interrupted jobs are taken up from their
        last chunk. Without it jobs only queue up."""
        self._workers.start()

    def stop(self) -> None:
        """Stop the workers; running jobs go back to the queue and keep their chunks."""
        self._workers.stop()

    def take(self, upload: Path, original_name: str, *, owner: str = "", question: str = "") -> CaseFile:
        """Copy and hash a file into a case of its own; the upload itself is left where it is.

        Raises: MediaError and its kinds; QuotaError before anything is copied.
        """
        evidence = self._folders.take(upload, original_name, self.sweep)
        assert evidence.case_dir is not None
        try:
            return self._cases.add(evidence.case_dir.name, evidence.media, evidence.path.name, owner, question)
        except BaseException:
            self._folders.remove(evidence.case_dir.name)
            raise

    def evidence(self, case_id: str, viewer: Viewer = ANYBODY) -> Evidence:
        """The kept file of a case. Raises: CaseGoneError."""
        return kept(self._cases, self.settings, case_id, viewer)

    def case(self, case_id: str, viewer: Viewer = ANYBODY) -> CaseFile:
        """Everything known of a case. Raises: CaseGoneError."""
        return self._cases.get(case_id, viewer)

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
        """What the viewer may see, newest first; without heatmaps, which `case` gives.

        prediction: some model (or `model`, where given) said so. model: it has a result of that model. reviewed: a
        person said a word. disagreement: its models, or its reviewers, contradict each other. since, until: when it
        was opened, until excluded; naive times are UTC.
        """
        wanted = CaseFilter(prediction, model, reviewed, disagreement, since, until)
        return self._cases.find(viewer, wanted, limit)

    def delete_case(self, case_id: str, viewer: Viewer = ANYBODY) -> None:
        """Stop its jobs, then remove evidence, derived files and rows. Raises: CaseGoneError."""
        self._cases.place(case_id, viewer)
        for job_id in self._jobs.unended(case_id):
            self._jobs.ask_cancel(job_id)
            self._workers.interrupt(job_id)
        until = time.monotonic() + LET_GO_S
        while self._jobs.unended(case_id) and time.monotonic() < until:
            time.sleep(0.05)
        self._folders.doom(case_id)
        self._cases.delete(case_id)
        self._folders.remove(case_id)

    def set_provenance(self, case_id: str, provenance: Provenance) -> None:
        """Keep what the file says of itself. Raises: CaseGoneError."""
        self._cases.set_provenance(case_id, provenance)

    def derived_dir(self, case_id: str) -> Path:
        """The folder for derived copies (it exists); it is deleted with the case. Raises: CaseGoneError."""
        self._cases.place(case_id, ANYBODY)
        return self._folders.derived(case_id)

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
        media, _ = self._cases.place(case_id, viewer)
        names = tuple(dict.fromkeys(models))
        misfits = self._misfits(media, names)
        if len(misfits) == len(names):
            raise WrongMediaKindError(" ".join(misfits.values()) or "No model was chosen. Choose at least one.")
        job_id = secrets.token_hex(16)
        device = self.manager.model_configs[next(name for name in names if name not in misfits)].device
        room = self.settings.max_queue
        self._jobs.add(job_id, case_id, names, kind, batch=batch, device=device, errors=misfits, max_queue=room)
        self._workers.wake()
        return job_id

    def job(self, job_id: str, viewer: Viewer = ANYBODY) -> JobView:
        """The job as it stands. Raises: JobGoneError."""
        return self._jobs.view(job_id, viewer)

    def watch(self, job_id: str, viewer: Viewer = ANYBODY, *, tick_s: float = 0.25) -> Iterator[JobView]:
        """The job now, then at every change and at least once a tick; last the view of the ended job.

        Raises: JobGoneError, also when the case is deleted meanwhile. Closing the iterator leaves the job running.
        """
        while True:
            view = self.job(job_id, viewer)
            yield view
            if view.state.ended:
                return
            time.sleep(tick_s)

    def cancel(self, job_id: str, viewer: Viewer = ANYBODY) -> None:
        """Ask a job to stop, wherever it runs; nothing happens to one that has ended. Raises: JobGoneError."""
        self._jobs.case_of(job_id, viewer)
        self._jobs.ask_cancel(job_id)
        self._workers.interrupt(job_id)

    def retry(self, job_id: str, viewer: Viewer = ANYBODY) -> str:
        """Queue a failed or cancelled job again: what is finished is kept, what is not goes on from its last chunk.

        Raises: JobGoneError, JobStateError, QueueFullError.
        """
        case_id, models = self._jobs.case_of(job_id, viewer)
        media, _ = self._cases.place(case_id, viewer)
        self._jobs.retry(job_id, self._misfits(media, models), self.settings.max_queue)
        self._workers.wake()
        return job_id

    def jobs(self, case_id: str, viewer: Viewer = ANYBODY) -> list[JobView]:
        """All jobs of a case, oldest first. Raises: CaseGoneError."""
        return self._jobs.of_case(case_id, viewer)

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
        self._cases.place(case_id, viewer)
        return self._reviews.add(case_id, reviewer, verdict, confidence, notes, tags)

    def reviews(self, case_id: str, viewer: Viewer = ANYBODY) -> list[Review]:
        """The whole history, oldest first. Raises: CaseGoneError."""
        self._cases.place(case_id, viewer)
        return self._reviews.of_case(case_id)

    def plan(self, case_id: str, models: Sequence[str]) -> RunPlan:
        """What running these models would take: time, memory, what must be loaded. Raises: CaseGoneError."""
        media, _ = self._cases.place(case_id, ANYBODY)
        return plan(media, models, self.manager, self._jobs.seconds_seen("analyze", media))

    @property
    def working(self) -> bool:
        """Whether the workers of this process run."""
        return self._workers.alive

    def sweep(self) -> None:
        """Delete the cases whose time is over, and as old folders that belong to none."""
        oldest = time.time() - self.settings.retention_hours * 3600
        for case_id in self._cases.opened_before(oldest):
            with contextlib.suppress(CaseGoneError):
                self.delete_case(case_id)
        self._folders.sweep(self._cases.ids(), oldest)

    def _misfits(self, media: MediaInfo, models: Sequence[str]) -> dict[str, str]:
        """Model name -> why it cannot examine such a file."""
        from drishtiksha.analysis.fit import unfit

        why = {name: unfit(media, self.manager.status(name).config, name) for name in models}
        return {name: reason for name, reason in why.items() if reason}
