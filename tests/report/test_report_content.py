"""What a report says in its headlines, before it takes any form."""

from __future__ import annotations

import sample_case
import sample_results

from drishtiksha.report import content
from drishtiksha.results import Grade, Prediction


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


def test_the_disclaimers_fit_what_was_found():
    def disclaimers(*results):
        return content.build(sample_case.case(results=results, stress=(), reviews=())).disclaimers

    assert disclaimers(NONE) == (content.DISCLAIMER,)
    assert disclaimers(NONE, WEAK) == (content.words.INDICATION, content.DISCLAIMER)


def test_the_key_picture_is_of_what_suspects_most(real):
    report = content.build(real.case, real.evidence)
    assert report.key_picture in report.pictures
    assert report.key_picture.name.startswith("moment-")
    assert len({picture.name for picture in report.pictures}) == len(report.pictures)
    without = content.build(real.case)
    assert without.key_picture is None
    assert without.pictures_left_out
