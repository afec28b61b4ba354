"""What a report says in its headlines, before it takes any form."""

from __future__ import annotations

import io

import pytest
import sample_case
import sample_results
from PIL import Image
from pypdf import PdfReader

from drishtiksha.casefile import EvidenceKind
from drishtiksha.comparison import StripCell, compare
from drishtiksha.render.palette import LIGHT
from drishtiksha.render.strip import LONE, cell_colour, colour_of
from drishtiksha.report import content, further, html, pdf
from drishtiksha.results import DISCLAIMER, ErrorRates, GapReason, Grade, Prediction


def answer(name: str, prediction: Prediction, grade: Grade, p_fake: float | None, experimental: bool = False):
    return sample_results.result(
        model_name=name,
        prediction=prediction,
        grade=grade,
        p_fake=p_fake,
        confidence=None if prediction is Prediction.INCONCLUSIVE else 0.8,
        experimental=experimental,
    )


STRONG = answer("A", Prediction.FAKE, Grade.STRONG, 0.97)
WEAK = answer("B", Prediction.FAKE, Grade.WEAK, 0.7)
NONE = answer("C", Prediction.REAL, Grade.NONE_FOUND, 0.1)
UNSURE = answer("D", Prediction.INCONCLUSIVE, Grade.INCONCLUSIVE, 0.5)
EXPERIMENTAL = answer("E", Prediction.FAKE, Grade.MODERATE, 0.9, experimental=True)


def headline(*results):
    return content.build(sample_case.case(results=results, stress=(), reviews=())).machine


@pytest.mark.slow
def test_disagreement_is_told_and_never_averaged():
    found = headline(WEAK, STRONG, NONE)
    assert (found.title, found.tone, found.glyph) == ("Strong signs of manipulation", "strong", "▲▲▲")
    assert headline(NONE, UNSURE).title == "Unclear"
    remarks = content.build(sample_case.case(results=(WEAK, NONE), stress=(), reviews=())).remarks
    assert [one for one in remarks if "contradict each other" in one and "B found some, C found none" in one]


@pytest.mark.slow
def test_an_experimental_detector_makes_no_headline():
    assert headline(NONE, EXPERIMENTAL).title == "No signs found"
    assert headline(EXPERIMENTAL).title == "Nothing to judge"
    remarks = content.build(sample_case.case(results=(NONE, EXPERIMENTAL), stress=(), reviews=())).remarks
    assert [one for one in remarks if one.startswith("E is experimental and decides nothing")]


def test_an_unexamined_case_says_so():
    assert headline().title == "Not examined yet"


def test_page_one_tells_error_rate_judged_span_and_blind_spots():
    rates = ErrorRates(
        data="clips of 100 people",
        fake_data="swaps of 90 people",
        n_genuine=100,
        genuine_as_high=0.9,
        genuine_as_high_95=0.95,
        n_fake=90,
        fake_as_low=0.01,
        fake_as_low_95=0.05,
        missed=0.34,
        missed_95=0.43,
    )
    card = NONE.provenance.model_copy(update={"config": {"evidence": "face texture", "misses": "It misses masks."}})
    low = NONE.model_copy(update={"error_rates": rates, "provenance": card})
    report = content.build(sample_case.case(results=(low,), stress=(), reviews=()))
    page = html.render(report).decode()
    first = page[: page.index('id="annex"')]
    print_out = PdfReader(io.BytesIO(pdf.render(report))).pages[0].extract_text().replace("\n", " ")
    for text in (first, print_out):
        assert "missed about 34 of 100 fakes" in text
        assert "Judged: 00:00-00:03, 00:05-00:08 of 00:09." in text
        assert "It misses masks." in text
        assert DISCLAIMER in text


@pytest.mark.slow
def test_the_key_picture_is_of_what_has_signs(real):
    suspicious = content.build(real.case, real.evidence)
    assert suspicious.answer.heatmaps
    assert suspicious.key_picture in suspicious.pictures
    assert suspicious.key_picture.name.startswith("moment-")
    assert len({picture.name for picture in suspicious.pictures}) == len(suspicious.pictures)
    without = content.build(real.case)
    assert without.key_picture is None
    assert without.pictures_left_out


def test_without_suspicion_page_one_shows_no_heatmap(real):
    quiet = tuple(result for result in real.case.results if result.prediction is not Prediction.FAKE)
    report = content.build(real.case.model_copy(update={"results": quiet}), real.evidence)
    assert quiet
    assert not report.answer.heatmaps
    assert report.key_picture is None
    assert [section for section in report.models if section.moments]


def over_time(name: str, kind: EvidenceKind, *scores: float | None):
    """A detector's answer over a clip, one score a second; None is a gap."""
    run = sample_results.provenance().model_copy(update={"config": {"evidence": kind.value}})
    made = tuple(
        sample_results.sample(i, time_s=float(i), **({"gap": GapReason.NO_FACE} if p is None else {"p": p}))
        for i, p in enumerate(scores)
    )
    return sample_results.result(model_name=name, scores=made, provenance=run, people=(), heatmaps=())


def test_the_strip_has_the_colours_of_the_page():
    nobody = [None] * 5
    results = (
        over_time("A", EvidenceKind.FACE_TEXTURE, 0.9, 0.9, 0.1, *nobody, 0.1, 0.9),
        over_time("B", EvidenceKind.SPECTRUM, None, 0.9, 0.9, *nobody, 0.1, 0.1),
    )
    cells = compare(results).strip
    assert {(cell.agree, cell.judged) for cell in cells} == {(1, 1), (2, 2), (1, 2), (0, 0), (0, 2)}
    picture = further.agreement(results).strip
    image = Image.open(io.BytesIO(picture.data))
    start, end = cells[0].start_s, cells[-1].end_s
    for cell in cells:
        middle = ((cell.start_s + cell.end_s) / 2 - start) / (end - start)
        shown = "#{:02x}{:02x}{:02x}".format(*image.getpixel((int(middle * image.width), image.height // 2)))
        assert shown == (cell_colour(cell, LIGHT) or LIGHT.gap)


def test_a_kind_that_is_alone_stays_pale():
    def colour(agree: int, judged: int) -> str | None:
        return cell_colour(StripCell(start_s=0, end_s=1, agree=agree, judged=judged, level=agree / judged), LIGHT)

    assert colour(1, 1) == colour_of(LONE, LIGHT)
    assert colour(1, 2) == colour_of(LONE / 2, LIGHT)
    assert colour(2, 2) == colour_of(1.0, LIGHT)
