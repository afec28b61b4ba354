"""The Compare tab: several detectors on one file, or one detector on two files, on one axis of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from drishtiksha.casefile import Viewer
from drishtiksha.settings import ROOT
from drishtiksha.ui.compare import handlers, running, sections
from drishtiksha.ui.compare.handlers import Setup, Side
from drishtiksha.ui.compare.setup import jobs_of, plan
from drishtiksha.ui.compare.state import Update
from drishtiksha.ui.shared import choice, downloads, links, panels
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.elements import html
from drishtiksha.ui.shared.failure import guarded
from drishtiksha.ui.shared.parts import Parts
from drishtiksha.ui.shared.templates import fill, script

EXAMPLES = {
    "clip_with_sound.mp4": "Clip with sound",
    "clip_silent.mp4": "Silent clip",
    "portrait_altered.jpg": "Portrait, altered",
}
MODES = [("Several detectors, one file", "models"), ("One detector, two files", "files")]
MAX_WATCHING = 128
"""Pages that may watch a comparison at the same time: each holds one place while it is open."""
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def build(desk: Desk, tab: gr.Tab, linked: gr.HTML) -> Parts:
    """Lay out and wire the tab inside the current `gr.Blocks`; `tab` is the tab that is being filled. linked: selected
    where the page was opened with a comparison."""
    parts = Parts(Update)
    for name in ("case_a", "case_b", "code"):
        parts.add(name, gr.State(""))
    parts.add(
        "spoken", html("", elem_classes="dk-quiet", elem_id="dk-compare-spoken", js_on_load=script("compare_live.js"))
    )
    with gr.Row(elem_classes="dk-columns"):
        with gr.Column(scale=5, min_width=280, elem_classes="dk-left"):
            examples = _files(parts, desk)
            _detectors(parts, desk)
        with gr.Column(scale=7, min_width=280, elem_classes="dk-right"):
            _result(parts)
    _wire_files(parts, desk, examples)
    _wire_detectors(parts, desk, tab)
    _wire_run(parts, desk, linked)
    _wire_result(parts, desk)
    return parts


def _files(parts: Parts, desk: Desk) -> list[tuple[Side, Any, Path]]:
    limits = desk.settings.limits
    html(panels.step(1, "Evidence"))
    parts.add(
        "mode",
        html(
            "models",
            html_template="${markup}",
            markup=fill("compare/mode.html", modes=MODES),
            js_on_load=script("mode.js"),
            elem_id="dk-compare-mode",
        ),
    )
    examples = _file(parts, "a")
    with parts.add("second", gr.Column(visible=False, elem_classes="dk-second")):
        html(fill("compare/second_file.html"))
        examples += _file(parts, "b")
    html(panels.limits(limits.max_bytes, limits.max_duration_s, limits.max_image_pixels))
    return examples


def _file(parts: Parts, side: Side) -> list[tuple[Side, Any, Path]]:
    """A drop zone with examples; after a choice, the player and the facts."""
    found: list[tuple[Side, Any, Path]] = []
    parts.add(f"notice_{side}", html("", js_on_load=script("undo.js"), elem_id=f"dk-notice-{side}"))
    label = "Evidence file to compare" if side == "a" else "Second evidence file"
    with parts.add(f"chooser_{side}", gr.Column(elem_classes="dk-chooser")):
        drop = gr.File(type="filepath", label=label, show_label=False, height=130, elem_id=f"dk-drop-{side}")
        parts.add(f"drop_{side}", drop)
        with gr.Row(elem_classes="dk-examples"):
            for name, title in EXAMPLES.items():
                if (path := ROOT / "assets" / name).is_file():
                    found.append((side, gr.Button(title, size="sm", min_width=100), path))
    with parts.add(f"box_{side}", gr.Column(visible=False, elem_classes="dk-evidence-box")):
        parts.add(f"player_{side}", html(js_on_load=script("player.js"), elem_classes="dk-player-block"))
        with gr.Accordion("Facts of the file, and what it says of itself", open=False):
            parts.add(f"facts_{side}", html())
        with gr.Row(elem_classes="dk-actions dk-manage"):
            parts.add(f"another_{side}", gr.Button("Choose another file", size="sm"))
            parts.add(f"delete_{side}", html("", js_on_load=script("delete.js"), elem_id=f"dk-delete-{side}"))
    return found


def _detectors(parts: Parts, desk: Desk) -> None:
    html(panels.step(2, "Detectors"))
    statuses = desk.models()
    chosen = choice.one_of_each(statuses, None)
    with parts.add("quick", gr.Row(elem_classes="dk-examples")):
        parts.add("all", gr.Button("All that fit this file", size="sm", min_width=100, interactive=False))
        parts.add("each", gr.Button("One of each kind", size="sm", min_width=100))
        parts.add("none", gr.Button("None", size="sm", min_width=60))
    parts.add(
        "picks",
        html(
            choice.value_of(chosen),
            html_template="${markup}",
            markup=choice.checkboxes(statuses, chosen),
            js_on_load=script("choice.js"),
            elem_id="dk-picks",
        ),
    )
    html(panels.step(3, "Plan"))
    parts.add("plan", html(plan(()), elem_id="dk-plan"))
    with gr.Row(elem_classes="dk-run"):
        parts.add("lacking", html(panels.status(Setup().lacking), elem_id="dk-lacking", elem_classes="dk-told"))
        parts.add("run", gr.Button("Compare", variant="primary", size="lg", interactive=False, elem_id="dk-compare"))
        parts.add("stop", gr.Button("Stop", size="lg", visible=False, elem_id="dk-compare-stop"))
        parts.add("retry", gr.Button("Go on", size="lg", visible=False, elem_id="dk-compare-retry"))


def _result(parts: Parts) -> None:
    html(panels.step(4, "Side by side"), elem_id="dk-compare-top")
    parts.add("status", html(panels.status(""), elem_id="dk-compare-status"))
    seek = {"js_on_load": script("seek.js")}
    parts.add("board", html(sections.empty(), elem_id="dk-compare-board"))
    parts.add("table", html("", elem_id="dk-compare-table", **seek))
    parts.add("chart", html("", elem_id="dk-compare-chart", **seek))
    parts.add("segments", html("", elem_id="dk-compare-segments", **seek))
    parts.add("seen", html("", elem_id="dk-compare-seen", js_on_load=script("moments.js")))
    with parts.add("report", gr.Column(visible=False, elem_classes="dk-box")):
        html(
            panels.heading("Report", "All that is known of a file: each detector's answer, where they agree, custody.")
        )
        for side in ("a", "b"):
            keep = html(
                downloads.buttons(),
                js_on_load=script("downloads.js", "fresh_link.js"),
                elem_id=f"dk-compare-reports-{side}",
            )
            parts.add(f"reports_{side}", keep)
    parts.add("link", links.element("dk-compare-link", links.nothing("compare")))


Act = Callable[[Setup, Viewer], Update]


def _setup(parts: Parts) -> list[Any]:
    """The components that `Setup.of` reads, in its order."""
    return [parts[name] for name in ("case_a", "case_b", "mode", "picks")]


def _handler(parts: Parts, desk: Desk, act: Act) -> Callable[..., dict[Any, Any]]:
    """What gradio calls with the components of `_setup`."""

    def handle(case_a: str, case_b: str, mode: str, picks: str, request: gr.Request) -> dict[Any, Any]:
        return parts.update(act(Setup.of(case_a, case_b, mode, picks), desk.viewer(request)))

    return handle


def _wire_files(parts: Parts, desk: Desk, examples: list[tuple[Side, Any, Path]]) -> None:
    for side, button, path in examples:

        def example(setup: Setup, viewer: Viewer, side: Side = side, path: Path = path) -> Update:
            return handlers.take(desk, setup, side, path, viewer, upload=False)

        button.click(_handler(parts, desk, example), _setup(parts), parts.outputs, concurrency_limit=4, **PRIVATE)
    _wire_side(parts, desk, "a")
    _wire_side(parts, desk, "b")
    change = _handler(parts, desk, lambda setup, viewer: handlers.change_mode(desk, setup, viewer))
    parts["mode"].input(change, _setup(parts), parts.outputs, queue=False, **PRIVATE)


def _wire_side(parts: Parts, desk: Desk, side: Side) -> None:
    def upload(
        path: str | None, case_a: str, case_b: str, mode: str, picks: str, request: gr.Request
    ) -> dict[Any, Any]:
        if path is None:
            return parts.update({})
        setup, viewer = Setup.of(case_a, case_b, mode, picks), desk.viewer(request)
        taken = handlers.take(desk, setup, side, Path(path), viewer, upload=True)
        return parts.update(taken | {f"drop_{side}": None})

    drop = parts[f"drop_{side}"]
    drop.upload(upload, [drop, *_setup(parts)], parts.outputs, concurrency_limit=4, **PRIVATE)
    for name, delete in (("another", False), ("delete", True)):

        def leave(setup: Setup, viewer: Viewer, delete: bool = delete) -> Update:
            return handlers.close(desk, setup, side, viewer, delete=delete)

        parts[f"{name}_{side}"].click(
            _handler(parts, desk, leave), _setup(parts), parts.outputs, queue=False, **PRIVATE
        )

    def undo(
        case_a: str, case_b: str, mode: str, picks: str, event: gr.EventData, request: gr.Request
    ) -> dict[Any, Any]:
        setup, viewer = Setup.of(case_a, case_b, mode, picks), desk.viewer(request)
        return parts.update(handlers.undo(desk, setup, side, str(event.case_id), viewer))

    parts[f"notice_{side}"].click(undo, _setup(parts), parts.outputs, **PRIVATE)


def _wire_detectors(parts: Parts, desk: Desk, tab: gr.Tab) -> None:
    def on(event: Any, act: Act) -> None:
        event(_handler(parts, desk, act), _setup(parts), parts.outputs, queue=False, **PRIVATE)

    on(parts["picks"].input, lambda setup, viewer: handlers.planned(desk, setup, viewer))
    on(parts["all"].click, lambda setup, viewer: handlers.quick(desk, setup, "all", viewer))
    on(parts["each"].click, lambda setup, viewer: handlers.quick(desk, setup, "each", viewer))
    on(parts["none"].click, lambda setup, viewer: handlers.quick(desk, setup, "none", viewer))

    def opened(case_a: str, case_b: str, mode: str, picks: str, request: gr.Request) -> dict[Any, Any]:
        setup = Setup.of(case_a, case_b, mode, picks)
        if not setup.cases and request.query_params.get("compare"):
            return parts.update({})  # its files are on their way: this answer would come late and take them away
        return parts.update(guarded(handlers.failed)(handlers.refresh)(desk, setup, desk.viewer(request)))

    tab.select(opened, _setup(parts), parts.outputs, queue=False, **PRIVATE)


def _wire_run(parts: Parts, desk: Desk, linked: gr.HTML) -> None:
    def run(case_a: str, case_b: str, mode: str, picks: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        setup = Setup.of(case_a, case_b, mode, picks)
        yield from parts.stream(running.start(desk, setup, desk.viewer(request)))

    def again(code: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        yield from parts.stream(running.again(desk, code, desk.viewer(request)))

    def reopen(request: gr.Request) -> Iterator[dict[Any, Any]]:
        code = request.query_params.get("compare")
        yield from parts.stream(running.reopen(desk, code, desk.viewer(request)))

    def stop(code: str, request: gr.Request) -> dict[Any, Any]:
        return parts.update(running.stop(desk, code, desk.viewer(request)))

    watching: dict[str, Any] = {"concurrency_limit": MAX_WATCHING, "concurrency_id": "watch-comparison", **PRIVATE}
    events = [
        parts["run"].click(run, _setup(parts), parts.outputs, **watching),
        parts["retry"].click(again, parts["code"], parts.outputs, **watching),
        linked.select(reopen, None, parts.outputs, js=script("compare_open_tab.js"), **watching),
    ]
    parts["run"].click(None, None, None, js=script("show_result.js"), api_visibility="private")
    parts["stop"].click(stop, parts["code"], parts.outputs, queue=False, **PRIVATE)
    for name in ("another_a", "delete_a", "another_b", "delete_b"):
        parts[name].click(None, None, None, cancels=events, api_visibility="private")
    parts["mode"].input(None, None, None, cancels=events, api_visibility="private")


def _wire_result(parts: Parts, desk: Desk) -> None:
    def look(code: str, request: gr.Request, event: gr.EventData) -> dict[Any, Any]:
        return parts.update(running.look(desk, code, float(event.time), desk.viewer(request)))

    parts["seen"].select(look, parts["code"], parts.outputs, concurrency_limit=4, **PRIVATE)

    def report_on(letter: str) -> Callable[..., str]:
        def report(case_id: str, code: str, event: gr.EventData, request: gr.Request) -> str:
            of = letter if len(jobs_of(code)) == 2 else ""
            return downloads.make(desk, case_id, str(event.format), desk.viewer(request), of)

        return report

    for side in ("a", "b"):
        asked, kept = [parts[f"case_{side}"], parts["code"]], parts[f"reports_{side}"]
        kept.click(report_on(side.upper()), asked, kept, concurrency_limit=2, **PRIVATE)
