"""What the routes work with, and how they get at it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, Request, Response
from pydantic import BaseModel

from drishtiksha.casefile import JobView, Viewer
from drishtiksha.errors import RequestError
from drishtiksha.registry import ModelManager
from drishtiksha.server.access import Gate
from drishtiksha.server.metrics import Metrics
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import Settings

REPORTS_AT_ONCE = 2
UPLOADS_AT_ONCE = 8
SMALL_BYTES = 8_000_000
"""A body up to so long waits for its turn where as many arrive as may; a longer one is refused."""
WAITING_AT_ONCE, WAIT_S = 200, 30.0
"""How many wait for their turn, and for how long."""
BUSY_RETRY_S = 5.0
WATCHERS_AT_ONCE = 200


class Turns:
    """Lets so many bodies in at once. Used by the event loop alone."""

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._waiting = 0

    @asynccontextmanager
    async def one(self, stated_bytes: int | None) -> AsyncIterator[None]:
        """A turn for the time of the block. stated_bytes: None where the client does not say how long its body is.

        Raises: RequestError with the time to try again, where there is no room to wait either.
        """
        small = stated_bytes is not None and stated_bytes <= SMALL_BYTES
        if self._free.locked() and (not small or self._waiting >= WAITING_AT_ONCE):
            raise _busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError as error:
            raise _busy() from error
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


def _busy() -> RequestError:
    return RequestError("busy", "Too many files arrive at once. Try again in a moment.", 503, retry_s=BUSY_RETRY_S)


@dataclass
class Services:
    """One for an app. `watching` counts what is open now; only the event loop touches it."""

    settings: Settings
    workbench: Workbench
    gate: Gate
    metrics: Metrics
    turns: Turns = field(default_factory=lambda: Turns(UPLOADS_AT_ONCE))
    watching: int = 0
    reports: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(REPORTS_AT_ONCE))

    @property
    def manager(self) -> ModelManager:
        return self.workbench.manager

    async def job(self, viewer: Viewer, job_id: str) -> JobView:
        """The job as it stands, read in the event loop where the database is a file: a thread waits for two turns of the
        processor, and under load each takes longer than the reading.

        Raises: JobGoneError.
        """
        look = self.workbench.seen_by(viewer).job
        return look(job_id) if self.workbench.store.is_file else await anyio.to_thread.run_sync(look, job_id)

    @property
    def uploads_dir(self) -> Path:
        """Where bodies lie while they arrive, and reports while they are made; nothing stays there."""
        folder = self.settings.data_root / "uploads"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


async def services_of(request: Request) -> Services:
    """Not a plain function, which would wait for its turn of a thread."""
    services: Services = request.app.state.services
    return services


Here = Annotated[Services, Depends(services_of)]


def as_json(body: BaseModel, status: int = 200, **headers: str) -> Response:
    """Exactly the JSON that the command line and the reports write."""
    return Response(body.model_dump_json(), status, headers, media_type="application/json")


def list_as_json(bodies: Sequence[BaseModel]) -> Response:
    return Response(f"[{','.join(body.model_dump_json() for body in bodies)}]", media_type="application/json")
