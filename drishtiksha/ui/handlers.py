"""What happens on each event, as plain functions on a `Desk`: no layout, and no gradio component is known here.

Each answers a dict of output name -> new value; the tab maps names to its components.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from drishtiksha.errors import AnalysisCancelledError, DrishtikshaError
from drishtiksha.events import CancelToken, ProgressEvent
from drishtiksha.render import words
from drishtiksha.results import AnalysisResult, MediaKind
from drishtiksha.ui import panels, picker, quicklook, shown
from drishtiksha.ui.desk import Case, Desk, discard_upload, without_server_paths
from drishtiksha.ui.runner import Clockwork, watch

log = logging.getLogger(__name__)

Update = dict[str, Any]
ReportProgress = Callable[..., Any]

YIELD_S = 1.0
"""A closed tab is noticed only when an answer is sent; so one is sent at least this often."""


def take_upload(desk: Desk, upload: str | None, model_name: str | None) -> Update:
    """Copy and hash an upload at once, delete gradio's copy, and show what it is."""
    if upload is None:
        return {}
    path = Path(upload)
    try:
        return _take(desk, path, model_name)
    finally:
        discard_upload(path)


def take_example(desk: Desk, path: Path, model_name: str | None) -> Update:
    """The same for a file that comes with the project."""
    return _take(desk, path, model_name)


def choose_model(desk: Desk, case_id: str | None, model_name: str | None) -> Update:
    """Another model was picked: say whether it fits the file."""
    return _on_case(desk, case_id, lambda case: {"facts": _facts(desk, case, model_name)})


def look_quickly(desk: Desk, case_id: str | None, model_name: str | None) -> Update:
    """Right after a file was taken: add what a glance at faces and sound tells. A failure here leaves the facts as they are."""
    try:
        case = desk.case(case_id)
        case.remarks = quicklook.remarks(case.evidence, desk.settings)
    except DrishtikshaError as error:
        log.info("no quick look: %s", error)
        return {}
    return {"facts": _facts(desk, case, model_name)}


def run(desk: Desk, case_id: str | None, model_name: str | None, progress: ReportProgress) -> Iterator[Update]:
    """Analyze, streaming progress, the preliminary answer and the final one. Failures become panels."""
    case: Case | None = None
    try:
        case = desk.case(case_id) if case_id else None
        if case is None or not model_name:
            what = "a file" if case is None else "a detector"
            yield cleared() | {"verdict": panels.problem(f"Choose {what} first.", title="Nothing to analyze yet")}
            return
        waiting = panels.waiting(model_name, case.evidence.media.name)
        yield cleared() | {"verdict": waiting, "status": panels.status("Starting"), **_running(True)}
        yield from _stream(desk, case, model_name, progress)
    except AnalysisCancelledError:
        if case is not None and not case.closed:
            yield {"verdict": panels.cancelled(), "status": panels.status("Cancelled.")}
    except Exception as error:  # noqa: BLE001 - shown to the user and logged; nothing goes on after it
        yield _failed(error)
    yield _running(False) | {"models": _models(desk, case_id, model_name)}


def cancel(desk: Desk, case_id: str | None) -> Update:
    """Stop what runs on this case; the running handler writes the answer."""

    def stop(case: Case) -> Update:
        if case.cancel is not None:
            case.cancel.cancel()
        return {"status": panels.status("Cancelling...")}

    return _on_case(desk, case_id, stop)


def delete(desk: Desk, case_id: str | None, model_name: str | None) -> Update:
    """Delete the case for good and return to the empty page."""
    try:
        if case_id:
            desk.delete(case_id)
    except Exception as error:  # noqa: BLE001 - shown to the user and logged
        return _failed(error)
    gone = panels.status("The case was deleted: the file, its copies and its results are gone.")
    return close(desk, None, model_name) | {"status": gone}


def close(desk: Desk, case_id: str | None, model_name: str | None) -> Update:
    """Back to the empty page; what runs is stopped. The case stays until its time is over."""
    if case_id and desk.has(case_id):
        desk.case(case_id).close()
    return cleared() | {
        "case": "",
        "facts": "",
        "chooser": gr.update(visible=True),
        "evidence": gr.update(visible=False),
        "video": gr.update(value=None, visible=False),
        "image": gr.update(value=None, visible=False),
        "audio": gr.update(value=None, visible=False),
        "verdict": panels.EMPTY,
        "status": panels.status(""),
        "models": gr.update(markup=picker.markup(desk.models(), model_name)),
    }


