"""The Review tab as two people use it: real clips that real detectors examined, reviewed with the keyboard."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from media_factory import coded_frames, write_video
from running_app import ASSETS, ROOT, TIMEOUT_MS, App, serving

from drishtiksha.casefile import LOCAL, Confidence, HumanVerdict, JobState
from drishtiksha.media.frameindex import read_index
from drishtiksha.registry import ModelManager
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import MediaLimits, load_settings
from drishtiksha.ui.shared.desk import Desk

LOW = {
    "FACE-BLEND-LITE-V1": {"thresholds": {"real": 0.01, "fake": 0.1}, "video_fake": 0.1},
    "VOICE-SPOOF-LITE-V2": {"thresholds": {"real": 0.01, "fake": 0.3}},
}
"""So low that a genuine clip is suspected: what is tested is the page, not the detectors."""
CASES = {"clip_silent.mp4": ["FACE-BLEND-LITE-V1"], "clip_with_sound.mp4": list(LOW)}
VIDEO = "#dk-review-player video"
SAVED = "#dk-review-form .dk-form-line:has-text('Saved as')"
OpenAs = Callable[..., Any]


SHOWN_FRAME = """player => {
  const video = document.querySelector(player), canvas = document.createElement('canvas');
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const paper = canvas.getContext('2d'); paper.drawImage(video, 0, 0);
  const block = Math.floor(canvas.width / 8), row = Math.floor(canvas.height / 6);
  return [...Array(8).keys()].reduce((code, bit) =>
    code + ((paper.getImageData(bit * block + block / 2, row, 1, 1).data[0] > 128) << bit), 0);
}"""
"""The number in the picture of `coded_frame` that the player shows."""


@contextmanager
def bench_on(folder: Path) -> Iterator[Workbench]:
    """A second process's workbench on the app's data."""
    settings = load_settings(data_dir=folder / "data")
    bench = Workbench(settings, ModelManager(settings))
    try:
        yield bench
    finally:
        bench.stop()
        bench.store.close()


def examined(folder: Path) -> None:
    """Two cases in the data folder, as the Analyze tab leaves them; the second is the newer one."""
    with bench_on(folder) as bench:
        bench.start()
        for name, models in CASES.items():
            case = Desk(bench).take(ASSETS / name, name, LOCAL, f"What of {name}?")
            *_, last = bench.seen_by(LOCAL).watch(bench.seen_by(LOCAL).open(case.case_id).submit(models))
            assert last.state is JobState.DONE, last.errors


@pytest.fixture(scope="module")
def review_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    for name in CASES:
        if not (ASSETS / name).is_file():
            pytest.skip(f"{ASSETS / name} is missing; make it with assets/make_examples.py")
    folder = tmp_path_factory.mktemp("review")
    everything = yaml.safe_load((ROOT / "configs" / "config.yaml").read_text(encoding="utf-8"))
    models = {name: everything["models"][name] | changes for name, changes in LOW.items()}
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(everything | {"models": models}), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRISHTIKSHA_CONFIG", str(config))
        examined(folder)
        with serving(folder) as app:
            yield app


@pytest.fixture
def open_as(browser: Any, review_app: App) -> Iterator[OpenAs]:
    """Opens the Review tab in a browser of one person's own; afterwards it must have asked nobody else."""
    contexts: list[Any] = []
    foreign: list[str] = []

    def note(request: Any) -> None:
        if not request.url.startswith((review_app.url, "data:", "blob:")):
            foreign.append(request.url)

    def open_(reviewer: str = "", **options: Any) -> Any:
        context = browser.new_context(**({"viewport": {"width": 1360, "height": 900}} | options))
        contexts.append(context)
        if reviewer:
            context.add_init_script(f"localStorage.setItem('dk-reviewer', {json.dumps(reviewer)})")
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.on("request", note)
        page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
        page.goto(review_app.url)
        page.click("[role=tab]:has-text('Review')")
        page.wait_for_selector("#dk-review-queue button")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert foreign == [], "the page asked somebody else"


