"""From a person, a picture or a moment on the timeline to that moment in the player; plain functions on a `Desk`."""

from __future__ import annotations

from typing import Any

import gradio as gr

from drishtiksha.casefile import Viewer
from drishtiksha.errors import JobGoneError
from drishtiksha.render.findings import findings
from drishtiksha.render.timeline import bounds, has_timeline
from drishtiksha.results import AnalysisResult, MediaKind
from drishtiksha.ui.shared.desk import Desk


def seek_person(desk: Desk, job_id: str | None, viewer: Viewer, person: int) -> dict[str, Any]:
    """Go to the moment where this person's score was highest."""
    result = _result(desk, job_id, viewer)
    if result is None:
        return {}
    seen = [
        (face.p_fake, score.time_s)
        for score in result.scores
        for face in score.faces
        if face.person == person and score.time_s is not None
    ]
    return _seek(result, max(seen)[1]) if seen else {}


def seek_finding(desk: Desk, job_id: str | None, viewer: Viewer, number: int) -> dict[str, Any]:
    """Go to the moment of a picture in the gallery; of sound to where the stretch begins."""
    result = _result(desk, job_id, viewer)
    found = findings(result) if result is not None else []
    if result is None or not 0 <= number < len(found):
        return {}
    return _seek(result, found[number].score.time_s)


def seek_timeline(desk: Desk, job_id: str | None, viewer: Viewer, time_s: float) -> dict[str, Any]:
    """Go to the moment of a click on the timeline, kept inside it."""
    result = _result(desk, job_id, viewer)
    if result is None or not has_timeline(result):
        return {}
    start_s, end_s = bounds(result)
    return _seek(result, min(max(time_s, start_s), end_s))


def _result(desk: Desk, job_id: str | None, viewer: Viewer) -> AnalysisResult | None:
    if not job_id:
        return None
    try:
        return next(iter(desk.workbench.seen_by(viewer).job(job_id).results), None)
    except JobGoneError:
        return None


def _seek(result: AnalysisResult, time_s: float | None) -> dict[str, Any]:
    if time_s is None or result.media.kind is MediaKind.IMAGE:
        return {}
    return {result.media.kind.value: gr.update(playback_position=time_s)}
