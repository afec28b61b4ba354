"""What the Analyze tab shows below the verdict: what led to it, whether it would survive, and what to keep of it."""

from __future__ import annotations

import gradio as gr

from drishtiksha.ui.shared import downloads, panels
from drishtiksha.ui.shared.elements import html
from drishtiksha.ui.shared.parts import Parts
from drishtiksha.ui.shared.templates import script


def build(parts: Parts) -> None:
    """Lay it out inside the current column."""
    parts.add("timeline", html("", elem_id="dk-timeline", js_on_load=script("timeline.js")))
    parts.add("faces", html("", elem_id="dk-faces"))
    parts.add("people", html(elem_id="dk-people", js_on_load=script("people.js")))
    _gallery(parts)
    _stress(parts)
    _report(parts)


def _gallery(parts: Parts) -> None:
    with parts.add("gallery_box", gr.Column(visible=False, elem_classes="dk-box")):
        parts.add("gallery_caption", html())
        parts.add(
            "gallery",
            gr.Gallery(
                show_label=False,
                label="Highest-scoring moments",
                columns=2,
                object_fit="contain",
                height="auto",
                buttons=["fullscreen"],
                interactive=False,
                elem_id="dk-gallery",
            ),
        )


def _stress(parts: Parts) -> None:
    with parts.add("stress_box", gr.Column(visible=False, elem_classes="dk-box", elem_id="dk-stress-box")):
        told = "The same file is scored again after recompression, downscaling, cropping, noise and the like."
        html(panels.heading("Would this verdict survive?", told))
        parts.add("stress_status", html(panels.status(""), elem_id="dk-stress-status", elem_classes="dk-told"))
        parts.add("stress", html("", elem_id="dk-stress"))
        with gr.Row(elem_classes="dk-actions"):
            parts.add("stress_run", gr.Button("Run the stress test", size="sm", elem_id="dk-stress-run"))
            parts.add("stress_stop", gr.Button("Stop", size="sm", visible=False, elem_id="dk-stress-stop"))


def _report(parts: Parts) -> None:
    with parts.add("report_box", gr.Column(visible=False, elem_classes="dk-box")):
        html(panels.heading("Ready to paste"))
        parts.add(
            "sentence",
            gr.Textbox(
                show_label=False,
                label="A sentence ready to paste",
                lines=4,
                max_lines=16,
                interactive=False,
                buttons=["copy"],
                elem_id="dk-sentence",
            ),
        )
        html(
            panels.heading(
                "To keep", "A page for the editor with a technical annex, or all of it signed, to be checked later."
            )
        )
        parts.add(
            "reports",
            html(downloads.markup(), js_on_load=script("downloads.js", "fresh_link.js"), elem_id="dk-reports"),
        )
        with gr.Accordion("How this was made: hashes, versions, thresholds, times", open=False):
            parts.add("custody", html("", elem_id="dk-custody"))
