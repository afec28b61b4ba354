"""The Analyze tab: evidence and detector on the left, the verdict and what led to it on the right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from drishtiksha.settings import ROOT
from drishtiksha.ui import handlers, panels, picker, seeking
from drishtiksha.ui.desk import Desk
from drishtiksha.ui.elements import html

EXAMPLES = {
    "portrait.jpg": "Portrait, untouched",
    "portrait_altered.jpg": "Portrait, altered",
    "clip_with_sound.mp4": "Clip with sound",
    "clip_silent.mp4": "Silent clip",
    "no_face.mp4": "Clip without a face",
}
TIMELINE_JS = """
element.addEventListener('click', event => {
  if (event.target.tagName !== 'IMG') return;
  const box = event.target.getBoundingClientRect();
  trigger('click', {fraction: (event.clientX - box.left) / box.width, narrow: event.target.matches('.dk-narrow')});
});
"""
PEOPLE_JS = """
element.addEventListener('click', event => {
  const chosen = event.target.closest('button[data-person]');
  if (!chosen) return;
  element.querySelectorAll('button[data-person]').forEach(
    button => button.setAttribute('aria-pressed', String(button === chosen)));
  trigger('select', {person: Number(chosen.dataset.person)});
});
"""
SHOW_RESULT_JS = """() => {
  const place = document.querySelector('#dk-result-top');
  const box = place.getBoundingClientRect();
  if (box.top < 0 || box.top > window.innerHeight * 0.7) place.scrollIntoView({block: 'start'});
}"""
PRIVATE = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass
class Parts:
    """The components of the tab by the names that the handlers use."""

    by_name: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, component: Any) -> Any:
        self.by_name[name] = component
        return component

    def __getitem__(self, name: str) -> Any:
        return self.by_name[name]

    @property
    def outputs(self) -> list[Any]:
        return list(self.by_name.values())

    def update(self, values: handlers.Update) -> dict[Any, Any]:
        """From names to components, as gradio wants it; an empty answer must still name an output."""
        changed = values or {"video": gr.skip()}
        return {self.by_name[name]: value for name, value in changed.items()}


def build(desk: Desk) -> None:
    """Lay out and wire the tab inside the current `gr.Blocks`."""
    parts = Parts()
    parts.add("case", gr.State(""))
    with gr.Row(elem_classes="dk-columns"):
        with gr.Column(scale=5, min_width=280, elem_classes="dk-left"):
            examples = _evidence(parts, desk)
            _detector(parts, desk)
        with gr.Column(scale=7, min_width=280, elem_classes="dk-right"):
            _result(parts)
    _wire_evidence(parts, desk, examples)
    _wire_analysis(parts, desk)
    _wire_seeking(parts, desk)


def _evidence(parts: Parts, desk: Desk) -> list[tuple[Any, Path]]:
    """The drop zone with its limits and examples; after a choice, the file's facts and a player of a copy."""
    limits = desk.settings.limits
    examples = []
    html(panels.step(1, "Evidence"))
    with parts.add("chooser", gr.Column(elem_classes="dk-chooser")):
        parts.add("drop", gr.File(type="filepath", label="Evidence file", show_label=False, height=150))
        html(panels.limits(limits.max_bytes, limits.max_duration_s, limits.max_image_pixels))
        present = [(name, title) for name, title in EXAMPLES.items() if (ROOT / "assets" / name).is_file()]
        if present:
            html('<p class="dk-hint dk-or">or take an example</p>')
            with gr.Row(elem_classes="dk-examples"):
                for name, title in present:
                    button = gr.Button(title, size="sm", min_width=100)
                    examples.append((button, ROOT / "assets" / name))
    with parts.add("evidence", gr.Column(visible=False, elem_classes="dk-evidence-box")):
        _players(parts)
        parts.add("facts", html(elem_id="dk-facts"))
        with gr.Row(elem_classes="dk-actions"):
            parts.add("another", gr.Button("Choose another file", size="sm"))
            parts.add("delete", gr.Button("Delete this case", size="sm", variant="stop"))
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
            js_on_load=picker.PICKER_JS,
            elem_id="dk-models",
        ),
    )
    with gr.Row(elem_classes="dk-run"):
        parts.add("analyze", gr.Button("Analyze", variant="primary", size="lg", elem_id="dk-analyze"))
        parts.add("cancel", gr.Button("Cancel", variant="secondary", size="lg", visible=False, elem_id="dk-cancel"))