ADA = [
    ("Ada", "clip_with_sound.mp4", HumanVerdict.MANIPULATED),
    ("Ada", "clip_silent.mp4", HumanVerdict.GENUINE),
]
BOB = [("Bob", "clip_with_sound.mp4", HumanVerdict.GENUINE)]


def spoken(app: App, words: list[tuple[str, str, HumanVerdict]]) -> None:
    """These people have spoken: in the tests before this one or, where those did not run, now."""
    with bench_on(app.folder) as bench:
        cases = {case.media.name: case.case_id for case in bench.seen_by(LOCAL).cases()}
        for reviewer, name, verdict in words:
            if reviewer not in {review.reviewer for review in bench.seen_by(LOCAL).open(cases[name]).reviews()}:
                bench.seen_by(LOCAL).open(cases[name]).add_review(reviewer, verdict, Confidence.HIGH)


def next_case(page: Any, name: str) -> None:
    """Press N; the named case opens."""
    page.keyboard.press("n")
    opened(page, name)


def opened(page: Any, name: str) -> None:
    page.wait_for_selector(f"#dk-review-player .dk-case-name:has-text('{name}')")
    page.wait_for_function(f"document.querySelector('{VIDEO}')?.readyState >= 2")


def time_of(page: Any) -> float:
    return page.evaluate(f"document.querySelector('{VIDEO}').currentTime")


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_function(f"!document.querySelector('{VIDEO}').matches('[data-wanted]')")
    page.wait_for_function(f"!document.querySelector('{VIDEO}').seeking")


def rows(page: Any) -> list[str]:
    return page.locator("#dk-review-queue button").all_inner_texts()


def test_the_first_case_is_reviewed_with_the_keyboard_alone(open_as: OpenAs) -> None:
    page = open_as("Ada")
    assert [text.split("\n")[0] for text in rows(page)] == ["clip_with_sound.mp4", "clip_silent.mp4"]
    next_case(page, "clip_with_sound.mp4")
    times = read_index(ASSETS / "clip_with_sound.mp4", limits=MediaLimits()).times.tolist()

    press(page, ".")
    assert times[1] <= time_of(page) < times[2]
    press(page, ".", ".", ",")
    assert times[2] <= time_of(page) < times[3]
    assert f"frame 3 of {len(times)}" in page.inner_text("#dk-review-player .dk-readout")
    press(page, "l")
    assert time_of(page) == pytest.approx(times[2] + 1, abs=0.01)
    press(page, "ArrowLeft")
    assert times[2] <= time_of(page) < times[3]

    press(page, "]")
    starts = [float(b.get_attribute("data-start")) for b in page.locator("button[data-flag]").all()]
    ahead = min(start for start in starts if start > times[2] + 0.1)
    assert time_of(page) == pytest.approx(ahead, abs=0.01)
    page.wait_for_selector("#dk-review-player .dk-loop-line:has-text('Flagged stretch')")

    press(page, "-", "-", "+")
    assert page.evaluate(f"document.querySelector('{VIDEO}').playbackRate") == 0.75
    # Counted as they happen: a slow machine may ask for the state only when the short clip has ended by itself.
    page.evaluate(
        f"""() => {{ const video = document.querySelector('{VIDEO}'); window.told = [];
        ['play', 'pause'].forEach(name => video.addEventListener(name, () => window.told.push(name))); }}"""
    )
    page.keyboard.press("r")
    page.wait_for_selector("button[data-flag][aria-pressed=true]")
    page.wait_for_selector("#dk-review-player .dk-loop-line:has-text('Looping')")
    page.wait_for_function("window.told.at(-1) === 'play'")
    page.keyboard.press("r")
    page.wait_for_selector("button[data-flag][aria-pressed=false]")
    page.wait_for_function("window.told.at(-1) === 'pause'")
    press(page, "ArrowLeft", "ArrowLeft", "ArrowLeft", *["-"] * 8)  # at the slowest rate the clip lasts over 30 s
    page.keyboard.press("Space")
    page.wait_for_function("window.told.at(-1) === 'play'")
    page.keyboard.press("k")
    page.wait_for_function("window.told.at(-1) === 'pause'")

    page.keyboard.press("Enter")
    page.wait_for_selector("#dk-review-form .dk-form-line:has-text('Choose a verdict')")
    page.keyboard.press("m")
    page.keyboard.press("3")
    at = time_of(page)
    page.keyboard.press("t")
    page.keyboard.type("jump cut, my guess")  # these are keys of the player too, and must rest here
    assert time_of(page) == at
    page.keyboard.press("Escape")
    page.keyboard.press("n")  # asks first: what was written is not saved
    page.wait_for_selector("#dk-review-form .dk-form-line:has-text('not saved')")
    page.keyboard.press("Enter")
    page.wait_for_selector(SAVED)
    page.wait_for_selector("#dk-review-history:has-text('jump cut, my guess')")
    story = page.inner_text("#dk-review-history")
    assert all(part in story for part in ("Manipulated", "high confidence", "Ada", "UTC", "jump cut, my guess"))
    page.wait_for_selector("#dk-review-human:has-text('overrides')")
    page.wait_for_selector("#dk-review-machines:has-text('Overridden')")
    page.wait_for_selector("#dk-review-queue button:has-text('Human verdict: Manipulated')")
    assert "Human verdict: Manipulated" in rows(page)[0]
    assert "overrides the detectors" in rows(page)[0]
    assert time_of(page) == at, "saving leaves the player where it was"

    next_case(page, "clip_silent.mp4")
    page.wait_for_selector("#dk-review-form:not(:has(input:checked))")
    page.wait_for_selector("#dk-review-history:has-text('Nobody has reviewed')")
    page.keyboard.press("p")
    opened(page, "clip_with_sound.mp4")


