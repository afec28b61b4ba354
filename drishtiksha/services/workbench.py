"""The one object that the UI, the server and the CLI use: cases, jobs and reviews, on one store and one model manager."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from drishtiksha.answer import Answer, Glance
from drishtiksha.casefile import (
    CaseFile,
    Confidence,
    HumanVerdict,
    JobView,
    PinnedNote,
    Review,
    Right,
    Seconds,
    Viewer,
)
from drishtiksha.errors import (
    CaseGoneError,
    JobGoneError,
    MediaError,
    ModelRegistryError,
    NotAllowedError,
    QueueFullError,
    WrongMediaKindError,
)
from drishtiksha.forensics import Filter
from drishtiksha.media.evidence import Evidence
from drishtiksha.people import numbered
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult, MediaInfo, Prediction
from drishtiksha.services.answers import answer_to, for_track, proven_for, started_for
from drishtiksha.services.estimates import guess
from drishtiksha.services.folders import CaseFolders
from drishtiksha.services.lines import Task
from drishtiksha.services.looking import KeyFrames, Look
from drishtiksha.services.plan import RunPlan, plan
from drishtiksha.services.processes import WorkerProcesses
from drishtiksha.services.running import Here, Runner
from drishtiksha.services.workers import OK, Crew, Workers
from drishtiksha.settings import Settings
from drishtiksha.store.cases import CaseFilter, Cases, Place
from drishtiksha.store.db import Store, open_store
from drishtiksha.store.jobs import Jobs
from drishtiksha.store.queue import Queue, new_worker
from drishtiksha.store.results import ResultReader
from drishtiksha.store.reviews import Reviews
from drishtiksha.store.values import CASE_GONE, JOB_GONE

SWEEP_S = 60.0
"""How often cases whose time is over are looked for."""
UNDO_S = 10.0
"""How long a deletion on the page can be taken back."""
LET_GO_S = 5.0
"""How long a deletion waits for a running job to let go of the file."""

NOBODY = (
    "This server cannot tell who you are, and a case needs an owner. Allow cookies for it, and send the file again."
)
REFUSALS = {
    Right.REVIEW: "Only reviewers, and whoever opened this case, may review it.",
    Right.RUN: "Only whoever opened this case may examine it further. Upload the file to examine it yourself.",
    Right.CHANGE: "Only whoever opened this case may stop, repeat or delete anything of it.",
}


class Workbench:
    """Cases, jobs and reviews. Safe to share between threads; several processes may work on one database.

    Nobody gets at a case but through `seen_by(viewer)`.
    """

    manager: ModelManager
    settings: Settings
    store: Store

    def __init__(
        self, settings: Settings, manager: ModelManager, store: Store | None = None, runner: Runner | None = None
    ) -> None:
        """Opens the store of the settings unless one is given. runner: where workers that are threads run the models; None:
        in themselves. Raises: StoreError."""
        self.settings, self.manager, self._runner = settings, manager, runner or Here()
        self.store = store or open_store(settings.database_url, settings.data_root)
        self._folders = CaseFolders(settings)
        reader = ResultReader()
        self._cases = Cases(self.store, reader)
        self._jobs = Jobs(self.store, Queue(self.store, new_worker()), reader)
        self._jobs.guess = self._guess
        self._reviews = Reviews(self.store)
        self._timer = threading.Timer(0, self._delete_marked)
        sweep = (self.sweep, SWEEP_S)
        self._workers: Crew = (
            WorkerProcesses(manager, self._jobs, sweep)
            if settings.workers == "processes"
            else Workers(manager, self._jobs, self._cases, sweep, runner=self._runner)
        )

    def start(self) -> None:
        """Start the workers, one a device, and the retention sweep; interrupted jobs are taken up from their last chunk.
        Without it jobs only queue up."""
        self._workers.start()

    def stop(self) -> None:
        """Stop the workers; running jobs go back to the queue and keep their chunks."""
        self._timer.cancel()
        self._workers.stop()

    def _guess(self, model: str, media: MediaInfo) -> Seconds | None:
        return guess(self.manager, model, media)

    @property
    def working(self) -> bool:
        """Whether the workers of this process run."""
        return self.workers_state == OK

    @property
    def workers_state(self) -> str:
        """`ok`, or in a sentence what is wrong with the workers."""
        return self._workers.state

    def require_room(self) -> None:
        """Raises: QueueFullError, before anything is received or copied for a job that could not be queued; StoreError when
        there is nowhere to put it."""
        self._folders.require_there()
        self._jobs.require_room(self.settings.max_queue)

    def load_model(self, name: str) -> None:
        """Load a model now where it will run. Raises: ModelRegistryError."""
        self._workers.load(name)

    def unload_model(self, name: str) -> None:
        """Forget a loaded model; nothing happens when it is not loaded. Raises: ModelRegistryError while it is at work."""
        self._workers.unload(name)

    def preload(self, names: Iterable[str]) -> None:
        """Load these now. Raises: ModelRegistryError at the first that fails."""
        for name in names:
            self.load_model(name)

    def seen_by(self, viewer: Viewer) -> Seen:
        """The cases and jobs that this viewer may see, with what they may do with them."""
        return Seen(self, viewer)

    def sweep(self) -> None:
        """Delete the cases whose time is over, those that wait to be deleted, and as old folders that belong to none."""
        self._delete_marked()
        oldest = time.time() - self.settings.retention_hours * 3600
        for case_id in self._cases.opened_before(oldest):
            with contextlib.suppress(CaseGoneError):
                self._delete(case_id)
        self._folders.sweep(self._cases.ids(), oldest)

    def _delete_marked(self) -> None:
        """Delete the cases whose deletion nobody took back in time."""
        for case_id in self._folders.marked_before(time.time() - UNDO_S):
            with contextlib.suppress(CaseGoneError):
                self._delete(case_id)

    def _delete_soon(self, case_id: str) -> None:
        """Stop its jobs and hide it; the sweep, or a timer before that, deletes it."""
        self._folders.mark(case_id)
        for job_id in self._jobs.unended(case_id):
            self._cancel(job_id)
        self._timer.cancel()
        self._timer = threading.Timer(UNDO_S + 0.1, self._delete_marked)
        self._timer.daemon = True
        self._timer.start()

    def _delete(self, case_id: str) -> None:
        """Stop its jobs, then remove evidence, derived files and rows."""
        for job_id in self._jobs.unended(case_id):
            self._cancel(job_id)
        until = time.monotonic() + LET_GO_S
        while self._jobs.unended(case_id) and time.monotonic() < until:
            time.sleep(0.05)
        self._folders.doom(case_id)
        self._cases.delete(case_id)
        self._folders.remove(case_id)

    def _cancel(self, job_id: str) -> None:
        self._jobs.ask_cancel(job_id)
        self._workers.interrupt(job_id)

    def _misfits(self, media: MediaInfo, models: Sequence[str]) -> dict[str, str]:
        """Model name -> why it cannot examine such a file."""
        from drishtiksha.analysis.fit import unfit

        why = {name: unfit(media, self.manager.status(name).config, name) for name in models}
        return {name: reason for name, reason in why.items() if reason}


class Seen:
    """The workbench as one viewer may use it: the one place where that is decided.

    A case that the viewer may not read is as gone as a deleted one; what else they may not do raises NotAllowedError.
    """

    def __init__(self, bench: Workbench, viewer: Viewer) -> None:
        self._bench, self.viewer = bench, viewer

    def take(self, upload: Path, original_name: str, question: str = "") -> OpenCase:
        """Copy and hash a file into a case of the viewer's own; the upload itself is left where it is.

        Raises: NotAllowedError for nobody in particular; MediaError and its kinds; QuotaError before anything is copied;
        StoreError where it cannot be kept.
        """
        bench, owner = self._bench, self.viewer.owner
        if not self.viewer.may(Right.CHANGE, owner):
            raise NotAllowedError(NOBODY)
        with bench._folders.room_for(upload, bench.sweep):
            evidence = bench._workers.copy(upload, original_name)
        assert evidence.case_dir is not None
        case_id = evidence.case_dir.name
        try:
            bench._folders.share(evidence)
            bench._cases.add(case_id, evidence.media, evidence.path.name, owner, question)
        except BaseException:
            bench._folders.remove(case_id)
            raise
        return OpenCase(bench, self.viewer, case_id, Place(owner, evidence.media, evidence.path.name))

    def open(self, case_id: str) -> OpenCase:
        """A case to be read. Raises: CaseGoneError."""
        case = self._open(case_id)
        if self._bench._folders.is_marked(case_id):
            raise CaseGoneError(CASE_GONE)
        return case

    def restore(self, case_id: str) -> OpenCase:
        """Take a deletion back within `UNDO_S`. Raises: CaseGoneError, NotAllowedError."""
        case = self._open(case_id)
        case.require(Right.CHANGE)
        self._bench._folders.unmark(case_id)
        return case

    def _open(self, case_id: str) -> OpenCase:
        """A case, hidden or not. Raises: CaseGoneError."""
        place = self._bench._cases.place(case_id)
        if not self.viewer.may(Right.READ, place.owner):
            raise CaseGoneError(CASE_GONE)
        return OpenCase(self._bench, self.viewer, case_id, place)

    def cases(
        self,
        *,
        prediction: Prediction | None = None,
        model: str | None = None,
        reviewed: bool | None = None,
        disagreement: bool | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 200,
    ) -> list[CaseFile]:
        """Everybody's cases for a reviewer, else the viewer's own, newest first; without heatmaps, which `read` gives.

        prediction: some model (or `model`, where given) said so. model: it has a result of that model. reviewed: a
        person reviewed it. disagreement: its models, or its reviewers, contradict each other. since, until: when it
        was opened, until excluded; naive times are UTC.
        """
        owner = None if self.viewer.reviewer else self.viewer.owner
        if owner == "":
            return []
        wanted = CaseFilter(prediction, model, reviewed, disagreement, since, until)
        hidden = set(self._bench._folders.marked_before(time.time()))
        found = self._bench._cases.find(owner, wanted, limit + len(hidden))
        return [case for case in found if case.case_id not in hidden][:limit]

    def job(self, job_id: str) -> JobView:
        """The job as it stands. Raises: JobGoneError."""
        owner, view = self._bench._jobs.view(job_id)
        if not self.viewer.may(Right.READ, owner) or self._bench._folders.is_marked(view.case_id):
            raise JobGoneError(JOB_GONE)
        return view

    def job_since(self, view: JobView) -> JobView:
        """The job as it stands: the same view where nothing has changed, which costs next to nothing.

        Raises: JobGoneError.
        """
        return view if self._bench._jobs.is_as_told(view) else self.job(view.job_id)

    def watch(self, job_id: str, *, tick_s: float = 0.25) -> Iterator[JobView]:
        """The job now, then at every tick; last the view of the ended job.

        Raises: JobGoneError, also when the case is deleted meanwhile. Closing the iterator leaves the job running.
        """
        view = self.job(job_id)
        while True:
            yield view
            if view.state.ended:
                return
            time.sleep(tick_s)
            view = self.job_since(view)

    def unended(self, view: JobView) -> bool:
        """Whether that job waits or runs now. Costs next to nothing, however much changes meanwhile."""
        return self._bench._jobs.is_active(view.job_id)

    def ended(self, job_id: str, *, tick_s: float = 0.25) -> JobView:
        """The job once it has ended. Raises: JobGoneError, also when the case is deleted meanwhile."""
        while not (view := self.job(job_id)).state.ended:
            time.sleep(tick_s)
            while self.unended(view):
                time.sleep(tick_s)
        return view

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop, wherever it runs; nothing happens to one that has ended.

        Raises: JobGoneError, NotAllowedError.
        """
        self._changeable(job_id)
        self._bench._cancel(job_id)

    def retry(self, job_id: str) -> str:
        """Queue a failed or cancelled job again: what is finished is kept, what is not goes on from its last chunk.

        Raises: JobGoneError, NotAllowedError, JobStateError, QueueFullError.
        """
        bench = self._bench
        case, models = self._changeable(job_id)
        bench._runner.queued(job_id)
        bench._jobs.retry(job_id, bench._misfits(case.media, models), bench.settings.max_queue)
        bench._workers.wake()
        return job_id

    def _changeable(self, job_id: str) -> tuple[OpenCase, tuple[str, ...]]:
        """The case of a job that this viewer may stop or repeat, and its models."""
        case_id, models = self._bench._jobs.case_of(job_id)
        try:
            case = self.open(case_id)
        except CaseGoneError as error:
            raise JobGoneError(JOB_GONE) from error
        case.require(Right.CHANGE)
        return case, models