def cleared() -> Update:
    """The result side with nothing in it."""
    return {
        "verdict": "",
        "timeline": "",
        "faces": "",
        "people": "",
        "gallery_box": gr.update(visible=False),
        "gallery": gr.update(value=[]),
        "report_box": gr.update(visible=False),
        "sentence": "",
        "download": gr.update(value=None),
        "custody": "",
    }


def failure_sentence(error: BaseException) -> tuple[str, str | None]:
    """What to tell the user, and a reference into the log for what nobody foresaw."""
    if isinstance(error, DrishtikshaError):
        return without_server_paths(str(error)), None
    reference = secrets.token_hex(4)
    log.error("unexpected failure, reference %s", reference, exc_info=error)
    return (
        "Something failed that should not have. The file was not judged. Please report it with the reference.",
        reference,
    )


def _on_case(desk: Desk, case_id: str | None, act: Callable[[Case], Update]) -> Update:
    """What `act` makes of the open case: nothing without an id, a failure where the case is gone."""
    if not case_id:
        return {}
    try:
        case = desk.case(case_id)
    except DrishtikshaError as error:
        return _failed(error)
    return act(case)


def _take(desk: Desk, path: Path, model_name: str | None) -> Update:
    try:
        case = desk.take(path, path.name)
        copy = shown.display_copy(case, desk.settings.limits)
    except Exception as error:  # noqa: BLE001 - shown to the user and logged
        return _failed(error, title="This file could not be opened")
    media = case.evidence.media
    chosen = picker.choose(desk.models(), model_name, media)
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
            "facts": _facts(desk, case, chosen),
            "models": _models(desk, case.case_id, chosen),
            "verdict": panels.EMPTY,
            "status": panels.status(f"{media.name} is ready to be analyzed."),
        }
    )


def _stream(desk: Desk, case: Case, model_name: str, progress: ReportProgress) -> Iterator[Update]:
    """Progress is told at every step; answers are sent only when something changed and once every `YIELD_S`, since
    gradio takes its progress bar away at each."""
    token = CancelToken()
    case.cancel = token
    clockwork = Clockwork()
    told: tuple[tuple[int, int] | float, str] = (0.0, "")
    phase, sent = "", time.monotonic()
    for news in watch(lambda report: desk.analyze(case.evidence, model_name, report, token), token):
        update: Update = {}
        if isinstance(news, AnalysisResult):
            case.result = news
            yield _answer(desk, case, news)
            return
        if isinstance(news, ProgressEvent):
            told = clockwork.read(news)
            if news.phase != phase:
                phase = news.phase
                update["status"] = panels.status(told[1])
            if news.preview is not None:
                update["verdict"] = panels.verdict(news.preview, preliminary=True)
        progress(told[0], desc=told[1])
        if update or time.monotonic() - sent > YIELD_S:
            sent = time.monotonic()
            yield update


def _answer(desk: Desk, case: Case, result: AnalysisResult) -> Update:
    pictures = shown.gallery(case, result, desk.settings.limits)
    return {
        "verdict": panels.verdict(result),
        "timeline": panels.score_over_time(result),
        "faces": panels.faces_of_picture(result),
        "people": panels.people(result),
        "gallery_box": gr.update(visible=bool(pictures)),
        "gallery": gr.update(value=pictures, selected_index=None),
        "gallery_caption": panels.heading(*shown.gallery_caption(result)),
        "report_box": gr.update(visible=True),
        "sentence": words.sentence(result),
        "download": gr.update(value=str(shown.json_file(case, result))),
        "custody": panels.custody(result),
        "status": panels.status(f"Done in {words.duration(result.processing_time)}.", words.summary(result)),
    }


def _facts(desk: Desk, case: Case, model_name: str | None) -> str:
    media = case.evidence.media
    remarks = [*case.remarks, *(remark for remark in (shown.playback_remark(media),) if remark)]
    remarks = picker.remarks(desk.models(), model_name, media) + remarks
    return panels.evidence(media, remarks)


def _models(desk: Desk, case_id: str | None, selected: str | None) -> Any:
    media = desk.case(case_id).evidence.media if case_id and desk.has(case_id) else None
    return gr.update(value=selected, markup=picker.markup(desk.models(), selected, media))


def _running(running: bool) -> Update:
    return {"analyze": gr.update(interactive=not running), "cancel": gr.update(visible=running)}


def _failed(error: BaseException, title: str = "This could not be analyzed") -> Update:
    message, reference = failure_sentence(error)
    return cleared() | {
        "verdict": panels.problem(message, reference, title),
        "status": panels.status(f"{title}."),
    }