def _result(parts: Parts) -> None:
    html(panels.step(3, "Verdict"), elem_id="dk-result-top")
    parts.add("status", html(panels.status(""), elem_id="dk-status"))
    parts.add("verdict", html(panels.EMPTY, elem_id="dk-verdict"))
    parts.add("timeline", html("", elem_id="dk-timeline", js_on_load=TIMELINE_JS))
    parts.add("faces", html("", elem_id="dk-faces"))
    parts.add("people", html(elem_id="dk-people", js_on_load=PEOPLE_JS))
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
    with parts.add("report_box", gr.Column(visible=False, elem_classes="dk-box")):
        html("<h3>Ready to paste</h3>")
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
        parts.add("download", gr.DownloadButton("Download the full result (JSON)", size="sm", elem_id="dk-download"))
        with gr.Accordion("How this was made: hashes, versions, thresholds, times", open=False):
            parts.add("custody", html("", elem_id="dk-custody"))


def _wire_evidence(parts: Parts, desk: Desk, examples: list[tuple[Any, Path]]) -> None:
    def upload(path: str | None, model: str | None) -> dict[Any, Any]:
        return parts.update(handlers.take_upload(desk, path, model) | {"drop": None})

    def look(case_id: str, model: str | None) -> dict[Any, Any]:
        return parts.update(handlers.look_quickly(desk, case_id, model))

    def take(event: Any, fn: Any, inputs: list[Any]) -> None:
        taken = event(fn, inputs, parts.outputs, concurrency_limit=4, **PRIVATE)
        taken.then(look, [parts["case"], parts["models"]], parts.outputs, concurrency_limit=2, **PRIVATE)

    take(parts["drop"].upload, upload, [parts["drop"], parts["models"]])
    for button, path in examples:

        def example(model: str | None, path: Path = path) -> dict[Any, Any]:
            return parts.update(handlers.take_example(desk, path, model))

        take(button.click, example, [parts["models"]])

    def another(case_id: str, model: str | None) -> dict[Any, Any]:
        return parts.update(handlers.close(desk, case_id, model))

    def delete(case_id: str, model: str | None) -> dict[Any, Any]:
        return parts.update(handlers.delete(desk, case_id, model))

    parts["another"].click(another, [parts["case"], parts["models"]], parts.outputs, queue=False, **PRIVATE)
    parts["delete"].click(delete, [parts["case"], parts["models"]], parts.outputs, queue=False, **PRIVATE)


def _wire_analysis(parts: Parts, desk: Desk) -> None:
    def choose(case_id: str, model: str | None) -> dict[Any, Any]:
        return parts.update(handlers.choose_model(desk, case_id, model))

    def run(case_id: str, model: str | None, progress: gr.Progress = gr.Progress()) -> Iterator[dict[Any, Any]]:  # noqa: B008 - how gradio finds it
        for update in handlers.run(desk, case_id, model, progress):
            yield parts.update(update)

    def cancel(case_id: str) -> dict[Any, Any]:
        return parts.update(handlers.cancel(desk, case_id))

    parts["models"].input(choose, [parts["case"], parts["models"]], parts.outputs, queue=False, **PRIVATE)
    parts["analyze"].click(
        run,
        [parts["case"], parts["models"]],
        parts.outputs,
        concurrency_limit=desk.settings.max_queue,
        concurrency_id="analyze",
        show_progress="full",
        show_progress_on=parts["status"],
        api_visibility="private",
    )
    parts["analyze"].click(None, None, None, js=SHOW_RESULT_JS, api_visibility="private")
    parts["cancel"].click(cancel, [parts["case"]], parts.outputs, queue=False, **PRIVATE)


def _wire_seeking(parts: Parts, desk: Desk) -> None:
    outputs = [parts["video"], parts["audio"]]

    def person(case_id: str, event: gr.EventData) -> dict[Any, Any]:
        return parts.update(seeking.seek_person(desk, case_id, int(event.person)))

    def finding(case_id: str, event: gr.SelectData) -> dict[Any, Any]:
        return parts.update(seeking.seek_finding(desk, case_id, event.index))

    def moment(case_id: str, event: gr.EventData) -> dict[Any, Any]:
        return parts.update(seeking.seek_timeline(desk, case_id, float(event.fraction), bool(event.narrow)))

    parts["people"].select(person, [parts["case"]], outputs, queue=False, **PRIVATE)
    parts["gallery"].select(finding, [parts["case"]], outputs, queue=False, **PRIVATE)
    parts["timeline"].click(moment, [parts["case"]], outputs, queue=False, **PRIVATE)
