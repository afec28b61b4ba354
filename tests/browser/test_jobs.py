"""An analysis outlives its page, its browser and its server, and a person's word outweighs it."""

from __future__ import annotations

import io
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing

import pytest
from pypdf import PdfReader
from running_app import MODEL, TIMEOUT_MS, App, serving
from test_app import ANSWER, answered, asset, drop, save, unfold

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
        page.wait_for_selector("#dk-drop, #dk-answer h2", state="attached")
        return page

    yield open_
    for context in contexts:
        context.close()


def start(page, name: str = "clip_with_sound.mp4") -> str:
    """Drop a file; the address of the running analysis."""
    drop(page, asset(name))
    page.wait_for_function("location.search.includes('job=')")
    assert JOB.search(page.url)
    return page.url


def rows(app: App, table: str) -> int:
    with closing(sqlite3.connect(app.data / "drishtiksha.sqlite")) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_closed_page_comes_back_by_its_link_in_another_browser(visit, app: App) -> None:
    page = visit(app.url)
    link = start(page)
    page.close()
    other = visit(link)
    text = answered(other)
    assert "clip_with_sound.mp4" in text
    assert other.url == link
    other.reload()
    assert answered(other) == text
    other.click("#dk-another")
    other.wait_for_function("!location.search.includes('job=')")


def test_a_killed_server_ends_with_the_same_result_after_its_restart(visit, own_app: App) -> None:
    page = visit(own_app.url)
    link = start(page)
    own_app.kill()
    own_app.restart()
    other = visit(link)
    text = answered(other)
    page.wait_for_selector("#dk-reports:visible")
    assert answered(page) == text, "the page that was open finds back by itself"
    assert rows(own_app, "results") == 2


def test_stop_and_going_on(visit, own_app: App) -> None:
    page = visit(own_app.url)
    link = start(page)
    page.click("#dk-stop")
    page.wait_for_selector("#dk-status:has-text('Stopped')")
    page.click("#dk-retry")
    page.wait_for_selector("#dk-retry", state="hidden")
    answered(page)
    assert page.url == link


def test_a_stranger_with_a_link_reads_and_can_neither_delete_nor_run(visit, tmp_path_factory) -> None:
    with serving(tmp_path_factory.mktemp("public"), settings={"DRISHTIKSHA_PUBLIC": "true"}) as public:
        page = visit(public.url)
        link = start(page, "portrait.jpg")
        text = answered(page)
        assert page.locator("#dk-delete button").count() == 3
        other = visit(link)
        assert answered(other) == text
        assert other.locator("#dk-delete button").count() == 0
        assert not other.is_visible("#dk-detectors")
        assert not other.is_visible("#dk-note")
        assert other.get_by_role("tab", name="Review").count() == 0
        other.wait_for_selector("#dk-lines a[href*=compare]")
        assert not other.is_visible(".dk-to-review"), "there is no tab that it could open"
        assert not other.is_visible("#dk-stress-box"), "nothing was tested, and they may not test it"


def test_two_people_at_once_each_get_their_own_answer_and_read_that_of_the_other(visit, tmp_path_factory) -> None:
    """Two browsers use different files at the same moment; then one opens the other's link, which is read-only."""
    names = ("clip_with_sound.mp4", "portrait_altered.jpg")
    with serving(tmp_path_factory.mktemp("two"), settings={"DRISHTIKSHA_PUBLIC": "true"}) as public:
        one, two = (visit(public.url) for _ in names)
        links = [start(page, name) for page, name in zip((one, two), names, strict=True)]
        own = [answered(page) for page in (one, two)]
        assert links[0] != links[1]
        assert [name in text for name, text in zip(names, own, strict=True)] == [True, True], "each of its own file"
        assert [page.locator("#dk-delete button").count() for page in (one, two)] == [3, 3]
        two.goto(links[0])
        assert answered(two) == own[0]
        assert two.locator("#dk-delete button").count() == 0, "it is not theirs to delete"
        assert not two.is_visible("#dk-detectors"), "nor to examine further"
        assert not two.is_visible("#dk-note")
        assert one.inner_text("#dk-answer") == own[0], "the first page stays as it was"
        two.goto(links[1])
        assert answered(two) == own[1]
        assert two.locator("#dk-delete button").count() == 3, "their own is still theirs"


def test_the_word_of_a_person_overrides_the_detectors_and_review_opens_the_same_case(visit, app: App) -> None:
    page = visit(app.url)
    link = start(page, "portrait.jpg")
    answered(page)
    page.click(".dk-to-review")
    page.wait_for_selector("#dk-review-player .dk-case-name:has-text('portrait.jpg')")
    settings = load_settings(data_dir=app.data)
    bench = Workbench(settings, ModelManager(settings))
    case_id = bench.seen_by(LOCAL).job(JOB.search(link)[1]).case_id
    bench.seen_by(LOCAL).open(case_id).add_review("Ada", HumanVerdict.MANIPULATED, Confidence.HIGH)
    page.get_by_role("tab", name="Analyze").click()
    page.wait_for_selector("#dk-human h2:text('Manipulated')")
    page.wait_for_selector("#dk-answer:has-text('Overridden by the human verdict above')")
    again = visit(link)
    again.wait_for_selector("#dk-human h2:text('Manipulated')")
    again.wait_for_selector("#dk-human:has-text('Ada: manipulated, high confidence')")
    again.wait_for_selector("#dk-reports:visible")
    assert "manipulated" in save(again, "html").read_text(encoding="utf-8").lower()


def test_compare_is_the_why_of_the_same_case(visit, app: App) -> None:
    page = visit(app.url)
    start(page)
    answered(page)
    page.click("#dk-lines a:has-text('Why')")
    page.wait_for_selector("#dk-compare-status .dk-status:text-is('Done.')")
    for name in (MODEL, "VOICE-SPOOF-LITE-V2"):
        page.wait_for_selector(f"#dk-compare-table:has-text('{name}')")
    page.wait_for_selector("#dk-player-a video")


def test_reports_are_saved_with_the_note_in_them(visit, app: App) -> None:
    page = visit(app.url)
    start(page, "portrait.jpg")
    answered(page)
    page.fill("#dk-note textarea", "Is this the minister?")
    page.locator("#dk-note textarea").blur()
    page.wait_for_selector("#dk-note-saved:has-text('Kept for the report')")
    assert "Is this the minister?" in save(page, "html").read_text(encoding="utf-8")
    assert len(PdfReader(io.BytesIO(save(page, "pdf").read_bytes())).pages) >= 2
    page.wait_for_selector("#dk-reports [data-format=zip]:not([aria-disabled])", state="attached")
    assert zipfile.ZipFile(io.BytesIO(save(page, "zip").read_bytes())).testzip() is None


def test_a_stress_test_tells_whether_the_answer_would_survive(visit, app: App) -> None:
    page = visit(app.url)
    start(page, "portrait_altered.jpg")
    answered(page)
    unfold(page, "#dk-stress-box")
    page.click("#dk-stress-run")
    page.wait_for_selector("#dk-stress:has-text('Scores of all copies')")
    page.click("#dk-stress summary")
    page.wait_for_selector("#dk-stress table")
    assert page.locator("#dk-stress table tbody th[scope=row]").count() >= 5
    again = visit(page.url)
    again.wait_for_selector(ANSWER)
    again.wait_for_selector("#dk-stress:has-text('Scores of all copies')")
