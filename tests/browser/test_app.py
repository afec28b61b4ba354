"""What a person reads and does on the real page, from the upload to the verdict."""

from __future__ import annotations

import hashlib
import re
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
from drishtiksha.render.words import GRADE_LOOKS, INDICATION
from drishtiksha.results import DISCLAIMER, AnalysisResult
from drishtiksha.settings import MediaLimits

GRADES = {look.title for look in GRADE_LOOKS.values()}


def upload(page, path: Path) -> str:
    """Upload a file; the text of the facts."""
    page.set_input_files("input[type=file]", path)
    page.wait_for_selector(".dk-evidence h3")
    return page.inner_text("#dk-facts")


def analyze(page) -> str:
    """Press Analyze and wait for the end; the text of the verdict."""
    page.click("#dk-analyze")
    page.wait_for_selector("#dk-status:has-text('Done in')")
    page.wait_for_selector("#dk-stop", state="hidden")
    return page.inner_text("#dk-verdict")


def asset(name: str) -> Path:
    path = ASSETS / name
    if not path.is_file():
        pytest.skip(f"{path} is missing; make it with assets/make_examples.py")
    return path


def check_verdict(page, text: str) -> None:
    assert page.inner_text("#dk-verdict h2") in GRADES
    assert DISCLAIMER in text or INDICATION in text
    assert page.query_selector("#dk-verdict h2 >> xpath=../.. >> svg") is not None


