"""The Compare tab as a person uses it: three real detectors on a real clip with a face and a voice.

The thresholds are set so low that a genuine clip is suspected: what is tested is the page, not the detectors.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from running_app import ASSETS, ROOT, TIMEOUT_MS, App, serving

from drishtiksha.results import DISCLAIMER

LOW = {
    "FACE-BLEND-LITE-V1": {"thresholds": {"real": 0.01, "fake": 0.1}, "video_fake": 0.1},
    "VOICE-SPOOF-LITE-V2": {"thresholds": {"real": 0.01, "fake": 0.3}},
    "FACE-TWIN-V1": {"experimental": True},
}
FIRST = "#dk-player-a video"
DONE = "#dk-compare-status .dk-status:text-is('Done.')"
OpenAt = Callable[..., Any]


def asset(name: str) -> Path:
    path = ASSETS / name
    if not path.is_file():
        pytest.skip(f"{path} is missing; make it with assets/make_examples.py")
    return path


@pytest.fixture(scope="module")
def low_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with the embedded detectors at low thresholds, and an experimental twin of the one for faces."""
    folder = tmp_path_factory.mktemp("compare")
    everything = yaml.safe_load((ROOT / "configs" / "config.yaml").read_text(encoding="utf-8"))
    models = {
        name: everything["models"].get(name, everything["models"]["FACE-BLEND-LITE-V1"]) | changes
        for name, changes in LOW.items()
    }
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(everything | {"models": models}), encoding="utf-8")
    before = os.environ.get("DRISHTIKSHA_CONFIG")
    os.environ["DRISHTIKSHA_CONFIG"] = str(config)
    try:
        with serving(folder) as app:
            yield app
    finally:
        if before is None:
            del os.environ["DRISHTIKSHA_CONFIG"]
        else:
            os.environ["DRISHTIKSHA_CONFIG"] = before


