"""Starting a job, watching it, stopping it, and coming back to it by its link. The job itself lives in the workbench:
whoever closes the page closes a window on it, nothing more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from drishtiksha.casefile import CaseFile, JobState, JobView, Viewer
from drishtiksha.errors import without_server_paths
from drishtiksha.render import words
from drishtiksha.results import AnalysisResult
from drishtiksha.services.workbench import OpenCase
from drishtiksha.ui.analyze import handlers
from drishtiksha.ui.analyze import stress as stress_panel
from drishtiksha.ui.shared import downloads, human, links, panels, shown
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.failure import failure_line, guarded
from drishtiksha.ui.shared.parts import Update
from drishtiksha.ui.shared.runner import Clockwork

ReportProgress = Callable[..., Any]

YIELD_S = 1.0
"""A closed tab is noticed only when an answer is sent; so one is sent at least this often."""


@guarded(handlers.failed)
def run(
    desk: Desk, case_id: str | None, model_name: str | None, viewer: Viewer, progress: ReportProgress
) -> Iterator[Update]:
    """Queue an analysis and watch it. Failures become panels."""
    if not case_id or not model_name:
        # Beside the verdict's place, where it may stand why the last file was refused.
        yield {"status": panels.status(f"Choose {'a detector' if case_id else 'a file'} first.")}
        return
    yield from watch(desk, desk.workbench.seen_by(viewer).open(case_id).submit([model_name]), viewer, progress)


@guarded(handlers.failed)
def retry(desk: Desk, job_id: str | None, viewer: Viewer, progress: ReportProgress) -> Iterator[Update]:
    """Queue a stopped or failed job again, from where it was."""
    if job_id:
        yield from watch(desk, desk.workbench.seen_by(viewer).retry(job_id), viewer, progress)


@guarded(handlers.failed)
def stop(desk: Desk, job_id: str | None, viewer: Viewer, status: str = "status") -> Update:
    """Ask a job to stop; whoever watches it writes the answer."""
    if not job_id:
        return {}
    desk.workbench.seen_by(viewer).cancel(job_id)
    return {status: panels.status("Stopping...")}


@guarded(lambda error: _stress_idle(failure_line(error)))
def stress(
    desk: Desk, case_id: str | None, job_id: str | None, viewer: Viewer, progress: ReportProgress
) -> Iterator[Update]:
    """Queue a stress test of the model whose answer the page shows, and watch it."""
    if not case_id or not job_id:
        return
    model = desk.workbench.seen_by(viewer).job(job_id).models[0]
    stress_id = desk.workbench.seen_by(viewer).open(case_id).submit([model], kind="stress")
    yield from watch_stress(desk, stress_id, viewer, progress)


@guarded(handlers.failed)
def reopen(desk: Desk, job_id: str, viewer: Viewer, progress: ReportProgress) -> Iterator[Update]:
    """The page was opened with a job in its URL: its case, and the job as it stands or stood."""
    if not job_id:
        return
    view = desk.workbench.seen_by(viewer).job(job_id)
    if len(view.models) > 1:
        yield {"verdict": panels.comparison(job_id)}
        return
    opened = desk.workbench.seen_by(viewer).open(view.case_id)
    page = handlers.page_of(desk, opened, view.models[0])
    if view.kind == "analyze":
        yield from watch(desk, job_id, viewer, progress, page)
        return
    tested = [one for one in opened.jobs() if _answers(one, view.models[0])]
    if tested:
        page |= _ended(desk, tested[-1], viewer)
    yield from watch_stress(desk, job_id, viewer, progress, page)


@guarded(handlers.failed)
def refresh(desk: Desk, job_id: str | None, viewer: Viewer) -> Update:
    """The tab was opened again: people may have said a word meanwhile."""
    if not job_id:
        return {}
    view = desk.workbench.seen_by(viewer).job(job_id)
    case = desk.workbench.seen_by(viewer).open(view.case_id).read()
    said = {"human": human.markup(case)}
    if view.state is not JobState.DONE or not view.results:
        return said
    return said | {"verdict": panels.verdict(view.results[0], overruled=case.human_verdict is not None)}


def watch(
    desk: Desk, job_id: str, viewer: Viewer, progress: ReportProgress, page: Update | None = None
) -> Iterator[Update]:
    """The job until it has ended, added to `page` at first. Raises: JobGoneError.

    Progress is told at every step; answers are sent only when something changed and once every `YIELD_S`, since gradio
    takes its progress bar away at each.
    """
    view = desk.workbench.seen_by(viewer).job(job_id)
    if view.state.ended:
        # In one answer: the page loses what is hidden and shown again within a moment.
        yield (page or {}) | _ended(desk, view, viewer)
        return
    yield (page or {}) | _begun(desk, view, viewer)
    clockwork, sent, last = Clockwork(), time.monotonic(), ("", "")
    for view in desk.workbench.seen_by(viewer).watch(job_id):
        if view.state.ended:
            yield _ended(desk, view, viewer)
            return
        count, told = clockwork.read(view)
        update: Update = {}
        now = (
            f"{view.state} {view.phase} {view.position}",
            str(view.preview and (view.preview.p_fake, view.preview.coverage)),
        )
        if now[0] != last[0]:
            update["status"] = panels.status(told)
        if now[1] != last[1] and view.preview is not None:
            update["verdict"] = panels.verdict(view.preview, preliminary=True)
        last = now
        progress(count, desc=told)
        if update or time.monotonic() - sent > YIELD_S:
            sent = time.monotonic()
            yield update


def watch_stress(
    desk: Desk, job_id: str, viewer: Viewer, progress: ReportProgress, page: Update | None = None
) -> Iterator[Update]:
    """The same for a stress test, beside the answer that it tests. Raises: JobGoneError."""
    view = desk.workbench.seen_by(viewer).job(job_id)
    if view.state.ended:
        yield (page or {}) | _stress_ended(view)
        return
    yield (page or {}) | {
        "stress_job": job_id,
        "link": links.job(job_id),
        "stress": "",
        "stress_box": gr.update(visible=True),
        "stress_status": panels.status("Starting"),
        "stress_run": gr.update(visible=False),
        "stress_stop": gr.update(visible=True),
    }
    clockwork, sent = Clockwork(), time.monotonic()
    for view in desk.workbench.seen_by(viewer).watch(job_id):
        if view.state.ended:
            yield _stress_ended(view)
            return
        count, told = clockwork.read(view)
        progress(count, desc=told)
        if time.monotonic() - sent > YIELD_S:
            sent = time.monotonic()
            yield {}


def _begun(desk: Desk, view: JobView, viewer: Viewer) -> Update:
    name = desk.workbench.seen_by(viewer).open(view.case_id).media.name
    return handlers.cleared() | {
        "job": view.job_id,
        "link": links.job(view.job_id),
        "verdict": panels.waiting(view.models[0], name),
        "status": panels.status("Starting"),
        "analyze": gr.update(interactive=False),
        "stop": gr.update(visible=True),
    }


def _answers(view: JobView, model: str) -> bool:
    return view.kind == "analyze" and view.models == (model,) and bool(view.results)


def _ended(desk: Desk, view: JobView, viewer: Viewer) -> Update:
    """The end of an analysis: its answer, or why there is none and how to go on."""
    opened = desk.workbench.seen_by(viewer).open(view.case_id)
    case = opened.read()
    update = handlers.cleared() | {
        "job": view.job_id,
        "link": links.job(view.job_id, ended=True),
        "models": handlers.models(desk, case, view.models[0]),
    }
    if view.state is JobState.DONE and view.results:
        return update | _answer(desk, opened, case, view.job_id, view.results[0])
    stopped = view.state is JobState.CANCELLED
    title = "Stopped." if stopped else "This could not be analyzed."
    return update | {
        "verdict": panels.cancelled() if stopped else panels.problem(_why(view)),
        "status": panels.status(title),
        "retry": gr.update(visible=True),
    }


def _answer(desk: Desk, opened: OpenCase, case: CaseFile, job_id: str, result: AnalysisResult) -> Update:
    pictures = shown.gallery(opened.evidence(), result, opened.derived(), job_id, desk.settings.limits)
    tested = next((one for one in case.stress if one.model_name == result.model_name), None)
    return {
        "human": human.markup(case),
        "verdict": panels.verdict(result, overruled=case.human_verdict is not None),
        "timeline": panels.score_over_time(result),
        "faces": panels.faces_of_picture(result),
        "people": panels.people(result),
        "gallery_box": gr.update(visible=bool(pictures)),
        "gallery": gr.update(value=pictures, selected_index=None),
        "gallery_caption": panels.heading(*shown.gallery_caption(result)),
        "stress_box": gr.update(visible=True),
        "stress": stress_panel.markup(tested) if tested else "",
        "report_box": gr.update(visible=True),
        "sentence": words.sentence(result),
        "reports": downloads.markup(),
        "custody": panels.custody(result),
        "status": panels.status(f"Done in {words.duration(result.processing_time)}.", words.summary(result)),
    }


def _stress_ended(view: JobView) -> Update:
    markup, told = "", ""
    if view.state is JobState.DONE and view.stress is not None:
        markup = stress_panel.markup(view.stress)
    else:
        told = "The stress test was stopped." if view.state is JobState.CANCELLED else _why(view)
    return _stress_idle(told) | {
        "stress_job": view.job_id,
        "link": links.job(view.job_id, ended=True),
        "stress_box": gr.update(visible=True),
        "stress": markup,
    }


def _stress_idle(told: str) -> Update:
    return {
        "stress_status": panels.status(told),
        "stress_run": gr.update(visible=True),
        "stress_stop": gr.update(visible=False),
    }


def _why(view: JobView) -> str:
    return without_server_paths(" ".join(view.errors.values()) or "The analysis ended without an answer.")
