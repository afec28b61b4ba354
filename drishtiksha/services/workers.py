"""The threads that run jobs, one a device, and those that repeat a chore beside them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from drishtiksha.answer import Glance
from drishtiksha.casefile import JobState, Provenance
from drishtiksha.errors import AnalysisCancelledError, DrishtikshaError
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import LoadedFacts, ModelManager
from drishtiksha.services.devices import by_device
from drishtiksha.services.folders import CaseFolders, copied
from drishtiksha.services.lines import Task
from drishtiksha.services.running import Here, JobRun, LostError, Runner
from drishtiksha.settings import Settings
from drishtiksha.store.cases import Cases
from drishtiksha.store.jobs import Jobs
from drishtiksha.store.queue import DEAD_S, Claim

LOOK_S = 0.5
"""How often an idle worker looks for jobs that another process queued; those of this process wake it."""
BEAT_S = 2.0
STOP_S = 20.0
"""How long `stop` waits for a job to put itself back; one that is loading a network may take longer and is taken over."""
OK = "ok"

if TYPE_CHECKING:
    from drishtiksha.services.apart import Apart

Chore = tuple[str, Callable[[], None], float]
"""Name of its thread, what is done, and every how many seconds."""

log = logging.getLogger(__name__)


class Crew(Protocol):
    """Whatever works on the jobs of a workbench: threads of this process, or processes of their own."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Running jobs go back to the queue and keep their chunks."""

    @property
    def state(self) -> str:
        """`OK`, or in a sentence what is wrong."""
        ...

    def wake(self) -> None:
        """There is a new job."""

    def interrupt(self, job_id: str) -> None:
        """Stop a job at its next check, without waiting for the heartbeat to tell it."""

    def load(self, name: str) -> None:
        """Raises: ModelRegistryError."""

    def unload(self, name: str) -> None:
        """Raises: ModelRegistryError."""

    def glance(self, case_id: str) -> Glance:
        """What is seen and heard of a case's file. Raises: DrishtikshaError where that cannot be told."""
        ...

    def copy(self, upload: Path, original_name: str) -> Evidence:
        """As `services.folders.copied`."""
        ...

    def origin(self, evidence: Evidence) -> Provenance:
        """What a file says of itself. Raises: DrishtikshaError where that cannot be told."""
        ...

    def apart(self, task: Task, evidence: Evidence, **given: Any) -> Any:
        """As `services.apart.Apart.do`."""
        ...


class Repeated:
    """Threads that each repeat a chore. One that raises is tried again."""

    def __init__(self, chores: Iterable[Chore]) -> None:
        self._chores = list(chores)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        stopping = self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._again, args=(stopping, do, every_s), name=name, daemon=True)
            for name, do, every_s in self._chores
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, patience_s: float = STOP_S) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(patience_s)
        self._threads = []

    @property
    def alive(self) -> bool:
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    def _again(self, stopping: threading.Event, do: Callable[[], None], every_s: float) -> None:
        while not stopping.is_set():
            try:
                do()
            except Exception:
                log.exception("%s failed; it is tried again", threading.current_thread().name)
            stopping.wait(every_s)


