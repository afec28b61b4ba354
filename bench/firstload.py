"""What the first load of the page costs in a browser: requests, bytes, and the time to the first paint.

`python -m bench.firstload [--repeats N]` prints the table; it needs Playwright and Chromium.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.measure import alone

CHROMIUM = os.environ.get("DRISHTIKSHA_CHROMIUM") or next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "chromium-headless-shell"])), None
)
GOALS = {"requests": "60", "kB": "700", "first paint": "1 s"}
HEAD = "| the first load of the page, in Chromium with an empty cache | | goal: under |\n|---|---|---|"
SETTLED_MS = 1000
"""Without a further request for so long the page has loaded."""
LONGEST_MS = 120_000
DROP = "#dk-drop input[type=file]"
"""Where a file is dropped."""

ENTRIES = """() => {
  const sent = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
  const painted = performance.getEntriesByName('first-contentful-paint')[0];
  return [sent.length, sent.reduce((sum, one) => sum + one.transferSize, 0), painted ? painted.startTime : null];
}"""


def table(repeats: int) -> str:
    """The rows as Markdown."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return f"{HEAD}\n| not measured: playwright is not installed | | |"
    if CHROMIUM is None:
        return f"{HEAD}\n| not measured: there is no Chromium | | |"
    with _served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        loads = [_load(browser, address) for _ in range(repeats + 1)][1:]
        browser.close()
    requests, sent, paint_ms = (statistics.median(column) for column in zip(*loads, strict=True))
    values = {"requests": f"{requests:.0f}", "kB": f"{sent / 1e3:.0f}", "first paint": f"{paint_ms / 1e3:.2f} s"}
    return "\n".join([HEAD, *(f"| {what} | {value} | {GOALS[what]} |" for what, value in values.items())])


def _load(browser: Any, address: str) -> tuple[int, int, float]:
    """Requests, bytes as they were sent, and milliseconds to the first paint, in a context of its own."""
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(address, wait_until="load", timeout=LONGEST_MS)
        page.wait_for_selector(DROP, state="attached", timeout=LONGEST_MS)
        found = page.evaluate(ENTRIES)
        while True:  # gradio keeps a connection open, so that the network is never idle
            page.wait_for_timeout(SETTLED_MS)
            before, found = found, page.evaluate(ENTRIES)
            if found == before and found[2] is not None:
                requests, sent, paint_ms = found
                return requests, sent, paint_ms
    finally:
        context.close()


@contextmanager
def _served() -> Iterator[str]:
    """The page and the REST API as `drishtiksha serve` offers them; yields the address."""
    import uvicorn

    from drishtiksha.registry import ModelManager
    from drishtiksha.server import create_app
    from drishtiksha.services.workbench import Workbench
    from drishtiksha.settings import load_settings
    from drishtiksha.ui.blocks import mount

    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
        settings = load_settings(data_dir=folder, device="cpu")
        desk = Workbench(settings, ModelManager(settings))
        app = create_app(settings, workbench=desk, mount=lambda inner: mount(inner, settings, desk))
        server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="on", log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server could not start")
            time.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()


if __name__ == "__main__":
    alone(table, __doc__)
