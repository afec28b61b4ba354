from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import gradio as gr
import pytest

from drishtiksha.settings import load_settings
from drishtiksha.ui import blocks
from drishtiksha.ui.analyze import tab as analyze
from drishtiksha.ui.compare import tab as compare
from drishtiksha.ui.review import tab as review
from drishtiksha.ui.shared import theme
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.elements import html
from drishtiksha.ui.shared.templates import script

ROOT = Path(__file__).parents[2]


@pytest.fixture
def demo(desk: Desk) -> gr.Blocks:
    return blocks.build(desk.workbench)


@pytest.mark.slow
def test_the_page_is_built_without_heavy_libraries() -> None:
    code = (
        "import sys, app; heavy = {'torch', 'timm', 'transformers', 'librosa', 'matplotlib', 'torchvision', 'scipy'} & set(sys.modules);"
        "assert not heavy, heavy; assert app.demo.fns\n"
        "import gradio; gradio.utils.MatplotlibBackendMananger().__enter__()  # as at the first event\n"
        "assert 'matplotlib' in sys.modules; assert 'matplotlib.pyplot' not in sys.modules"
    )
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment)


def test_the_entry_point_is_short() -> None:
    assert len((ROOT / "app.py").read_text().splitlines()) < 40


@pytest.mark.slow
def test_only_three_endpoints_are_public(demo: gr.Blocks) -> None:
    public = {fn.api_name for fn in demo.fns.values() if fn.api_visibility == "public"}
    assert public == {"analyze", "examine", "list_models"}
    assert not [fn for fn in demo.fns.values() if fn.api_visibility == "undocumented"]


def test_the_page_is_made_of_few_kinds_of_components(demo: gr.Blocks) -> None:
    """A browser fetches two to four files for each kind, on the first load, whether it is seen or not."""
    kinds = {block.get_block_name() for block in demo.blocks.values()}
    assert kinds <= {"accordion", "button", "column", "file", "html", "row", "state", "tabitem", "tabs", "api"}


def test_a_page_without_a_link_asks_the_server_for_nothing(demo: gr.Blocks) -> None:
    assert [fn.name for fn in demo.fns.values() for _, event in fn.targets if event == "load"] == []


@pytest.mark.slow
def test_the_queue_is_bounded_and_cannot_be_skipped(demo: gr.Blocks, desk: Desk) -> None:
    assert demo.api_open is False
    analyze = next(fn for fn in demo.fns.values() if fn.api_name == "analyze")
    assert analyze.concurrency_limit == desk.settings.max_queue
    skipping = [fn for fn in demo.fns.values() if not fn.queue and fn.fn is not None]
    assert not [fn for fn in skipping if fn.api_visibility == "public"]


def test_any_number_of_pages_may_watch_jobs_within_a_bounded_queue(demo: gr.Blocks) -> None:
    watching = [fn for fn in demo.fns.values() if inspect.isgeneratorfunction(fn.fn) and fn.concurrency_limit is None]
    assert len(watching) == 9, "dropped, example, again, left out, track, retry, opened by a link, stress test, undo"
    assert demo._queue.max_size is not None


def test_the_next_file_is_taken_also_while_the_one_that_was_left_is_let_go(demo: gr.Blocks) -> None:
    drop = next(block for block in demo.blocks.values() if block.elem_id == "dk-drop")
    (taking,) = [fn for fn in demo.fns.values() if (drop._id, "upload") in fn.targets]
    assert taking.trigger_mode == "multiple", "else the page drops a second event of a kind that has not ended"


@pytest.mark.slow
def test_temporary_files_outlive_a_running_job_but_not_the_retention(demo: gr.Blocks, desk: Desk) -> None:
    assert demo.delete_cache is not None
    _, age = demo.delete_cache
    assert age == desk.settings.retention_hours * 3600


def test_nothing_is_reported_shared_or_recorded(desk: Desk, demo: gr.Blocks) -> None:
    options = blocks.launch_options(desk.settings)
    assert set(options) <= set(inspect.signature(gr.Blocks.launch).parameters)
    assert options["share"] is False
    assert options["run_history"] is False
    assert options["ssr_mode"] is False
    assert options["max_file_size"] == desk.settings.limits.max_bytes
    assert str(desk.settings.cases_dir) in options["blocked_paths"]
    assert demo.analytics_enabled is False