def no_sideways_scroll(page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("window.innerWidth")


def test_a_portrait_gets_a_graded_verdict_and_a_result_to_keep(open_page) -> None:
    page = open_page(accept_downloads=True)
    portrait = asset("portrait.jpg")
    facts = upload(page, portrait)
    sha = hashlib.sha256(portrait.read_bytes()).hexdigest()
    assert sha in facts
    assert "Picture (jpeg)" in facts
    assert f"{MODEL} can examine this file" in facts
    assert "/tmp/" not in page.inner_text("body"), "no server path on the page"
    assert page.evaluate("document.querySelector('.dk-evidence-box img').naturalWidth") > 100
    check_verdict(page, analyze(page))
    assert "Coverage 100 %" in page.inner_text("#dk-verdict")
    sentence = page.input_value("#dk-sentence textarea")
    assert MODEL in sentence
    assert sha in sentence
    assert page.locator("#dk-gallery img").count() >= 1
    with page.expect_download() as download:
        page.click("#dk-reports [data-format=json]")
    case = CaseFile.model_validate_json(Path(download.value.path()).read_text(encoding="utf-8"))
    assert case.media.sha256 == sha
    assert case.results[0].grade.value in page.inner_text("#dk-verdict h2").lower()


def test_a_clip_with_sound_has_timeline_people_and_moments_that_seek(open_page) -> None:
    page = open_page()
    facts = upload(page, asset("clip_with_sound.mp4"))
    assert "aac" in facts
    page.wait_for_function("document.querySelector('#dk-facts').innerText.includes('Quick look')")
    assert re.search(r"Quick look: up to \d+ face", page.inner_text("#dk-facts"))
    check_verdict(page, analyze(page))
    position = "document.querySelector('.dk-evidence-box video').currentTime"
    drawing = page.get_by_role("img", name="Score over time")
    assert "suspicious from" in (drawing.text_content() or "")
    box = drawing.bounding_box()
    drawing.click(position={"x": box["width"] * 0.8, "y": box["height"] / 2})
    end_s = float(page.get_attribute("#dk-timeline .dk-plot", "data-end") or 0)
    page.wait_for_function(f"Math.abs({position} - {0.8 * end_s}) < 0.15")
    moved = page.evaluate(position)
    page.locator("#dk-people button").first.click()
    page.wait_for_function(f"Math.abs({position} - {moved}) > 0.01")
    moved = page.evaluate(position)
    page.locator("#dk-gallery button").nth(1).click()
    page.wait_for_function(f"Math.abs({position} - {moved}) > 0.01")


def recording(path: Path) -> Path:
    """The sound of the example clip, twice over, as a FLAC file."""
    sound = read_audio(asset("clip_with_sound.mp4"), 16_000, limits=MediaLimits())
    soundfile.write(path, np.tile(sound, 2), 16_000)
    return path


def test_a_recording_is_heard_by_the_voice_model_and_shown_over_time_and_pitch(open_page, tmp_path: Path) -> None:
    page = open_page()
    assert "VOICE-SPOOF-LITE-V1 can examine this file" in upload(page, recording(tmp_path / "call.flac"))
    page.wait_for_selector("#dk-facts:has-text('speech: about')")
    text = analyze(page)
    assert "No evidence found" not in page.inner_text("#dk-verdict h2"), "this model never clears a recording"
    assert re.search(r"genuine recordings like these", text), "what the score is worth"
    assert page.locator("#dk-timeline .dk-svg").bounding_box()["width"] > 300
    assert page.locator("#dk-gallery img").first.evaluate("image => image.naturalWidth") > 200
    no_sideways_scroll(page)


def test_an_experimental_model_is_marked_and_never_chosen_by_itself(open_page) -> None:
    page = open_page()
    assert f"{MODEL} can examine this file" in upload(page, asset("portrait.jpg"))
    page.click("label:has-text('FACE-SYNTH-LITE-V1')")
    page.wait_for_selector("#dk-facts:has-text('FACE-SYNTH-LITE-V1 can examine this file')")
    assert "xperimental" in analyze(page)


def test_a_silent_clip_says_that_it_is_silent(open_page) -> None:
    page = open_page()
    facts = upload(page, asset("clip_silent.mp4"))
    assert re.search(r"Sound\s+none", facts)
    check_verdict(page, analyze(page))


def test_a_clip_without_a_face_is_inconclusive_with_the_reason(open_page) -> None:
    page = open_page()
    upload(page, asset("no_face.mp4"))
    text = analyze(page)
    assert page.inner_text("#dk-verdict h2") == "Inconclusive"
    assert "No face was found" in text
    assert DISCLAIMER in text
    assert page.locator("#dk-timeline rect[fill$='hatch)']").count() == 1, "the gap is drawn"


def test_a_text_named_mp4_is_an_error_that_stays_in_the_panel(open_page, tmp_path: Path) -> None:
    page = open_page()
    fake = tmp_path / "<b>notes.mp4"
    fake.write_text("This is not a film.\n" * 200)
    page.set_input_files("input[type=file]", fake)
    page.wait_for_selector("#dk-verdict [role=alert]")
    text = page.inner_text("#dk-verdict")
    assert "notes.mp4" in text
    assert "Nothing was concluded" in text
    assert "Reference" not in text, "a known failure is a sentence, not an incident"
    time.sleep(1)
    assert page.is_visible("#dk-verdict [role=alert]")
    upload(page, asset("portrait.jpg"))
    assert not page.is_visible("#dk-verdict [role=alert]")


def test_an_example_can_be_taken_and_the_case_deleted_for_good(open_page, app: App) -> None:
    page = open_page()
    asset("portrait.jpg")
    before = set(app.data.glob("cases/*"))
    page.click("text=Portrait, untouched")
    page.wait_for_selector(".dk-evidence h3")
    address = page.get_attribute(".dk-evidence-box img", "src")
    assert urllib.request.urlopen(address).status == 200
    (case,) = set(app.data.glob("cases/*")) - before
    page.click("#dk-delete")
    page.wait_for_selector("text=The case was deleted")
    assert not case.exists()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(address)
    assert page.is_visible(".dk-empty")
    assert page.is_visible("input[type=file] >> xpath=..") or page.locator("input[type=file]").count() == 1


def test_gradio_keeps_nothing_of_a_case(open_page, app: App) -> None:
    page = open_page()
    upload(page, asset("portrait.jpg"))
    analyze(page)
    assert [path for path in app.temp.rglob("*") if path.is_file() and path.stat().st_size] == []


def test_the_keyboard_reaches_everything_and_starts_an_analysis(open_page) -> None:
    page = open_page()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(e => (e.id || e.getAttribute('aria-label') || e.innerText || e.value || e.tagName))(document.activeElement)"
            )
        )
        if reached[-1] == "dk-analyze":
            break
    assert reached[-1] == "dk-analyze", reached
    assert MODEL in " ".join(reached)
    assert "Portrait, untouched" in " ".join(reached)
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#dk-status').innerText.includes('Choose a file first')")


