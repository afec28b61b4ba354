"""Makes assets/screenshots/ from real runs: `python tests/browser/make_screenshots.py [folder]`."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from browsers import ARGUMENTS, CHROMIUM
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from running_app import ASSETS, TIMEOUT_MS, App, serving

LOOKS = {"light": (1360, 1400, "light"), "dark": (1360, 1400, "dark"), "phone": (390, 844, "light")}
TABS = ("analyze", "compare", "review", "models")
STATES = ("signs", "unclear", "nothing_found", "nothing_to_judge")
"""Of finished examples: a picture of each."""
COLOURS = 256
LARGEST = 300_000
DONE = "#dk-answer section[data-state]:not(.dk-prelim)"
COMPARED = "#dk-compare-status .dk-status:text-is('Done.')"


def main() -> None:
    """Raises: RuntimeError when a picture is larger than `LARGEST` bytes."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ASSETS / "screenshots"
    target.mkdir(exist_ok=True, parents=True)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        analysis, comparison = _prepare(_open(browser, app.url, "light"), app)
        for look in LOOKS:
            for tab in TABS:
                page = _open(browser, {"analyze": analysis, "compare": comparison}.get(tab, app.url), look)
                _arrange(page, tab)
                page.mouse.move(0, 0)
                page.wait_for_timeout(1200)
                _save(page.screenshot(), target / f"{tab}-{look}.png")
                page.context.close()
            for state in STATES:
                page = _open(browser, app.url, look)
                page.click(f"#dk-examples button[data-state={state}] >> nth=0")
                page.wait_for_selector(DONE)
                page.mouse.move(0, 0)
                page.wait_for_timeout(1200)
                _save(page.screenshot(), target / f"{state}-{look}.png")
                page.context.close()
        browser.close()


def _open(browser: Browser, url: str, look: str) -> Page:
    width, height, scheme = LOOKS[look]
    page = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=2 if width < 500 else 1,
    ).new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(url)
    page.wait_for_selector("#dk-drop, #dk-answer", state="attached")
    return page


def _prepare(page: Page, app: App) -> tuple[str, str]:
    """Analyses a clip and compares three detectors on it; the links to both."""
    page.set_input_files("#dk-drop input[type=file]", ASSETS / "clip_with_sound.mp4")
    page.wait_for_selector(DONE)
    analysis = page.url
    page.goto(app.url)
    _tab(page, "Compare")
    page.set_input_files("#dk-drop-a input[type=file]", ASSETS / "clip_with_sound.mp4")
    page.wait_for_selector("#dk-player-a video")
    page.click("text=All that fit this file")
    page.wait_for_selector("#dk-plan:has-text('2 detectors')")
    page.click("#dk-compare")
    page.wait_for_selector(COMPARED)
    comparison = page.url
    page.context.close()
    return analysis, comparison


def _arrange(page: Page, tab: str) -> None:
    """Bring what the tab is for into view."""
    if tab == "analyze":
        page.wait_for_selector(DONE)
    elif tab == "compare":
        page.wait_for_selector(COMPARED)
        if page.viewport_size and page.viewport_size["width"] < 500:
            page.evaluate("document.querySelector('#dk-compare-top').scrollIntoView()")
    elif tab == "review":
        _tab(page, "Review")
        page.locator("#dk-review-queue button[data-case], #dk-review-queue button").first.click()
        page.wait_for_selector("#dk-review-player .dk-case-name")
        if page.viewport_size and page.viewport_size["width"] < 500:
            page.evaluate("document.querySelector('#dk-review-player').scrollIntoView()")
    else:
        _tab(page, "Models")
        page.locator(".dk-shelf summary").first.click()


def _tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def _save(shot: bytes, path: Path) -> None:
    picture = (
        Image.open(io.BytesIO(shot))
        .convert("RGB")
        .quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    )
    picture.save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        raise RuntimeError(
            f"{path.name} has {path.stat().st_size} bytes; at most {LARGEST} were wanted. Take a smaller one."
        )


if __name__ == "__main__":
    main()
