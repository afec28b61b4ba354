"""What is here and whether it works: models, liveness, readiness, metrics."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from drishtiksha import __version__
from drishtiksha.server.access import Admitted
from drishtiksha.server.bodies import Alive, ModelCard, Readiness
from drishtiksha.server.services import Here, as_json, list_as_json
from drishtiksha.services.workers import OK
from drishtiksha.store.db import Store

log = logging.getLogger(__name__)
router = APIRouter()


@router.get("/api/models", response_model=list[ModelCard])
def models(_: Admitted, here: Here) -> Response:
    """Every configured model, what it looks at, and whether it can be used now."""
    return list_as_json([ModelCard.of(status) for status in here.manager.describe()])


@router.get("/healthz", response_model=Alive)
async def healthz(here: Here) -> Response:
    """The process answers, and how its workers are; the database is not asked."""
    return as_json(Alive(version=__version__, workers=here.workbench.workers_state))


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness, "description": "not ready"}})
def readyz(here: Here) -> Response:
    """Whether the database can be written and the workers live."""
    database = _database(here.workbench.store)
    workers = here.workbench.workers_state
    ready = database == workers == OK
    return as_json(Readiness(ready=ready, database=database, workers=workers), 200 if ready else 503)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(here: Here) -> Response:
    """For Prometheus."""
    return Response(here.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _database(store: Store) -> str:
    """Writes what stands there already: nothing changes, but a full disk or a vanished server is noticed."""
    try:
        with store.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = version_num"))
    except SQLAlchemyError as error:
        log.warning("The database cannot be written", exc_info=error)
        return "cannot be written"
    # An open SQLite connection goes on writing into a file that was deleted, or whose disk may only be read by now.
    place = store.engine.url
    if place.get_backend_name() == "sqlite":
        if place.database is None or not Path(place.database).is_file():
            return "its file is gone"
        if not os.access(place.database, os.W_OK):
            return "cannot be written"
    return OK
