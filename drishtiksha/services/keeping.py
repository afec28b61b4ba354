"""Keeps one process of a server alive: what crashes, is killed or hangs is started again, and nobody waits for it in vain."""

from __future__ import annotations

import itertools
import logging
import os
import queue as queues
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from drishtiksha.errors import ModelRegistryError
from drishtiksha.registry import LoadedFacts, ModelManager
from drishtiksha.services.devices import environment
from drishtiksha.services.lines import Lines, raised
from drishtiksha.store.jobs import Jobs
from drishtiksha.store.queue import CRASH, DIED

START_S = 180.0
"""How long a worker may take to begin: a cold disk reads Python's libraries slowly."""
HANG_S = 45.0
"""A worker that gives no sign of life for so long is killed. Reading a large library may hold everything up for a while."""
SILENT_S = 10.0
"""After so long without a sign the health of the server says so."""
LOOK_S = 0.5
"""How often it is looked whether a worker hangs."""
STOOD_STILL_S = 5.0
"""Two such looks that lie further apart than this do so because this machine, or its container, stood still."""
STOP_S = 15.0
"""How long a worker may take to put its job back and end, before it is killed."""
WAITS_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Before a worker is started again, by how many have died in a row."""
WELL_S = 60.0
"""A worker that lived so long ends such a row."""

_CRASHED = (
    "The program crashed again and again while it worked on this file ({why}). It is not tried again by itself. Most likely "
    "the file is damaged in a way that a decoder cannot bear, or a detector is at fault. Choose fewer models, or convert "
    "the file to another format and examine that."
)

log = logging.getLogger(__name__)


class WorkerEndedError(ModelRegistryError):
    """The process that was asked ended before it was done. why: in plain words."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The worker stopped ({why}) before it was done. Try again in a moment.")
        self.why = why