class Workers:
    """The workers of one process, as threads. A `Crew`."""

    def __init__(
        self,
        manager: ModelManager,
        jobs: Jobs,
        cases: Cases,
        sweep: tuple[Callable[[], None], float] | None = None,
        share: tuple[Sequence[str], Sequence[str] | None] | None = None,
        runner: Runner | None = None,
    ) -> None:
        """sweep: called at the start and every so many seconds. share: the devices of the one thread of this process, and
        those of others, as for `Queue.claim`; without it this process serves every device and takes over from the dead.
        runner: where the models run; None: in the thread that works on the job."""
        self._manager, self._jobs, self._cases, self._share = manager, jobs, cases, share
        self._runner = runner or Here()
        chores: list[Chore] = [("heartbeat", self._beat, BEAT_S)]
        if share is None:
            chores.append(("takeover", jobs.queue.take_over, DEAD_S / 3))
        if sweep is not None:
            chores.append(("retention", *sweep))
        self._chores = Repeated(chores)
        self._stopping, self._news = threading.Event(), threading.Condition()
        """The event is another for each start: a thread that outlived its stop must not go on beside the new ones."""
        self._running: dict[str, JobRun] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Take over what died, then work. Does nothing when they run already."""
        import drishtiksha.analysis  # noqa: F401 - before threads import its parts, which may go wrong at the same time

        if self._threads:
            return
        stopping = self._stopping = threading.Event()
        for devices, others in [self._share] if self._share else self._everything():
            work = threading.Thread(
                target=self._work, args=(stopping, devices, others), name=f"worker {devices[0]}", daemon=True
            )
            self._threads.append(work)
            work.start()
        self._chores.start()

    def _everything(self) -> list[tuple[Sequence[str], Sequence[str] | None]]:
        self._jobs.queue.take_over()
        groups = by_device(config.device for config in self._manager.model_configs.values())
        self._jobs.queue.groups = groups
        return shares(groups)

    def stop(self, patience_s: float | None = None) -> None:
        """Running jobs go back to the queue and keep their chunks; each thread is waited for at most `patience_s`."""
        self._stopping.set()
        with self._lock:
            running = list(self._running.values())
        for run in running:
            run.put_back = True
            run.cancel.cancel()
        self.wake()
        for thread in self._threads:
            thread.join(STOP_S if patience_s is None else patience_s)
        self._threads = []
        self._chores.stop(STOP_S if patience_s is None else patience_s)

    @property
    def state(self) -> str:
        """`OK` while every thread that was started still runs, else a sentence."""
        alive = bool(self._threads) and all(thread.is_alive() for thread in self._threads) and self._chores.alive
        return OK if alive else "a worker has stopped; restart the server"

    @property
    def busy(self) -> int:
        """How many jobs run now."""
        return len(self._running)

    def wake(self) -> None:
        with self._news:
            self._news.notify_all()

    def interrupt(self, job_id: str) -> None:
        with self._lock:
            run = self._running.get(job_id)
        if run is not None:
            run.cancel.cancel()

    def _work(self, stopping: threading.Event, devices: Sequence[str], others: Sequence[str] | None) -> None:
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
        run = JobRun(claim, self._manager, self._jobs, self._cases, self._runner)
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

    def warm_up(self) -> None:
        """As `ModelManager.warm_up_beside`."""
        self._manager.warm_up_beside()

    def load(self, name: str) -> None:
        self._manager.load_model(name)

    def unload(self, name: str) -> None:
        self._manager.unload(name)

    def glance(self, case_id: str) -> Glance:
        from drishtiksha.services.glance import look  # here, because a list of models need not wait for it

        evidence = CaseFolders(self._manager.settings).evidence(case_id, self._cases.place(case_id))
        return look(evidence, self._manager.settings.limits)

    def copy(self, upload: Path, original_name: str) -> Evidence:
        return copied(upload, original_name, self._manager.settings)

    def origin(self, evidence: Evidence) -> Provenance:
        return origin(evidence, self._manager.settings)

    def apart(self, task: Task, evidence: Evidence, **given: Any) -> Any:
        return self._apart.do(task, evidence, **given)

    @cached_property
    def _apart(self) -> Apart:
        return apart_here(self._manager.settings)

    @property
    def loaded(self) -> Mapping[str, LoadedFacts]:
        """The models that are in memory now."""
        facts = {name: self._manager.loaded_facts(name) for name in self._manager.get_loaded_model_names()}
        return {name: known for name, known in facts.items() if known is not None}


def origin(evidence: Evidence, settings: Settings) -> Provenance:
    """What a file says of itself, read in this process."""
    from drishtiksha.provenance import examine  # here, because a program that takes nothing in need not wait for it

    return examine(evidence, settings.limits)


def apart_here(settings: Settings) -> Apart:
    """What does the tasks of `services.apart` in this process."""
    from drishtiksha.services.apart import Apart  # here, because a worker, and a server with one, need not wait for it

    return Apart(settings)


def shares(groups: Sequence[Sequence[str]]) -> list[tuple[Sequence[str], Sequence[str] | None]]:
    """What each worker claims, as for `Queue.claim`: the first one also what was queued for a device that is no more."""
    return [
        (names, None if number else [name for other in groups[1:] for name in other])
        for number, names in enumerate(groups)
    ]
