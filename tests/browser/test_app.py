"""What a person reads and does on the real page, from the drop to the answer."""

from __future__ import annotations

import hashlib
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile
from running_app import ASSETS, MODEL, App

from drishtiksha.casefile import CaseFile
from drishtiksha.media.audio import read_audio
from drishtiksha.results import AnalysisResult
from drishtiksha.settings import MediaLimits

DROP = "#dk-drop input[type=file]"
ANSWER = "#dk-answer section[data-state]:not(.dk-prelim)"
PLAYER = "#dk-player video"


def drop(page, path: Path) -> None:
    """Drop a file; everything else starts by itself."""
    page.wait_for_selector(DROP, state="attached")
    page.set_input_files(DROP, path)
    page.wait_for_selector("#dk-answer h2")


def answered(page) -> str:
    """Wait for the whole answer; its text."""
    page.wait_for_selector(ANSWER)
    page.wait_for_selector("#dk-stop", state="hidden")
    return page.inner_text("#dk-answer")


def unfold(page, box: str) -> None:
    """Open a folded part of the page."""
    button = page.locator(f"{box} > button, {box} button.label-wrap").first
    button.scroll_into_view_if_needed()
    button.click()


def save(page, kind: str) -> Path:
    """Save a report of this kind."""
    if kind not in ("pdf", "html"):
        page.click("#dk-reports summary")
    page.wait_for_selector(f"#dk-reports [data-format={kind}]:not([aria-disabled])")
    with page.expect_download() as download:
        page.click(f"#dk-reports [data-format={kind}]")
    return Path(download.value.path())


def asset(name: str) -> Path:
    path = ASSETS / name
    if not path.is_file():
        pytest.skip(f"{path} is missing; make it with assets/make_examples.py")
    return path


