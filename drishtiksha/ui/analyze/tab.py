"""The Analyze tab: drop a file; then the player with its timeline on the left, and the answer with its lines on the right."""

from __future__ import annotations

import gradio as gr

from drishtiksha.ui.analyze import examples
from drishtiksha.ui.analyze.state import Update
from drishtiksha.ui.analyze.wiring import wire_answer, wire_case, wire_evidence, wire_looking
from drishtiksha.ui.shared import choice, downloads, links, panels
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.elements import html
from drishtiksha.ui.shared.parts import Parts
from drishtiksha.ui.shared.templates import fill, script

SEEK = {"js_on_load": script("seek.js")}


def build(desk: Desk, tab: gr.Tab, linked: gr.HTML) -> Parts:
    """Lay out and wire the tab inside the current `gr.Tab`. linked: clicked where the page was opened with a job."""
    parts = Parts(Update)
    for name in ("case", "job", "stress_job", "example"):
        parts.add(name, gr.State(""))
    parts.add("notice", html("", js_on_load=script("undo.js"), elem_id="dk-notice"))
    with parts.add("chooser", gr.Column(elem_classes="dk-chooser", elem_id="dk-chooser")):
        _chooser(parts, desk)
    with parts.add("desk", gr.Column(visible=False, elem_classes="dk-desk", elem_id="dk-desk")):
        with gr.Column(elem_classes="dk-area-answer"):
            _answer(parts)
        with gr.Column(elem_classes="dk-area-player"):
            parts.add(
                "player", html("", js_on_load=script("player.js"), elem_id="dk-player", elem_classes="dk-player-block")
            )
            parts.add("chart", html("", elem_id="dk-timeline", **SEEK))
            parts.add("tracks", html("", js_on_load=script("tracks.js"), elem_id="dk-tracks"))
        with gr.Column(elem_classes="dk-area-lines"):
            parts.add("lines", html("", elem_id="dk-lines", js_on_load=script("seek.js", "lines.js")))
            parts.add("left_out", html("", js_on_load=script("left_out.js"), elem_id="dk-left-out"))
            parts.add("moments", html("", elem_id="dk-moments", **SEEK))
            parts.add("try_it", gr.Button("Examine this example here", size="sm", visible=False, elem_id="dk-try"))
            _more(parts, desk)
    taking = wire_evidence(parts, desk)
    wire_case(parts, desk, tab, linked, taking)
    wire_answer(parts, desk)
    wire_looking(parts, desk)
    return parts


def _chooser(parts: Parts, desk: Desk) -> None:
    limits = desk.settings.limits
    parts.add("drop", gr.File(type="filepath", label="Evidence file", show_label=False, height=190, elem_id="dk-drop"))
    html(panels.limits(limits.max_bytes, limits.max_duration_s, limits.max_image_pixels))
    parts.add("examples", html(examples.cards(), js_on_load=script("examples.js"), elem_id="dk-examples"))


def _answer(parts: Parts) -> None:
    """The head of the answer, how far it is, and what to keep of it."""
    parts.add("human", html("", elem_id="dk-human"))
    parts.add("answer", html("", js_on_load=script("copy.js", "answer.js"), elem_id="dk-answer"))
    parts.add("status", html(panels.status(""), elem_id="dk-status", elem_classes="dk-told"))
    with gr.Row(elem_classes="dk-actions dk-stops"):
        parts.add("stop", gr.Button("Stop", size="sm", visible=False, elem_id="dk-stop"))
        parts.add("retry", gr.Button("Go on from where it was", size="sm", visible=False, elem_id="dk-retry"))
    with parts.add("keep", gr.Column(visible=False, elem_classes="dk-keep")):
        parts.add(
            "reports",
            html(downloads.buttons(), js_on_load=script("downloads.js", "fresh_link.js"), elem_id="dk-reports"),
        )
    parts.add("link", links.element("dk-link"))


def _more(parts: Parts, desk: Desk) -> None:
    """Below the lines: the note for the report, and everything that is folded."""
    with parts.add("note_box", gr.Column(elem_classes="dk-note-box")):
        parts.add(
            "note",
            html(
                "",
                html_template="${markup}",
                markup=fill("analyze/note.html"),
                js_on_load=script("note.js"),
                elem_id="dk-note",
            ),
        )
        parts.add("note_saved", html("", elem_id="dk-note-saved", elem_classes="dk-told"))
    with parts.add(
        "doubt_box",
        gr.Accordion("Why was this flagged, if it is genuine?", open=False, visible=False, elem_id="dk-doubt-box"),
    ):
        parts.add("doubt", html("", elem_id="dk-doubt", js_on_load=script("seek.js", "doubt.js")))
    with parts.add(
        "stress_box",
        gr.Accordion("Would this answer survive recompression?", open=False, visible=False, elem_id="dk-stress-box"),
    ):
        html(
            panels.heading(
                "", "The same file is scored again after recompression, downscaling, cropping, noise and the like."
            )
        )
        parts.add("stress_status", html("", elem_id="dk-stress-status", elem_classes="dk-told"))
        parts.add("stress", html("", elem_id="dk-stress"))
        with gr.Row(elem_classes="dk-actions"):
            parts.add("stress_run", gr.Button("Run the stress test", size="sm", elem_id="dk-stress-run"))
            parts.add("stress_stop", gr.Button("Stop", size="sm", visible=False, elem_id="dk-stress-stop"))
    with parts.add("look_box", gr.Accordion("Look closer", open=False, visible=False, elem_id="dk-look-box")):
        parts.add("look", html("", elem_id="dk-look", js_on_load=script("look.js")))
        parts.add("key_frames", html("", elem_id="dk-key-frames", js_on_load=script("seek.js", "key_frames.js")))
    with gr.Accordion("Facts of the file", open=False, elem_id="dk-facts-box"):
        parts.add("facts", html(elem_id="dk-facts"))
    with gr.Accordion("What the file says of itself", open=False, elem_id="dk-provenance-box"):
        parts.add("provenance", html("", elem_id="dk-provenance"))
    with gr.Accordion("Details, detector by detector", open=False, elem_id="dk-details-box"):
        parts.add("details", html("", elem_id="dk-details", **SEEK))
    with parts.add("detectors", gr.Accordion("Detectors", open=False, elem_id="dk-detectors")):
        _detectors(parts, desk)
    with parts.add("manage", gr.Row(elem_classes="dk-actions dk-manage")):
        parts.add("another", gr.Button("Choose another file", size="sm", elem_id="dk-another"))
        parts.add("delete", html("", js_on_load=script("delete.js"), elem_id="dk-delete"))


def _detectors(parts: Parts, desk: Desk) -> None:
    html(panels.heading("Run again with …", "Results are added to the answer; experimental detectors never decide."))
    parts.add(
        "picks",
        html(
            "",
            html_template="${markup}",
            markup=choice.checkboxes(desk.models(), (), able_only=True),
            js_on_load=script("choice.js"),
            elem_id="dk-again-picks",
        ),
    )
    parts.add("again_wait", html(panels.status(""), elem_id="dk-again-wait", elem_classes="dk-told"))
    parts.add("again_status", html(panels.status(""), elem_id="dk-again-status", elem_classes="dk-told"))
    with gr.Row(elem_classes="dk-actions"):
        parts.add("again", gr.Button("Run the chosen detectors", size="sm", elem_id="dk-again"))
        gr.Button("Add detectors", size="sm", elem_id="dk-add").click(
            None, None, None, js=script("open_models.js"), api_visibility="private"
        )
