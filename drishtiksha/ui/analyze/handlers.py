"""What happens to a case on each event, as plain functions on a `Desk`: no layout, and no component is known here.

Each answers a dict of output name -> new value; the tab maps names to its components.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from drishtiksha.casefile import CaseFile, Right, Viewer
from drishtiksha.errors import CaseGoneError, DrishtikshaError, JobGoneError, NotAllowedError
from drishtiksha.registry import ModelStatus
from drishtiksha.render import words
from drishtiksha.results import MediaKind
from drishtiksha.services.intake import deleted_on_failure
from drishtiksha.services.workbench import OpenCase
from drishtiksha.ui.shared import downloads, human, links, panels, picker, quicklook, shown
from drishtiksha.ui.shared.desk import Desk, discard_upload
from drishtiksha.ui.shared.failure import failure_line, failure_sentence, guarded
from drishtiksha.ui.shared.parts import Update

log = logging.getLogger(__name__)


def failed(error: BaseException, title: str = "This could not be analyzed") -> Update:
    """The failure in the place of the verdict; what somebody may not do is told on the status line and changes nothing."""
    if isinstance(error, NotAllowedError):
        return {"status": panels.status(str(error))}
    if isinstance(error, CaseGoneError | JobGoneError):
        title = "This is no longer here"
    message, reference = failure_sentence(error)
    return cleared() | {
        "verdict": panels.problem(message, reference, title),
        "status": panels.status(f"{title}."),
    }


def take_upload(desk: Desk, upload: str | None, model_name: str | None, viewer: Viewer, question: str = "") -> Update:
    """Copy and hash an upload at once, delete gradio's copy, and show what it is and where it says it comes from."""
    if upload is None:
        return {}
    path = Path(upload)
    try:
        return take_example(desk, path, model_name, viewer, question)
    finally:
        discard_upload(path)


@guarded(lambda error: failed(error, "This file could not be opened"))
def take_example(desk: Desk, path: Path, model_name: str | None, viewer: Viewer, question: str = "") -> Update:
    """The same for a file that comes with the project."""
    case = desk.take(path, path.name, viewer, question)
    with deleted_on_failure(case):
        page = page_of(desk, case, model_name)
    return page | {"status": panels.status(f"{case.media.name} is ready to be analyzed.")}


def page_of(desk: Desk, opened: OpenCase, model_name: str | None) -> Update:
    """The page with this case on it and no result yet. Raises: CaseGoneError, MediaError."""
    case, media, statuses = opened.read(), opened.media, desk.models()
    copy = shown.display_copy(opened.evidence(), opened.derived(), desk.settings.limits)
    chosen = picker.choose(statuses, model_name, media)
    players = {
        kind.value: gr.update(value=str(copy) if media.kind is kind else None, visible=media.kind is kind)
        for kind in MediaKind
    }
    return (
        cleared()
        | players
        | {
            "case": case.case_id,
            "chooser": gr.update(visible=False),
            "evidence": gr.update(visible=True),
            "facts": facts(desk, opened, case.question, chosen, statuses),
            "models": gr.update(value=chosen, markup=picker.markup(statuses, chosen, media)),
            "delete": gr.update(interactive=opened.may(Right.CHANGE)),
            "provenance": panels.origin(case),
            "human": human.markup(case),
            "verdict": panels.empty(),
        }
    )


@guarded(failed)
def choose_model(desk: Desk, case_id: str | None, model_name: str | None, viewer: Viewer) -> Update:
    """Another model was picked: say whether it fits the file."""
    if not case_id:
        return {}
    opened = desk.workbench.seen_by(viewer).open(case_id)
    return {"facts": facts(desk, opened, opened.read().question, model_name, desk.models())}


@guarded(lambda error: {"status": panels.status(failure_line(error))})
def look_quickly(desk: Desk, case_id: str | None, model_name: str | None, viewer: Viewer) -> Update:
    """Right after a file was taken: add what a glance at faces and sound tells. A failure here leaves the facts as they are."""
    if not case_id:
        return {}
    try:
        opened = desk.workbench.seen_by(viewer).open(case_id)
        desk.keep_remarks(opened, quicklook.remarks(opened.evidence(), desk.settings))
        return {"facts": facts(desk, opened, opened.read().question, model_name, desk.models())}
    except DrishtikshaError as error:
        log.info("no quick look: %s", error)
        return {}


@guarded(failed)
def delete(desk: Desk, case_id: str | None, model_name: str | None, viewer: Viewer) -> Update:
    """Delete the case for good and return to the empty page."""
    told = "The case was deleted: the file, its copies, its jobs and its results are gone."
    try:
        if case_id:
            desk.workbench.seen_by(viewer).open(case_id).delete()
    except CaseGoneError as error:
        told = str(error)
    return close(desk, model_name) | {"status": panels.status(told)}


def close(desk: Desk, model_name: str | None) -> Update:
    """Back to the empty page. The case stays until its time is over, and what runs goes on."""
    return cleared() | {
        "case": "",
        "facts": "",
        "question": "",
        "provenance": "",
        "human": "",
        "chooser": gr.update(visible=True),
        "evidence": gr.update(visible=False),
        "video": gr.update(value=None, visible=False),
        "image": gr.update(value=None, visible=False),
        "audio": gr.update(value=None, visible=False),
        "verdict": panels.empty(),
        "status": panels.status(""),
        "models": gr.update(markup=picker.markup(desk.models(), model_name)),
    }


def cleared() -> Update:
    """The result side with nothing in it, and no job in the page's URL."""
    return {
        "job": "",
        "stress_job": "",
        "link": links.nothing("job"),
        "verdict": "",
        "timeline": "",
        "faces": "",
        "people": "",
        "gallery_box": gr.update(visible=False),
        "gallery": gr.update(value=[]),
        "stress_box": gr.update(visible=False),
        "stress": "",
        "stress_status": panels.status(""),
        "report_box": gr.update(visible=False),
        "sentence": "",
        "reports": downloads.markup(),
        "custody": "",
        "analyze": gr.update(interactive=True),
        "stop": gr.update(visible=False),
        "retry": gr.update(visible=False),
        "stress_run": gr.update(visible=True),
        "stress_stop": gr.update(visible=False),
    }


def facts(desk: Desk, opened: OpenCase, question: str, model_name: str | None, statuses: Sequence[ModelStatus]) -> str:
    """The file's facts, whether the model fits it, and what a glance at it told."""
    remark = shown.playback_remark(opened.media)
    fits = picker.remarks(statuses, model_name, opened.media)
    remarks = [*fits, *_effort(opened, model_name), *desk.remarks(opened)]
    return panels.evidence(opened.media, [*remarks, *([remark] if remark else [])], question)


def _effort(opened: OpenCase, model_name: str | None) -> list[str]:
    """What a run would take; nothing of a model that cannot run."""
    if model_name is None:
        return []
    (model,) = opened.plan([model_name]).models
    if model.obstacle is not None:
        return []
    time = "How long it takes here is not known yet"
    if model.seconds is not None:
        time = f"About {words.duration(model.seconds)}, as such files took here before"
    loading = "" if model.state == "loaded" else ", to be loaded first"
    return [f"{time}; its weights take {words.size(model.memory_bytes)} of memory{loading}."]


def models(desk: Desk, case: CaseFile | None, selected: str | None) -> Any:
    """The model list with its state now."""
    media = case.media if case is not None else None
    return gr.update(value=selected, markup=picker.markup(desk.models(), selected, media))
