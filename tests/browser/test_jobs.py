"""An analysis outlives its page, its browser and its server, and a person's word outweighs it."""

from __future__ import annotations

import io
import re
import sqlite3
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pypdf import PdfReader
from running_app import MODEL, TIMEOUT_MS, App, serving
from test_app import analyze, asset, check_verdict, upload

from drishtiksha.casefile import LOCAL, Confidence, HumanVerdict
from drishtiksha.registry import ModelManager
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import load_settings

JOB = re.compile(r"\?job=([0-9a-f]{32})$")


@pytest.fixture(scope="module")
def own_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app that a test may kill."""
    with serving(tmp_path_factory.mktemp("killed")) as app:
        yield app


@pytest.fixture
def visit(browser):
    """Opens an address in a browser context that knows nothing of the others."""
    contexts = []

    def open_(url: str):
        contexts.append(browser.new_context(viewport={"width": 1360, "height": 900}))
        page = contexts[-1].new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(url)
        page.wait_for_selector("#dk-analyze")
        return page

    yield open_
    for context in contexts:
        context.close()


def start(page) -> str:
    """Press Analyze; the address of the running analysis."""
    page.click("#dk-analyze")
    page.wait_for_function("location.search.includes('job=')")
    page.wait_for_selector("#dk-stop:visible")
    assert JOB.search(page.url)
    return page.url


def finished(page) -> str:
    page.wait_for_selector("#dk-status:has-text('Done in')")
    page.wait_for_selector("#dk-stop", state="hidden")
    text = page.inner_text("#dk-verdict")
    check_verdict(page, text)
    return text


def rows(app: App, table: str) -> int:
    with closing(sqlite3.connect(app.data / "drishtiksha.sqlite")) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_closed_page_comes_back_by_its_link_in_another_browser(visit, app: App) -> None:
    page = visit(app.url)
    upload(page, asset("clip_with_sound.mp4"))
    link = start(page)
    page.close()
    other = visit(link)
    assert "clip_with_sound.mp4" in other.inner_text("#dk-facts")
    text = finished(other)
    assert MODEL in text
    assert other.url == link
    other.reload()
    assert finished(other) == text
    assert other.evaluate("document.querySelector('.dk-evidence-box video').readyState") is not None
    other.click("#dk-another")
    other.wait_for_function("!location.search.includes('job=')")


def test_a_killed_server_ends_with_the_same_result_after_its_restart(visit, own_app: App) -> None:
    page = visit(own_app.url)
    upload(page, asset("clip_with_sound.mp4"))
    link = start(page)
    own_app.kill()
    own_app.restart()
    other = visit(link)
    text = finished(other)
    assert MODEL in text
    page.wait_for_selector("#dk-reports:visible")
    assert finished(page) == text, "the page that was open finds back by itself"
    assert rows(own_app, "results") == 1


def test_stop_retry_and_delete(visit, own_app: App) -> None:
    page = visit(own_app.url)
    upload(page, asset("clip_with_sound.mp4"))
    before = set((own_app.data / "cases").glob("*"))
    link = start(page)
    page.click("#dk-stop")
    page.wait_for_selector("#dk-verdict h2:text('Stopped')")
    page.wait_for_selector("#dk-stop", state="hidden")
    page.click("#dk-retry")
    finished(page)
    assert page.url == link
    copy = page.evaluate("document.querySelector('.dk-evidence-box video').currentSrc")
    assert urllib.request.urlopen(copy).status == 200
    counted = {table: rows(own_app, table) for table in ("cases", "jobs", "results")}
    page.click("#dk-delete")
    page.wait_for_selector("text=The case was deleted")
    assert "job=" not in page.url
    assert {table: rows(own_app, table) for table in counted} == {table: n - 1 for table, n in counted.items()}
    assert len(before) - len(set((own_app.data / "cases").glob("*"))) == 1
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(copy)
    gone = visit(link)
    gone.wait_for_selector("#dk-verdict [role=alert]")
    assert "no longer here" in gone.inner_text("#dk-verdict")


def test_where_a_file_comes_from_stands_before_the_verdict_and_the_question_with_the_facts(visit, app: App) -> None:
    page = visit(app.url)
    page.fill("#dk-question textarea", "Is this the minister?")
    upload(page, asset("portrait.jpg"))
    assert "Is this the minister?" in page.inner_text("#dk-facts")
    assert "Content Credentials" in page.inner_text("#dk-provenance")
    top = "document.querySelector('{}').getBoundingClientRect().top"
    assert page.evaluate(top.format("#dk-provenance")) < page.evaluate(top.format("#dk-verdict"))


def test_the_word_of_a_person_overrides_the_detector(visit, app: App) -> None:
    page = visit(app.url)
    upload(page, asset("portrait.jpg"))
    link = start(page)
    finished(page)
    settings = load_settings(data_dir=app.data)
    bench = Workbench(settings, ModelManager(settings))
    case_id = bench.seen_by(LOCAL).job(JOB.search(link)[1]).case_id
    bench.seen_by(LOCAL).open(case_id).add_review("Ada", HumanVerdict.MANIPULATED, Confidence.HIGH)
    page.get_by_role("tab", name="Models").click()
    page.get_by_role("tab", name="Analyze").click()
    page.wait_for_selector("#dk-human h2:text('Manipulated')")
    page.wait_for_selector("#dk-verdict:has-text('Overridden by the human verdict above')")
    again = visit(link)
    again.wait_for_selector("#dk-human h2:text('Manipulated')")
    assert "Ada: manipulated, high confidence" in again.inner_text("#dk-human")
    with again.expect_download() as download:
        again.click("#dk-reports [data-format=html]")
    assert "manipulated" in Path(download.value.path()).read_text(encoding="utf-8").lower()


def test_reports_are_saved_with_one_click_each(visit, app: App) -> None:
    page = visit(app.url)
    upload(page, asset("portrait.jpg"))
    analyze(page)
    saved: dict[str, bytes] = {}
    for kind in ("html", "pdf", "zip", "csv"):
        page.wait_for_selector(f"#dk-reports [data-format={kind}]:not([aria-disabled])")
        with page.expect_download() as download:
            page.click(f"#dk-reports [data-format={kind}]")
        assert download.value.suggested_filename == f"portrait-report.{kind}"
        saved[kind] = Path(download.value.path()).read_bytes()
    assert MODEL in saved["html"].decode()
    assert len(PdfReader(io.BytesIO(saved["pdf"])).pages) >= 2
    assert zipfile.ZipFile(io.BytesIO(saved["zip"])).testzip() is None
    assert MODEL in saved["csv"].decode("utf-8-sig")


def test_a_stress_test_tells_whether_the_verdict_would_survive(visit, app: App) -> None:
    page = visit(app.url)
    upload(page, asset("portrait.jpg"))
    analyze(page)
    page.click("#dk-stress-run")
    page.wait_for_selector("#dk-stress:has-text('Scores of all copies')")
    page.click("#dk-stress summary")
    page.wait_for_selector("#dk-stress table")
    assert page.locator("#dk-stress table tbody th[scope=row]").count() >= 5
    link = page.url
    text = page.inner_text("#dk-stress")
    again = visit(link)
    again.wait_for_selector("#dk-stress:has-text('Scores of all copies')")
    again.click("#dk-stress summary")
    again.wait_for_selector("#dk-stress table")
    assert again.inner_text("#dk-stress") == text
    check_verdict(again, again.inner_text("#dk-verdict"))
