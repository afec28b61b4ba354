"""Puts the server together."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from drishtiksha import __version__
from drishtiksha.errors import DrishtikshaError
from drishtiksha.registry import ModelManager
from drishtiksha.server import analyze, cases, errors, health, jobs
from drishtiksha.server.access import Gate
from drishtiksha.server.bodies import ErrorBody
from drishtiksha.server.metrics import CountRequests, Metrics
from drishtiksha.server.middleware import (
    BoundedBodies,
    Lingering,
    NothingElsewhere,
    SameSite,
    SecurityHeaders,
    SlowLogins,
    SmallPage,
)
from drishtiksha.server.services import Services
from drishtiksha.services.sessions import SessionCookie
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import Settings
from drishtiksha.store.accounts import Accounts

OWN_PATHS = ("/api/{rest:path}", "/healthz", "/readyz", "/metrics")
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
ABANDONED_S = 3600.0

log = logging.getLogger(__name__)


def create_app(
    settings: Settings,
    manager: ModelManager | None = None,
    workbench: Workbench | None = None,
    mount: Callable[[FastAPI], FastAPI] | None = None,
    *,
    allowed_hosts: Sequence[str] = (),
) -> FastAPI:
    """The server on one workbench, made from the settings unless it is given.

    mount: adds the page to the app. allowed_hosts: names, without port, that the server goes by; empty = any.

    Raises: StoreError, ConfigError.
    """
    bench = workbench or Workbench(settings, manager or ModelManager(settings))
    gate = Gate(settings, Accounts(bench.store))
    services = Services(settings, bench, gate, Metrics(bench.store))
    # The pages that show an OpenAPI document fetch scripts from elsewhere; nothing here does.
    app = FastAPI(
        title="Drishtiksha",
        version=__version__,
        summary="Examine suspicious media. No evidence found is not proof that the media is authentic.",
        lifespan=_lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses={"default": {"model": ErrorBody, "description": "refused or failed"}},
    )
    app.state.services, app.state.failure = services, None
    for part in (analyze, jobs, cases, health):
        app.include_router(part.router)
    _answer_for_the_rest(app)
    errors.install(app)
    _describe_keys(app, gate)
    app.add_middleware(BoundedBodies, max_upload=settings.limits.max_bytes)
    app.add_middleware(Lingering)
    app.add_middleware(SlowLogins)
    if settings.public:
        app.add_middleware(SessionCookie)
    app.add_middleware(NothingElsewhere)
    app.add_middleware(SameSite, allowed_hosts=allowed_hosts)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(SmallPage)
    app.add_middleware(CountRequests, metrics=services.metrics)
    return mount(app) if mount is not None else app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    try:
        try:
            await anyio.to_thread.run_sync(_start, services)
        except DrishtikshaError as error:
            app.state.failure = error
            raise
        yield
    finally:
        await anyio.to_thread.run_sync(services.workbench.stop)


def _start(services: Services) -> None:
    """Raises: ModelRegistryError when a model that is ready cannot be loaded."""
    _remove_abandoned(services)
    services.workbench.start()
    if services.settings.eager_models:
        ready = [status.name for status in services.manager.describe() if status.state == "ready"]
        log.info("Loading %s", ", ".join(ready) or "no model: none is ready")
        services.workbench.preload(ready)


def _remove_abandoned(services: Services) -> None:
    """Bodies that were arriving, and reports that were being made, when an earlier process was killed."""
    for path in services.uploads_dir.iterdir():
        if path.stat().st_mtime > time.time() - ABANDONED_S:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _answer_for_the_rest(app: FastAPI) -> None:
    """A wrong address or method under our own paths is answered by us, not by the page that is mounted at "/"."""
    routes = list(app.routes)

    class Rest:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            allowed = [method for method in METHODS if _found(routes, {**scope, "method": method})]
            if allowed:
                raise HTTPException(405, "This address does not know that method.", {"Allow": ", ".join(allowed)})
            raise HTTPException(404, "There is nothing at this address. /api/openapi.json lists what there is.")

    for path in OWN_PATHS:
        app.router.add_route(path, Rest(), include_in_schema=False)  # type: ignore[arg-type]


def _found(routes: Sequence[BaseRoute], scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in routes)


def _describe_keys(app: FastAPI, gate: Gate) -> None:
    """The OpenAPI document says that a key is asked for only where one is."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        if gate.needs_key:
            schemes = {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            }
            document["components"]["securitySchemes"] = schemes
            for path, methods in document["paths"].items():
                for operation in methods.values() if path.startswith("/api/") else ():
                    operation["security"] = [{name: []} for name in schemes]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
