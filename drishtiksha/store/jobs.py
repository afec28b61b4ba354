"""Jobs: what was asked, how far it is, and what came of it so far."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from drishtiksha.casefile import JobState, JobView, Kind, Outcome, StressResult
from drishtiksha.errors import CaseGoneError, JobGoneError, JobStateError
from drishtiksha.results import AnalysisResult, MediaInfo
from drishtiksha.store.db import Store
from drishtiksha.store.queue import Queue, ahead_of, require_room
from drishtiksha.store.results import ResultReader, columns_of, expected, only, runs_seen
from drishtiksha.store.tables import CaseRow, ChunkRow, JobRow, ResultRow
from drishtiksha.store.values import CASE_GONE, JOB_GONE, by_name, is_id, names, storable, to_json, utc, utc_or_none


class Jobs:
    """The jobs of one database; what is written about a running job counts only while this process holds it."""

    def __init__(self, store: Store, queue: Queue, reader: ResultReader) -> None:
        self.store, self.queue, self.reader = store, queue, reader

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
        with self.store.write() as session:
            self.store.one_at_a_time(session)
            require_room(session, max_queue)
            if session.get(CaseRow, case_id, with_for_update=True) is None:
                raise CaseGoneError(CASE_GONE)
            session.add(row)

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
        """Whose case it is about, and the job. Raises: JobGoneError."""
        with self.store.read() as session:
            row, case = _job_and_case(session, job_id)
            return case.owner, self._view(session, row, case)

    def of_case(self, case_id: str) -> list[JobView]:
        """Oldest first. Raises: CaseGoneError."""
        with self.store.read() as session:
            case = session.get(CaseRow, case_id) if is_id(case_id) else None
            if case is None:
                raise CaseGoneError(CASE_GONE)
            rows = session.scalars(select(JobRow).where(JobRow.case_id == case_id).order_by(JobRow.created, JobRow.id))
            return [self._view(session, row, case) for row in rows]

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

    def seconds_seen(self, kind: Kind, media: MediaInfo) -> dict[str, float]:
        """Model name -> about how many seconds it will take on such media, from its last runs here."""
        with self.store.read() as session:
            return expected(runs_seen(session, kind, media.kind), media)

    def _hold(self, session: Session, job_id: str) -> bool:
        """Make sure that the job is ours until the end of this transaction."""
        held = self.queue.mine(job_id).values(beat=self.store.clock(), deaths=0).returning(JobRow.id)
        return session.execute(held).first() is not None

    def _view(self, session: Session, row: JobRow, case: CaseRow) -> JobView:
        answers = self.reader.of_job(session, row.id, names(row.models))
        media = MediaInfo.model_validate_json(case.media)
        ahead = ahead_of(session, row, self.queue.groups) if row.state == JobState.QUEUED else None
        return JobView(
            job_id=row.id,
            case_id=row.case_id,
            kind=cast(Kind, row.kind),
            models=names(row.models),
            track=row.track,
            state=JobState(row.state),
            batch=row.batch,
            model_name=row.model_name,
            phase=row.phase,
            message=row.message,
            progress=row.progress,
            total=row.total,
            position=None if ahead is None else len(ahead),
            estimate_s=_estimate(session, row, media, ahead or []),
            preview=AnalysisResult.model_validate_json(row.preview) if row.preview else None,
            results=only(AnalysisResult, answers),
            stress=next(iter(only(StressResult, answers)), None),
            errors=by_name(row.errors),
            created_utc=utc(row.created),
            started_utc=utc_or_none(row.started),
            ended_utc=utc_or_none(row.ended),
        )


def _job_and_case(session: Session, job_id: str) -> tuple[JobRow, CaseRow]:
    row = session.get(JobRow, job_id) if is_id(job_id) else None
    case = session.get(CaseRow, row.case_id) if row is not None else None
    if row is None or case is None:
        raise JobGoneError(JOB_GONE)
    return row, case


def _in_state(job_id: str, state: JobState) -> Any:
    return update(JobRow).where(JobRow.id == job_id, JobRow.state == state)


def _estimate(session: Session, row: JobRow, media: MediaInfo, ahead: Sequence[tuple[JobRow, str]]) -> float | None:
    """Seconds until a job is done, from what its models and those of the jobs ahead took before; None where one of them
    has not run on such media yet. The number of queries does not depend on that of the jobs."""
    if JobState(row.state).ended:
        return None
    jobs = [(row, media), *((other, MediaInfo.model_validate_json(facts)) for other, facts in ahead)]
    finished: defaultdict[str, set[str]] = defaultdict(set)
    answered = select(ResultRow.job_id, ResultRow.model).where(ResultRow.job_id.in_([job.id for job, _ in jobs]))
    for job_id, model in session.execute(answered):
        finished[job_id].add(model)
    runs = {alike: runs_seen(session, *alike) for alike in {(job.kind, facts.kind) for job, facts in jobs}}
    total = 0.0
    for job, facts in jobs:
        left = _seconds_left(job, expected(runs[job.kind, facts.kind], facts), finished[job.id])
        if left is None:
            return None
        total += left
    return total


def _seconds_left(row: JobRow, seen: Mapping[str, float], finished: Collection[str]) -> float | None:
    left = 0.0
    for model in names(row.models):
        if model in finished or model in by_name(row.errors):
            continue
        if model not in seen:
            return None
        at_work = row.state == JobState.RUNNING and model == row.model_name and row.total
        left += seen[model] * (1 - min(row.progress / row.total, 1.0) if at_work and row.total else 1)
    return left
