"""What a report says in its headlines, before it takes any form."""

from __future__ import annotations

import io

import sample_case
import sample_results
from PIL import Image

from drishtiksha.casefile import EvidenceKind
from drishtiksha.comparison import StripCell, compare
from drishtiksha.render.palette import LIGHT
from drishtiksha.render.strip import LONE, cell_colour, colour_of
from drishtiksha.report import content, further
from drishtiksha.results import DISCLAIMER, GapReason, Grade, Prediction


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


def test_disagreement_is_counted_and_never_averaged():
    found = headline(WEAK, STRONG, NONE)
    assert found.title == "2 of 3 detectors found evidence of manipulation"
    assert found.tone == "strong"
    assert "strong evidence of manipulation" in found.text
    assert "not averaged" in found.text
    assert headline(NONE, UNSURE).title == "1 of 2 detectors found no evidence"
    assert headline(UNSURE, UNSURE.model_copy(update={"model_name": "F"})).title == "Inconclusive"


def test_an_experimental_detector_makes_no_headline_beside_another():
    found = headline(NONE, EXPERIMENTAL)
    assert found.title == "No evidence found"
    assert "1 more detector, experimental or retired, not counted here." in found.text
    assert headline(EXPERIMENTAL).title == "Moderate evidence of manipulation"


def test_one_detector_speaks_for_itself():
    assert headline(STRONG).title == "Strong evidence of manipulation"
    assert headline().title == "Not examined yet"


def test_the_headline_says_what_it_rests_on():
    assert content.words.in_short(NONE) in headline(NONE).text


def test_the_disclaimers_fit_what_was_found():
    def disclaimers(*results):
        return content.build(sample_case.case(results=results, stress=(), reviews=())).disclaimers

    assert disclaimers(NONE) == (DISCLAIMER,)
    assert disclaimers(NONE, WEAK) == (content.words.INDICATION, DISCLAIMER)


def test_the_key_picture_is_of_what_suspects_most(real):
    report = content.build(real.case, real.evidence)
    assert report.key_picture in report.pictures
    assert report.key_picture.name.startswith("moment-")
    assert len({picture.name for picture in report.pictures}) == len(report.pictures)
    without = content.build(real.case)
    assert without.key_picture is None
    assert without.pictures_left_out


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