def no_sideways_scroll(page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("window.innerWidth")


def time_of(page) -> float:
    return page.evaluate(f"document.querySelector('{PLAYER}').currentTime")


def test_a_journalist_drops_a_clip_reads_goes_to_a_moment_copies_and_deletes_with_undo(open_page, app: App) -> None:
    page = open_page(accept_downloads=True, permissions=["clipboard-read", "clipboard-write"])
    clip = asset("clip_with_sound.mp4")
    before = set(app.data.glob("cases/*"))
    drop(page, clip)
    page.wait_for_selector("#dk-lines [data-kind='file history']")
    page.wait_for_function("document.activeElement.closest('#dk-answer') !== null")
    answered(page)
    for kind in ("faces", "voice"):
        page.wait_for_selector(f"#dk-lines article[data-kind={kind}][data-state]")
    assert MODEL not in page.inner_text("#dk-answer"), "no codes on the reading path"

    top = page.locator(PLAYER).bounding_box()["y"]
    page.locator("#dk-lines [data-kind=voice]").scroll_into_view_if_needed()
    page.mouse.wheel(0, 700)
    page.wait_for_function("window.scrollY > 100")
    seen = page.locator(PLAYER).bounding_box()
    assert 0 <= seen["y"] <= top, "the player stays in view"
    slider = page.locator("#dk-timeline [role=slider]")
    end_s = float(slider.get_attribute("data-end"))
    drawing = page.locator("#dk-timeline .dk-svg")
    box = drawing.bounding_box()
    drawing.click(position={"x": box["width"] * 0.8, "y": box["height"] / 2})
    page.wait_for_function(f"Math.abs(document.querySelector('{PLAYER}').currentTime - {0.8 * end_s}) < 0.15")
    page.wait_for_function(
        "Number(document.querySelector('#dk-timeline .dk-seek').style.getPropertyValue('--at')) > 0.7"
    )
    page.locator("#dk-lines [data-kind=voice] button.dk-place").first.click()
    page.wait_for_function(f"document.querySelector('{PLAYER}').currentTime < {0.8 * end_s - 0.5}")
    assert page.locator(PLAYER).bounding_box()["y"] >= 0, "nothing scrolls it away"

    page.click("#dk-answer [data-copy] >> nth=0")
    page.wait_for_selector(".dk-copied:text('Copied')")
    sentence = page.evaluate("navigator.clipboard.readText()")
    assert sentence == page.inner_text("#dk-answer blockquote")
    assert len(sentence.split()) <= 25
    page.click("text=Copy with technical details")
    page.wait_for_function("navigator.clipboard.readText().then(text => text.includes('VOICE-SPOOF-LITE-V2'))")
    sha = hashlib.sha256(clip.read_bytes()).hexdigest()
    assert sha in page.evaluate("navigator.clipboard.readText()")
    case = CaseFile.model_validate_json(save(page, "json").read_text(encoding="utf-8"))
    assert case.media.sha256 == sha

    (folder,) = set(app.data.glob("cases/*")) - before
    source = page.evaluate(f"document.querySelector('{PLAYER}').currentSrc")
    assert urllib.request.urlopen(source).status == 200
    headline = page.inner_text("#dk-answer h2")
    page.click("#dk-delete [data-do=ask]")
    page.wait_for_selector("#dk-delete [data-do=yes]")
    assert folder.exists(), "it asks first"
    page.click("#dk-delete [data-do=yes]")
    page.wait_for_selector("#dk-notice [data-do=undo]")
    page.wait_for_function("document.activeElement.closest('#dk-notice') !== null")
    assert "job=" not in page.url
    page.click("#dk-notice [data-do=undo]")
    page.wait_for_selector(f"#dk-answer h2:text-is('{headline}')")
    page.click("#dk-delete [data-do=ask]")
    page.click("#dk-delete [data-do=yes]")
    page.wait_for_selector("#dk-notice:has-text('The case was deleted')")
    page.wait_for_selector("#dk-notice [data-do=undo]", state="detached")
    page.wait_for_function("!location.search.includes('job=')")
    for _ in range(100):
        if not folder.exists():
            break
        page.wait_for_timeout(100)
    assert not folder.exists()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(source)


def test_a_portrait_shows_where_the_suspicion_comes_from(open_page) -> None:
    page = open_page()
    drop(page, asset("portrait_altered.jpg"))
    text = answered(page)
    assert "signs of manipulation" in text
    page.wait_for_selector("#dk-moments img")
    shot = page.locator("#dk-moments img").first
    shot.scroll_into_view_if_needed()
    assert shot.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
    assert "/tmp/" not in page.inner_text("body"), "no server path on the page"
    unfold(page, "#dk-facts-box")
    page.wait_for_selector("#dk-facts:has-text('Picture (jpeg)')")
    unfold(page, "#dk-details-box")
    page.wait_for_selector(f"#dk-details:has-text('{MODEL}')")
    page.wait_for_selector("#dk-details:has-text('Coverage 100 %')")


def recording(path: Path) -> Path:
    """The sound of the example clip, twice over, as a FLAC file."""
    sound = read_audio(asset("clip_with_sound.mp4"), 16_000, limits=MediaLimits())
    soundfile.write(path, np.tile(sound, 2), 16_000)
    return path


def test_a_recording_is_heard_and_shown_over_time(open_page, tmp_path: Path) -> None:
    page = open_page()
    drop(page, recording(tmp_path / "call.flac"))
    answered(page)
    page.wait_for_selector("#dk-lines article[data-kind=voice][data-state]")
    assert page.locator("#dk-timeline .dk-svg").bounding_box()["width"] > 250
    assert page.locator("#dk-player audio").count() == 1
    no_sideways_scroll(page)


def test_a_clip_without_a_face_has_nothing_to_judge(open_page) -> None:
    page = open_page()
    drop(page, asset("no_face.mp4"))
    text = answered(page)
    assert page.inner_text("#dk-answer h2") == "Nothing to judge"
    assert "no face" in text
    assert page.locator("#dk-answer .dk-disclaimer").count() == 0
    assert not page.is_visible("#dk-stress-box")
    assert page.locator("#dk-moments img").count() == 0


def test_a_text_named_mp4_is_an_error_that_stays(open_page, tmp_path: Path) -> None:
    page = open_page()
    fake = tmp_path / "<b>notes.mp4"
    fake.write_text("This is not a film.\n" * 200)
    page.set_input_files(DROP, fake)
    page.wait_for_selector("#dk-notice [role=alert]")
    text = page.inner_text("#dk-notice")
    assert "notes.mp4" in text
    assert "Nothing was concluded" in text
    assert "Reference" not in text, "a known failure is a sentence, not an incident"
    drop(page, asset("portrait.jpg"))
    page.wait_for_selector("#dk-notice [role=alert]", state="hidden")


def test_examples_show_their_answers_before_anything_is_run_and_can_be_examined_here(open_page, app: App) -> None:
    page = open_page()
    states = page.locator("#dk-examples button").evaluate_all("all => all.map(one => one.dataset.state)")
    assert set(states) == {"signs", "unclear", "nothing_found", "nothing_to_judge"}
    before = set(app.data.glob("cases/*"))
    page.click("#dk-examples button[data-state=unclear]")
    page.wait_for_selector("#dk-answer h2:text-is('Unclear')")
    page.wait_for_function("document.activeElement.tagName === 'H2'")
    assert page.locator("#dk-delete button").count() == 0
    assert set(app.data.glob("cases/*")) == before, "nothing was run"
    page.click("#dk-try")
    page.wait_for_selector("#dk-answer section[data-example='']")
    answered(page)
    assert page.inner_text("#dk-answer h2") == "Unclear"
    assert len(set(app.data.glob("cases/*")) - before) == 1


def test_another_run_adds_to_the_answer_and_the_choice_stays(open_page) -> None:
    page = open_page()
    drop(page, asset("clip_with_sound.mp4"))
    answered(page)
    unfold(page, "#dk-detectors")
    picks = page.locator("#dk-again-picks input")
    page.uncheck(f"#dk-again-picks input[value='{MODEL}']")
    page.click("#dk-again")
    answered(page)
    chosen = picks.evaluate_all("all => all.filter(one => one.checked).map(one => one.value)")
    assert chosen == ["VOICE-SPOOF-LITE-V2"], "a run does not undo what was chosen"
    unfold(page, "#dk-details-box")
    for name in (MODEL, "VOICE-SPOOF-LITE-V2"):
        page.wait_for_selector(f"#dk-details section[aria-label='{name}']")


def test_gradio_keeps_nothing_of_a_case(open_page, app: App) -> None:
    page = open_page()
    drop(page, asset("portrait.jpg"))
    answered(page)
    until = time.monotonic() + 30
    while (left := [path for path in app.temp.rglob("*") if path.is_file() and path.stat().st_size]) and (
        time.monotonic() < until
    ):
        page.wait_for_timeout(100)
    assert left == []


def test_the_keyboard_alone_reads_an_example_moves_in_time_and_leaves_again(open_page) -> None:
    page = open_page()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.name") == "clip_with_sound.mp4":
            break
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.closest('#dk-answer') !== null")
    page.wait_for_function(f"document.querySelector('{PLAYER}')?.readyState >= 1")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "slider":
            break
    page.keyboard.press("End")
    page.wait_for_function(f"document.querySelector('{PLAYER}').currentTime > 3")
    page.keyboard.press("Home")
    page.wait_for_function(f"document.querySelector('{PLAYER}').currentTime < 0.1")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"document.querySelector('{PLAYER}').currentTime > 0.01")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "dk-another":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#dk-examples button:visible")