def test_the_page_about_the_api_names_the_two_endpoints_and_asks_nobody(open_page) -> None:
    page = open_page()
    page.click("text=Use via API")
    page.wait_for_selector("text=/list_models")
    text = page.inner_text("body")
    assert "/analyze" in text
    assert "/take_upload" not in text


def test_a_second_and_a_third_analysis_show_everything_again(open_page) -> None:
    page = open_page()
    upload(page, asset("portrait.jpg"))
    for _ in range(3):
        before = page.url
        page.click("#dk-analyze")
        page.wait_for_function("before => location.href !== before", arg=before)
        page.wait_for_selector("#dk-status:has-text('Done in')")
        for part in ("#dk-reports", "#dk-gallery img", "#dk-stress-run"):
            page.wait_for_selector(part, state="visible", timeout=10_000)
        page.wait_for_selector("#dk-stop", state="hidden")
    check_verdict(page, page.inner_text("#dk-verdict"))


def test_a_tab_opened_later_shows_its_detectors(open_page) -> None:
    page = open_page()
    page.wait_for_timeout(2000)
    page.get_by_role("tab", name="Compare").click()
    page.wait_for_selector(f"#dk-picks:has-text('{MODEL}')", timeout=10_000)


def test_labels_for_those_who_listen(open_page) -> None:
    page = open_page()
    assert page.locator("#dk-status [role=status][aria-live=polite]").count() == 1
    assert page.locator("fieldset.dk-models legend").count() >= 1
    assert page.locator("h1").count() == 1
    nameless = page.evaluate(
        """[...document.querySelectorAll('button, input:not([type=hidden]), img')].filter(e => e.offsetParent
        && !(e.innerText || e.getAttribute('aria-label') || e.alt || e.title || (e.labels && e.labels.length))).map(e => e.outerHTML)"""
    )
    assert nameless == []


def test_a_phone_shows_all_without_scrolling_sideways_in_the_dark_too(open_page) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True)
    no_sideways_scroll(page)
    assert page.evaluate("document.body.classList.contains('dark')")
    upload(page, asset("clip_silent.mp4"))
    no_sideways_scroll(page)
    assert page.evaluate("document.querySelector('#dk-analyze').getBoundingClientRect().bottom") <= 844, (
        "always at hand"
    )
    text = analyze(page)
    assert -10 < page.evaluate("document.querySelector('#dk-result-top').getBoundingClientRect().top") < 600
    check_verdict(page, text)
    no_sideways_scroll(page)
    sizes = "[...document.querySelectorAll('#dk-timeline text')].map(one => parseFloat(getComputedStyle(one).fontSize))"
    assert min(page.evaluate(sizes)) >= 11
    colour = "getComputedStyle(document.querySelector('#dk-timeline path.dk-line')).stroke"
    dark = page.evaluate(colour)
    page.click("#dk-shade")
    page.wait_for_function(f"{colour} !== '{dark}'")


def test_python_clients_get_the_same_result(app: App) -> None:
    from gradio_client import Client, handle_file

    client = Client(app.url, verbose=False)
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/analyze", "/examine", "/list_models"}
    rows = client.predict(api_name="/list_models")
    assert rows[0]["name"] == MODEL
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
    upload(page, asset("portrait.jpg"))
    (original, *_) = app.data.glob("cases/*/original.*")
    with pytest.raises(urllib.error.HTTPError) as failure:
        urllib.request.urlopen(f"{app.url}/gradio_api/file={original}")
    assert failure.value.code == 403
