"""The real app in a process of its own, and a real browser that may speak to nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running_app import TIMEOUT_MS, App, serving


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with serving(tmp_path_factory.mktemp("app")) as app:
        yield app


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
        page.wait_for_selector("#dk-examples button")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert foreign == [], "the page asked somebody else"


def _note(url: str, own: str, foreign: list[str]) -> None:
    if not url.startswith((own, "data:", "blob:")):
        foreign.append(url)
