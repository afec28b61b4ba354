"""Jobs: what was asked, how far it is, and what came of it so far."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from drishtiksha.casefile import JobState, JobView, Kind, Outcome, Seconds, StressResult
from drishtiksha.errors import CaseGoneError, JobGoneError, JobStateError, QueueFullError
from drishtiksha.results import AnalysisResult, MediaInfo
from drishtiksha.store.board import ActiveJob, Board, ahead_of
from drishtiksha.store.db import Store
from drishtiksha.store.estimates import RunsSeen, expected, runs_seen
from drishtiksha.store.queue import Queue, full, require_room
from drishtiksha.store.results import ResultReader, columns_of, only
from drishtiksha.store.tables import CaseRow, ChunkRow, JobRow, ResultRow
from drishtiksha.store.values import CASE_GONE, JOB_GONE, by_name, is_id, names, storable, to_json, utc, utc_or_none

Guess = Callable[[str, MediaInfo], Seconds | None]


class Jobs:
    """The jobs of one database; what is written about a running job counts only while this process holds it."""

    def __init__(self, store: Store, queue: Queue, reader: ResultReader) -> None:
        self.store, self.queue, self.reader = store, queue, reader
        self._board, self._runs = Board(store), RunsSeen()
        self.guess: Guess = _nothing_known
        """Of a model that has not run on such media here; None: nothing is known."""

    def add(
        self,
        job_id: str,
        case_id: str,
        models: Sequence[str],
        kind: Kind,
        *,
        batch: bool,
        device: str,
        errors: Mapping[str, str],
        max_queue: int,
        track: int | None = None,
    ) -> None:
        """Put a job in the queue. Raises: QueueFullError, CaseGoneError."""
        now = time.time()
        row = JobRow(
            id=job_id, case_id=case_id, kind=kind, models=to_json(list(models)), track=track, batch=batch, device=device,
            state=JobState.QUEUED, created=now, queued=now, cancel_asked=False, errors=to_json(dict(errors)),
            model_name="", phase="", message="", progress=0,
        )  # fmt: skip
        try:
            with self.store.write() as session:
                self.store.one_at_a_time(session)
                require_room(session, max_queue)
                if session.get(CaseRow, case_id, with_for_update=True) is None:
                    raise CaseGoneError(CASE_GONE)
                session.add(row)
        except QueueFullError as error:
            raise self._timed(error) from None

    def add_done(
        self, job_id: str, case_id: str, answers: Sequence[AnalysisResult], errors: Mapping[str, str], *, device: str
    ) -> None:
        """A job that was done elsewhere, with its answers. errors: by model, why there is none. Raises: CaseGoneError."""
        now, models = time.time(), [*(answer.model_name for answer in answers), *errors]
        row = JobRow(
            id=job_id, case_id=case_id, kind="analyze", models=to_json(models), track=None, batch=True, device=device,
            state=JobState.DONE if answers else JobState.FAILED, created=now, queued=now, ended=now, cancel_asked=False,
            errors=to_json({model: storable(sentence) for model, sentence in errors.items()}), model_name="", phase="",
            message="", progress=0,
        )  # fmt: skip
        with self.store.write() as session:
            if session.get(CaseRow, case_id, with_for_update=True) is None:
                raise CaseGoneError(CASE_GONE)
            session.add(row)
            session.flush()
            for answer in answers:
                columns = columns_of(answer)
                session.add(ResultRow(case_id=case_id, job_id=job_id, model=answer.model_name, made=now, **columns))

    def retry(self, job_id: str, errors: Mapping[str, str], max_queue: int) -> None:
        """Queue an ended job again; `errors` replaces what went wrong before. Raises as `Workbench.retry` does."""
        with self.store.write() as session:
            self.store.one_at_a_time(session)
            row = session.get(JobRow, job_id)
            if row is None:
                raise JobGoneError(JOB_GONE)
            if not JobState(row.state).ended:
                raise JobStateError("This analysis has not ended yet. Wait for it, or cancel it first.")
            if row.state == JobState.DONE and set(by_name(row.errors)) == set(errors):
                raise JobStateError("This analysis is complete; there is nothing to try again. Start a new one.")
            require_room(session, max_queue)
            row.state, row.queued, row.ended, row.cancel_asked = JobState.QUEUED.value, time.time(), None, False
            row.errors, row.progress, row.total, row.deaths = to_json(dict(errors)), 0, None, 0

    def ask_cancel(self, job_id: str) -> None:
        """A waiting job is cancelled at once; whoever works on a running one is told."""
        with self.store.write() as session:
            done = {"state": JobState.CANCELLED, "ended": time.time(), "preview": None}
            session.execute(_in_state(job_id, JobState.QUEUED).values(**done))
            session.execute(_in_state(job_id, JobState.RUNNING).values(cancel_asked=True))

    def case_of(self, job_id: str) -> tuple[str, tuple[str, ...]]:
        """The job's case and models. Raises: JobGoneError."""
        with self.store.read() as session:
            row, _ = _job_and_case(session, job_id)
            return row.case_id, names(row.models)

    def view(self, job_id: str) -> tuple[str, JobView]:
        """Whose case it is about, and the job. One query and a look at the board; of one that has ended two queries.

        Raises: JobGoneError.
        """
        with self.store.read() as session:
            first = session.execute(_ONE_WITH_CASE, {"job_id": job_id}).first() if is_id(job_id) else None
        if first is None:
            raise JobGoneError(JOB_GONE)
        row, owner, newest = first
        active = {} if JobState(row.state).ended else self._board.jobs()  # with no connection held meanwhile
        with self.store.read() as session:
            return owner, self._view(session, row, newest, active)

    def is_as_told(self, view: JobView) -> bool:
        """Whether a view still holds, by the board alone."""
        active = self._board.jobs()
        job = active.get(view.job_id)
        if job is None or not job.is_told_by(view):
            return False
        return job.state is JobState.RUNNING or len(ahead_of(job, active, self.queue.groups)) == view.position

    def is_active(self, job_id: str) -> bool:
        """Whether a job waits or runs, by the board alone."""
        return job_id in self._board.jobs()

    def require_room(self, max_queue: int) -> None:
        """Raises: QueueFullError, by the board; whoever adds a job is asked once more."""
        waiting = sum(job.state is JobState.QUEUED for job in self._board.jobs().values())
        if waiting >= max_queue:
            raise self._timed(full(waiting, max_queue))

    def _timed(self, error: QueueFullError) -> QueueFullError:
        """The refusal, with the time until one of the active jobs may have ended."""
        jobs = self._board.jobs().values()
        with self.store.read() as session:
            newest = session.scalar(_NEWEST) or 0
            left = [self._estimate(session, [job], newest) for job in jobs]
        error.retry_s = min((seconds[0] for seconds in left if seconds is not None), default=None)
        return error

    def of_case(self, case_id: str) -> list[JobView]:
        """Oldest first. Raises: CaseGoneError."""
        active = self._board.jobs()
        with self.store.read() as session:
            case = session.get(CaseRow, case_id) if is_id(case_id) else None
            if case is None:
                raise CaseGoneError(CASE_GONE)
            found = session.execute(_with_case(JobRow.case_id == case_id).order_by(JobRow.created, JobRow.id)).all()
            return [self._view(session, row, newest, active) for row, _, newest in found]

    def unended(self, case_id: str) -> list[str]:
        """The jobs of a case that wait or run."""
        with self.store.read() as session:
            states = (JobState.QUEUED, JobState.RUNNING)
            query = select(JobRow.id).where(JobRow.case_id == case_id, JobRow.state.in_(states))
            return list(session.scalars(query))

    def chunks(self, job_id: str, model: str) -> list[bytes]:
        """In the order in which they were made."""
        with self.store.read() as session:
            query = select(ChunkRow.data).where(ChunkRow.job_id == job_id, ChunkRow.model == model)
            return list(session.scalars(query.order_by(ChunkRow.id)))

    def add_chunk(self, job_id: str, model: str, data: bytes) -> bool:
        """Whether it was kept: not when another process took the job over, or its case is gone."""
        with self.store.write() as session:
            if not self._hold(session, job_id):
                return False
            session.add(ChunkRow(job_id=job_id, model=model, data=data))
        return True

    def keep(self, job_id: str, case_id: str, model: str, answer: Outcome) -> bool:
        """Store a model's answer in the place of its chunks; whether it was kept, as in `add_chunk`."""
        columns = columns_of(answer)
        with self.store.write() as session:
            if not self._hold(session, job_id):
                return False
            session.execute(delete(ChunkRow).where(ChunkRow.job_id == job_id, ChunkRow.model == model))
            session.execute(self.queue.mine(job_id).values(preview=None))
            session.add(ResultRow(case_id=case_id, job_id=job_id, model=model, made=time.time(), **columns))
        return True

    def finished(self, job_id: str) -> set[str]:
        """The models of a job that have an answer."""
        with self.store.read() as session:
            return set(session.scalars(select(ResultRow.model).where(ResultRow.job_id == job_id)))

    def note_errors(self, job_id: str, errors: Mapping[str, str]) -> None:
        """All errors of a job of ours so far, by model."""
        kept = {model: storable(sentence) for model, sentence in errors.items()}
        with self.store.write() as session:
            session.execute(self.queue.mine(job_id).values(errors=to_json(kept)))

    def seconds_seen(self, kind: Kind, media: MediaInfo, devices: Mapping[str, str]) -> dict[str, Seconds]:
        """Model name -> between how many seconds it will take on such media, from its last runs here.

        devices: of each model that is asked for, as it is configured.
        """
        with self.store.read() as session:
            by_device = {d: expected(runs_seen(session, kind, media.kind, d), media) for d in set(devices.values())}
        return {model: by_device[d][model] for model, d in devices.items() if model in by_device[d]}

    def _hold(self, session: Session, job_id: str) -> bool:
        """Make sure that the job is ours until the end of this transaction."""
        held = self.queue.mine(job_id).values(beat=self.store.clock(), deaths=0).returning(JobRow.id)
        return session.execute(held).first() is not None

    def _view(self, session: Session, row: JobRow, newest: int, active: Mapping[str, ActiveJob]) -> JobView:
        """newest: number of the newest result in the database."""
        state = JobState(row.state)
        job = None if state.ended else active.get(row.id)
        ahead: list[ActiveJob] = []
        if job is not None and state is JobState.QUEUED:
            ahead = ahead_of(job, active, self.queue.groups)
        none_yet = job is not None and not job.finished
        answers = [] if none_yet else self.reader.of_job(session, row.id, names(row.models))
        estimate = None if job is None else self._estimate(session, [job, *ahead], newest)
        return JobView(
            job_id=row.id,
            case_id=row.case_id,
            kind=cast(Kind, row.kind),
            models=names(row.models),
            track=row.track,
            state=state,
            batch=row.batch,
            model_name=row.model_name,
            phase=row.phase,
            message=row.message,
            progress=row.progress,
            total=row.total,
            position=len(ahead) if state is JobState.QUEUED else None,
            estimate_s=None if estimate is None else math.sqrt(estimate[0] * estimate[1]),
            estimate_range_s=estimate,
            preview=AnalysisResult.model_validate_json(row.preview) if row.preview else None,
            results=only(AnalysisResult, answers),
            stress=next(iter(only(StressResult, answers)), None),
            errors=by_name(row.errors),
            created_utc=utc(row.created),
            started_utc=utc_or_none(row.started),
            ended_utc=utc_or_none(row.ended),
        )

    def _estimate(self, session: Session, jobs: Sequence[ActiveJob], newest: int) -> Seconds | None:
        """Between how many seconds all of these are done, from what their models took before; None where nothing is known of
        one of them."""
        least = most = 0.0
        for job in jobs:
            runs = self._runs.of(session, job.kind, job.media.kind, job.device, newest, job.models)
            seen = expected(runs, job.media)
            for model, share in _left(job):
                seconds = seen.get(model) or (self.guess(model, job.media) if job.kind == "analyze" else None)
                if seconds is None:
                    return None
                least, most = least + share * seconds[0], most + share * seconds[1]
        return least, most


