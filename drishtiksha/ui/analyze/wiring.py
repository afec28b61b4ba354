"""What the components of the Analyze tab do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from drishtiksha.ui.analyze import examples, handlers, looking
from drishtiksha.ui.shared import choice, downloads, links
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.failure import guarded
from drishtiksha.ui.shared.parts import Parts

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
NOW: dict[str, Any] = {"queue": False, **PRIVATE}
WATCHING: dict[str, Any] = {"concurrency_limit": None, **PRIVATE}
"""Of an event that watches a job: any number of pages may watch."""

Changes = dict[Any, Any]


def wire_evidence(parts: Parts, desk: Desk) -> list[Any]:
    """Taking a file, and looking at an example. A file that is taken is examined at once: the events that then watch."""

    def upload(path: str | None, request: gr.Request) -> Iterator[Changes]:
        first = True
        for update in handlers.take_upload(desk, path, desk.viewer(request)):
            yield parts.update(update | ({"drop": None} if first else {}))
            first = False

    def show(event: gr.EventData) -> Changes:
        return parts.update(examples.show(str(event.name), may_add=desk.settings.manage_models))

    def examine_example(name: str, request: gr.Request) -> Iterator[Changes]:
        if (path := examples.path_of(name)) is not None:
            yield from parts.stream(handlers.take(desk, path, desk.viewer(request)))

    parts["examples"].click(show, None, parts.outputs, **NOW)
    return [
        # "multiple": the next file may be dropped before the server has let go of the one that was left.
        parts["drop"].upload(upload, parts["drop"], parts.outputs, trigger_mode="multiple", **WATCHING),
        parts["try_it"].click(examine_example, parts["example"], parts.outputs, **WATCHING),
    ]


def wire_case(parts: Parts, desk: Desk, tab: gr.Tab, linked: gr.HTML, taking: list[Any]) -> None:
    """Watching, stopping and repeating jobs; opening a link; leaving a case: its job goes on, but this page no longer tells of it."""

    def again(case_id: str, picks: str, request: gr.Request) -> Iterator[Changes]:
        yield from parts.stream(handlers.run_again(desk, case_id, picks, desk.viewer(request)))

    def also(case_id: str, event: gr.EventData, request: gr.Request) -> Iterator[Changes]:
        yield from parts.stream(handlers.also_run(desk, case_id, choice.picked(event.models), desk.viewer(request)))

    def track(case_id: str, event: gr.EventData, request: gr.Request) -> Iterator[Changes]:
        yield from parts.stream(handlers.examine_track(desk, case_id, str(event.track), desk.viewer(request)))

    def retry(job_id: str, request: gr.Request) -> Iterator[Changes]:
        yield from parts.stream(handlers.retry(desk, job_id, desk.viewer(request)))

    def reopen(request: gr.Request) -> Iterator[Changes]:
        yield from parts.stream(handlers.reopen(desk, links.job_of(request), desk.viewer(request)))

    def stress(case_id: str, request: gr.Request) -> Iterator[Changes]:
        yield from parts.stream(handlers.stress(desk, case_id, desk.viewer(request)))

    def undo(event: gr.EventData, request: gr.Request) -> Iterator[Changes]:
        yield from parts.stream(handlers.undo(desk, str(event.case_id), desk.viewer(request)))

    def delete(event: gr.EventData, request: gr.Request) -> Changes:
        return parts.update(handlers.delete(desk, str(event.case_id), desk.viewer(request)))

    def stop(job_id: str, request: gr.Request) -> Changes:
        return parts.update(handlers.stop(desk, job_id, desk.viewer(request)))

    def stop_stress(job_id: str, request: gr.Request) -> Changes:
        return parts.update(handlers.stop_stress(desk, job_id, desk.viewer(request)))

    def refresh(case_id: str, job_id: str, request: gr.Request) -> Changes:
        return parts.update(handlers.refresh(desk, case_id, job_id, desk.viewer(request)))

    def chosen(picks: str) -> Changes:
        return parts.update(handlers.choosable(choice.picked(picks)))

    parts["picks"].input(chosen, parts["picks"], parts.outputs, **NOW)
    watching = [
        *taking,
        parts["again"].click(again, [parts["case"], parts["picks"]], parts.outputs, **WATCHING),
        parts["left_out"].click(also, parts["case"], parts.outputs, **WATCHING),
        parts["tracks"].click(track, parts["case"], parts.outputs, **WATCHING),
        parts["retry"].click(retry, parts["job"], parts.outputs, **WATCHING),
        parts["stress_run"].click(stress, parts["case"], parts.outputs, **WATCHING),
        linked.click(reopen, None, parts.outputs, **WATCHING),
    ]
    parts["notice"].click(undo, None, parts.outputs, **WATCHING)
    parts["stop"].click(stop, parts["job"], parts.outputs, **NOW)
    parts["stress_stop"].click(stop_stress, parts["stress_job"], parts.outputs, **NOW)
    parts["another"].click(lambda: parts.update(handlers.closed()), None, parts.outputs, cancels=watching, **NOW)
    parts["delete"].click(delete, None, parts.outputs, cancels=watching, **NOW)
    tab.select(refresh, [parts["case"], parts["job"]], parts.outputs, **NOW)


def wire_answer(parts: Parts, desk: Desk) -> None:
    """Reports to keep, and the note that goes into them."""

    def report(case_id: str, event: gr.EventData, request: gr.Request) -> str:
        return downloads.make(desk, case_id, str(event.format), desk.viewer(request))

    def note(case_id: str, text: str, request: gr.Request) -> Changes:
        return parts.update(handlers.keep_note(desk, case_id, text, desk.viewer(request)))

    parts["reports"].click(report, [parts["case"]], parts["reports"], concurrency_limit=2, **PRIVATE)
    parts["note"].submit(note, [parts["case"], parts["note"]], parts.outputs, **NOW)


def wire_looking(parts: Parts, desk: Desk) -> None:
    """One frame through a filter, and the key frames."""
    seen, begun = guarded(handlers.failed)(looking.look), guarded(handlers.failed)(looking.scenes)

    def look(case_id: str, event: gr.EventData, request: gr.Request) -> Changes:
        return parts.update(seen(desk, case_id, str(event.filter), event.time, desk.viewer(request)))

    def scenes(case_id: str, request: gr.Request) -> Changes:
        return parts.update(begun(desk, case_id, desk.viewer(request)))

    parts["look"].select(look, parts["case"], parts.outputs, concurrency_limit=4, **PRIVATE)
    parts["key_frames"].select(scenes, parts["case"], parts.outputs, concurrency_limit=4, **PRIVATE)
