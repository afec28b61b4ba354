"""The threads that run jobs: one a device, and one that gives signs of life, takes over from the dead and tidies up."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from drishtiksha.casefile import JobState
from drishtiksha.errors import AnalysisCancelledError, ConfigError, DrishtikshaError
from drishtiksha.registry import ModelManager
from drishtiksha.services.running import JobRun, LostError
from drishtiksha.store.cases import Cases
from drishtiksha.store.jobs import Jobs
from drishtiksha.store.queue import DEAD_S, Claim

LOOK_S = 0.5
"""How often an idle worker looks for jobs that another process queued; those of this process wake it."""
BEAT_S = 2.0
STOP_S = 20.0
"""How long `stop` waits for a job to put itself back; one that is loading a network may take longer and is taken over."""

log = logging.getLogger(__name__)


class Workers:
    """The workers of one process."""

    def __init__(
        self, manager: ModelManager, jobs: Jobs, cases: Cases, sweep: Callable[[], None], every_s: float
    ) -> None:
        """sweep: called at the start and every `every_s` seconds."""
        self._manager, self._jobs, self._cases, self._sweep, self._every_s = manager, jobs, cases, sweep, every_s
        self._stopping, self._news = threading.Event(), threading.Condition()
        """The event is another for each start: a thread that outlived its stop must not go on beside the new ones."""
        self._running: dict[str, JobRun] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Take over what died, then work. Does nothing when they run already."""
        if self._threads:
            return
        stopping = self._stopping = threading.Event()
        self._jobs.queue.take_over()
        groups = _by_device({config.device for config in self._manager.model_configs.values()})
        self._jobs.queue.groups = groups
        work = []
        for number, names in enumerate(groups):
            others = None if number else [name for other in groups[1:] for name in other]
            work.append(threading.Thread(target=self._work, args=(stopping, names, others), name=f"worker {names[0]}"))
        keep = [("heartbeat", self._beat, BEAT_S), ("takeover", self._jobs.queue.take_over, DEAD_S / 3)]
        keep.append(("retention", self._sweep, self._every_s))
        work += [threading.Thread(target=self._again, args=(stopping, do, s), name=name) for name, do, s in keep]
        for thread in work:
            thread.daemon = True
            thread.start()
        self._threads = work

    def stop(self) -> None:
        """Running jobs go back to the queue and keep their chunks."""
        self._stopping.set()
        with self._lock:
            running = list(self._running.values())
        for run in running:
            run.put_back = True
            run.cancel.cancel()
        self.wake()
        for thread in self._threads:
            thread.join(STOP_S)
        self._threads = []

    @property
    def alive(self) -> bool:
        """Whether every thread that was started still runs."""
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    def wake(self) -> None:
        """There is a new job."""
        with self._news:
            self._news.notify_all()

    def interrupt(self, job_id: str) -> None:
        """Stop a job of this process at its next check, without waiting for the heartbeat to tell it."""
        with self._lock:
            run = self._running.get(job_id)
        if run is not None:
            run.cancel.cancel()

    def _work(self, stopping: threading.Event, devices: list[str], others: list[str] | None) -> None:
        while not stopping.is_set():
            try:
                claim = self._jobs.queue.claim(devices, others)
                if claim is not None:
                    self._run(claim, stopping)
                    continue
            except Exception:  # a database that is away for a while; what hangs there is taken over when it is back
                log.exception("The worker of %s could not read or write the queue; it tries again", devices[0])
                stopping.wait(BEAT_S)
            with self._news:
                if not stopping.is_set():
                    self._news.wait(LOOK_S)

    def _run(self, claim: Claim, stopping: threading.Event) -> None:
        run = JobRun(claim, self._manager, self._jobs, self._cases)
        with self._lock:
            self._running[claim.job_id] = run
            if stopping.is_set():
                run.put_back = True
                run.cancel.cancel()
        began, outcome = time.monotonic(), "left to another process: the database did not answer"
        try:
            outcome = self._end(claim, run.execute())
        except AnalysisCancelledError:
            if run.put_back:
                self._jobs.queue.put_back(claim.job_id)
                outcome = "put back into the queue"
            else:
                outcome = self._end(claim, JobState.CANCELLED)
        except LostError:
            outcome = "deleted, or taken over by another process"
        except DrishtikshaError as error:
            outcome = f"{self._end(claim, run.fail(str(error)))}: {error}"
        except SQLAlchemyError:  # not the fault of the job: without a sign of life it is taken over
            raise
        except Exception:
            log.exception("Job %s failed", claim.job_id)
            why = "The analysis stopped at an error of this program. The server's log has the details."
            outcome = self._end(claim, run.fail(why))
        finally:
            with self._lock:
                self._running.pop(claim.job_id, None)
            names, took = ", ".join(claim.models), time.monotonic() - began
            log.info("Job %s, %s by %s, %.1f s: %s", claim.job_id, claim.kind, names, took, outcome)

    def _end(self, claim: Claim, state: JobState) -> str:
        self._jobs.queue.end(claim.job_id, state)
        return state.value

    def _beat(self) -> None:
        with self._lock:
            running = list(self._running.values())
        for run in running:
            run.beat()

    def _again(self, stopping: threading.Event, do: Callable[[], None], every_s: float) -> None:
        while not stopping.is_set():
            try:
                do()
            except Exception:
                log.exception("%s failed; it is tried again", threading.current_thread().name)
            stopping.wait(every_s)


def _by_device(names: set[str]) -> list[list[str]]:
    """The configured names of devices, those of one device together: "auto" is one of the others too."""
    if len(names) < 2:
        return [sorted(names)] if names else []
    from drishtiksha.detectors.device import resolve_device

    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        try:
            real = str(resolve_device(name))
        except ConfigError:  # its models say so when they are loaded
            real = name
        groups.setdefault(real, []).append(name)
    return list(groups.values())