_NEWEST = select(func.max(ResultRow.id))


def _with_case(which: Any) -> Any:
    """Job, owner of its case, and the number of the newest result: all that a view is made from."""
    newest = func.coalesce(_NEWEST.scalar_subquery(), 0)
    return select(JobRow, CaseRow.owner, newest).join(CaseRow, CaseRow.id == JobRow.case_id).where(which)


_ONE_WITH_CASE = _with_case(JobRow.id == bindparam("job_id"))
"""Made once: each poll asks it, and making it took a fifth of its time."""


def _nothing_known(_model: str, _media: MediaInfo) -> None:
    """Without a guess: estimates come from runs alone."""


def _job_and_case(session: Session, job_id: str) -> tuple[JobRow, CaseRow]:
    row = session.get(JobRow, job_id) if is_id(job_id) else None
    case = session.get(CaseRow, row.case_id) if row is not None else None
    if row is None or case is None:
        raise JobGoneError(JOB_GONE)
    return row, case


def _in_state(job_id: str, state: JobState) -> Any:
    return update(JobRow).where(JobRow.id == job_id, JobRow.state == state)


def _left(job: ActiveJob) -> Iterator[tuple[str, float]]:
    """The models of a job that have not ended, each with the share of its work that is left."""
    for model in job.models:
        if model not in job.finished and model not in job.errors:
            at_work = job.state is JobState.RUNNING and model == job.model_name and job.total
            yield model, 1 - min(job.progress / job.total, 1.0) if at_work and job.total else 1.0