def test_the_page_about_the_api_names_public_endpoints_and_asks_nobody(open_page) -> None:
    page = open_page()
    page.click("text=Use via API")
    page.wait_for_selector("text=/list_models")
    text = page.inner_text("body")
    assert "/analyze" in text
    assert "/take_upload" not in text


def test_a_tab_opened_later_shows_its_detectors(open_page) -> None:
    page = open_page()
    page.get_by_role("tab", name="Compare").click()
    page.wait_for_selector(f"#dk-picks:has-text('{MODEL}')")


def test_labels_for_those_who_listen(open_page) -> None:
    page = open_page()
    page.click("#dk-examples button[data-state=signs] >> nth=0")
    page.wait_for_selector("#dk-answer h2")
    assert page.locator("#dk-status [role=status][aria-live=polite]").count() == 1
    assert page.locator("h1").count() == 1
    nameless = page.evaluate(
        """[...document.querySelectorAll('button, input:not([type=hidden]), img')].filter(e => e.offsetParent
        && !(e.textContent.trim() || e.getAttribute('aria-label') || e.alt || e.title || (e.labels && e.labels.length))).map(e => e.outerHTML)"""
    )
    assert nameless == []


def test_a_phone_by_link_opens_at_the_answer_and_the_shade_is_remembered(open_page, app: App) -> None:
    desk = open_page()
    drop(desk, asset("clip_silent.mp4"))
    text = answered(desk)
    page = open_page(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True)
    page.goto(desk.url, wait_until="commit")
    page.wait_for_selector(".dk-fetching:text('Fetching this result')")
    page.wait_for_selector(ANSWER)
    page.wait_for_selector(".dk-fetching", state="detached")
    assert page.inner_text("#dk-answer h2") in text
    place = "document.querySelector('{}').getBoundingClientRect()"
    assert page.evaluate(place.format("#dk-answer") + ".top") < 300, "the answer comes first"
    tops = [page.evaluate(place.format(name) + ".top") for name in ("#dk-answer", "#dk-player", "#dk-lines")]
    assert tops == sorted(tops)
    no_sideways_scroll(page)
    sizes = "[...document.querySelectorAll('#dk-timeline text')].map(one => parseFloat(getComputedStyle(one).fontSize))"
    assert min(page.evaluate(sizes)) >= 11
    page.wait_for_function("document.body.classList.contains('dark')")
    page.click("#dk-shade")
    page.wait_for_function("!document.body.classList.contains('dark')")
    page.reload()
    page.wait_for_selector(ANSWER)
    page.wait_for_function("!document.body.classList.contains('dark')")


