"""Worker processes of this machine. A file that takes its worker down is tried once more, then told of; the others go on."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess, parent_process
from pathlib import Path
from typing import Any, Self, cast

from drishtiksha.batch.items import Item
from drishtiksha.batch.judge import Job, Judge, Ledger, Made, Take, Told, digest_of, in_parts
from drishtiksha.batch.known import Key, Known, content_key
from drishtiksha.batch.machine import cores, free_bytes, peak_bytes
from drishtiksha.batch.rows import WORKER_DIED, failed_row
from drishtiksha.batch.sources import is_address
from drishtiksha.errors import DrishtikshaError, ModelFailedError
from drishtiksha.services.keeping import why_it_ended
from drishtiksha.services.lines import raised, told
from drishtiksha.services.runs import failure_of

STARTS = 3
"""Workers that end before they are ready, in a row, before no more is started."""
TRIES = 2
"""How often a file may take its worker down before it is given up."""
ROOM = 1.5
"""What a worker needs, as a multiple of what it takes once its models are loaded: decoded frames come on top."""
GONE_S = 5.0
SIGN_S, HANG_S, START_S, LOOK_S = 2.0, 45.0, 180.0, 1.0
"""A worker gives a sign of life every `SIGN_S`; one that gives none for `HANG_S` (`START_S` before it is ready) is killed, which is
looked for every `LOOK_S`."""

_DIED = (
    "The program crashed twice while it worked on this file ({why}). Most likely the file is damaged in a way that a decoder "
    "cannot bear, a detector is at fault, or memory ran out. Try fewer workers, or convert the file to another format."
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ready:
    """A worker has loaded its models. memory: bytes that it takes. groups: models that it holds at the same time."""

    made: dict[str, Made]
    memory: int
    on_cpu: bool
    groups: list[tuple[str, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """A worker has opened its file, and wants to know which models are to judge these bytes."""

    sha256: str


class LocalEngine:
    """As many worker processes as the cores and the memory bear, or as are asked for."""

    def __init__(self, workers: int | None = None, threads: int | None = None) -> None:
        """threads: that each worker computes with. The last bits of a score depend on it, and on nothing else of this."""
        self._workers, self._threads = workers, threads or threads_asked_for()

    def run(self, job: Job, items: Iterable[Item], take: Take) -> None:
        with Crew(job, self._workers, self._threads) as crew:
            crew.work(items, take)


def threads_asked_for() -> int:
    """Those of `OMP_NUM_THREADS`, else one."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) else 1


@dataclass
class _Task:
    """An item in the hands of a worker. models: those not told of yet. judged: of those at work, the bytes and way."""

    item: Item
    models: list[str]
    died: int = 0
    judged: dict[str, Key] = field(default_factory=dict)


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    lines: Connection
    ready: Ready | None = None
    task: _Task | None = None
    sign: float = field(default_factory=time.monotonic)
    hung: bool = False

    def kill_if_silent(self, now: float) -> None:
        """Its end is read like any other."""
        if not self.hung and now - self.sign > (HANG_S if self.ready else START_S):
            self.hung = True
            self.process.kill()

    def end(self) -> str:
        """Why it ended, in plain words; it is gone afterwards."""
        self.lines.close()
        self.process.join(GONE_S)
        self.process.kill()
        self.process.join()
        code = self.process.exitcode or 0
        self.process.close()
        return why_it_ended(code, hung=self.hung)