def test_steps_show_the_very_next_frame_also_at_a_varying_rate(
    open_as: OpenAs, review_app: App, tmp_path: Path
) -> None:
    gaps = [0.04, 0.04, 0.2, 0.02, 0.5, 0.033]
    times = np.concatenate([[0.0], np.cumsum(gaps * 4)]).tolist()
    clip = write_video(tmp_path / "uneven.mp4", coded_frames(len(times)), times=times)
    with bench_on(review_app.folder) as bench:
        case_id = bench.seen_by(LOCAL).take(clip, "uneven.mp4").case_id
        try:
            page = open_as()
            next_case(page, "uneven.mp4")
            for number in (1, 2, 3, 4, 5, 6, 7):
                press(page, ".")
                page.wait_for_function(f"({SHOWN_FRAME})('{VIDEO}') === {number}")
                assert f"frame {number + 1} of {len(times)}" in page.inner_text("#dk-review-player .dk-readout")
            for number in (6, 5, 4):
                press(page, ",")
                page.wait_for_function(f"({SHOWN_FRAME})('{VIDEO}') === {number}")
            press(page, *["."] * 40)
            page.wait_for_function(f"({SHOWN_FRAME})('{VIDEO}') === {len(times) - 1}")
            assert "Nothing is flagged" not in page.inner_text("#dk-review-player .dk-loop-line")
            page.keyboard.press("]")
            page.wait_for_selector("#dk-review-player .dk-loop-line:has-text('Nothing is flagged')")
        finally:
            bench.seen_by(LOCAL).open(case_id).delete()


