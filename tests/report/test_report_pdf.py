"""The PDF read back: its text, bookmarks, fonts and pages."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import sample_case
import sample_results
from pypdf import PdfReader

from drishtiksha.casefile import HumanVerdict
from drishtiksha.report import content, pdf
from drishtiksha.results import DISCLAIMER

A4 = (595, 842)


def read(evidence=None, **changes) -> PdfReader:
    case = changes.pop("case", None) or sample_case.case(**changes)
    return PdfReader(io.BytesIO(pdf.render(content.build(case, evidence))))


def text_of(reader: PdfReader) -> str:
    return " ".join(" ".join(page.extract_text() for page in reader.pages).split())


def test_everything_known_is_told():
    text = text_of(read())
    for expected in (
        sample_case.QUESTION,
        "What people who looked at it conclude",
        "Asha: manipulated, high confidence. A reviewer's word",
        DISCLAIMER,
        "The detectors disagree",
        "Self-blended portraits.",
        "H.264 CRF 35",
        "This does not tell: Whether anything in it was changed",
        "SM-G991B",
        "replaced by a later word",
        "<script>alert(1)</script> jumps & blurs",
        sample_results.SHA,
        "torch 2.14.1",
        "cd" * 32,
        "Random seeds",
    ):
        assert expected in text, expected


def test_pages_are_numbered_and_name_the_case():
    reader = read()
    count = len(reader.pages)
    assert count >= 4
    for number, page in enumerate(reader.pages, start=1):
        text = page.extract_text()
        assert sample_case.CASE_ID in text
        assert re.search(rf"Page {number} of\s+{count}\b", text)
        assert tuple(round(float(side)) for side in page.mediabox[2:]) == A4


def test_page_one_is_for_the_editor_alone():
    first = " ".join(read().pages[0].extract_text().split())
    for expected in ("What was asked", "What was found", DISCLAIMER, "Where the file says", "The file"):
        assert expected in first
    assert "Technical annex" not in first


def test_title_language_and_bookmarks():
    reader = read()
    assert reader.metadata.title == "Examination of clip.mp4"
    assert reader.trailer["/Root"]["/Lang"] == "en"
    outline = reader.outline
    assert [entry.title for entry in outline if not isinstance(entry, list)] == [
        "Examination of clip.mp4",
        "Technical annex",
    ]
    sections = next(entry for entry in outline if isinstance(entry, list))
    assert {"FACE-BLEND-LITE-V1", "Reviews, the newest first", "Custody"} <= {entry.title for entry in sections}
    for entry in sections:
        page = reader.pages[reader.get_destination_page_number(entry)]
        assert entry.title in " ".join(page.extract_text().split())


def test_its_fonts_are_in_the_file():
    fonts = [font.get_object() for page in read().pages for font in page["/Resources"]["/Font"].values()]
    written = [font for font in fonts if "DejaVu" in font["/BaseFont"]]
    assert written
    assert all("/FontFile2" in font["/FontDescriptor"] for font in written)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [sample_case.HINDI, sample_case.ARABIC, sample_case.EMOJI, "Ελληνικά ўзбек", "a<b>&c", "x" * 120]
)
def test_names_in_any_script_are_shown_as_far_as_the_font_goes(name):
    media = sample_results.media(name=f"{name}.mp4")
    results = (sample_results.result(media=media),)
    text = text_of(read(media=media, results=results, stress=(), reviews=(), provenance=None))
    if name in ("Ελληνικά ўзбек", "a<b>&c"):
        assert f"Examination of {name}.mp4" in text
        assert "does not have" not in text
    elif len(name) < 100:
        assert "The HTML form of this report shows both as they were written." in text


@pytest.mark.slow
def test_very_long_texts_go_over_pages():
    words = "A very long story. " * 700
    case = sample_case.case(
        question=words,
        reviews=(sample_case.review(1, "Asha " * 600, HumanVerdict.UNCLEAR),),
        provenance=sample_case.origin().model_copy(update={"fields": {"XMP": "f" * 20_000, "n" * 3000: words}}),
    )
    reader = read(case=case)
    assert text_of(reader).count("story.") == 1400
    assert len(reader.pages) > 8


@pytest.mark.slow
@pytest.mark.parametrize(
    "result", [sample_results.no_face(), sample_results.clean_picture(), sample_results.recording()]
)
def test_each_kind_of_media_has_a_report(result):
    text = text_of(read(media=result.media, results=(result,), stress=(), reviews=()))
    assert result.model_name in text
    assert content.build(sample_case.case(media=result.media, results=(result,))).answer.disclaimer in text


@pytest.mark.slow
def test_several_at_once_do_not_disturb_each_other():
    report = content.build(sample_case.case())
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(pdf.render, [report] * 8))
    texts = {text_of(PdfReader(io.BytesIO(one))) for one in made}
    assert len(texts) == 1


def test_a_case_of_which_nothing_is_known_yet():
    text = text_of(read(question="", provenance=None, results=(), stress=(), reviews=()))
    assert "Not examined yet" in text


@pytest.mark.slow
def test_pictures_of_a_real_examination_are_in_it(real):
    reader = read(real.evidence, case=real.case)
    assert len(reader.pages[0].images) >= 2, "the key picture and the strip of agreement"
    assert sum(len(page.images) for page in reader.pages) >= 8
    assert real.evidence.media.sha256 in text_of(reader)
    assert "What was found" in reader.pages[0].extract_text()
    assert "Technical annex" in reader.pages[1].extract_text(), "page one is one page"
