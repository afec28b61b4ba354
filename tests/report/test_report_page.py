"""The HTML report in a real browser that has no network: what it shows, how it fits, what it asks for."""

from __future__ import annotations

import pytest
import sample_case

from drishtiksha.report import content, html

MALICE = '"><img src="https://example.org/x.png" onerror="document.title=1"><script>document.title=2</script>'


@pytest.fixture(scope="module")
def report(real, tmp_path_factory):
    """The real case with reviews, stress test and hostile words."""
    first = real.case.results[0]
    notes = sample_case.review(2, MALICE, "manipulated")
    changes = {
        "question": MALICE,
        "stress": (sample_case.stress(first),),
        "reviews": (sample_case.review(1, sample_case.ARABIC, "manipulated"), notes),
    }
    case = real.case.model_copy(update=changes)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_bytes(html.render(content.build(case, real.evidence)))
    return path


@pytest.fixture
def open_page(browser, report):
    contexts, asked, complaints = [], [], []

    def open_(**options):
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(report.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert {url for url in asked if not url.startswith("data:image/")} == {report.as_uri()}
    assert complaints == [], "neither errors nor anything that the policy had to stop"


@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_screen_and_shows_its_pictures(open_page, width, scheme):
    page = open_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.locator("img").count() >= 6
    ground, ink = page.evaluate(
        "[getComputedStyle(document.querySelector('.sheet')).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert brightness(ground) > 200 if scheme == "light" else brightness(ground) < 60
    assert abs(brightness(ground) - brightness(ink)) > 120


def brightness(colour: str) -> float:
    values = [float(part) for part in colour.removeprefix("rgb(").rstrip(")").split(",")]
    return sum(values) / len(values)


def test_what_people_wrote_does_nothing(open_page):
    page = open_page()
    assert page.title().startswith("Examination of clip_with_sound.mp4")
    assert page.get_by_text(MALICE).first.is_visible()
    assert page.locator("img:not([src^='data:image/'])").count() == 0


def test_a_screen_reader_finds_its_way(open_page):
    page = open_page()
    main = page.get_by_role("main")
    assert main.get_by_role("heading", level=1).count() == 1
    for name in ("What was asked", "What was found", "Technical annex"):
        assert main.get_by_role("heading", name=name, level=2).count() == 1
    assert main.get_by_role("table", name="The detectors side by side").count() == 1
    assert main.get_by_role("rowheader", name="FACE-BLEND-LITE-V1").count() == 1
    assert main.get_by_role("note").is_visible()
    page.get_by_role("link", name="Custody").click()
    assert page.get_by_role("heading", name="Custody").is_visible()


def test_it_prints_on_a4_with_the_editors_part_on_one_page(open_page, tmp_path):
    from pypdf import PdfReader

    page = open_page(color_scheme="dark")
    page.pdf(path=str(tmp_path / "print.pdf"), prefer_css_page_size=True, print_background=True)
    pages = PdfReader(tmp_path / "print.pdf").pages
    assert [round(float(side)) for side in pages[0].mediabox[2:]] in ([595, 842], [596, 842])
    assert "The file" in pages[0].extract_text()
    assert "for whoever checks the work" in pages[1].extract_text()
