"""`POST /api/analyze`: a file comes in, a job comes out; whoever wants to waits for its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect

from drishtiksha.answer import Answer, LeftOut
from drishtiksha.casefile import JobView, Viewer
from drishtiksha.errors import RequestError, WeightsMissingError
from drishtiksha.server.access import Admitted
from drishtiksha.server.bodies import ErrorBody
from drishtiksha.server.errors import in_words, public_job
from drishtiksha.server.services import Here, Services, as_json
from drishtiksha.server.upload import FILE, Upload, received
from drishtiksha.services.intake import deleted_on_failure, take_in

TICK_S = 0.25
MAX_WAIT_S = 600.0
CLOSED_BY_CLIENT = 499
"""Nobody reads this answer; it is for the log and the counters."""


def _flag(text: object) -> object:
    """A form knows only text; of what else pydantic takes for yes or no nothing is taken."""
    return {"true": True, "false": False}.get(str(text).lower(), "neither true nor false")


class AnalyzeForm(BaseModel):
    """The fields beside the file."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=32)] = Field(
        default=(),
        description="names as in `/api/models`, one field each; without any all proven ones that fit the file",
    )
    all: Annotated[bool, BeforeValidator(_flag)] = Field(
        default=False,
        description="without `model`: the slow detectors, too, which else wait until they are asked for (`left_out`)",
    )
    wait: Annotated[bool, BeforeValidator(_flag)] = Field(
        default=False, description="answer when the job has ended, or after `wait_s`"
    )
    wait_s: float = Field(default=60.0, ge=0, le=MAX_WAIT_S, description="seconds to wait at most")
    track: int | None = Field(
        default=None,
        ge=1,
        description="examine only this sound or picture track, by its number in `media.tracks`; without it all are",
    )
    question: str = Field(default="", max_length=4000, description="what is asked, for the report")


class Examination(JobView):
    """A job of all proven detectors that fit a file, and their answer."""

    left_out: tuple[LeftOut, ...] = Field(
        default=(), description="detectors that fit and do not run by themselves, since they are slow here"
    )
    answer: Answer | None = Field(
        default=None, description="what they say together, once the job has ended; null where models were named"
    )


def _request_body() -> dict[str, Any]:
    schema = AnalyzeForm.model_json_schema()
    file = {"type": "string", "format": "binary", "description": "a video, picture or recording, unaltered"}
    schema["properties"] = {FILE: file} | schema["properties"]
    schema["required"] = [FILE]
    parts = {FILE: {"contentType": "application/octet-stream"}}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema, "encoding": parts}}}


router = APIRouter()


@router.post(
    "/api/analyze",
    status_code=202,
    response_model=Examination,
    openapi_extra={"requestBody": _request_body()},
    responses={
        200: {"model": Examination, "description": "the job has ended; `state`, `results` and `errors` say how"},
        202: {"description": "the job waits or runs; `Location` is where to look"},
        409: {"model": ErrorBody, "description": "the weights of every model that was named are missing"},
        413: {"model": ErrorBody, "description": "larger, longer or with more pixels than this server takes"},
        422: {"model": ErrorBody, "description": "not a file, or not fields, that can be used"},
        503: {"model": ErrorBody, "description": "too many jobs wait, or too many files arrive"},
    },
)
async def analyze(request: Request, viewer: Admitted, here: Here) -> Response:
    """Take a file in and examine it: with all proven detectors that fit, which give one answer, or with the models named.
    Detectors that are slow here run with `all=true`; else `left_out` names them, and a request with `model` runs them.

    The case belongs to whose key was shown. `GET /api/cases/{case_id}/answer` has the answer of the case at any time.
    """
    try:
        form, job_id = await _receive(request, viewer, here)
    except ClientDisconnect:
        return Response(status_code=CLOSED_BY_CLIENT)
    view = await _until_ended(request, here, job_id, viewer, form.wait_s if form.wait else 0.0)
    ended, told = view.state.ended, public_job(view)
    if not form.model:
        answer = await anyio.to_thread.run_sync(_answer, here, viewer, view)
        told = Examination(**dict(told), left_out=answer.left_out, answer=answer if ended else None)
    return as_json(told, 200 if ended else 202, Location=f"/api/jobs/{job_id}")


def _answer(here: Services, viewer: Viewer, view: JobView) -> Answer:
    return here.workbench.seen_by(viewer).open(view.case_id).answer()


async def _receive(request: Request, viewer: Viewer, here: Services) -> tuple[AnalyzeForm, str]:
    """The fields and the id of the queued job."""
    stated = request.headers.get("content-length", "")
    async with here.turns.one(int(stated) if stated.isdigit() else None):
        await anyio.to_thread.run_sync(here.workbench.require_room)
        async with received(request, here.uploads_dir, here.settings.limits.max_bytes) as upload:
            form = read_form(upload.fields)
            here.metrics.upload_bytes.observe(upload.size)
            return form, await anyio.to_thread.run_sync(_queue, here, viewer, upload, form)


def read_form(fields: Mapping[str, list[str]]) -> AnalyzeForm:
    """Raises: RequestError that names the field."""
    values: dict[str, object] = {}
    for name, given in fields.items():
        if name != "model" and len(given) > 1:
            raise RequestError("bad_request", "A field of the form was sent twice; only `model` may be repeated.", 422)
        values[name] = tuple(given) if name == "model" else given[0]
    try:
        return AnalyzeForm.model_validate(values)
    except ValidationError as error:
        raise RequestError("bad_request", in_words(error.errors()), 422) from error


def _queue(here: Services, viewer: Viewer, upload: Upload, form: AnalyzeForm) -> str:
    """Nothing stays of a file that no job was made for. Raises: WeightsMissingError when no named model has its weights."""
    named = [here.manager.status(name) for name in form.model]
    if named and all(status.state == "missing" for status in named):
        raise WeightsMissingError(" ".join(dict.fromkeys(status.remedy or status.name for status in named)))
    case = take_in(here.workbench, upload.path, upload.name or "unnamed", viewer, form.question)
    with deleted_on_failure(case):
        if not form.model and form.track is None:
            return case.examine(everything=form.all)
        models = tuple(dict.fromkeys(form.model)) or (here.manager.default_model(case.media, form.track),)
        return case.submit(models, track=form.track)


async def _until_ended(request: Request, here: Services, job_id: str, viewer: Viewer, wait_s: float) -> JobView:
    """The job once it has ended, after `wait_s` as it then stands. A client that goes away leaves it running."""
    deadline = time.monotonic() + wait_s
    seen = here.workbench.seen_by(viewer)
    view = await here.job(viewer, job_id)
    while (left_s := deadline - time.monotonic()) > 0 and not await request.is_disconnected():
        if not await anyio.to_thread.run_sync(seen.unended, view):
            break
        await asyncio.sleep(min(TICK_S, left_s))
    return await here.job(viewer, job_id)
