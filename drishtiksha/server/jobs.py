"""Jobs: look, watch, stop, try again, delete."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Path, Response
from fastapi.responses import StreamingResponse

from drishtiksha.casefile import JobView, Viewer
from drishtiksha.errors import DrishtikshaError, RequestError
from drishtiksha.server.access import Admitted
from drishtiksha.server.bodies import ErrorBody, Responses, gone
from drishtiksha.server.errors import answer_to, public_job
from drishtiksha.server.services import WATCHERS_AT_ONCE, Here, Services, as_json

TICK_S = 0.5
HEARTBEAT_S = 10.0
LATER = {"results", "stress", "preview"}
"""What only the last event carries: it can be large."""

JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="as `POST /api/analyze` gave it")]
GONE = gone("job")
STATE: Responses = {409: {"model": ErrorBody, "description": "the job cannot be tried again as it stands"}}

EVENT = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "enum": ["progress", "ended", "gone"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}

router = APIRouter()


@router.get("/api/jobs/{job_id}", response_model=JobView, responses=GONE)
async def job(job_id: JobId, viewer: Admitted, here: Here) -> Response:
    """The job as it stands, with every result that it has so far."""
    return as_json(public_job(await here.job(viewer, job_id)))


@router.get(
    "/api/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": EVENT}}}, **GONE},
)
async def events(job_id: JobId, viewer: Admitted, here: Here) -> StreamingResponse:
    """Server-sent events: `progress` at each change (without results), then one `ended` with everything, or `gone`.

    Closing the connection leaves the job running.
    """
    if here.watching >= WATCHERS_AT_ONCE:
        raise RequestError("busy", "Too many connections watch jobs. Ask for the job itself instead.", 503)
    first = await here.job(viewer, job_id)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(
        _counted(here, _events(here, first, viewer)), media_type="text/event-stream", headers=headers
    )


@router.post("/api/jobs/{job_id}/cancel", response_model=JobView, responses=GONE)
def cancel(job_id: JobId, viewer: Admitted, here: Here) -> Response:
    """Ask the job to stop; it does within a second or so. Nothing happens to a job that has ended."""
    seen = here.workbench.seen_by(viewer)
    seen.cancel(job_id)
    return as_json(public_job(seen.job(job_id)))


@router.post("/api/jobs/{job_id}/retry", status_code=202, response_model=JobView, responses={**GONE, **STATE})
def retry(job_id: JobId, viewer: Admitted, here: Here) -> Response:
    """Queue a failed or cancelled job again; it goes on where it stopped."""
    seen = here.workbench.seen_by(viewer)
    seen.retry(job_id)
    return as_json(public_job(seen.job(job_id)), 202, Location=f"/api/jobs/{job_id}")


@router.delete("/api/jobs/{job_id}", status_code=204, response_class=Response, responses=GONE)
def delete(job_id: JobId, viewer: Admitted, here: Here) -> Response:
    """Stop the job and delete **its whole case**: the file, everything derived from it, all jobs, results and reviews."""
    seen = here.workbench.seen_by(viewer)
    seen.open(seen.job(job_id).case_id).delete()
    return Response(status_code=204)


async def _counted(here: Services, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    here.watching += 1
    try:
        async for event in stream:
            yield event
    finally:
        here.watching -= 1


async def _events(here: Services, view: JobView, viewer: Viewer) -> AsyncIterator[bytes]:
    """Looks again each tick: no thread is held for a client that only listens, and the database is asked for what is new."""
    seen, sent, sent_at = here.workbench.seen_by(viewer), "", 0.0
    while not view.state.ended:
        shown = public_job(view).model_dump_json(exclude=LATER)
        if shown != sent:
            sent, sent_at = shown, time.monotonic()
            yield _event("progress", shown)
        elif time.monotonic() - sent_at > HEARTBEAT_S:
            sent_at = time.monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(TICK_S)
        try:
            view = await anyio.to_thread.run_sync(seen.job_since, view)
        except DrishtikshaError as error:
            yield _event("gone", bytes(answer_to(error).body).decode())
            return
    yield _event("ended", public_job(view).model_dump_json())


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()