@dataclass
class Crew:
    """Workers that stay, with their models, from one `work` to the next. size: None: by cores and memory."""

    job: Job
    size: int | None
    threads: int
    _workers: list[_Worker] = field(default_factory=list, init=False)
    _wanted: int = field(default=1, init=False)
    _failed_starts: int = field(default=0, init=False)
    _ledger: Ledger = field(init=False)
    _groups: list[tuple[str, ...]] = field(default_factory=list, init=False)
    _like: dict[Key, list[_Task]] = field(default_factory=dict, init=False)
    """What is being judged, and what waits for it, since it has the same bytes."""

    def __enter__(self) -> Self:
        self._wanted = self.size or 1  # the first one tells how many there is room for
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.kill()
        while self._workers:
            self._workers.pop().end()

    @property
    def is_complete(self) -> bool:
        """Whether all workers that are wanted have their models loaded, as far as they have been heard of."""
        return len(self._workers) >= self._wanted and all(worker.ready for worker in self._workers)

    def work(self, items: Iterable[Item], take: Take) -> None:
        """As `Engine.run`. At most one item a worker is in memory. What was told before an interruption is taken."""
        waiting, again, looked = self._tasks(items, take), list[_Task](), 0.0
        try:
            while self._hand_out(waiting, again):
                now = time.monotonic()
                for worker in self._workers:
                    if now - looked > HANG_S / 2:  # this process itself was away
                        worker.sign = now
                    worker.kill_if_silent(now)
                looked = now
                for line in wait([worker.lines for worker in self._workers], LOOK_S):
                    self._hear(next(one for one in self._workers if one.lines is line), again, take)
        except KeyboardInterrupt:
            for worker in self._workers:
                self._last_words(worker, take)
            raise

    def _tasks(self, items: Iterable[Item], take: Take) -> Iterator[_Task]:
        """To be asked once a worker is ready."""
        for item, group in in_parts(items, self._groups):
            if models := self._ledger.left(item, group, take):
                yield _Task(item, models)

    def _hand_out(self, waiting: Iterator[_Task], again: list[_Task]) -> bool:
        """Give each idle worker an item; whether anything is left to wait for."""
        for worker in [one for one in self._workers if one.ready and one.task is None]:
            worker.task = again.pop() if again else next(waiting, None)
            if worker.task is None:
                return any(one.task for one in self._workers)
            self._send(worker, (worker.task.item, worker.task.models))
        while len(self._workers) < self._wanted:
            self._workers.append(_start(replace(self.job, known=Known()), self.threads))
        return True

    def _send(self, worker: _Worker, message: Any) -> None:
        try:
            worker.lines.send(message)
        except OSError:
            log.debug("A worker ended")  # its end is read like any other

    def _hear(self, worker: _Worker, again: list[_Task], take: Take) -> None:
        try:
            message = worker.lines.recv()
        except (EOFError, OSError):
            self._bury(worker, again, take)
            return
        worker.sign = time.monotonic()
        if isinstance(message, Ready):
            worker.ready, self._failed_starts = message, 0
            if not self._groups:
                self._groups, self._ledger = message.groups, Ledger(self.job.known, message.made)
            if self.size is None:
                self._wanted = room_for(message)
        elif isinstance(message, Asked):
            self._answer(worker, message.sha256, take)
        elif isinstance(message, Told):
            self._take(worker, message, again, take)
        elif message is not None:
            raise raised(message)

    def _answer(self, worker: _Worker, sha256: str, take: Take) -> None:
        """Say which models are to judge the file. What another worker is judging now waits for its result."""
        task, ready = worker.task, worker.ready
        assert task is not None
        assert ready is not None
        left = self._ledger.left(task.item, task.models, take, sha256)
        task.models = []
        for model in left:
            key = content_key(sha256, ready.made[model].recipe, model)
            if key in self._like:
                self._like[key].append(_Task(task.item, [model], task.died))
            else:
                self._like[key], task.judged[model] = [], key
                task.models.append(model)
        self._send(worker, tuple(task.models))
        if not task.models:
            worker.task = None

    def _take(self, worker: _Worker, message: Told, again: list[_Task], take: Take) -> None:
        assert worker.task is not None
        take(message)
        self._ledger.add(message)
        worker.task.models.remove(message.model)
        self._let_go(worker.task, message, again, take)
        if not worker.task.models:
            worker.task = None

    def _let_go(self, task: _Task, message: Told, again: list[_Task], take: Take) -> None:
        """Tell of the items that waited for this result, or have them judged where there is none."""
        key, same = task.judged.pop(message.model, None), message.content
        has_result = same is not None and key == content_key(*same, message.model)
        waiting = self._like.pop(key, []) if key else []
        if not has_result:
            again += waiting
            return
        for one in waiting:
            take(Told(one.item, message.model, same_as=same, checkpoint_sha256=message.checkpoint_sha256))

    def _last_words(self, worker: _Worker, take: Take) -> None:
        try:
            while worker.lines.poll():
                message = worker.lines.recv()
                if isinstance(message, Told):
                    self._take(worker, message, [], take)
        except (EOFError, OSError):
            return

    def _bury(self, worker: _Worker, again: list[_Task], take: Take) -> None:
        """See to the item of a worker that has ended."""
        self._workers.remove(worker)
        why, task = worker.end(), worker.task
        log.warning("A worker ended: %s", why)
        if worker.ready is None:
            self._failed_starts += 1
            self._bear(why)
        if worker.ready is None or task is None:
            return
        if task.died + 1 < TRIES:
            again.append(_Task(task.item, task.models, task.died + 1))
        else:
            sha256 = None if is_address(task.item.path) else digest_of(Path(task.item.path))
            for model in task.models:
                (recipe, checkpoint), text = worker.ready.made[model], _DIED.format(why=why)
                row = failed_row(task.item, model, recipe, sha256, text, WORKER_DIED)
                take(Told(task.item, model, row, checkpoint_sha256=checkpoint))
        for key in task.judged.values():
            again += self._like.pop(key, [])

    def _bear(self, why: str) -> None:
        """Go on with fewer workers. Raises: ModelFailedError where there is none."""
        if self._failed_starts < STARTS:
            return
        self._wanted, self._failed_starts = len(self._workers), 0
        if not self._workers:
            raise ModelFailedError(
                f"No worker could be started: each ended while it loaded the models ({why}). Close other programs, or choose "
                "fewer workers or models."
            )
        log.warning("There is room for %d workers only", self._wanted)


