"""The queue: who may claim a job, who holds it, and how it leaves. Every change of hands is one atomic UPDATE."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from drishtiksha.casefile import JobState, Kind
from drishtiksha.errors import QueueFullError
from drishtiksha.store.db import Store
from drishtiksha.store.tables import JobRow, ResultRow
from drishtiksha.store.values import by_name, names, to_json

DEAD_S = 15.0
"""A process that gave no sign of life for so long has died, and its jobs are taken over."""

MAX_DEATHS, CRASH = 4, 2
"""Processes that may die at one job without a step forward, most likely of it; and for how many of them one counts that
crashed or hung by itself, and was not ended from outside: such a job is tried once more."""

DIED = (
    "The program stopped again and again while it worked on this file, most likely for want of memory. It is not tried "
    "again by itself. Choose fewer models or a shorter part of the file."
)


@dataclass(frozen=True)
class Claim:
    """A job that this process works on now."""

    job_id: str
    case_id: str
    kind: Kind
    models: tuple[str, ...]
    errors: dict[str, str]
    track: int | None = None


@dataclass(frozen=True)
class Progress:
    """Where a running job stands; `preview` is JSON, None = as it was."""

    model_name: str = ""
    phase: str = ""
    message: str = ""
    progress: int = 0
    total: int | None = None
    preview: str | None = None


def new_worker() -> str:
    """Names this process for the database; unlike a process number it is never used twice."""
    return f"{_process_table()}:{os.getpid()}:{_start_of(os.getpid())}:{secrets.token_hex(8)}"


class Queue:
    """The queue of one database, as the process called `worker` sees it."""

    def __init__(self, store: Store, worker: str) -> None:
        self.store, self.worker = store, worker
        self.groups: Sequence[Sequence[str]] = ()
        """Names of devices that one thread serves together; the first one also serves names that no other one does."""

    def claim(self, devices: Collection[str], others: Collection[str] | None = None) -> Claim | None:
        """Take the first waiting job for one of these devices: interactive before batch, then oldest first.

        others: the devices of the other threads, when this one also takes what was queued for a device that is no more.
        """
        ours = JobRow.device.in_(devices) if others is None else JobRow.device.not_in(others)
        waiting = select(JobRow.id).where(JobRow.state == JobState.QUEUED, ours)
        waiting = waiting.order_by(JobRow.batch, JobRow.queued, JobRow.id).limit(1)
        while True:
            with self.store.read() as session:
                job_id = session.scalar(waiting)
            if job_id is None:
                return None
            now = time.time()
            with self.store.write() as session:
                row = session.scalars(
                    update(JobRow)
                    .where(JobRow.id == job_id, JobRow.state == JobState.QUEUED)
                    .values(
                        state=JobState.RUNNING,
                        worker=self.worker,
                        beat=self.store.clock(),
                        started=func.coalesce(JobRow.started, now),
                    )
                    .returning(JobRow)
                ).first()
                if row is not None:
                    return Claim(
                        row.id, row.case_id, cast(Kind, row.kind), names(row.models), by_name(row.errors), row.track
                    )

    def pulse(self, job_id: str, progress: Progress | None = None) -> bool | None:
        """Give a sign of life and tell the progress. Whether somebody asked to cancel; None: the job is not ours any more."""
        values: dict[str, Any] = {"beat": self.store.clock()}
        if progress is not None:
            values |= {name: value for name, value in vars(progress).items() if name != "preview" or value is not None}
        with self.store.write() as session:
            return session.scalar(self.mine(job_id).values(**values).returning(JobRow.cancel_asked))

    def end(self, job_id: str, state: JobState) -> None:
        """Whatever a page may still need is kept; the preview is not, since there are results now or none at all."""
        values: dict[str, Any] = {"state": state, "worker": None, "beat": None, "ended": time.time(), "preview": None}
        with self.store.write() as session:
            session.execute(self.mine(job_id).values(phase="", message="", cancel_asked=False, **values))

    def put_back(self, job_id: str) -> None:
        """A job of ours that was interrupted waits again, in its old place; one that is to be cancelled is."""
        with self.store.write() as session:
            _release(session, and_(JobRow.id == job_id, JobRow.worker == self.worker))

    def take_over(self) -> None:
        """Put back what processes left running that have died; a job that its process died of again and again fails."""
        with self.store.read() as session:
            workers = session.scalars(select(JobRow.worker).where(JobRow.state == JobState.RUNNING).distinct()).all()
        gone = [worker for worker in workers if worker and _process_gone(worker)]
        left = or_(JobRow.beat < self.store.clock() - DEAD_S, JobRow.worker.in_(gone))
        self._bury(left, 1, DIED)

    def died(self, worker: str, weight: int, why: str) -> None:
        """As `take_over`, for a process of which it is known that it has died. why: told of a job that is given up."""
        self._bury(JobRow.worker == worker, weight, why)

    def release(self, worker: str) -> None:
        """Put back what a process held that was stopped on purpose."""
        with self.store.write() as session:
            _release(session, JobRow.worker == worker)

    def _bury(self, left: Any, weight: int, why: str) -> None:
        with self.store.write() as session:
            rows = session.scalars(select(JobRow).where(JobRow.state == JobState.RUNNING, left).with_for_update()).all()
            for row in rows:
                row.deaths += weight
                if row.deaths >= MAX_DEATHS and not row.cancel_asked:
                    _give_up(session, row, why)
            session.flush()
            _release(session, JobRow.id.in_([row.id for row in rows]))

    def mine(self, job_id: str) -> Any:
        """An UPDATE of this job that does nothing unless this process still holds it."""
        return update(JobRow).where(JobRow.id == job_id, JobRow.worker == self.worker, JobRow.state == JobState.RUNNING)


def require_room(session: Session, max_queue: int) -> None:
    """Raises: QueueFullError. To be asked within the transaction that adds to the queue."""
    waiting = session.scalar(select(func.count()).select_from(JobRow).where(JobRow.state == JobState.QUEUED)) or 0
    if waiting >= max_queue:
        raise full(waiting, max_queue)


def full(waiting: int, max_queue: int) -> QueueFullError:
    """The refusal of another job."""
    return QueueFullError(
        f"{waiting} analyses are waiting and at most {max_queue} may. Try again when one of them has ended."
    )


def _release(session: Session, which: Any) -> None:
    running = and_(which, JobRow.state == JobState.RUNNING)
    gone: dict[str, Any] = {"worker": None, "beat": None, "phase": "", "message": ""}
    stopped = {"state": JobState.CANCELLED, "ended": time.time(), "cancel_asked": False, "preview": None}
    session.execute(update(JobRow).where(running, JobRow.cancel_asked).values(**gone, **stopped))
    session.execute(update(JobRow).where(running).values(**gone, state=JobState.QUEUED))


def _give_up(session: Session, row: JobRow, why: str) -> None:
    answered = set(session.scalars(select(ResultRow.model).where(ResultRow.job_id == row.id)))
    open_names = [name for name in names(row.models) if name not in answered]
    row.errors = to_json(dict.fromkeys(open_names, why) | by_name(row.errors))
    row.state = (JobState.DONE if answered else JobState.FAILED).value
    row.worker = row.beat = row.preview = None
    row.phase = row.message = ""
    row.ended = time.time()


def _process_gone(worker: str) -> bool:
    """Whether a process has ended that this one would see; of another machine or container only the missing beat tells."""
    table, _, rest = worker.partition(":")
    if not table or table != _process_table():
        return False
    number, start, *_ = rest.split(":")
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _start_of(int(number)) not in ("", start)  # else the number was given to another process


@cache
def _process_table() -> str:
    """Names the process table that this process sees; "" where that cannot be told.

    Containers may share host name, kernel and process numbers: their namespaces differ.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    return hashlib.sha256(f"{socket.gethostname()} {boot} {namespace}".encode()).hexdigest()[:16]


def _start_of(process: int) -> str:
    """When it began, in ticks since the machine was started; "" where that cannot be told."""
    try:
        return (
            Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        )
    except (OSError, IndexError):
        return ""
