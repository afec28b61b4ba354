"""The Analyze tab: evidence and detector on the left; where it comes from, the verdict and what led to it on the right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from drishtiksha.settings import ROOT
from drishtiksha.ui.analyze import result as analyze_result
from drishtiksha.ui.analyze.wiring import wire_analysis, wire_evidence, wire_result
from drishtiksha.ui.shared import links, panels, picker
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.elements import html
from drishtiksha.ui.shared.parts import Parts
from drishtiksha.ui.shared.templates import macro, script

EXAMPLES = {
    "portrait.jpg": "Portrait, untouched",
    "portrait_altered.jpg": "Portrait, altered",
    "clip_with_sound.mp4": "Clip with sound",
    "clip_silent.mp4": "Silent clip",
    "no_face.mp4": "Clip without a face",
}


def build(desk: Desk, tab: gr.Tab, demo: gr.Blocks) -> None:
    """Lay out and wire the tab inside the current `gr.Tab` of `demo`."""
    parts = Parts()
    for name in ("case", "job", "stress_job"):
        parts.add(name, gr.State(""))
    with gr.Row(elem_classes="dk-columns"):
        with gr.Column(scale=5, min_width=280, elem_classes="dk-left"):
            examples = _evidence(parts, desk)
            _detector(parts, desk)
        with gr.Column(scale=7, min_width=280, elem_classes="dk-right"):
            _verdict(parts)
            analyze_result.build(parts)
    wire_evidence(parts, desk, examples)
    wire_analysis(parts, desk, tab, demo)
    wire_result(parts, desk)


def _evidence(parts: Parts, desk: Desk) -> list[tuple[Any, Path]]:
    """The drop zone with its limits and examples; after a choice, the file's facts and a player of a copy."""
    limits = desk.settings.limits
    examples = []
    html(panels.step(1, "Evidence"))
    with parts.add("chooser", gr.Column(elem_classes="dk-chooser")):
        parts.add(
            "question",
            gr.Textbox(label="What do you want to know? (optional)", lines=1, max_lines=3, elem_id="dk-question"),
        )
        parts.add("drop", gr.File(type="filepath", label="Evidence file", show_label=False, height=150))
        html(panels.limits(limits.max_bytes, limits.max_duration_s, limits.max_image_pixels))
        present = [(name, title) for name, title in EXAMPLES.items() if (ROOT / "assets" / name).is_file()]
        if present:
            html(macro("shared/lines.html", "examples"))
            with gr.Row(elem_classes="dk-examples"):
                for name, title in present:
                    button = gr.Button(title, size="sm", min_width=100)
                    examples.append((button, ROOT / "assets" / name))
    with parts.add("evidence", gr.Column(visible=False, elem_classes="dk-evidence-box")):
        _players(parts)
        parts.add("facts", html(elem_id="dk-facts"))
        with gr.Row(elem_classes="dk-actions"):
            parts.add("another", gr.Button("Choose another file", size="sm", elem_id="dk-another"))
            parts.add("delete", gr.Button("Delete this case", size="sm", variant="stop", elem_id="dk-delete"))
    return examples


def _players(parts: Parts) -> None:
    """Each shows a copy as it is: nothing here may re-encode."""
    parts.add(
        "video",
        gr.Video(
            label="A copy of the video", show_label=False, interactive=False, visible=False, buttons=[], height=260
        ),
    )
    parts.add(
        "image",
        gr.Image(
            label="A copy of the picture",
            show_label=False,
            type="filepath",
            image_mode=None,
            interactive=False,
            visible=False,
            buttons=["fullscreen"],
            height=260,
            alt_text="The picture to be examined",
        ),
    )
    parts.add(
        "audio",
        gr.Audio(
            label="A copy of the recording",
            type="filepath",
            format=None,
            interactive=False,
            visible=False,
            buttons=[],
        ),
    )


def _detector(parts: Parts, desk: Desk) -> None:
    statuses = desk.models()
    selected = picker.choose(statuses, None, None)
    html(panels.step(2, "Detector"), elem_id="dk-step-detector")
    parts.add(
        "models",
        html(
            selected,
            html_template="${markup}",
            markup=picker.markup(statuses, selected),
            js_on_load=script("model_choice.js"),
            elem_id="dk-models",
        ),
    )
    with gr.Row(elem_classes="dk-run"):
        parts.add("analyze", gr.Button("Analyze", variant="primary", size="lg", elem_id="dk-analyze"))
        parts.add("stop", gr.Button("Stop", variant="secondary", size="lg", visible=False, elem_id="dk-stop"))


def _verdict(parts: Parts) -> None:
    """From where the file says it comes, what people say, what the detector says: in this order."""
    parts.add("provenance", html("", elem_id="dk-provenance"))
    html(panels.step(3, "Verdict"), elem_id="dk-result-top")
    parts.add("status", html(panels.status(""), elem_id="dk-status", elem_classes="dk-told"))
    parts.add("link", links.element("dk-link"))
    parts.add("human", html("", elem_id="dk-human"))
    parts.add("verdict", html(panels.empty(), elem_id="dk-verdict"))
    parts.add("retry", gr.Button("Retry from where it was", visible=False, elem_id="dk-retry"))