def test_python_clients_get_the_same_result(app: App) -> None:
    from gradio_client import Client, handle_file

    client = Client(app.url, verbose=False)
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/analyze", "/examine", "/list_models"}
    rows = client.predict(api_name="/list_models")
    assert MODEL in {row["name"] for row in rows}
    answer = client.predict(handle_file(asset("no_face.mp4")), MODEL, api_name="/analyze")
    result = AnalysisResult.model_validate(answer)
    assert result.prediction.value == "INCONCLUSIVE"
    assert result.gap is not None
    assert result.gap.value == "no_face"
    assert result.media.name == "no_face.mp4"
    with pytest.raises(Exception, match="No model is called"):
        client.predict(handle_file(asset("no_face.mp4")), "NOPE", api_name="/analyze")


def test_the_queue_cannot_be_skipped(app: App) -> None:
    request = urllib.request.Request(
        f"{app.url}/gradio_api/run/analyze", b'{"data": []}', {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as failure:
        urllib.request.urlopen(request)
    assert failure.value.code == 404


def test_evidence_is_not_served(open_page, app: App) -> None:
    page = open_page()
    drop(page, asset("portrait.jpg"))
    (original, *_) = app.data.glob("cases/*/original.*")
    with pytest.raises(urllib.error.HTTPError) as failure:
        urllib.request.urlopen(f"{app.url}/gradio_api/file={original}")
    assert failure.value.code == 403
