"""Look closer, and why a file may have been flagged: real pixels, by mouse and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from media_factory import coded_frames, tone, write_audio, write_video
from PIL import Image
from test_accessibility import found as violations
from test_app import drop, unfold

from drishtiksha.forensics import Filter
from drishtiksha.forensics.filters import filtered
from drishtiksha.media.video import iter_frames
from drishtiksha.settings import MediaLimits

AT = "#dk-look .dk-loupe-at"


@pytest.fixture
def clip(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Two scenes, without a face and without a sound, and the first frame of the second."""
    dark = [np.full((96, 128, 3), (20, 60, 20), np.uint8) for _ in range(12)]
    path = write_video(tmp_path / "v.mp4", [*dark, *coded_frames(1) * 12])
    with iter_frames(path, [12], limits=MediaLimits()) as frames:
        return path, next(frames).image


def pixel(page, where: str) -> tuple[list[int], str]:
    """Red, green and blue of the marked pixel, once it is the one at "x, y"; and the whole line."""
    page.wait_for_function(
        "([line, where]) => document.querySelector(line)?.textContent.startsWith(`Pixel ${where}:`)", arg=[AT, where]
    )
    line = page.inner_text(AT)
    return [int(value) for value in re.findall(r"(?:red|green|blue) (\d+)", line)], line


def test_a_frame_is_looked_at_closely(open_page, clip: tuple[Path, np.ndarray]) -> None:
    path, frame = clip
    page = open_page()
    drop(page, path)  # nobody needs to wait for the detectors
    unfold(page, "#dk-look-box")
    page.wait_for_selector("#dk-look canvas")  # it asks for the frame by itself
    page.click("#dk-key-frames [data-find]")
    page.wait_for_selector(".dk-scenes li:nth-child(2)")
    page.click(".dk-scenes li:nth-child(2) .dk-key")
    page.wait_for_function("document.querySelector('#dk-player video').currentTime > 0.45")
    page.click("#dk-look [data-now]")
    page.wait_for_selector("#dk-look :text('frame 12, 00:00.5')")
    assert pixel(page, "64, 48")[0] == frame[48, 64].tolist()

    page.focus("#dk-look canvas")
    for key in ["+"] * 8 + ["ArrowRight", "ArrowRight", "ArrowDown"]:
        page.keyboard.press(key)
    values, line = pixel(page, "66, 49")
    assert values == frame[49, 66].tolist()
    assert "enlarged 32 times" in line
    shown = page.evaluate(
        "(() => { const pane = document.querySelector('#dk-look canvas');"
        " return [...pane.getContext('2d').getImageData(pane.width / 2 + 36, pane.height / 2, 24, 1).data]; })()"
    )
    assert np.array_equal(np.reshape(shown, (-1, 4))[:, :3], np.tile(frame[49, 67], (24, 1))), "one pixel, not smoothed"
    page.keyboard.press("0")
    assert "enlarged" not in pixel(page, "66, 49")[1]

    page.click("#dk-look button[data-filter=noise]")
    page.wait_for_selector(".dk-look[data-filter=noise] canvas")
    assert pixel(page, "66, 49")[0] == filtered(frame, Filter.NOISE)[49, 66].tolist(), "the mark stays"
    assert "not proof of an edit" in page.inner_text("#dk-look figcaption")
    with page.expect_download() as download:
        page.click("#dk-look a[download]")
    assert np.array_equal(np.asarray(Image.open(download.value.path())), filtered(frame, Filter.NOISE))
    links = page.eval_on_selector_all("#dk-look a[target=_blank]", "all => all.map(one => [one.href, one.rel])")
    assert len(links) == 4
    assert all("noreferrer" in rel and "v.mp4" not in address for address, rel in links)
    assert violations(page) == []


def test_why_an_example_may_be_a_false_alarm(open_page) -> None:
    page = open_page(color_scheme="dark")
    page.click("#dk-examples button[data-name='portrait_altered.jpg']")
    unfold(page, "#dk-doubt-box")
    told = page.inner_text("#dk-doubt")
    assert re.search(r"decided, by FACE-BLEND-LITE-V1: score 0\.\d\d, suspicious from 0\.\d\d\.", told)
    assert "wrongly suspected in the detector's test" in told
    assert "not tested yet" in told
    assert page.locator("#dk-look-box").is_hidden(), "an example is looked at when it was examined"
    assert violations(page) == []
    page.click("#dk-another")
    page.click("#dk-examples button[data-name='portrait.jpg']")
    page.wait_for_selector("#dk-answer [data-state=nothing_found]")
    assert page.locator("#dk-doubt-box").is_hidden()


@pytest.mark.parametrize(("form", "codec"), [("ts", "libx265"), ("avi", "libx264"), ("mp4", "libx264")])
def test_of_what_the_browser_cannot_show_the_key_frames_are_found(
    open_page, tmp_path: Path, form: str, codec: str
) -> None:
    dark = [np.full((96, 128, 3), (20, 60, 20), np.uint8) for _ in range(12)]
    quiet = {"x265-params": "log-level=error:pools=1"} if codec == "libx265" else {}
    path = write_video(tmp_path / f"w.{form}", [*dark, *coded_frames(1) * 12], codec=codec, options=quiet)
    page = open_page()
    drop(page, path)
    page.wait_for_function("(v => v && (v.error || v.videoWidth))(document.querySelector('#dk-player video'))")
    plays = page.evaluate("document.querySelector('#dk-player video').videoWidth > 0")
    assert plays == (form == "mp4")
    told = page.locator("#dk-player .dk-unplayed")
    if plays:
        assert told.is_hidden()
        assert page.locator("#dk-key-frames").is_hidden()
        return
    told.wait_for(state="visible")
    assert page.locator("#dk-player video").is_hidden()
    assert ("hevc in mpegts" if form == "ts" else "h264 in avi") in told.inner_text()
    page.wait_for_selector(".dk-scenes li:nth-child(2)")
    page.click(".dk-scenes li:nth-child(2) .dk-key")
    page.click("#dk-look [data-now]")
    page.wait_for_selector("#dk-look :text('frame 12, 00:00.5')")


def test_a_recording_that_the_browser_cannot_play_is_told(open_page, tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.caf", tone(1, 48_000), 48_000, "alac")
    page = open_page()
    drop(page, path)
    told = page.locator("#dk-player .dk-unplayed")
    told.wait_for(state="visible")
    assert "cannot play this recording (alac in caf)" in told.inner_text()
