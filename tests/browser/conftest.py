"""The real app in a process of its own, and a real browser that may speak to nobody else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from running_app import ARGUMENTS, CHROMIUM, MODEL, ROOT, TIMEOUT_MS, App, models_folder, wait_until_up


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("app")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = App(f"http://127.0.0.1:{port}", folder / "data", folder / "gradio")
    environment = os.environ | {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(app.temp),
        "DRISHTIKSHA_DATA_DIR": str(app.data),
        "DRISHTIKSHA_MODELS_DIR": str(models_folder(folder)),
        "DRISHTIKSHA_ACTIVE_MODELS": f'["{MODEL}"]',
    }
    with (folder / "app.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        wait_until_up(app.url, process, folder / "app.log")
        yield app
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium: install it (apt-get install chromium) or set DRISHTIKSHA_CHROMIUM to one")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, app: App):
    """Opens the app in a fresh context; afterwards every request must have gone to it alone."""
    foreign: list[str] = []
    contexts = []

    def open_(**options):
        context = browser.new_context(**({"viewport": {"width": 1360, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.on("request", lambda request: _note(request.url, app.url, foreign))
        page.goto(app.url)
        page.wait_for_selector("#dk-analyze")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert foreign == [], "the page asked somebody else"


def _note(url: str, own: str, foreign: list[str]) -> None:
    if not url.startswith((own, "data:", "blob:")):
        foreign.append(url)
