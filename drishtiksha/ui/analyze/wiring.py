"""What the components of the Analyze tab do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from drishtiksha.ui.analyze import handlers, seeking, watching
from drishtiksha.ui.shared import downloads, links
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.parts import Parts
from drishtiksha.ui.shared.templates import script

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
NOW: dict[str, Any] = {"queue": False, **PRIVATE}

Changes = dict[Any, Any]


def wire_evidence(parts: Parts, desk: Desk, examples: list[tuple[Any, Path]]) -> None:
    """Taking a file, or an example, and a quick look at it."""

    def upload(path: str | None, model: str | None, question: str, request: gr.Request) -> Changes:
        taken = handlers.take_upload(desk, path, model, desk.viewer(request), question)
        return parts.update(taken | {"drop": None})

    def look(case_id: str, model: str | None, request: gr.Request) -> Changes:
        return parts.update(handlers.look_quickly(desk, case_id, model, desk.viewer(request)))

    def take(event: Any, fn: Any, inputs: list[Any]) -> None:
        taken = event(fn, inputs, parts.outputs, concurrency_limit=4, **PRIVATE)
        taken.then(look, [parts["case"], parts["models"]], parts.outputs, concurrency_limit=2, **PRIVATE)

    take(parts["drop"].upload, upload, [parts["drop"], parts["models"], parts["question"]])
    for button, path in examples:

        def example(model: str | None, question: str, request: gr.Request, path: Path = path) -> Changes:
            return parts.update(handlers.take_example(desk, path, model, desk.viewer(request), question))

        take(button.click, example, [parts["models"], parts["question"]])

    def choose(case_id: str, model: str | None, request: gr.Request) -> Changes:
        return parts.update(handlers.choose_model(desk, case_id, model, desk.viewer(request)))

    parts["models"].input(choose, [parts["case"], parts["models"]], parts.outputs, **NOW)


def wire_analysis(parts: Parts, desk: Desk, tab: gr.Tab, demo: gr.Blocks) -> None:
    """Starting jobs, watching and stopping them, and leaving a case: its job goes on, but this page no longer tells of it."""
    watching_events = [*_watchers(parts, desk, demo), _stress_watcher(parts, desk)]

    def stop(job_id: str, request: gr.Request) -> Changes:
        return parts.update(watching.stop(desk, job_id, desk.viewer(request)))

    def stop_stress(job_id: str, request: gr.Request) -> Changes:
        return parts.update(watching.stop(desk, job_id, desk.viewer(request), "stress_status"))

    def another(model: str | None) -> Changes:
        return parts.update(handlers.close(desk, model))

    def delete(case_id: str, model: str | None, request: gr.Request) -> Changes:
        return parts.update(handlers.delete(desk, case_id, model, desk.viewer(request)))

    def refresh(job_id: str, request: gr.Request) -> Changes:
        return parts.update(watching.refresh(desk, job_id, desk.viewer(request)))

    parts["stop"].click(stop, [parts["job"]], parts.outputs, **NOW)
    parts["stress_stop"].click(stop_stress, [parts["stress_job"]], parts.outputs, **NOW)
    parts["another"].click(another, [parts["models"]], parts.outputs, cancels=watching_events, **NOW)
    both = [parts["case"], parts["models"]]
    parts["delete"].click(delete, both, parts.outputs, cancels=watching_events, **NOW)
    tab.select(refresh, [parts["job"]], parts.outputs, **NOW)


def _watchers(parts: Parts, desk: Desk, demo: gr.Blocks) -> list[Any]:
    """The events that watch an analysis: started, tried again, or found in the page's URL."""

    def run(
        case_id: str,
        model: str | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how gradio finds it
    ) -> Iterator[Changes]:
        yield from parts.stream(watching.run(desk, case_id, model, desk.viewer(request), progress))

    def retry(
        job_id: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Changes]:
        yield from parts.stream(watching.retry(desk, job_id, desk.viewer(request), progress))

    def reopen(request: gr.Request, progress: gr.Progress = gr.Progress()) -> Iterator[Changes]:  # noqa: B008
        yield from parts.stream(watching.reopen(desk, links.job_of(request), desk.viewer(request), progress))

    options = watcher_options(parts["status"])
    started = parts["analyze"].click(run, [parts["case"], parts["models"]], parts.outputs, **options)
    parts["analyze"].click(None, None, None, js=script("show_result.js"), api_visibility="private")
    tried = parts["retry"].click(retry, [parts["job"]], parts.outputs, **options)
    return [started, tried, demo.load(reopen, None, parts.outputs, **options)]


def _stress_watcher(parts: Parts, desk: Desk) -> Any:
    def stress(
        case_id: str,
        job_id: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Changes]:
        yield from parts.stream(watching.stress(desk, case_id, job_id, desk.viewer(request), progress))

    both = [parts["case"], parts["job"]]
    return parts["stress_run"].click(stress, both, parts.outputs, **watcher_options(parts["stress_status"]))


def watcher_options(status: Any) -> dict[str, Any]:
    """Of an event that watches a job: any number of pages may watch; progress stands on the status line alone."""
    return {
        "concurrency_limit": None,
        "show_progress": "full",
        "show_progress_on": status,
        "api_visibility": "private",
    }


def wire_result(parts: Parts, desk: Desk) -> None:
    """From a person, a picture or a spot on the timeline to that moment in the player; and reports to keep."""
    outputs = [parts["video"], parts["audio"]]

    def person(job_id: str, event: gr.EventData, request: gr.Request) -> Changes:
        return parts.update(seeking.seek_person(desk, job_id, desk.viewer(request), int(event.person)))

    def finding(job_id: str, event: gr.SelectData, request: gr.Request) -> Changes:
        return parts.update(seeking.seek_finding(desk, job_id, desk.viewer(request), event.index))

    def moment(job_id: str, event: gr.EventData, request: gr.Request) -> Changes:
        return parts.update(seeking.seek_timeline(desk, job_id, desk.viewer(request), float(event.time)))

    def report(case_id: str, event: gr.EventData, request: gr.Request) -> str:
        return downloads.make(desk, case_id, str(event.format), desk.viewer(request))

    parts["people"].select(person, [parts["job"]], outputs, **NOW)
    parts["gallery"].select(finding, [parts["job"]], outputs, **NOW)
    parts["timeline"].click(moment, [parts["job"]], outputs, **NOW)
    parts["reports"].click(report, [parts["case"]], parts["reports"], concurrency_limit=2, **PRIVATE)
