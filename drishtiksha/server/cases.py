"""Cases: what is known of each file, its report, and its deletion."""

from __future__ import annotations

import re
import tempfile
from datetime import datetime
from enum import StrEnum
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BeforeValidator

from drishtiksha.answer import Answer
from drishtiksha.casefile import CaseFile, JobView
from drishtiksha.errors import RequestError
from drishtiksha.forensics import Filter
from drishtiksha.results import Prediction
from drishtiksha.server.access import Admitted
from drishtiksha.server.bodies import CaseSummary, gone
from drishtiksha.server.errors import public_job
from drishtiksha.server.services import Here, as_json, list_as_json
from drishtiksha.services.looking import KeyFrames

REPORT_WAIT_S = 20.0
"""How long a report waits for others to be made."""

CaseId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
GONE = gone("case")


class ReportForm(StrEnum):
    HTML = "html"
    PDF = "pdf"
    ZIP = "zip"
    JSON = "json"
    CSV = "csv"


MEDIA_TYPE = {
    ReportForm.HTML: "text/html; charset=utf-8",
    ReportForm.PDF: "application/pdf",
    ReportForm.ZIP: "application/zip",
    ReportForm.JSON: "application/json",
    ReportForm.CSV: "text/csv; charset=utf-8",
}
Moment = Annotated[datetime, BeforeValidator(lambda text: text if _ISO.match(str(text)) else "not a time")]
"""A time as ISO 8601 writes it; a bare number would be taken for seconds since 1970."""

_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]")
_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_CONTENT = {kind.partition(";")[0]: {} if "json" in kind else _FILE for kind in MEDIA_TYPE.values()}

router = APIRouter()


@router.get("/api/cases", response_model=list[CaseSummary])
def cases(
    viewer: Admitted,
    here: Here,
    prediction: Annotated[Prediction | None, Query(description="some model said so")] = None,
    model: Annotated[str | None, Query(max_length=200, description="it has a result of this model")] = None,
    reviewed: Annotated[bool | None, Query(description="a person said a word")] = None,
    disagreement: Annotated[bool | None, Query(description="models or reviewers contradict each other")] = None,
    since: Annotated[Moment | None, Query(description="opened then or later; without a zone UTC")] = None,
    until: Annotated[Moment | None, Query(description="opened before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> Response:
    """Your own cases, newest first; everybody's for a reviewer. Where strangers use the server this needs a key."""
    if here.settings.public and not viewer.name:
        raise RequestError("key_required", "Cases are listed to those with an API key alone. Use the id of yours.", 401)
    found = here.workbench.seen_by(viewer).cases(
        prediction=prediction,
        model=model,
        reviewed=reviewed,
        disagreement=disagreement,
        since=since,
        until=until,
        limit=limit,
    )
    return list_as_json([CaseSummary.of(case) for case in found])


@router.get("/api/cases/{case_id}", response_model=CaseFile, responses=GONE)
def case(case_id: CaseId, viewer: Admitted, here: Here) -> Response:
    """Everything known of a case: provenance, the newest result of each model, stress tests, reviews."""
    return as_json(here.workbench.seen_by(viewer).open(case_id).read())


@router.get("/api/cases/{case_id}/answer", response_model=Answer, responses=GONE)
def answer(case_id: CaseId, viewer: Admitted, here: Here) -> Response:
    """What all detectors that examined the file say together, as the case stands; `pending` names who is still at work."""
    return as_json(here.workbench.seen_by(viewer).open(case_id).answer())


@router.get(
    "/api/cases/{case_id}/look",
    response_class=Response,
    responses={200: {"content": {"image/png": _FILE}}, **GONE},
)
def look(
    case_id: CaseId,
    viewer: Admitted,
    here: Here,
    at: Annotated[
        float, Query(ge=0, le=1e6, allow_inf_nan=False, description="seconds; of a picture it is not used")
    ] = 0,
    through: Annotated[Filter, Query(alias="filter")] = Filter.FRAME,
) -> Response:
    """The frame that is shown at a time, of its own size, as PNG; through a filter for a person to look at. No filter proves
    anything."""
    seen = here.workbench.seen_by(viewer).open(case_id).look(through, at)
    return Response(seen.path.read_bytes(), media_type="image/png")


@router.get("/api/cases/{case_id}/key-frames", response_model=KeyFrames, responses=GONE)
def key_frames(case_id: CaseId, viewer: Admitted, here: Here) -> Response:
    """Where the scenes of a video begin; `look` gives the frames."""
    return as_json(here.workbench.seen_by(viewer).open(case_id).key_frames())


@router.get("/api/cases/{case_id}/jobs", response_model=list[JobView], responses=GONE)
def jobs(case_id: CaseId, viewer: Admitted, here: Here) -> Response:
    """All jobs of a case, oldest first: for whoever lost a job's id."""
    return list_as_json([public_job(view) for view in here.workbench.seen_by(viewer).open(case_id).jobs()])


@router.delete("/api/cases/{case_id}", status_code=204, response_class=Response, responses=GONE)
def delete(case_id: CaseId, viewer: Admitted, here: Here) -> Response:
    """Delete the file, everything derived from it, all jobs, results and reviews."""
    here.workbench.seen_by(viewer).open(case_id).delete()
    return Response(status_code=204)


@router.get(
    "/api/cases/{case_id}/report.{form}",
    response_class=Response,
    responses={200: {"content": _CONTENT}, **GONE},
)
def report(case_id: CaseId, form: ReportForm, viewer: Admitted, here: Here) -> Response:
    """The report as one HTML file or PDF; zip: a signed bundle that `drishtiksha verify` checks; json, csv: the data."""
    opened = here.workbench.seen_by(viewer).open(case_id)
    the_case = opened.read()
    if not here.reports.acquire(timeout=REPORT_WAIT_S):
        raise RequestError("busy", "Other reports are being made. Try again in a moment.", 503)
    try:
        with tempfile.TemporaryDirectory(dir=here.uploads_dir) as folder:
            target = FilePath(folder) / f"report.{form.value}"
            made = opened.report(target, the_case).read_bytes()
    finally:
        here.reports.release()
    disposition = f'attachment; filename="drishtiksha-{case_id[:8]}.{form.value}"'
    return Response(made, media_type=MEDIA_TYPE[form], headers={"Content-Disposition": disposition})
