"""The processes of a server: workers, one a device, and the one that takes files in.

A job survives the worker: it is tried again, and given up with the reason when workers die of it. The process that
supervises never imports torch.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drishtiksha.answer import Glance
from drishtiksha.casefile import Provenance
from drishtiksha.errors import DrishtikshaError, ModelRegistryError, UnreadableMediaError
from drishtiksha.media.evidence import Evidence, display_name
from drishtiksha.registry import ModelManager
from drishtiksha.results import MediaInfo
from drishtiksha.services.devices import by_device_elsewhere
from drishtiksha.services.folders import copied
from drishtiksha.services.keeping import START_S, Keeper, WorkerEndedError
from drishtiksha.services.lines import Task
from drishtiksha.services.workers import OK, Chore, Repeated, apart_here, origin, shares
from drishtiksha.store.jobs import Jobs
from drishtiksha.store.queue import DEAD_S

if TYPE_CHECKING:
    from drishtiksha.services.apart import Apart

GLANCE_S = 60.0
SWITCH_S = 0.001
"""How long a thread of this process may go on before another one has its turn: what answers must not wait long for what
takes files in. With eight busy threads Python's own 5 ms keep an answer waiting several times as long."""

GARBAGE = (10_000, 20, 20)
"""Objects that are made before the youngest garbage is looked for, and after how many such times that of the next ages is."""

TAKING = "the process that takes files in"

_UNREAD = (
    "{name} could not be read: the program that reads files stopped at it or at another file ({why}). Send it again. If the "
    "same happens, the file is damaged in a way that a decoder cannot bear: convert it to another format, or make a new copy."
)


class WorkerProcesses:
    """The workers of a server, each a process of its own. A `Crew`."""

    def __init__(
        self,
        manager: ModelManager,
        jobs: Jobs,
        sweep: tuple[Callable[[], None], float] | None = None,
        *,
        takes_in: bool = True,
    ) -> None:
        """sweep: called at the start and every so many seconds. takes_in: files come in here, and cases are looked at; without
        it there are workers alone, for the jobs of a server elsewhere."""
        self._manager, self._jobs, self._takes_in = manager, jobs, takes_in
        chores: list[Chore] = [("takeover", jobs.queue.take_over, DEAD_S / 3)]
        if sweep is not None:
            chores.append(("retention", *sweep))
        self._chores = Repeated(chores)
        self._keepers: list[Keeper] = []
        self._taking: Keeper | None = None
        self._alone = threading.Lock()

    def start(self) -> None:
        """Does nothing when they run already. Raises: DrishtikshaError where the devices of this machine cannot be told."""
        if self._keepers:
            return
        sys.setswitchinterval(SWITCH_S)
        _collect_less()
        groups = by_device_elsewhere(config.device for config in self._manager.model_configs.values())
        self._jobs.queue.groups = groups
        self._chores.start()
        self._keepers = [
            Keeper(
                f"the worker of {devices[0]}",
                "worker",
                self._manager,
                self._jobs,
                self._gather,
                devices=devices,
                others=others,
            )
            for devices, others in shares(groups)
        ]
        if self._takes_in:
            self._taking = Keeper(TAKING, "taking", self._manager, self._jobs, self._gather)
        for keeper in self._everyone:
            keeper.start()

    @property
    def _everyone(self) -> list[Keeper]:
        return [*self._keepers, *([self._taking] if self._taking else [])]

    def stop(self) -> None:
        for keeper in self._everyone:
            keeper.ask_to_stop()
        for keeper in self._everyone:
            keeper.join()
        self._keepers, self._taking = [], None
        self._chores.stop()
        self._gather()

    @property
    def state(self) -> str:
        if not self._keepers:
            return "no worker runs; restart the server"
        faults = [fault for keeper in self._everyone if (fault := keeper.fault)]
        if not self._chores.alive:
            faults.append("the server's own upkeep has stopped; restart the server")
        return "; ".join(faults) or OK

    def wake(self) -> None:
        for keeper in self._keepers:
            keeper.tell(do="wake")

    def interrupt(self, job_id: str) -> None:
        for keeper in self._keepers:
            keeper.tell(do="interrupt", job=job_id)

    def load(self, name: str) -> None:
        self._of(name).ask(f"{name} could not be loaded", do="load", model=name)

    def unload(self, name: str) -> None:
        self._of(name).ask(f"{name} could not be unloaded", do="unload", model=name)

    def glance(self, case_id: str) -> Glance:
        if not self._keepers:
            raise DrishtikshaError("Nothing is seen or heard of this file: no worker runs.")
        return Glance.model_validate(
            self._keepers[0].ask("The file could not be looked at", GLANCE_S, do="glance", case=case_id)
        )

    def copy(self, upload: Path, original_name: str) -> Evidence:
        if self._taking is None:
            return copied(upload, original_name, self._manager.settings)
        told = self._taken(original_name, do="copy", upload=str(upload.absolute()), called=original_name)
        path = Path(told["path"])
        return Evidence(path, MediaInfo.model_validate(told["media"]), path.parent)

    def origin(self, evidence: Evidence) -> Provenance:
        if self._taking is None:
            return origin(evidence, self._manager.settings)
        media = evidence.media.model_dump(mode="json")
        told = self._taken(evidence.media.name, do="origin", path=str(evidence.path.absolute()), media=media)
        return Provenance.model_validate(told)

    @cached_property
    def _apart(self) -> Apart:
        return apart_here(self._manager.settings)

    def apart(self, task: Task, evidence: Evidence, **given: Any) -> Any:
        if self._taking is None:
            return self._apart.do(task, evidence, **given)
        media = evidence.media.model_dump(mode="json")
        return self._taken(
            evidence.media.name, do="apart", task=task, path=str(evidence.path.absolute()), media=media, given=given
        )

    def _taken(self, name: str, **message: Any) -> Any:
        """What comes of a file. One whose process crashed meanwhile is tried once more, and such files one after the other,
        since only one of them was at fault. Raises: UnreadableMediaError when the process crashes again."""
        try:
            return self._asked_of_taking(name, message)
        except WorkerEndedError:
            with self._alone:
                try:
                    return self._asked_of_taking(name, message)
                except WorkerEndedError as error:
                    raise UnreadableMediaError(_UNREAD.format(name=display_name(name), why=error.why)) from error

    def _asked_of_taking(self, name: str, message: dict[str, Any]) -> Any:
        assert self._taking is not None
        self._taking.wait(START_S, also_again=True)
        return self._taking.ask(f"{display_name(name)} could not be read", **message)

    def _of(self, name: str) -> Keeper:
        """Whose worker runs a model. Raises: ModelRegistryError for a name that is not configured, and without workers."""
        device = self._manager.status(name).config.device
        if not self._keepers:
            raise ModelRegistryError(f"{name} cannot be loaded: no worker runs.")
        return next((keeper for keeper in self._keepers if device in keeper.devices), self._keepers[0])

    def _gather(self) -> None:
        """Let the list of models know what the workers have in memory."""
        self._manager.elsewhere = {name: facts for keeper in self._keepers for name, facts in keeper.loaded.items()}


def _collect_less() -> None:
    """Collections of garbage hold every thread up, and took a quarter of the time of the thread that answers: what is there from
    the start on is not walked through again, and the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
