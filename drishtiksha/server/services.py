"""What the routes work with, and how they get at it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request, Response
from pydantic import BaseModel

from drishtiksha.registry import ModelManager
from drishtiksha.server.access import Gate
from drishtiksha.server.metrics import Metrics
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import Settings

REPORTS_AT_ONCE = 2
UPLOADS_AT_ONCE = 8
WATCHERS_AT_ONCE = 200


@dataclass
class Services:
    """One for an app. `uploading` and `watching` count what is open now; only the event loop touches them."""

    settings: Settings
    workbench: Workbench
    gate: Gate
    metrics: Metrics
    uploading: int = 0
    watching: int = 0
    reports: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(REPORTS_AT_ONCE))

    @property
    def manager(self) -> ModelManager:
        return self.workbench.manager

    @property
    def uploads_dir(self) -> Path:
        """Where bodies lie while they arrive, and reports while they are made; nothing stays there."""
        folder = self.settings.data_root / "uploads"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Here = Annotated[Services, Depends(services_of)]


def as_json(body: BaseModel, status: int = 200, **headers: str) -> Response:
    """Exactly the JSON that the command line and the reports write."""
    return Response(body.model_dump_json(), status, headers, media_type="application/json")


def list_as_json(bodies: Sequence[BaseModel]) -> Response:
    return Response(f"[{','.join(body.model_dump_json() for body in bodies)}]", media_type="application/json")