@pytest.fixture
def open_at(browser: Any, low_app: App) -> Iterator[OpenAt]:
    """Opens an address of the app in a fresh context: another browser, as far as the app can tell."""
    contexts = []
    foreign: list[str] = []

    def note(request: Any) -> None:
        if not request.url.startswith((low_app.url, "data:", "blob:")):
            foreign.append(request.url)

    def open_(address: str = "", **options: Any) -> Any:
        context = browser.new_context(**({"viewport": {"width": 1360, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.on("request", note)
        page.goto(address or low_app.url)
        if not address:
            page.click("[role=tab]:has-text('Compare')")
        page.wait_for_selector("#dk-compare")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert foreign == [], "the page asked somebody else"


def start(page: Any, name: str = "clip_with_sound.mp4") -> str:
    """Choose a file and all detectors, read the plan, press Compare; the address that leads back."""
    page.set_input_files("#dk-drop-a input[type=file]", asset(name))
    page.wait_for_selector(FIRST)
    page.click("text=All that fit this file")
    page.wait_for_selector("#dk-plan:has-text('3 detectors, 2 kinds of trace')")
    page.click("#dk-compare")
    page.wait_for_url(re.compile(r"compare=[0-9a-f]{32}$"))
    return page.url


@pytest.fixture(scope="module")
def link(browser: Any, low_app: App) -> str:
    """A comparison of three models whose page was closed while it ran."""
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(low_app.url)
    page.click("[role=tab]:has-text('Compare')")
    address = start(page)
    page.wait_for_selector("#dk-compare-table:has-text('At work')")
    context.close()
    return address


def time_of(page: Any, player: str = FIRST) -> float:
    return page.evaluate(f"document.querySelector('{player}').currentTime")


def no_sideways_scroll(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("window.innerWidth")


def test_the_tab_is_closed_mid_run_and_another_browser_comes_back_by_the_link(open_at: OpenAt, link: str) -> None:
    page = open_at(link)
    page.wait_for_selector(DONE)
    table = page.inner_text("#dk-compare-table")
    assert all(name in table for name in LOW)
    assert "not counted" in page.inner_text("#dk-compare-board")
    assert page.locator("#dk-compare-chart .dk-svg").bounding_box()["width"] > 400
    assert page.locator("#dk-compare-seen figure img").count() == 3
    assert page.is_checked("input[name=dk-pick][value='VOICE-SPOOF-LITE-V2']")
    assert page.get_attribute("[role=tab]:has-text('Compare')", "aria-selected") == "true"
    page.reload()
    page.wait_for_selector(DONE)
    assert page.inner_text("#dk-compare-table") == table


def test_a_segment_is_a_button_that_seeks_and_loops_until_escape(open_at: OpenAt, link: str) -> None:
    page = open_at(link)
    page.wait_for_selector(DONE)
    button = page.locator("#dk-compare-segments button").first
    assert "face texture, sound spectrum" in button.inner_text()
    begin, end = (float(button.get_attribute(f"data-{name}")) for name in ("start", "end"))
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#dk-compare-segments button').ariaPressed === 'true'")
    page.wait_for_function(f"document.querySelector('{FIRST}')?.currentTime >= {begin - 0.3}")
    page.wait_for_selector("#dk-player-a .dk-loop-line:has-text('Looping')")
    page.evaluate(
        f"""() => {{ const video = document.querySelector('{FIRST}'); window.seen = [];
        video.addEventListener('timeupdate', () => window.seen.push(video.currentTime)); }}"""
    )
    page.wait_for_function("window.seen.some((t, i) => i > 0 && t < window.seen[i - 1])")  # it went round
    seen = page.evaluate("window.seen")
    assert all(begin - 0.35 <= t <= end + 0.5 for t in seen), (begin, end, seen)
    page.keyboard.press("Escape")
    page.wait_for_function("document.querySelector('#dk-compare-segments button').ariaPressed === 'false'")
    page.wait_for_selector("#dk-player-a .dk-loop-line:has-text('stopped')")


def test_the_chart_seeks_by_click_and_by_keys(open_at: OpenAt, link: str) -> None:
    page = open_at(link)
    page.wait_for_selector(DONE)
    picture = page.locator("#dk-compare-chart .dk-svg")
    chart = page.locator("#dk-compare-chart [role=slider]")
    span = float(chart.get_attribute("data-end"))
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    picture.click(position={"x": box["width"] * 0.5, "y": box["height"] * 0.3})
    page.wait_for_function(f"Math.abs(document.querySelector('{FIRST}')?.currentTime - {span / 2}) < 0.1")
    chart.focus()
    page.keyboard.press("Home")
    page.wait_for_function(f"document.querySelector('{FIRST}')?.currentTime < 0.05")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"document.querySelector('{FIRST}')?.currentTime > 0.01")
    assert chart.get_attribute("aria-valuetext").startswith("00:0")
    page.click("#dk-compare-chart summary")
    page.wait_for_selector("#dk-player-a-chart-words:has-text('FACE-BLEND-LITE-V1, suspicious from 0.10')")


def test_another_moment_shows_what_each_detector_saw_there(open_at: OpenAt, link: str) -> None:
    page = open_at(link)
    page.wait_for_selector(DONE)
    page.wait_for_selector("#dk-compare-seen figure")
    page.wait_for_selector(FIRST)
    page.evaluate(f"document.querySelector('{FIRST}').currentTime = 2.5")
    page.wait_for_function(f"!document.querySelector('{FIRST}').seeking")
    page.click("#dk-compare-seen [data-moment=now]")
    page.wait_for_selector("#dk-compare-seen h3:has-text('00:02.5')")
    assert page.locator("#dk-compare-seen figure img").count() >= 2
    assert "not what was altered" in page.inner_text("#dk-compare-seen")


def test_the_report_of_a_comparison_names_all_its_models(open_at: OpenAt, link: str) -> None:
    page = open_at(link, accept_downloads=True)
    page.wait_for_selector(DONE)
    with page.expect_download() as download:
        page.click("#dk-compare-reports-a button[data-format=html]")
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert all(name in text for name in LOW)


def test_before_a_file_is_chosen_nothing_is_offered_for_one(open_at: OpenAt) -> None:
    page = open_at()
    page.click("role=tab[name='Compare']")
    page.wait_for_selector("#dk-compare-board")
    for words in ("Facts of the file", "Delete this case", "Choose another file"):
        assert not page.locator(f"text={words} >> visible=true").count(), words
    assert not page.locator("#dk-compare-reports-a >> visible=true").count()
    assert page.is_disabled("#dk-compare")
    assert page.inner_text("#dk-lacking") == "Choose a file first."


def test_one_detector_on_two_files(open_at: OpenAt) -> None:
    page = open_at()
    page.click("text=One detector, two files")
    page.set_input_files("#dk-drop-a input[type=file]", asset("clip_with_sound.mp4"))
    page.wait_for_selector(FIRST)
    page.set_input_files("#dk-drop-b input[type=file]", asset("clip_silent.mp4"))
    page.wait_for_selector("#dk-player-b video")
    page.wait_for_selector("#dk-plan:has-text('on two files')")
    page.click("#dk-compare")
    page.wait_for_selector(DONE)
    board = page.inner_text("#dk-compare-board")
    assert "clip_with_sound.mp4" in board
    assert "clip_silent.mp4" in board
    assert DISCLAIMER in board or "indication" in board
    chart = page.locator("#dk-compare-chart [role=slider]")
    chart.focus()
    page.keyboard.press("PageUp")
    for player in (FIRST, "#dk-player-b video"):
        page.wait_for_function(f"document.querySelector('{player}').currentTime > 0.1")
    for side, name in (("a", "clip_with_sound.mp4"), ("b", "clip_silent.mp4")):
        page.click(f"#dk-compare-reports-{side} summary")
        with page.expect_download() as download:
            page.click(f"#dk-compare-reports-{side} button[data-format=json]")
        kept = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
        assert kept["media"]["name"] == name
    again = open_at(page.url)
    again.wait_for_selector(DONE)
    assert again.inner_text("#dk-compare-board") == board
    again.wait_for_selector("#dk-player-b video")


def test_stop_keeps_what_is_finished_and_go_on_finishes(open_at: OpenAt) -> None:
    page = open_at()
    start(page)
    page.click("#dk-compare-stop")
    page.wait_for_selector("#dk-compare-status .dk-status:has-text('Stopped.')")
    page.wait_for_selector("#dk-compare-table:has-text('Not run')")
    page.click("#dk-compare-retry")
    page.wait_for_selector(DONE)
    page.wait_for_selector("#dk-compare-table:not(:has-text('Not run'))")
    page.wait_for_selector("#dk-compare-retry", state="hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it_without_sideways_scrolling(open_at: OpenAt, link: str, scheme: str) -> None:
    page = open_at(link, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.wait_for_selector(DONE)
    no_sideways_scroll(page)
    picture = page.locator("#dk-compare-chart .dk-svg")
    assert picture.count() == 1
    chart = page.locator("#dk-compare-chart [role=slider]")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    picture.click(position={"x": box["width"] * 0.5, "y": box["height"] * 0.6})
    half = float(chart.get_attribute("data-end")) / 2
    page.wait_for_function(f"Math.abs(document.querySelector('{FIRST}')?.currentTime - {half}) < 0.15")


def test_a_comparison_that_is_gone_is_said_and_a_deleted_case_leaves_the_address(open_at: OpenAt, low_app: App) -> None:
    page = open_at(f"{low_app.url}/?compare={'0' * 32}")
    page.wait_for_selector("#dk-compare-board:has-text('This comparison is not here')")
    page = open_at()
    start(page)
    page.click("#dk-compare-stop")
    page.wait_for_selector("#dk-compare-status .dk-status:has-text('Stopped.')")
    page.click("#dk-delete-a [data-do=ask]")
    page.click("#dk-delete-a [data-do=yes]")
    page.wait_for_selector("#dk-notice-a:has-text('The case was deleted')")
    page.wait_for_function("!location.search.includes('compare=')")
    page.wait_for_selector(FIRST, state="detached")
    page.click("#dk-notice-a [data-do=undo]")
    page.wait_for_selector(FIRST)


def test_the_server_is_killed_mid_run_and_the_link_still_leads_to_the_whole_result(
    open_at: OpenAt, low_app: App
) -> None:
    page = open_at()
    address = start(page)
    page.wait_for_selector("#dk-compare-table:has-text('At work')")
    low_app.kill()
    low_app.restart()
    page = open_at(address)
    page.wait_for_selector(DONE)
    assert all(name in page.inner_text("#dk-compare-table") for name in LOW)
    assert "No result" not in page.inner_text("#dk-compare-table")