def test_a_note_is_pinned_to_a_region_by_dragging(open_as: OpenAs, review_app: App) -> None:
    page = open_as("Ada")
    page.click("#dk-review-queue button:has-text('clip_silent.mp4')")
    opened(page, "clip_silent.mp4")
    press(page, "l")
    page.locator("#dk-review-player .dk-shot").scroll_into_view_if_needed()
    box = page.locator("#dk-review-player .dk-shot").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.75, steps=4)
    page.mouse.up()
    page.wait_for_selector("#dk-review-form .dk-note")
    page.keyboard.type("the helmet")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("1")
    page.fill("#dk-review-form input[name=tags]", "light, light, edge")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(SAVED)
    page.wait_for_selector("#dk-review-history button[data-region]")
    pin = page.locator("#dk-review-history button[data-region]")
    wide, high = page.evaluate(f"(v => [v.videoWidth, v.videoHeight])(document.querySelector('{VIDEO}'))")
    region = [float(part) for part in pin.get_attribute("data-region").split(",")]
    assert region == pytest.approx([wide * 0.25, high * 0.25, wide * 0.5, high * 0.75], abs=2)
    assert page.locator("#dk-review-history .dk-chip").all_inner_texts() == ["light", "edge"]
    press(page, "j")
    page.wait_for_selector("#dk-review-player .dk-region", state="hidden")
    pin.click()
    page.wait_for_selector("#dk-review-player .dk-region", state="visible")
    page.wait_for_function(f"Math.abs(document.querySelector('{VIDEO}').currentTime - 1) < 0.1")


def test_the_case_shows_scores_findings_and_where_it_comes_from(open_as: OpenAs) -> None:
    page = open_as()
    next_case(page, "clip_with_sound.mp4")
    page.wait_for_selector("#dk-review-findings img")
    assert (
        page.locator("#dk-review-findings img").first.evaluate("image => image.decode().then(() => image.naturalWidth)")
        > 300
    )
    for name in LOW:
        page.wait_for_selector(f"#dk-review-machines:has-text('{name}')")
    page.wait_for_selector("#dk-review-origin:has-text('What the file says of itself')")
    picture = page.locator("#dk-review-chart .dk-svg")
    picture.scroll_into_view_if_needed()
    chart = page.locator("#dk-review-chart [role=slider]")
    chart.focus()
    page.keyboard.press("End")
    page.wait_for_function(f"document.querySelector('{VIDEO}').currentTime > 3")


def test_after_a_click_the_keys_belong_to_the_player_and_a_case_can_be_deleted_and_taken_back(open_as: OpenAs) -> None:
    page = open_as()
    page.click("#dk-review-queue button:has-text('clip_silent.mp4')")
    opened(page, "clip_silent.mp4")
    page.wait_for_function("document.activeElement.matches('.dk-stage')")
    page.evaluate(
        f"""() => {{ window.told = 0;
        document.querySelector('{VIDEO}').addEventListener('play', () => {{ window.told += 1; }}); }}"""
    )
    page.keyboard.press("Space")
    page.wait_for_function("window.told === 1")
    page.click("#dk-review-delete [data-do=ask]")
    page.click("#dk-review-delete [data-do=no]")
    page.click("#dk-review-delete [data-do=ask]")
    page.click("#dk-review-delete [data-do=yes]")
    page.wait_for_selector("#dk-review-deleted:has-text('The case was deleted')")
    page.wait_for_selector("#dk-review-queue :text-is('1 case')")
    page.click("#dk-review-deleted [data-do=undo]")
    opened(page, "clip_silent.mp4")
    page.wait_for_selector("#dk-review-queue :text-is('2 cases')")


