"""The Review tab: the queue of cases on the left; the player, what is known, and the reviewer's form on the right."""

from __future__ import annotations

from typing import Any

import gradio as gr

from drishtiksha.ui.review import handlers, player, queue, sections
from drishtiksha.ui.review.state import Update
from drishtiksha.ui.shared import panels
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.elements import html
from drishtiksha.ui.shared.parts import Parts
from drishtiksha.ui.shared.templates import script

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": 4}


def build(desk: Desk, tab: gr.Tab) -> Parts:
    """Lay out and wire the tab inside the current `gr.Blocks`; `tab` is the tab that is being filled."""
    parts = Parts(Update)
    parts.add("case", gr.State(""))
    with gr.Row(elem_classes="dk-columns dk-review"):
        with gr.Column(scale=4, min_width=280, elem_classes="dk-left"):
            _queue(parts, desk)
        with gr.Column(scale=8, min_width=280, elem_classes="dk-right"):
            _case(parts)
    with gr.Accordion(
        "Agreement, detectors against human labels, export and import", open=False, elem_id="dk-review-sum"
    ):
        parts.add("stats", html("", elem_id="dk-review-stats"))
        with gr.Row(elem_classes="dk-actions"):
            parts.add("csv", gr.Button("Export as CSV", size="sm", min_width=120, interactive=False))
            parts.add("jsonl", gr.Button("Export as JSONL", size="sm", min_width=120, interactive=False))
        html(panels.heading("", "Import reviews from a CSV or JSONL file, as they are exported here:"))
        parts.add(
            "upload",
            gr.File(
                type="filepath",
                label="Reviews to import",
                show_label=False,
                file_types=[".csv", ".jsonl"],
                height=110,
                elem_id="dk-import",
            ),
        )
        parts.add("moved", html("", elem_id="dk-review-moved", js_on_load=script("fresh_link.js")))
    _wire_case(parts, desk)
    _wire_sum(parts, desk, tab)
    return parts


def _queue(parts: Parts, desk: Desk) -> None:
    html(panels.step(1, "Queue"))
    names = [status.name for status in desk.models()]
    parts.add(
        "filters",
        html(
            "{}",
            html_template="${markup}",
            markup=queue.filter_form(names),
            js_on_load=script("review_filters.js"),
            elem_id="dk-review-filters",
        ),
    )
    parts.add("queue", html("", js_on_load=script("review_queue.js"), elem_id="dk-review-queue"))
    html(player.keys(), elem_id="dk-review-keys")


def _case(parts: Parts) -> None:
    seek = {"js_on_load": script("seek.js")}
    html(panels.step(2, "Case"))
    parts.add("deleted", html("", js_on_load=script("undo.js"), elem_id="dk-review-deleted"))
    parts.add("human", html("", elem_id="dk-review-human"))
    parts.add(
        "player", html(sections.empty(), js_on_load=script("player.js", "review_player.js"), elem_id="dk-review-player")
    )
    parts.add("status", html("", js_on_load=script("review_status.js"), elem_id="dk-review-status"))
    parts.add("form", html("", js_on_load=script("review_form.js"), elem_id="dk-review-form"))
    parts.add("history", html("", elem_id="dk-review-history", **seek))
    parts.add("origin", html("", elem_id="dk-review-origin"))
    parts.add("machines", html("", elem_id="dk-review-machines"))
    parts.add("chart", html("", elem_id="dk-review-chart", **seek))
    parts.add("findings", html("", elem_id="dk-review-findings"))
    parts.add("delete", html("", js_on_load=script("delete.js"), elem_id="dk-review-delete"))


def _wire_case(parts: Parts, desk: Desk) -> None:
    def open_case(event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        return parts.update(handlers.open_case(desk, str(event.case_id), desk.viewer(request)))

    def pictures(case_id: str, request: gr.Request) -> dict[Any, Any]:
        return parts.update(handlers.pictures(desk, case_id, desk.viewer(request)))

    def save(filters: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        sent = (str(event.case_id), str(event.said))
        return parts.update(handlers.save(desk, *sent, filters, desk.viewer(request)))

    def delete(filters: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        return parts.update(handlers.delete(desk, str(event.case_id), filters, desk.viewer(request)))

    def undo(filters: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        return parts.update(handlers.undo(desk, str(event.case_id), filters, desk.viewer(request)))

    parts["delete"].click(delete, parts["filters"], parts.outputs, **PRIVATE)
    restored = parts["deleted"].click(undo, parts["filters"], parts.outputs, **PRIVATE)
    restored.then(pictures, parts["case"], parts.outputs, **PRIVATE)
    opened = parts["queue"].select(open_case, None, parts.outputs, trigger_mode="multiple", **PRIVATE)
    opened.then(pictures, parts["case"], parts.outputs, trigger_mode="multiple", **PRIVATE)
    parts["form"].submit(save, parts["filters"], parts.outputs, trigger_mode="multiple", **PRIVATE)


def _wire_sum(parts: Parts, desk: Desk, tab: gr.Tab) -> None:
    def refresh(case_id: str, filters: str, request: gr.Request) -> dict[Any, Any]:
        return parts.update(handlers.refresh(desk, case_id, filters, desk.viewer(request)))

    def everything(case_id: str, filters: str, request: gr.Request) -> dict[Any, Any]:
        viewer = desk.viewer(request)
        queue = handlers.refresh(desk, case_id, filters, viewer)
        return parts.update(queue | handlers.numbers(desk, viewer))

    def take_in(upload: str | None, case_id: str, filters: str, request: gr.Request) -> dict[Any, Any]:
        taken = handlers.take_in(desk, upload, case_id, filters, desk.viewer(request))
        return parts.update(taken | {"upload": None})

    chosen = [parts["case"], parts["filters"]]
    parts["filters"].input(refresh, chosen, parts.outputs, trigger_mode="always_last", **PRIVATE)
    tab.select(everything, chosen, parts.outputs, **PRIVATE)
    for form in ("csv", "jsonl"):

        def export(request: gr.Request, form: str = form) -> dict[Any, Any]:
            return parts.update(handlers.export(desk, form, desk.viewer(request)))

        parts[form].click(export, None, parts.outputs, **PRIVATE)
    parts["upload"].upload(take_in, [parts["upload"], *chosen], parts.outputs, **PRIVATE)