def room_for(ready: Ready) -> int:
    """How many workers like this one, itself included: one a core, as far as memory goes; one where it has a GPU."""
    if not ready.on_cpu:
        return 1
    free = free_bytes()
    return cores() if free is None else max(1, min(cores(), 1 + int(free / (ready.memory * ROOM))))


def _start(job: Job, threads: int) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, job), name="judge", daemon=True)
    with _inherited(threads):
        process.start()
    theirs.close()
    return _Worker(process, ours)


@contextmanager
def _inherited(threads: int) -> Iterator[None]:
    """What a process started meanwhile begins with: Ctrl-C is for this process alone, and libraries use so many threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    os.environ.update(dict.fromkeys(names, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if main:
            signal.signal(signal.SIGINT, handler)


def _serve(lines: Connection, job: Job) -> None:
    """A worker: judge what comes, until the pipe closes."""
    os.dup2(2, 1)  # what libraries print is no result
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    logging.getLogger("drishtiksha").setLevel(logging.ERROR)  # what failed stands in its row
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        judge = Judge(job)
        ready: Any = Ready(judge.made, peak_bytes(), judge.on_cpu, judge.groups)
    except Exception as error:  # noqa: BLE001 - told to the other end, which raises it
        ready = told(error if isinstance(error, DrishtikshaError) else failure_of("A worker", error))
    sending = threading.Lock()

    def send(message: Any) -> None:
        with sending:
            lines.send(message)

    def ask(sha256: str) -> Sequence[str]:
        send(Asked(sha256))
        return cast(Sequence[str], lines.recv())

    try:
        send(ready)
        threading.Thread(target=_give_signs, args=(send,), daemon=True).start()
        while True:
            item, models = lines.recv()
            judge.judge(item, models, send, ask)
    except (EOFError, OSError):
        os._exit(0)


def _give_signs(send: Callable[[None], None]) -> None:
    with contextlib.suppress(OSError):  # the end of the pipe is seen where it is read
        while True:
            time.sleep(SIGN_S)
            send(None)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
