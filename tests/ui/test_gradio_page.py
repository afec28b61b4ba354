from __future__ import annotations

import subprocess
import sys

import gradio as gr
import httpx
import pytest
from gradio import blocks, networking, routes
from gradio.state_holder import SessionState

from drishtiksha.settings import ROOT
from drishtiksha.ui.shared import gradio_page
from drishtiksha.ui.shared.gradio_page import PAGE, work_round

STUBS = """
import sys
opened = []
sys.addaudithook(lambda event, args: event == "open" and str(args[0]).endswith(".pyi") and opened.append(args[0]))
import drishtiksha.ui
import gradio
assert gradio.Button.click and gradio.Blocks.load, "events are there without"
sys.exit(f"{len(opened)} stubs were opened" if opened else 0)
"""


@pytest.mark.slow
def test_gradio_parses_and_writes_no_stubs_of_its_components() -> None:
    run = subprocess.run([sys.executable, "-c", STUBS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_an_untouched_component_keeps_its_props() -> None:
    work_round()
    work_round()
    with gr.Blocks():
        element = gr.HTML("a", html_template="${markup}", markup="<b>")
    assert blocks.postprocess_update_dict(element, dict(gr.skip())) == {"__type__": "update"}
    changed = blocks.postprocess_update_dict(element, gr.update(value="c", markup="<i>"))
    assert changed == {"__type__": "update", "value": "c", "props": {"markup": "<i>"}}


def test_the_head_of_the_page_fetches_nothing_that_the_page_does_not_need() -> None:
    """A change of gradio's page would leave both behind, silently."""
    work_round()
    source, _, _ = routes.templates.env.loader.get_source(routes.templates.env, PAGE)
    assert "manifest" not in source
    assert source.count("document.head.appendChild(script)") == 1
    assert "if (window.parent !== window) document.head.appendChild(script)" in source, "for a frame alone"
    assert source.count('property="og:title"') == 1


def test_the_app_starts_where_its_own_page_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object, **__: object) -> httpx.Response:
        raise httpx.ReadTimeout("more than 3 s")

    monkeypatch.setattr(networking.httpx, "head", late)  # by which gradio asks whether the page is there
    work_round()
    with gr.Blocks(analytics_enabled=False) as demo:
        gr.HTML("a")
    try:
        _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, share=False, ssr_mode=False)
        assert httpx.get(address, timeout=60).status_code == 200
    finally:
        demo.close()


def test_each_visitor_has_a_description_of_the_page_of_their_own() -> None:
    plain = gradio_page._described
    work_round()
    with gr.Blocks() as demo:
        element = gr.HTML("a", html_template="${markup}", markup="<b>")
        gr.UploadButton("Send")
    one, other = SessionState(demo), SessionState(demo)
    told = {number: plain(number, [], block) for number, block in demo.blocks.items()}
    assert one.config_values == other.config_values == told
    one._update_value_in_config(element._id, "of one visitor")
    assert (other.config_values, SessionState(demo).config_values) == (told, told)