@pytest.mark.slow
def test_players_do_not_re_encode(demo: gr.Blocks) -> None:
    for block in demo.blocks.values():
        if isinstance(block, gr.Video):
            assert block.format is None
            assert not block.interactive
        if isinstance(block, gr.Image):
            assert (block.type, block.image_mode, block.interactive) == ("filepath", None, False)
        if isinstance(block, gr.Audio):
            assert (block.type, block.format, block.interactive) == ("filepath", None, False)
        if isinstance(block, gr.File):
            assert block.type == "filepath"


def test_progress_is_told_by_the_page_itself(demo: gr.Blocks) -> None:
    streaming = [fn for fn in demo.fns.values() if inspect.isgeneratorfunction(fn.fn)]
    assert streaming
    assert {fn.show_progress for fn in streaming} == {"hidden"} | {
        fn.show_progress for fn in streaming if fn.show_progress_on
    }


def test_state_holds_only_a_small_string(demo: gr.Blocks) -> None:
    assert [block.value for block in demo.blocks.values() if isinstance(block, gr.State)] != []
    assert {block.value for block in demo.blocks.values() if isinstance(block, gr.State)} == {""}


def test_fonts_and_style_ask_nobody() -> None:
    made = theme.theme()
    made._get_theme_css()
    assert made._stylesheets == [], "a web font would be fetched"
    assert theme.CSS_PATHS[0].name == "style.css"
    for path in theme.CSS_PATHS:
        assert not re.search(r"https?://|@import", path.read_text()), path.name


@pytest.mark.slow
def test_where_strangers_use_the_page_nobody_sees_a_list_of_cases(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def tabs(**settings: object) -> list[str]:
        desk.workbench.settings = desk.settings.model_copy(update=settings)
        page = blocks.build(desk.workbench)
        return [block.label for block in page.blocks.values() if isinstance(block, gr.Tab)]

    assert "Review" in tabs()
    assert "Review" not in tabs(public=True)
    assert "Review" in tabs(public=True, login=True)
    monkeypatch.setenv("SPACE_ID", "somebody/their-space")
    settings = load_settings()
    assert (settings.public, settings.manage_models) == (True, False)


@pytest.mark.slow
def test_each_tab_has_a_component_for_every_name_of_its_state(desk: Desk) -> None:
    for module, linked in ((analyze, True), (compare, True), (review, False)):
        with gr.Blocks(), gr.Tab("Tab") as tab:
            given = (html("", js_on_load=script("linked.js")),) if linked else ()
            assert module.build(desk, tab, *given).missing == frozenset(), module.__name__


@pytest.mark.slow
def test_a_link_that_is_shared_says_drishtiksha_and_nothing_of_the_case(demo: gr.Blocks, desk: Desk) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    app = blocks.mount(FastAPI(), desk.settings, desk.workbench)
    client = TestClient(app)
    page = client.get("/?job=" + "a" * 32).text
    (picture,) = re.findall(r'<meta property="og:image" content="([^"]*)"', page)
    assert picture == "http://testserver/preview.png"
    assert client.get(picture).headers["content-type"] == "image/png"
    assert re.findall(r'<meta property="og:title" content="([^"]*)"', page) == ["Drishtiksha"]
    assert "Gradio" not in " ".join(re.findall(r"<meta[^>]*>", page))
    assert "{url}" not in page


def test_no_rule_changes_a_part_of_what_a_variable_is_in() -> None:
    """Gradio takes style sheets apart and writes each rule anew, as a browser serialises it: of a shorthand with a variable
    of which a part is changed in the same rule, nothing is left."""
    for path in theme.CSS_PATHS:
        plain = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        for selector, body in re.findall(r"([^{}]+){([^{}]*)}", plain):
            names = [(name.strip(), value) for name, _, value in (part.partition(":") for part in body.split(";"))]
            for name, value in names:
                if name not in ("border", "background", "padding", "margin", "font", "flex", "grid"):
                    continue
                parts = [other for other, _ in names if other.startswith(f"{name}-") and other != "border-radius"]
                assert "var(" not in value or not parts, f"{path.name}: {selector.strip()}: {name} and {parts}"
