"""Worker processes of this machine. A file that takes its worker down is tried once more, then told of; the others go on."""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

from drishtiksha.batch.items import Item
from drishtiksha.batch.judge import Job, Ledger, Take, Told, digest_of, in_parts
from drishtiksha.batch.known import Key, Known, content_key
from drishtiksha.batch.machine import cores, free_bytes
from drishtiksha.batch.rows import WORKER_DIED, failed_row
from drishtiksha.batch.sources import is_address
from drishtiksha.batch.worker import Answer, Asked, Order, Ready, Said, Share, start
from drishtiksha.errors import ModelFailedError
from drishtiksha.services.keeping import why_it_ended
from drishtiksha.services.lines import raised

STARTS = 3
"""Workers that end before they are ready, in a row, before no more is started."""
TRIES = 2
"""How often a file may take its worker down before it is given up."""
ROOM = 1.5
"""What a worker needs, as a multiple of what it takes once its models are loaded: decoded frames come on top."""
GONE_S = 5.0
HANG_S, START_S, LOOK_S = 45.0, 180.0, 1.0
"""A worker that gives no sign of life for `HANG_S` (`START_S` before it is ready) is killed, which is looked for every `LOOK_S`."""

_DIED = (
    "The program crashed twice while it worked on this file ({why}). Most likely the file is damaged in a way that a decoder "
    "cannot bear, a detector is at fault, or memory ran out. Try fewer workers, or convert the file to another format."
)

log = logging.getLogger(__name__)


class LocalEngine:
    """As many worker processes as the cores and the memory bear, or as are asked for."""

    def __init__(self, workers: int | None = None, threads: int | None = None, files: int | None = None) -> None:
        """threads: that each worker computes with. files: that each judges at once; None: one, on a GPU several. The last bits
        of a score depend on these two, and on nothing else of this."""
        self._workers, self._threads, self._files = workers, threads or threads_asked_for(), files

    def run(self, job: Job, items: Iterable[Item], take: Take) -> None:
        with Crew(job, self._workers, self._threads, Share(self._files, self._workers or 1)) as crew:
            crew.work(items, take)


def threads_asked_for() -> int:
    """Those of `OMP_NUM_THREADS`, else one."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) else 1


@dataclass
class _Task:
    """An item in the hands of a worker. models: those of `group`, which are loaded together, not told of yet. died: workers that
    ended while they had it. judged: of the models at work, the bytes and way."""

    item: Item
    models: list[str]
    group: tuple[str, ...]
    died: int = 0
    judged: dict[str, Key] = field(default_factory=dict)


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    lines: Connection
    ready: Ready | None = None
    tasks: dict[int, _Task] = field(default_factory=dict)
    """By number: what it has at work."""
    begun: bool = False
    """It has judged a file. The first is alone with it, since threads must not import at once what that imports."""
    sign: float = field(default_factory=time.monotonic)
    hung: bool = False

    def takes(self, task: _Task) -> bool:
        """Whether this may be judged beside what it has. What had a worker that ended is judged alone, so that it is known which
        was at fault; models that are loaded in turns are not wanted at once."""
        if not self.tasks:
            return True
        alone = not self.begun or task.died or any(one.died for one in self.tasks.values())
        return not alone and all(one.group == task.group for one in self.tasks.values())

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
    share: Share = field(default_factory=Share)
    _workers: list[_Worker] = field(default_factory=list, init=False)
    _wanted: int = field(default=1, init=False)
    _failed_starts: int = field(default=0, init=False)
    _ledger: Ledger = field(init=False)
    _groups: list[tuple[str, ...]] = field(default_factory=list, init=False)
    _like: dict[Key, list[_Task]] = field(default_factory=dict, init=False)
    """What is being judged, and what waits for it, since it has the same bytes."""
    _numbers: Iterator[int] = field(default_factory=itertools.count, init=False)

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
        """As `Engine.run`. No more items are in memory than are at work. What was told before an interruption is taken."""
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
                yield _Task(item, models, group)

    def _hand_out(self, waiting: Iterator[_Task], again: list[_Task]) -> bool:
        """Give items to those workers that have room, to each one before any gets another; whether anything is left to wait for."""
        ready = [(worker, worker.ready.files) for worker in self._workers if worker.ready]
        for held in range(max((files for _, files in ready), default=0)):
            for worker in [worker for worker, files in ready if len(worker.tasks) <= held < files]:
                task = again.pop() if again else next(waiting, None)
                if task is None:
                    return any(one.tasks for one in self._workers)
                if worker.takes(task):
                    worker.tasks[number := next(self._numbers)] = task
                    self._send(worker, Order(number, task.item, tuple(task.models)))
                else:
                    again.append(task)  # soon one has nothing else
        while len(self._workers) < self._wanted:
            self._workers.append(_Worker(*start(replace(self.job, known=Known()), self.threads, self.share)))
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
            self._answer(worker, message, take)
        elif isinstance(message, Said):
            self._take(worker, message, again, take)
        elif message is not None:
            raise raised(message)

    def _answer(self, worker: _Worker, asked: Asked, take: Take) -> None:
        """Say which models are to judge the file. What is being judged now, by whatever worker, waits for its result."""
        task, ready = worker.tasks[asked.number], worker.ready
        assert ready is not None
        left = self._ledger.left(task.item, task.models, take, asked.sha256)
        task.models = []
        for model in left:
            key = content_key(asked.sha256, ready.made[model].recipe, model)
            if key in self._like:
                self._like[key].append(_Task(task.item, [model], task.group, task.died))
            else:
                self._like[key], task.judged[model] = [], key
                task.models.append(model)
        self._send(worker, Answer(asked.number, tuple(task.models)))
        if not task.models:
            del worker.tasks[asked.number]

    def _take(self, worker: _Worker, said: Said, again: list[_Task], take: Take) -> None:
        task, message = worker.tasks[said.number], said.told
        take(message)
        self._ledger.add(message)
        task.models.remove(message.model)
        self._let_go(task, message, again, take)
        worker.begun |= message.content is not None
        if not task.models:
            del worker.tasks[said.number]

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
                if isinstance(message, Said):
                    self._take(worker, message, [], take)
        except (EOFError, OSError):
            return

    def _bury(self, worker: _Worker, again: list[_Task], take: Take) -> None:
        """See to the items of a worker that has ended: only one that was twice at work then, the second time alone, is at fault."""
        self._workers.remove(worker)
        why = worker.end()
        log.warning("A worker ended: %s", why)
        if worker.ready is None:
            self._failed_starts += 1
            self._bear(why)
            return
        for task in worker.tasks.values():
            if task.died + 1 < TRIES:
                again.append(_Task(task.item, task.models, task.group, task.died + 1))
            else:
                self._give_up(task, worker.ready, why, take)
            for key in task.judged.values():
                again += self._like.pop(key, [])

    def _give_up(self, task: _Task, ready: Ready, why: str, take: Take) -> None:
        sha256 = None if is_address(task.item.path) else digest_of(Path(task.item.path))
        for model in task.models:
            (recipe, checkpoint), text = ready.made[model], _DIED.format(why=why)
            row = failed_row(task.item, model, recipe, sha256, text, WORKER_DIED)
            take(Told(task.item, model, row, checkpoint_sha256=checkpoint))

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
