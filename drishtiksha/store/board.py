"""All jobs that wait or run, as one query told them a moment ago: whoever watches a job looks here."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import select

from drishtiksha.casefile import JobState, JobView
from drishtiksha.results import MediaInfo
from drishtiksha.store.db import Store
from drishtiksha.store.tables import CaseRow, JobRow, ResultRow
from drishtiksha.store.values import by_name, names

FRESH_S = 0.25
"""How old it may be. What this process itself wrote is always in it."""


@dataclass(frozen=True)
class ActiveJob:
    """A job that waits or runs."""

    job_id: str
    kind: str
    models: tuple[str, ...]
    state: JobState
    device: str
    batch: bool
    queued: float
    model_name: str
    phase: str
    message: str
    progress: int
    total: int | None
    has_preview: bool
    errors: frozenset[str]
    """The models that have no answer for a reason."""
    media: MediaInfo
    finished: frozenset[str]
    """The models that have an answer."""

    def goes_before(self, other: ActiveJob) -> bool:
        """Whether the worker that does both does this one first."""
        if self.state is JobState.RUNNING:
            return self.job_id != other.job_id
        return (self.batch, self.queued, self.job_id) < (other.batch, other.queued, other.job_id)

    def is_told_by(self, view: JobView) -> bool:
        """Whether nothing of the job has changed since this view, but for the jobs before it."""
        here = (self.state, self.model_name, self.phase, self.message, self.progress, self.total)
        there = (view.state, view.model_name, view.phase, view.message, view.progress, view.total)
        answers = len(view.results) + (view.stress is not None)
        return (
            here == there
            and self.has_preview is (view.preview is not None)
            and self.errors == view.errors.keys()
            and len(self.finished) == answers
        )


class Board:
    """The active jobs of one database. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: dict[str, ActiveJob] = {}
        self._read_at, self._writes = -FRESH_S, -1
        self._lock = threading.Lock()

    def jobs(self) -> Mapping[str, ActiveJob]:
        """By id; at most `FRESH_S` old."""
        with self._lock:
            fresh = time.monotonic() - self._read_at < FRESH_S and self._writes == self._store.writes
            if not fresh:
                self._writes, self._read_at = self._store.writes, time.monotonic()
                self._jobs = self._read()
            return self._jobs

    def _read(self) -> dict[str, ActiveJob]:
        wanted = (
            select(
                JobRow.id, JobRow.kind, JobRow.models, JobRow.state, JobRow.device, JobRow.batch, JobRow.queued,
                JobRow.model_name, JobRow.phase, JobRow.message, JobRow.progress, JobRow.total, JobRow.errors,
                JobRow.preview.is_not(None).label("has_preview"), CaseRow.media, ResultRow.model,
            )
            .join(CaseRow, CaseRow.id == JobRow.case_id)
            .outerjoin(ResultRow, ResultRow.job_id == JobRow.id)
            .where(JobRow.state.in_((JobState.QUEUED, JobState.RUNNING)))
        )  # fmt: skip
        with self._store.read() as session:
            rows = session.execute(wanted).all()
        finished: defaultdict[str, set[str]] = defaultdict(set)
        for row in rows:
            if row.model is not None:
                finished[row.id].add(row.model)
        return {
            row.id: ActiveJob(
                job_id=row.id,
                kind=row.kind,
                models=names(row.models),
                state=JobState(row.state),
                device=row.device,
                batch=row.batch,
                queued=row.queued,
                model_name=row.model_name,
                phase=row.phase,
                message=row.message,
                progress=row.progress,
                total=row.total,
                has_preview=row.has_preview,
                errors=frozenset(by_name(row.errors)),
                media=media_of(row.media),
                finished=frozenset(finished[row.id]),
            )
            for row in rows
        }


def ahead_of(job: ActiveJob, jobs: Mapping[str, ActiveJob], groups: Sequence[Sequence[str]]) -> list[ActiveJob]:
    """The jobs that the worker of a waiting one does first. groups: names of devices that one worker serves together."""
    return [
        other for other in jobs.values() if other.goes_before(job) and _same_worker(other.device, job.device, groups)
    ]


@lru_cache(maxsize=1024)
def media_of(facts: str) -> MediaInfo:
    """The facts of a file from their JSON."""
    return MediaInfo.model_validate_json(facts)


def _same_worker(device: str, other: str, groups: Sequence[Sequence[str]]) -> bool:
    """Whether jobs for these two devices wait for the same worker: the first one also serves devices that are no more."""
    first = groups[0] if groups else ()

    def group(name: str) -> Sequence[str]:
        return next((names for names in groups if name in names), first)

    return group(device) is group(other) if groups else device == other
