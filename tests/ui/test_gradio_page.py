from __future__ import annotations

import gradio as gr
from gradio import blocks

from drishtiksha.ui.shared.gradio_page import work_round


def test_an_untouched_component_keeps_its_props() -> None:
    work_round()
    work_round()
    with gr.Blocks():
        element = gr.HTML("a", html_template="${markup}", markup="<b>")
    assert blocks.postprocess_update_dict(element, dict(gr.skip())) == {"__type__": "update"}
    changed = blocks.postprocess_update_dict(element, gr.update(value="c", markup="<i>"))
    assert changed == {"__type__": "update", "value": "c", "props": {"markup": "<i>"}}
