"""Makes assets/screenshots/ from real runs: `python tests/browser/make_screenshots.py`."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from running_app import ARGUMENTS, ASSETS, CHROMIUM, TIMEOUT_MS, serving

SHOTS = {
    "analyze-light": ("clip_with_sound.mp4", "light", 1360, 1400),
    "analyze-dark": ("portrait_altered.jpg", "dark", 1360, 1120),
    "analyze-phone": ("portrait_altered.jpg", "light", 390, 844),
}
COLOURS = 256
LARGEST = 300_000


def main() -> None:
    """Raises: RuntimeError when a picture is larger than `LARGEST` bytes."""
    target = ASSETS / "screenshots"
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for name, (example, scheme, width, height) in SHOTS.items():
            scale = 2 if width < 500 else 1
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=scale
            )
            page = context.new_page()
            page.set_default_timeout(TIMEOUT_MS)
            page.goto(app.url)
            _save(_run(page, ASSETS / example), target / f"{name}.png")
            context.close()
        browser.close()


def _run(page: Page, example: Path) -> bytes:
    page.set_input_files("input[type=file]", example)
    page.wait_for_selector("#dk-facts:has-text('Quick look')")
    page.click("#dk-analyze")
    page.wait_for_selector("#dk-status:has-text('Done in')")
    page.wait_for_selector("#dk-stop", state="hidden")
    page.locator("#dk-gallery img").last.wait_for()
    page.mouse.move(0, 0)
    page.wait_for_timeout(1000)
    return page.screenshot()


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