def test_filters_narrow_the_queue(open_as: OpenAs, review_app: App) -> None:
    spoken(review_app, ADA)
    page = open_as()
    page.select_option("#dk-review-filters [name=model]", "VOICE-SPOOF-LITE-V2")
    page.wait_for_selector("#dk-review-queue :text-is('1 case')")
    assert "clip_with_sound.mp4" in rows(page)[0]
    page.click("text=Show all")
    page.wait_for_selector("#dk-review-queue :text-is('2 cases')")
    page.fill("#dk-review-filters [name=until]", "2001-01-01")
    page.wait_for_selector("#dk-review-queue :text('No case passes')")
    page.click("text=Show all")
    page.wait_for_selector("#dk-review-queue :text-is('2 cases')")
    page.select_option("#dk-review-filters [name=verdict]", "REAL")
    page.wait_for_selector("#dk-review-queue :text('No case passes')")
    page.select_option("#dk-review-filters [name=verdict]", "human:manipulated")
    page.wait_for_selector("#dk-review-queue :text-is('1 case')")
    assert "Human verdict: Manipulated" in rows(page)[0]
    page.click("text=Show all")
    page.wait_for_selector("#dk-review-queue :text-is('2 cases')")
    page.check("#dk-review-filters [name=unreviewed]")
    page.wait_for_selector("#dk-review-queue :text('No case passes')")


def test_a_second_reviewer_disagrees_and_the_case_is_unclear(open_as: OpenAs, review_app: App) -> None:
    spoken(review_app, ADA)
    page = open_as("Bob")
    next_case(page, "clip_with_sound.mp4")
    press(page, "g", "2")
    page.keyboard.press("Enter")
    page.wait_for_selector(SAVED)
    page.wait_for_selector("#dk-review-human h2:text-is('Unclear')")
    page.wait_for_selector("#dk-review-queue button:has-text('Human verdict: Unclear')")
    assert "The reviewers differ" in page.inner_text("#dk-review-human")
    assert "Human verdict: Unclear" in rows(page)[0]
    assert "reviewers differ" in rows(page)[0]
    page.check("#dk-review-filters [name=disagreement]")
    page.wait_for_selector("#dk-review-queue button:has-text('reviewers differ')")
    page.click("#dk-review-sum button")
    page.wait_for_selector("#dk-review-stats:has-text('Ada and Bob')")
    told = page.inner_text("#dk-review-stats")
    assert "reviewers differ on 1" in told
    assert "too few cases in common" in told
    assert "FACE-BLEND-LITE-V1" in told


@pytest.mark.parametrize("form", ["CSV", "JSONL"])
def test_an_export_is_taken_in_again_without_adding_anything(
    open_as: OpenAs, review_app: App, tmp_path: Path, form: str
) -> None:
    spoken(review_app, ADA + BOB)
    page = open_as(accept_downloads=True)
    page.click("#dk-review-sum button")
    with page.expect_download() as download:
        page.click(f"button:has-text('Export as {form}') >> visible=true")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    text = path.read_text(encoding="utf-8-sig")
    lines = list(csv.DictReader(text.splitlines())) if form == "CSV" else [json.loads(x) for x in text.splitlines()]
    assert [line["reviewer"] for line in lines] == ["Ada", "Ada", "Bob"]
    assert all(line["made_utc"].endswith("+00:00") for line in lines)
    page.set_input_files("#dk-review-sum input[type=file]", path)
    page.wait_for_selector("#dk-review-moved:has-text('0 reviews added, 3 here already')")
    path.write_text(text.replace("manipulated", "fake"), encoding="utf-8")
    page.set_input_files("#dk-review-sum input[type=file]", path)
    page.wait_for_selector("#dk-review-moved [role=alert]:has-text('nothing was added'):has-text('Line')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it_without_sideways_scrolling(open_as: OpenAs, scheme: str) -> None:
    page = open_as(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.click("#dk-review-queue button:has-text('clip_silent.mp4')")
    opened(page, "clip_silent.mp4")
    page.wait_for_selector("#dk-review-findings img")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("#dk-review-player [data-do=forth]")
    page.wait_for_function(f"document.querySelector('{VIDEO}').currentTime > 0.01")
    page.click("#dk-review-form label:has-text('Genuine')")
    page.wait_for_selector("#dk-review-form input[value=genuine]:checked")