class Keeper:
    """Keeps one worker alive, from a thread that lives as long as the worker does: on Linux a worker ends with the thread
    that started it."""

    def __init__(
        self,
        name: str,
        module: str,
        manager: ModelManager,
        jobs: Jobs,
        changed: Callable[[], None],
        *,
        devices: Sequence[str] = (),
        others: Sequence[str] | None = None,
    ) -> None:
        """name: what it is called in sentences. module: of `drishtiksha.services`, what the process runs. devices, others: as
        for `Queue.claim`. changed: called when other models are in memory."""
        self._name, self._module, self.devices, self._others = name, module, devices, others
        self.loaded: dict[str, LoadedFacts] = {}
        self._settings, self._jobs, self._changed = manager.settings, jobs, changed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"keeper of {name}", daemon=True)
        self._lines: Lines | None = None
        self._worker = ""
        self._sign = 0.0
        self._why = ""
        """Why the last one ended; empty while one works."""
        self._numbers, self._asked = itertools.count(), dict[int, queues.SimpleQueue[dict[str, Any]]]()
        self._lock = threading.Lock()

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stopping.set()
        if (lines := self._lines) is not None:
            lines.close()

    def join(self) -> None:
        self._thread.join(STOP_S + 5)

    @property
    def fault(self) -> str:
        """What is wrong, as a part of a sentence; empty where nothing is."""
        name = self._name
        if not self._thread.is_alive():
            return f"{name} has stopped; restart the server"
        if self._why:
            return f"{name} stopped ({self._why}) and is started again"
        if not self._worker:
            return f"{name} is starting"
        silent_s = time.monotonic() - self._sign
        return f"{name} has not answered for {silent_s:.0f} s" if silent_s > SILENT_S else ""

    def tell(self, **message: Any) -> None:
        """Nothing is told to a worker that has not begun, which sees for itself, nor to one that hangs: its pipe may be full."""
        if not self.fault and (lines := self._lines) is not None:
            lines.send(**message)

    def wait(self, patience_s: float, *, also_again: bool) -> None:
        """Until it works, for so long at most. also_again: where it has ended, too, and is started again."""
        deadline = time.monotonic() + patience_s
        while (
            not self._worker
            and (also_again or not self._why)
            and self._thread.is_alive()
            and time.monotonic() < deadline
        ):
            time.sleep(0.05)

    def ask(self, failure: str, patience_s: float | None = None, **message: Any) -> Any:
        """The answer to a request; patience_s: None waits for a worker to start and as long as it lives.

        Raises: what the worker raised; ModelRegistryError, begun with `failure`, when it does not answer; WorkerEndedError when it
        ends meanwhile.
        """
        answer: queues.SimpleQueue[dict[str, Any]] = queues.SimpleQueue()
        self.wait(patience_s or START_S, also_again=False)
        with self._lock:
            number, lines = next(self._numbers), self._lines
            self._asked[number] = answer
        try:
            if not self._worker or lines is None or not lines.send(id=number, **message):
                raise ModelRegistryError(f"{failure}: {self.fault or 'its worker has stopped'}. Try again in a moment.")
            reply = answer.get(timeout=patience_s)
        except queues.Empty as error:
            raise ModelRegistryError(f"{failure}: its worker does not answer. Try again in a moment.") from error
        finally:
            with self._lock:
                self._asked.pop(number, None)
        if "lost" in reply:
            raise WorkerEndedError(reply["lost"])
        if reply["error"] is not None:
            raise raised(reply["error"])
        return reply["value"]

    def _keep(self) -> None:
        died = 0
        while not self._stopping.wait(WAITS_S[min(died, len(WAITS_S) - 1)]):
            began = time.monotonic()
            try:
                self._one_life()
            except OSError:  # no memory for another process, say
                log.exception("%s could not be started; it is tried again", self._name)
                self._why = "it could not be started"
            died = 1 if time.monotonic() - began > WELL_S else died + 1

    def _one_life(self) -> None:
        """Start a worker, and see to what it leaves when it has ended."""
        command = [sys.executable, "-P", "-m", f"drishtiksha.services.{self._module}"]
        process = subprocess.Popen(  # noqa: S603
            command,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        lines = Lines(process.stdout, process.stdin)
        self._lines, self._sign = lines, time.monotonic()
        lines.send(
            settings=self._settings.model_dump(mode="json"),
            devices=list(self.devices),
            others=None if self._others is None else list(self._others),
            parent=os.getpid(),
        )
        silent = threading.Event()
        reader = threading.Thread(target=self._listen, args=(lines, silent), name=f"lines of {self._name}", daemon=True)
        reader.start()
        hung = self._watch(process, silent)
        reader.join(STOP_S)
        lines.close()
        process.stdout.close()
        worker, self._worker, self._lines, self.loaded = self._worker, "", None, {}
        stopped = self._stopping.is_set()
        self._why = "" if stopped else why_it_ended(process.returncode, hung=hung)
        self._changed()
        self._bury(worker, process.returncode, hung=hung, stopped=stopped)
        self._refuse_the_rest()

    def _watch(self, process: subprocess.Popen[str], silent: threading.Event) -> bool:
        """Wait for the end of a worker, which comes at once when it hangs: whether it did. silent: it closed its pipe."""
        stop_by: float | None = None
        looked = time.monotonic()
        while not silent.wait(LOOK_S):
            now = time.monotonic()
            if now - looked > STOOD_STILL_S:  # so did the worker, most likely: its next sign has its time
                self._sign = now
            looked = now
            if self._stopping.is_set():
                stop_by = stop_by or now + STOP_S
                self.ask_to_stop()
                hung = now > stop_by
            else:
                hung = now - self._sign > (HANG_S if self._worker else START_S)
            if hung:
                process.kill()
                process.wait()
                return True
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return False

    def _listen(self, lines: Lines, silent: threading.Event) -> None:
        try:
            for message in lines.received():
                self._sign = time.monotonic()
                self._hear(message)
        except ValueError:  # half a line of a worker that was killed
            log.info("%s broke off in the middle of a line", self._name)
        finally:
            silent.set()

    def _hear(self, message: dict[str, Any]) -> None:
        if "worker" in message:
            self._worker, self._why = message["worker"], ""
        elif "loaded" in message:
            self.loaded = {name: LoadedFacts(**facts) for name, facts in message["loaded"].items()}
            self._changed()
        else:
            with self._lock:
                asked = self._asked.get(message["reply"])
            if asked is not None:
                asked.put(message)

    def _bury(self, worker: str, code: int, *, hung: bool, stopped: bool) -> None:
        """See to the job of a worker that has ended."""
        if stopped:
            done: Callable[[], None] = lambda: self._jobs.queue.release(worker)  # noqa: E731
        else:
            log.warning("%s ended: %s", self._name, self._why)
            outside = code == -getattr(signal, "SIGKILL", 9) and not hung
            weight, why = (1, DIED) if outside else (CRASH, _CRASHED.format(why=self._why))
            done = lambda: self._jobs.queue.died(worker, weight, why)  # noqa: E731
        try:
            if worker:
                done()
        except SQLAlchemyError:  # it is taken over once the database is back
            log.exception("The job of a worker that ended could not be put back")

    def _refuse_the_rest(self) -> None:
        """Nobody waits for an answer of a worker that has ended."""
        with self._lock:
            asked = list(self._asked.values())
        for one in asked:
            one.put({"lost": self._why or "the server stops"})


def why_it_ended(code: int, *, hung: bool) -> str:
    """In plain words."""
    if hung:
        return "it no longer answered"
    if code >= 0:
        return f"it ended with code {code}"
    known = {
        "SIGSEGV": "a fault in its memory",
        "SIGBUS": "a fault in its memory",
        "SIGABRT": "a library gave up",
        "SIGILL": "this processor lacks an instruction",
        "SIGFPE": "a fault in its arithmetic",
        "SIGKILL": "it was killed, most likely for want of memory",
        "SIGTERM": "it was told to end",
    }
    name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
    return f"{known.get(name, 'it was ended')}, {name}"
