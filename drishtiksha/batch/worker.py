"""A worker process of a batch: models stay loaded, and files that come through a pipe are judged, several at once on a GPU."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess, parent_process
from queue import SimpleQueue
from typing import Any, NamedTuple

from drishtiksha.batch.items import Item
from drishtiksha.batch.judge import Job, Judge, Made, Told
from drishtiksha.batch.machine import cores, free_bytes, peak_bytes
from drishtiksha.errors import DrishtikshaError
from drishtiksha.services.lines import told
from drishtiksha.services.runs import failure_of

SIGN_S = 2.0
"""A worker gives a sign of life every so many seconds."""
FILES = 8
"""Judged at once by the workers of a GPU, where nobody says how many: it computes while other files are decoded."""
FILE_BYTES = 1_000_000_000
"""Memory that a file is taken to need while it is judged beside others: frames, sound and samples that wait."""


@dataclass(frozen=True)
class Share:
    """What a worker has of its machine. files: that it judges at once; None: as many as suit its device. workers: that have the
    same cores, memory and device, itself included."""

    files: int | None = None
    workers: int = 1


@dataclass(frozen=True)
class Ready:
    """A worker has loaded its models. memory: bytes that it takes. groups: models that it holds at the same time. files: that it
    judges at once."""

    made: dict[str, Made]
    memory: int
    on_cpu: bool
    groups: list[tuple[str, ...]] = field(default_factory=list)
    files: int = 1


class Order(NamedTuple):
    """To a worker: a file to judge, under a number of its own."""

    number: int
    item: Item
    models: Sequence[str]


class Asked(NamedTuple):
    """A worker has opened a file, and wants to know which models are to judge these bytes."""

    number: int
    sha256: str


class Answer(NamedTuple):
    """To a worker: what it asked."""

    number: int
    models: Sequence[str]


class Said(NamedTuple):
    """A worker is done with a file and one model."""

    number: int
    told: Told


def files_at_once(share: Share, *, on_cpu: bool) -> int:
    """How many files a worker judges at once. A processor is kept busy by one, whose scores then depend on no other file."""
    if share.files is not None or on_cpu:
        return share.files or 1
    free = free_bytes()
    bounds = [FILES, cores(), *([free // FILE_BYTES] if free is not None else [])]
    return max(1, min(bounds) // share.workers)


def start(job: Job, threads: int, share: Share) -> tuple[BaseProcess, Connection]:
    """A new worker that computes with so many threads, and the pipe to it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, job, share), name="judge", daemon=True)
    with _inherited(threads):
        process.start()
    theirs.close()
    return process, ours


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


def _serve(lines: Connection, job: Job, share: Share) -> None:
    """Judge what comes, until the pipe closes."""
    os.dup2(2, 1)  # what libraries print is no result
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    logging.getLogger("drishtiksha").setLevel(logging.ERROR)  # what failed stands in its row
    threading.Thread(target=_end_with_parent, daemon=True).start()
    files = 1
    try:
        judge = Judge(job)
        files = files_at_once(share, on_cpu=judge.on_cpu)
        if files > 1:
            judge.compute_together()
        ready: Any = Ready(judge.made, peak_bytes(), judge.on_cpu, judge.groups, files)
    except Exception as error:  # noqa: BLE001 - told to the other end, which raises it
        ready = told(error if isinstance(error, DrishtikshaError) else failure_of("A worker", error))
    line = _Line(lines)
    with _ends_the_process():
        line.send(ready)
        threading.Thread(target=_give_signs, args=(line.send,), daemon=True).start()
        pool = ThreadPoolExecutor(files)
        while True:
            message = lines.recv()
            if isinstance(message, Answer):
                line.answers.pop(message.number).put(message.models)
            else:
                pool.submit(_judged, judge, message, line)


class _Line:
    """The worker's end of the pipe, for all of its threads. answers: where those wait that asked."""

    def __init__(self, lines: Connection) -> None:
        self._lines, self._sending = lines, threading.Lock()
        self.answers: dict[int, SimpleQueue[Sequence[str]]] = {}

    def send(self, message: Any) -> None:
        with self._sending:
            self._lines.send(message)

    def ask(self, number: int, sha256: str) -> Sequence[str]:
        answer = self.answers[number] = SimpleQueue[Sequence[str]]()
        self.send(Asked(number, sha256))
        return answer.get()


def _judged(judge: Judge, order: Order, line: _Line) -> None:
    """In a thread of the pool."""

    def take(told: Told) -> None:
        line.send(Said(order.number, told))

    with _ends_the_process():
        judge.judge(order.item, order.models, take, lambda sha256: line.ask(order.number, sha256))


@contextmanager
def _ends_the_process() -> Iterator[None]:
    """Whatever is raised in the block ends this process: the end of the pipe quietly."""
    try:
        yield
    except (EOFError, OSError):
        os._exit(0)
    except BaseException:  # noqa: BLE001 - printed, and its end is read like that by a signal
        traceback.print_exc()
        os._exit(1)


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
