"""Every failure as a typed JSON body: a kind for programs, a sentence for people, no path and no trace of the server."""

from __future__ import annotations

import logging
import math
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from drishtiksha import errors
from drishtiksha.casefile import JobView
from drishtiksha.errors import DrishtikshaError, QueueFullError, RequestError, without_server_paths
from drishtiksha.services.folders import DISK_FULL, is_full

log = logging.getLogger(__name__)

STATUS: dict[type[DrishtikshaError], tuple[str, int]] = {
    errors.UnreadableMediaError: ("unreadable_media", 422),
    errors.MediaLimitError: ("media_limit", 413),
    errors.DecodeStalledError: ("decode_stalled", 422),
    errors.WrongMediaKindError: ("wrong_media_kind", 422),
    errors.MediaError: ("media", 422),
    errors.WeightsMissingError: ("weights_missing", 409),
    errors.ModelRegistryError: ("model", 422),
    errors.CaseGoneError: ("case_gone", 404),
    errors.JobGoneError: ("job_gone", 404),
    errors.NotAllowedError: ("not_allowed", 403),
    errors.JobStateError: ("job_state", 409),
    errors.QueueFullError: ("queue_full", 503),
    errors.QuotaError: ("quota", 507),
    errors.StoreError: ("database", 503),
    errors.ReportError: ("report", 409),
    errors.AnalysisCancelledError: ("cancelled", 409),
}
"""Kind and status of an error; of several that fit the most specific one, 500 for the rest."""

RETRY_S = {503: 10, 507: 600}
"""What `Retry-After` says where nothing better is known."""
MAX_RETRY_S = 60.0
"""What it says at most of a full queue: jobs may be stopped, and other workers may come."""

INTERNAL = "Something went wrong on the server; nothing was concluded. Try again, and tell whoever runs the server."
NO_DATABASE = "The server's database does not answer. Nothing was concluded. Try again in a minute."


def public_job(view: JobView) -> JobView:
    """A job whose texts say nothing of where things lie here."""
    told = {
        "message": without_server_paths(view.message),
        "errors": {name: without_server_paths(why) for name, why in view.errors.items()},
    }
    return view.model_copy(update=told)


def refusal(kind: str, message: str, status: int, retry_s: float | None = None, **headers: str) -> JSONResponse:
    """The one form of every error."""
    after = retry_s if retry_s is not None else RETRY_S.get(status)
    if after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(after)))
    return JSONResponse({"error": kind, "message": without_server_paths(message)}, status, headers)


def answer_to(error: DrishtikshaError) -> JSONResponse:
    """The response for one of our own errors."""
    if isinstance(error, RequestError):
        challenge = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        return refusal(error.kind, str(error), error.status, error.retry_s, **challenge)
    for cls in type(error).__mro__:
        if cls in STATUS:
            kind, status = STATUS[cls]
            after = min(error.retry_s or RETRY_S[status], MAX_RETRY_S) if isinstance(error, QueueFullError) else None
            return refusal(kind, str(error), status, after)
    log.error("Unexpected error", exc_info=error)
    return refusal("internal", INTERNAL, 500)


def install(app: FastAPI) -> None:
    """Have every failure of the app's own routes answered so."""
    handlers: dict[Any, Any] = {
        DrishtikshaError: _ours,
        RequestValidationError: _invalid,
        HTTPException: _http,
        SQLAlchemyError: _database,
        OSError: _system,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _ours(_: Request, error: DrishtikshaError) -> JSONResponse:
    return answer_to(error)


async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    return refusal("bad_request", in_words(error.errors()), 422)


async def _http(_: Request, error: HTTPException) -> JSONResponse:
    kind = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    return refusal(kind, str(error.detail), error.status_code, None, **(error.headers or {}))


async def _database(_: Request, error: SQLAlchemyError) -> JSONResponse:
    log.error("The database does not answer", exc_info=error)
    return refusal("database", NO_DATABASE, 503)


async def _system(_: Request, error: OSError) -> JSONResponse:
    log.error("The system refused what was asked of it", exc_info=error)
    return refusal("quota", DISK_FULL, 507) if is_full(error) else refusal("internal", INTERNAL, 500)


async def _unexpected(_: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - the server's log has it
    return refusal("internal", INTERNAL, 500)


def in_words(problems: Any) -> str:
    """Pydantic's list of problems in one line, without what was sent."""
    return "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
