"""Agreement and records against numbers worked by hand."""

from __future__ import annotations

import pytest
import sample_results

from drishtiksha.casefile import CaseFile, Confidence, HumanVerdict, Review
from drishtiksha.results import Grade, Prediction
from drishtiksha.services import reviews

G, M, U = HumanVerdict.GENUINE, HumanVerdict.MANIPULATED, HumanVerdict.UNCLEAR
REAL, FAKE, OPEN = Prediction.REAL, Prediction.FAKE, Prediction.INCONCLUSIVE


def answer(called: Prediction, model: str = "A"):
    p = {REAL: 0.1, FAKE: 0.9, OPEN: None}[called]
    grade = {REAL: Grade.NONE_FOUND, FAKE: Grade.STRONG, OPEN: Grade.INCONCLUSIVE}[called]
    confidence = None if p is None else 0.9
    return sample_results.result(model_name=model, prediction=called, grade=grade, p_fake=p, confidence=confidence)


def case(number: int, said=(), called: Prediction | None = None) -> CaseFile:
    """said: (reviewer, verdict) in the order in which they were said."""
    case_id = f"{number:032x}"
    return CaseFile(
        case_id=case_id,
        opened_utc="2026-11-25T08:00:00+00:00",
        media=sample_results.media(),
        results=() if called is None else (answer(called),),
        reviews=tuple(
            Review(
                review_id=n, case_id=case_id, reviewer=who, verdict=verdict, confidence=Confidence.HIGH,
                made_utc="2026-11-25T09:00:00.000+00:00",
            )
            for n, (who, verdict) in enumerate(said, start=1)
        ),
    )  # fmt: skip


def test_kappa_of_a_textbook_table():
    """20 + 15 of 50 agree, so 0.7; by chance (25/50)(30/50) + (25/50)(20/50) = 0.5: kappa = (0.7 - 0.5) / (1 - 0.5)."""
    pairs = [(G, G)] * 20 + [(G, M)] * 5 + [(M, G)] * 10 + [(M, M)] * 15
    assert reviews.kappa(pairs) == pytest.approx(0.4)


def test_kappa_with_three_verdicts():
    """6 of 9 agree; by chance (4*3 + 3*4 + 2*2) / 81 = 28/81: kappa = (54 - 28) / (81 - 28)."""
    pairs = [(G, G)] * 3 + [(G, M)] + [(M, M)] * 2 + [(M, U)] + [(U, U)] + [(U, M)]
    assert reviews.kappa(pairs) == pytest.approx(26 / 53)


def test_kappa_is_minus_one_of_opposites_and_nothing_of_one_class():
    assert reviews.kappa([(G, M), (M, G)]) == -1
    assert reviews.kappa([(G, G)] * 9) is None


def test_agreement_takes_the_newest_word_of_each_and_says_why_there_is_no_kappa():
    cases = [case(n, [("Ada", M), ("Bob", G), ("Bob", M)]) for n in range(3)]
    cases += [case(n, [("Ada", G), ("Bob", G)]) for n in range(3, 6)] + [case(6, [("Ada", M), ("Cy", M)])]
    both, few = reviews.agreement(cases)
    assert (both.first, both.second, both.common, both.same, both.kappa) == ("Ada", "Bob", 6, 6, 1.0)
    assert (few.second, few.common, few.kappa) == ("Cy", 1, None)
    assert "too few" in (few.reason or "")
    (one_class,) = reviews.agreement([case(n, [("Ada", M), ("Bob", M)]) for n in range(6)])
    assert one_class.kappa is None
    assert "nothing but 'manipulated'" in (one_class.reason or "")


def test_a_model_against_the_labels():
    """Labelled manipulated: 6 called FAKE, 2 REAL, 1 open; genuine: 2 FAKE, 5 REAL. 6 of 8 FAKE are right; 6 of 9 found."""
    plan = [(M, FAKE)] * 6 + [(M, REAL)] * 2 + [(M, OPEN)] + [(G, FAKE)] * 2 + [(G, REAL)] * 5 + [(U, FAKE)] * 3
    cases = [case(n, [("Ada", verdict)], called) for n, (verdict, called) in enumerate(plan)]
    cases += [case(90, [("Ada", G), ("Bob", M)], FAKE), case(91, (), FAKE)]
    (record,) = reviews.model_records(cases)
    assert record.manipulated == {REAL: 2, FAKE: 6, OPEN: 1}
    assert record.genuine == {REAL: 5, FAKE: 2, OPEN: 0}
    assert record.unclear == 4, "three unclear ones, and one where people differ; what nobody labelled does not count"
    assert record.labelled == 16
    assert (record.precision.value, record.precision.n) == (0.75, 8)
    assert (record.recall.value, record.recall.n) == (pytest.approx(2 / 3), 9)
    every = reviews.stats(cases)
    assert (every.cases, every.reviewed, every.disputed) == (21, 20, 1)


def test_wilson_interval():
    """Of 8 in 10: (0.8 + z2/20 -+ z sqrt(0.16/10 + z2/400)) / (1 + z2/10) with z = 1.96."""
    share = reviews.share(8, 10)
    assert (share.value, share.low, share.high) == (
        0.8,
        pytest.approx(0.4902, abs=1e-4),
        pytest.approx(0.9433, abs=1e-4),
    )
    assert reviews.share(0, 0).value is None
    none, every = reviews.share(0, 10), reviews.share(10, 10)
    assert (none.low, none.high) == (0.0, pytest.approx(0.2775, abs=1e-4))
    assert (every.low, every.high) == (pytest.approx(0.7225, abs=1e-4), pytest.approx(1.0))
