"""Watching the analysis or the stress test of a case, as plain functions on a `Desk`."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from drishtiksha.casefile import JobState, JobView, Right, Viewer
from drishtiksha.errors import without_server_paths
from drishtiksha.services.workbench import OpenCase
from drishtiksha.ui.analyze import reading, view
from drishtiksha.ui.analyze.state import Update
from drishtiksha.ui.shared import downloads, links, panels, progress, watching
from drishtiksha.ui.shared.desk import Desk


def watch(desk: Desk, job_id: str, viewer: Viewer) -> Iterator[Update]:
    """An analysis until it has ended, and what else of its case waits or runs: each line of the answer as it comes.

    Raises: JobGoneError, CaseGoneError.
    """
    seen = desk.workbench.seen_by(viewer)
    opened = seen.open(seen.job(job_id).case_id)
    first = True
    for step in watching.follow(desk, [job_id], viewer):
        (job,) = step.views
        if job.state.ended:
            others = [one.job_id for one in opened.jobs() if one.kind == "analyze" and not one.state.ended]
            if others and job.state is not JobState.CANCELLED:
                yield from watch(desk, others[0], viewer)
            else:
                yield reading.told(desk, opened, job) | idle(opened, job)
            return
        update = Update(status=progress.board(job))
        if first:
            update |= begun(opened, job)
        if step.answered:
            update |= reading.told(desk, opened, job)
        first = False
        yield update


def watch_stress(desk: Desk, job_id: str, viewer: Viewer) -> Iterator[Update]:
    """A stress test until it has ended, beside the answer that it tests. Raises: JobGoneError, CaseGoneError."""
    seen = desk.workbench.seen_by(viewer)
    opened = seen.open(seen.job(job_id).case_id)
    may_stop = opened.may(Right.CHANGE)
    for step in watching.follow(desk, [job_id], viewer):
        (job,) = step.views
        if job.state.ended:
            yield _stress_ended(opened, job)
            return
        yield Update(
            stress_job=job_id,
            link=links.job(job_id),
            stress="",
            stress_box=gr.update(visible=True, open=True),
            stress_status=progress.board(job),
            stress_run=gr.update(visible=False),
            stress_stop=gr.update(visible=may_stop, value="Stop", interactive=True) if step.answered else gr.skip(),
        )


def begun(opened: OpenCase, job: JobView) -> Update:
    """What is shown and offered while detectors work."""
    return Update(
        job=job.job_id,
        link=links.job(job.job_id),
        stop=gr.update(visible=opened.may(Right.CHANGE), value="Stop", interactive=True),
        retry=gr.update(visible=False),
        again=gr.update(visible=False),
        again_wait=panels.status("More detectors can be run once these checks have ended."),
        stress_run=gr.update(interactive=False),
    )


def idle(opened: OpenCase, job: JobView | None = None) -> Update:
    """What is offered when an analysis has ended; None: none was needed, or none was ever run."""
    stopped = job is not None and job.state is JobState.CANCELLED
    broken = job is not None and job.state in (JobState.FAILED, JobState.CANCELLED)
    told = view.STOPPED if stopped else ""
    if job is not None and not stopped and job.errors:
        told = without_server_paths(" ".join(job.errors.values()))
    update = Update(
        status=panels.status(told),
        stop=gr.update(visible=False),
        retry=gr.update(visible=broken and opened.may(Right.CHANGE)),
        again=gr.update(visible=True),
        again_wait=panels.status(""),
        stress_run=gr.update(visible=opened.may(Right.RUN), interactive=True),
        keep=gr.update(visible=True),
        reports=downloads.buttons(),
    )
    return update if job is None else update | Update(job=job.job_id, link=links.job(job.job_id, ended=True))


def quiet() -> Update:
    """Nothing runs, and nothing is offered that could."""
    return Update(
        stop=gr.update(visible=False),
        retry=gr.update(visible=False),
        stress_box=gr.update(visible=False),
        stress="",
        stress_status="",
        stress_run=gr.update(visible=True),
        stress_stop=gr.update(visible=False),
    )


def _stress_ended(opened: OpenCase, job: JobView) -> Update:
    told = ""
    if job.state is not JobState.DONE or job.stress is None:
        why = without_server_paths(" ".join(job.errors.values()) or "The stress test ended without an answer.")
        told = "The stress test was stopped." if job.state is JobState.CANCELLED else why
    return Update(
        stress_job=job.job_id,
        link=links.job(job.job_id, ended=True),
        stress_box=gr.update(visible=True, open=True),
        stress=view.stress_test(job.stress) if job.stress is not None else "",
        stress_status=panels.status(told),
        stress_run=gr.update(visible=opened.may(Right.RUN)),
        stress_stop=gr.update(visible=False),
    )
