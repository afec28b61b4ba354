"""The process that runs the jobs of one device. `services.processes` starts it and tells it what to do, through `lines`."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from drishtiksha.errors import DrishtikshaError
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.guard import astray_s
from drishtiksha.registry import ModelManager
from drishtiksha.services.lines import Lines, answer, to_supervisor
from drishtiksha.services.running import Here, JobRun
from drishtiksha.services.workers import BEAT_S, Repeated, Workers
from drishtiksha.settings import Settings, configure_logging
from drishtiksha.store.cases import Cases
from drishtiksha.store.db import open_store
from drishtiksha.store.jobs import Jobs
from drishtiksha.store.queue import Queue, new_worker
from drishtiksha.store.results import ResultReader

PATIENCE_S = 5.0
"""How long a job may take to put itself back when the worker stops; one that loads a network is put back as it is."""
NICENESS = 19
"""How far a worker stands back where the processor is short: whoever asks the page or the server waits for an answer, a
job only takes longer."""
ASTRAY_S, SPARED_S = 120.0, 10.0
"""How long a decoder that was given up may work on beside the work of its process, and beside none."""
_PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


def main() -> None:
    """Work until the supervisor closes the pipe, or dies."""
    settings, lines, first = settle_in(NICENESS)
    try:
        worker = _Worker(settings, lines, (first["devices"], first["others"]))
    except DrishtikshaError as error:
        log.error("A worker cannot start. %s", error)
        sys.exit(1)
    worker.begin()
    for message in lines.received():
        worker.obey(message)
    worker.end()


def settle_in(niceness: int) -> tuple[Settings, Lines, dict[str, Any]]:
    """The settings that the first message of the supervisor brings, its line, and that message. This process ends with its
    supervisor, at once where that is gone already. niceness: how far it stands back behind that."""
    lines = to_supervisor()
    first = next(lines.received(), None)
    if first is None:
        sys.exit()
    _die_with(first["parent"])
    for number in (signal.SIGINT, signal.SIGTERM):  # they reach the supervisor, too, which stops this process
        signal.signal(number, signal.SIG_IGN)
    faulthandler.enable()  # where it crashed stands in the log of the server
    if hasattr(os, "nice"):
        os.nice(niceness)
    settings = Settings(**first["settings"])
    configure_logging(settings)
    return settings, lines, first


def must_end(waiting: int) -> bool:
    """Whether this process is to end, since a decoder that was given up does not, and takes a core from the others. waiting: how
    much is done here now; after `ASTRAY_S` that is begun once more in the next process."""
    if astray := astray_s() > (ASTRAY_S if waiting else SPARED_S):
        log.warning("A decoder that was given up does not end; process %d is replaced by another", os.getpid())
    return astray


def _die_with(parent: int) -> None:
    """No worker outlives its supervisor, whatever this process is busy with: on Linux the kernel sees to it. Elsewhere the
    closed pipe is seen as soon as Python code runs."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if hasattr(os, "getppid") and os.getppid() != parent:  # it died before that was set
        os._exit(1)


class _Telling(Here):
    """Tells which models are loaded before the job is told to have ended: whoever waited for it may plan by that."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def run(self, job: JobRun, evidence: Evidence, names: Sequence[str]) -> None:
        try:
            super().run(job, evidence, names)
        finally:
            self._tell()


class _Worker:
    def __init__(self, settings: Settings, lines: Lines, share: tuple[list[str], list[str] | None]) -> None:
        self._lines = lines
        store, reader = open_store(settings.database_url, settings.data_root), ResultReader()
        self._queue = Queue(store, new_worker())
        jobs = Jobs(store, self._queue, reader)
        self._workers = Workers(
            ModelManager(settings), jobs, Cases(store, reader), share=share, runner=_Telling(self._tell)
        )
        self._signs = Repeated([("signs of life", self._live, BEAT_S)])

    def begin(self) -> None:
        """Give signs of life, and take jobs and requests once all that they import in common is there: a package and a
        module of it that two threads import at once are found half made."""
        self._lines.send(worker=self._queue.worker)
        self._signs.start()
        _warm_up()
        self._workers.warm_up()  # beside the first jobs: those that need no network do not wait for it
        self._workers.start()

    def obey(self, message: dict[str, Any]) -> None:
        """Do what is asked. What takes long does so in a thread of its own and is answered later."""
        match message["do"]:
            case "wake":
                self._workers.wake()
            case "interrupt":
                self._workers.interrupt(message["job"])
            case "load":
                self._answer(message["id"], lambda: self._workers.load(message["model"]))
            case "unload":
                self._answer(message["id"], lambda: self._workers.unload(message["model"]))
            case "glance":
                self._answer(message["id"], lambda: self._workers.glance(message["case"]).model_dump(mode="json"))

    def end(self) -> None:
        """Jobs go back to the queue. Threads that do not stop end with the process."""
        self._workers.stop(PATIENCE_S)
        with contextlib.suppress(Exception):  # without a database the jobs are taken over when it is back
            self._queue.release(self._queue.worker)
        os._exit(0)

    def _live(self) -> None:
        self._tell()
        if must_end(self._workers.busy):
            self.end()

    def _tell(self) -> None:
        self._lines.send(loaded={name: asdict(facts) for name, facts in self._workers.loaded.items()})

    def _answer(self, number: int, work: Callable[[], Any]) -> None:
        answer(self._lines, number, work, self._tell)


def _warm_up() -> None:
    """Import what every analysis, load and glance imports."""
    import torch  # noqa: F401

    import drishtiksha.analysis
    import drishtiksha.detectors.base
    import drishtiksha.services.glance  # noqa: F401


if __name__ == "__main__":
    main()