class OpenCase:
    """One case in the hands of a viewer who may read it. Every method asks for the right that it needs."""

    def __init__(self, bench: Workbench, viewer: Viewer, case_id: str, place: Place) -> None:
        self._bench, self._viewer, self._place = bench, viewer, place
        self.case_id, self.media = case_id, place.media

    def may(self, right: Right) -> bool:
        """Whether the viewer may do this with the case."""
        return self._viewer.may(right, self._place.owner)

    def require(self, right: Right) -> None:
        """Raises: NotAllowedError, in words for the viewer."""
        if not self.may(right):
            raise NotAllowedError(REFUSALS[right])

    def read(self) -> CaseFile:
        """Everything known of the case, its people numbered alike in all results. Raises: CaseGoneError."""
        case = self._bench._cases.get(self.case_id)
        return case.model_copy(update={"results": numbered(case.results)})

    def evidence(self) -> Evidence:
        """The kept file. Raises: CaseGoneError."""
        return self._bench._folders.evidence(self.case_id, self._place)

    def derived(self) -> Path:
        """The folder for derived copies (it exists); it is deleted with the case."""
        return self._bench._folders.derived(self.case_id)

    def look(self, through: Filter = Filter.FRAME, time_s: float = 0.0) -> Look:
        """The frame that is shown at `time_s` through a filter. Raises: CaseGoneError, MediaError, QueueFullError."""
        return Look.model_validate(
            self.apart("look", folder=str(self.derived().absolute()), through=through.value, time_s=time_s)
        )

    def key_frames(self) -> KeyFrames:
        """The first frames of the scenes of a video. Raises: CaseGoneError, MediaError, QueueFullError."""
        return KeyFrames.model_validate(self.apart("key_frames", folder=str(self.derived().absolute())))

    def apart(self, task: Task, **given: Any) -> Any:
        """What a task of `services.apart` makes of the file, in a process of its own where workers are processes.

        Raises: CaseGoneError, MediaError; what else the task raises.
        """
        return self._bench._workers.apart(task, self.evidence(), **given)

    def report(self, target: Path, case: CaseFile) -> Path:
        """Write the report of the case, in the form that the ending of `target` asks for. case: as `read` gave it.

        Raises: CaseGoneError; as `report.write` does.
        """
        answer = self.answer(case=case).model_dump_json()
        folder = self._bench.settings.data_root.absolute()
        self.apart(
            "report", case=case.model_dump_json(), answer=answer, target=str(target.absolute()), data_dir=str(folder)
        )
        return target

    def plan(self, models: Sequence[str]) -> RunPlan:
        """What running these models would take: time, memory, what must be loaded."""
        bench = self._bench
        return plan(self.media, models, bench.manager, self._seconds_seen())

    def _seconds_seen(self) -> dict[str, Seconds]:
        devices = {name: config.device for name, config in self._bench.manager.model_configs.items()}
        return self._bench._jobs.seconds_seen("analyze", self.media, devices)

    def glance(self) -> Glance:
        """What is seen and heard of the file before any analysis. Raises: DrishtikshaError where that cannot be told."""
        return self._bench._workers.glance(self.case_id)

    def jobs(self) -> list[JobView]:
        """All jobs of the case, oldest first. Raises: CaseGoneError."""
        return self._bench._jobs.of_case(self.case_id)

    def reviews(self) -> list[Review]:
        """The whole history, oldest first."""
        return self._bench._reviews.of_case(self.case_id)

    def submit(
        self,
        models: Sequence[str],
        *,
        kind: Literal["analyze", "stress"] = "analyze",
        batch: bool = False,
        track: int | None = None,
    ) -> str:
        """Queue a job and give its id. Of several models those that do not fit the file are noted as errors of the job.
        track: number of the only track to examine; None: all.

        Raises: NotAllowedError, CaseGoneError, QueueFullError; ModelRegistryError for a name that is not configured;
        WrongMediaKindError when none of the models fits; UnreadableMediaError without such a track.
        """
        self.require(Right.RUN)
        if track is not None:
            self.evidence().only(track)
        bench, names = self._bench, tuple(dict.fromkeys(models))
        misfits = bench._misfits(self.media, names)
        if len(misfits) == len(names):
            raise WrongMediaKindError(" ".join(misfits.values()) or "No model was chosen. Choose at least one.")
        job_id = secrets.token_hex(16)
        device = bench.manager.model_configs[next(name for name in names if name not in misfits)].device
        room = bench.settings.max_queue
        bench._runner.queued(job_id)
        bench._jobs.add(
            job_id, self.case_id, names, kind, batch=batch, device=device, errors=misfits, max_queue=room, track=track
        )
        bench._workers.wake()
        return job_id

    def add_results(self, results: Sequence[AnalysisResult], errors: Mapping[str, str]) -> str:
        """Keep results that were made of the same bytes elsewhere, as those of a job; its id. errors: by model, why there is none.

        Raises: NotAllowedError, CaseGoneError; MediaError for results of other bytes.
        """
        self.require(Right.RUN)
        if any(result.media.sha256 != self.media.sha256 for result in results):
            raise MediaError(
                f"{self.media.name} is not the file that was examined: it changed since. Examine it again, or find the original."
            )
        job_id = secrets.token_hex(16)
        self._bench._jobs.add_done(job_id, self.case_id, results, errors, device=self._bench.settings.device)
        return job_id

    def examine(self, *, batch: bool = False, everything: bool = False, track: int | None = None) -> str:
        """Queue a job of the proven detectors that fit the file, quick ones first, and give its id. Slow ones wait to be asked
        for, or with `slow_when_idle` in a job of their own until no other waits.

        everything: slow detectors, too. track: number of the only track to examine, by the detectors for such a track.
        Raises: NotAllowedError, CaseGoneError, QueueFullError; ModelRegistryError where no detector that is ready fits;
        UnreadableMediaError without such a track.
        """
        self.require(Right.RUN)
        manager = self._bench.manager
        names = started_for(manager, self.media, self._seconds_seen(), everything=everything)
        if track is not None:
            names = for_track(manager, self.media, names, track)
        if not names:
            raise ModelRegistryError(f"No detector that is ready examines {self.media.name}. See the list of models.")
        job_id = self.submit(names, batch=batch, track=track)
        if track is not None:
            return job_id
        slow = [name for name in proven_for(manager, self.media) if name not in names]
        if slow and manager.settings.slow_when_idle:
            with contextlib.suppress(QueueFullError):  # they wait to be asked for, then
                self.submit(slow, batch=True)
        return job_id

    def answer(self, *, case: CaseFile | None = None, glance: Glance | None = None, language: str = "en") -> Answer:
        """What all detectors together say as the case stands. case: as `read` gave it just now, where that was asked.

        Raises: CaseGoneError; ConfigError for an unknown language.
        """
        configs, case, jobs = self._bench.manager.model_configs, case or self.read(), self.jobs()
        answered = {result.model_name for result in case.results}
        rest = [name for name in proven_for(self._bench.manager, self.media) if name not in answered] if jobs else []
        seen = self._seconds_seen() if rest else {}
        manager, media = self._bench.manager, self.media
        not_run = [(configs[name], seen.get(name) or guess(manager, name, media)) for name in rest]
        return answer_to(case, jobs, configs, not_run=not_run, glance=glance, language=language)

    def add_review(
        self,
        reviewer: str,
        verdict: HumanVerdict,
        confidence: Confidence,
        notes: Sequence[PinnedNote] = (),
        tags: Sequence[str] = (),
    ) -> Review:
        """Add a word to the case's history; nothing there is ever changed. Raises: NotAllowedError, CaseGoneError."""
        self.require(Right.REVIEW)
        return self._bench._reviews.add(self.case_id, reviewer, verdict, confidence, notes, tags)

    def read_origin(self) -> None:
        """Read and keep what the file says of itself. Raises: NotAllowedError, CaseGoneError; DrishtikshaError where
        nothing can be read."""
        self.require(Right.CHANGE)
        self._bench._cases.set_provenance(self.case_id, self._bench._workers.origin(self.evidence()))

    def set_question(self, question: str) -> None:
        """Keep a note for the report in place of the one before. Raises: NotAllowedError, CaseGoneError."""
        self.require(Right.CHANGE)
        self._bench._cases.set_question(self.case_id, question.strip())

    def delete_soon(self) -> None:
        """Hide the case from everybody at once and delete it after `UNDO_S`, unless `Seen.restore` takes that back.

        Raises: NotAllowedError.
        """
        self.require(Right.CHANGE)
        self._bench._delete_soon(self.case_id)

    def delete(self) -> None:
        """Stop the case's jobs, then remove evidence, derived files and rows. Raises: NotAllowedError."""
        self.require(Right.CHANGE)
        self._bench._delete(self.case_id)
