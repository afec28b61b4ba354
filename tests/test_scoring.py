"""From scores to a verdict that is never invented."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drishtiksha import scoring
from drishtiksha.contract import DetectorConfig
from drishtiksha.results import FaceScore, GapReason, Grade, Prediction, SampleScore, Thresholds

THRESHOLDS = Thresholds(real=0.3, fake=0.6)


def scored(index: int, p: float, *people: tuple[int | None, float]) -> SampleScore:
    faces = tuple(FaceScore(face_box=(0, 0, 9, 9), p_fake=q, person=person) for person, q in people)
    return SampleScore(index=index, time_s=float(index), p_fake=p, faces=faces)


def gap(index: int, reason: GapReason = GapReason.NO_FACE) -> SampleScore:
    return SampleScore(index=index, time_s=float(index), gap=reason)


def decide(p, scores, calibrated=True, experimental=False):
    config = DetectorConfig(
        class_name="X", description="", model_path=Path("x"), min_coverage=0.5, experimental=experimental
    )
    return scoring.decide(p, scores, THRESHOLDS, calibrated, config)


def test_calibration_is_monotonic_and_platts():
    logits = np.array([-1000.0, -1.0, 0.0, 2.0, 1000.0])
    p = scoring.calibrate(logits, scale=0.5, offset=-1.0)
    assert np.all(np.diff(p) > 0)
    assert p[2] == pytest.approx(1 / (1 + np.e))
    assert p[0] >= 0
    assert p[-1] <= 1


@pytest.mark.parametrize(("p", "found"), [(0.3, GapReason.ONE_SIDED), (0.31, GapReason.BETWEEN_THRESHOLDS)])
def test_thresholds_that_do_not_clear_leave_nothing_found_inconclusive(p, found):
    config = DetectorConfig(class_name="X", description="", model_path=Path("x"))
    limits = THRESHOLDS.model_copy(update={"clears": False})
    verdict = scoring.decide(p, [scored(0, p)], limits, True, config)
    assert (verdict.prediction, verdict.confidence, verdict.gap) == (Prediction.INCONCLUSIVE, None, found)
    assert ("nothing of what this detector looks for" in verdict.reason) == (found is GapReason.ONE_SIDED)
    assert scoring.decide(0.9, [scored(0, 0.9)], limits, True, config).prediction is Prediction.FAKE
    assert scoring.decide(p, [scored(0, p)], THRESHOLDS, True, config).prediction is not Prediction.FAKE


def test_nothing_scored_is_inconclusive_with_the_main_reason():
    verdict = decide(None, [gap(0), gap(1), gap(2, GapReason.DAMAGED)])
    assert verdict.prediction is Prediction.INCONCLUSIVE
    assert verdict.gap is GapReason.NO_FACE
    assert verdict.confidence is None
    assert "No face was found" in verdict.reason


def test_no_samples_at_all_is_too_short():
    assert decide(None, []).gap is GapReason.TOO_SHORT


@pytest.mark.parametrize("p", [0.01, 0.99])
def test_too_little_coverage_is_inconclusive_whatever_the_score(p):
    verdict = decide(p, [scored(0, p), gap(1), gap(2)])
    assert verdict.prediction is Prediction.INCONCLUSIVE
    assert verdict.gap is GapReason.LOW_COVERAGE
    assert "33%" in verdict.reason


@pytest.mark.parametrize(
    ("p", "prediction", "grade"),
    [
        (0.30, Prediction.REAL, Grade.NONE_FOUND),
        (0.31, Prediction.INCONCLUSIVE, Grade.INCONCLUSIVE),
        (0.59, Prediction.INCONCLUSIVE, Grade.INCONCLUSIVE),
        (0.60, Prediction.FAKE, Grade.WEAK),
        (0.75, Prediction.FAKE, Grade.MODERATE),
        (0.95, Prediction.FAKE, Grade.STRONG),
    ],
)
def test_three_verdicts_from_two_thresholds(p, prediction, grade):
    verdict = decide(p, [scored(0, p)])
    assert (verdict.prediction, verdict.grade) == (prediction, grade)
    assert verdict.reason
    assert verdict.caveats == ()
    if prediction is Prediction.FAKE:
        assert verdict.confidence == pytest.approx(max(p, 1 - p))


def test_an_uncalibrated_detector_is_never_strong_and_says_so():
    verdict = decide(0.99, [scored(0, 0.99)], calibrated=False)
    assert verdict.grade is Grade.MODERATE
    assert any("not calibrated" in reason for reason in verdict.caveats)


def test_an_experimental_detector_is_never_strong_and_says_so():
    verdict = decide(0.99, [scored(0, 0.99)], experimental=True)
    assert verdict.grade is Grade.MODERATE
    assert any(reason.startswith("Experimental: ") for reason in verdict.caveats)
    assert scoring.EXPERIMENTAL in decide(0.1, [scored(0, 0.1)], experimental=True).caveats
    assert scoring.EXPERIMENTAL in decide(None, [gap(0)], experimental=True).caveats
    assert scoring.EXPERIMENTAL not in decide(0.1, [scored(0, 0.1)]).caveats


def test_one_altered_face_among_three_is_not_averaged_away():
    scores = [scored(i, 0.9, (1, 0.05), (2, 0.9), (3, 0.05)) for i in range(4)]
    assert scoring.highest_person(scores) == pytest.approx(0.9)
    rows = scoring.person_scores(scores, THRESHOLDS, proven=True)
    assert [row.person for row in rows] == [1, 2, 3]
    assert [row.grade for row in rows] == [Grade.NONE_FOUND, Grade.STRONG, Grade.NONE_FOUND]
    assert (rows[1].first_s, rows[1].last_s, rows[1].samples) == (0.0, 3.0, 4)


def test_a_passer_by_seen_once_does_not_decide():
    scores = [scored(i, 0.1, (1, 0.1)) for i in range(5)] + [scored(5, 0.95, (1, 0.1), (2, 0.95))]
    assert scoring.highest_person(scores) == pytest.approx(0.1)


def test_when_everybody_is_seen_briefly_nobody_counts():
    assert scoring.highest_person([scored(0, 0.95, (1, 0.2), (2, 0.95))]) is None
    assert scoring.highest_person([scored(i, 0.95, (1, 0.95)) for i in range(2)]) is None
    assert scoring.highest_person([scored(i, 0.95, (1, 0.95)) for i in range(3)]) == pytest.approx(0.95)
    assert scoring.highest_person([scored(0, 0.7, (None, 0.2), (None, 0.7))]) == pytest.approx(0.7)
    assert scoring.highest_person([gap(0)]) is None


def test_mean_and_coverage_leave_gaps_out_of_the_mean_and_in_the_coverage():
    scores = [scored(0, 0.2), gap(1), scored(2, 0.6), gap(3)]
    assert scoring.mean_p_fake(scores) == pytest.approx(0.4)
    assert scoring.coverage(scores) == 0.5
    assert scoring.coverage([]) == 0
    assert scoring.mean_p_fake([gap(0)]) is None


def test_nobody_who_flits_through_decides_a_clip():
    config = DetectorConfig(class_name="X", description="", model_path=Path("x.pt"), min_coverage=0.1)

    def verdict(*scores: SampleScore) -> scoring.Verdict:
        return scoring.decide(0.9, scores, THRESHOLDS, True, config)

    fleeting = verdict(scored(0, 0.9, (1, 0.9)), scored(1, 0.9, (2, 0.9)), scored(2, 0.9, (1, 0.9)))
    assert (fleeting.prediction, fleeting.gap) == (Prediction.INCONCLUSIVE, GapReason.LOW_COVERAGE)
    assert fleeting.reason == scoring.FLEETING
    steady = verdict(*(scored(i, 0.9, (1, 0.9)) for i in range(3)))
    assert steady.prediction is Prediction.FAKE
    picture = verdict(scored(0, 0.9, (None, 0.9)))
    assert picture.prediction is Prediction.FAKE
    short = verdict(scored(0, 0.9, (1, 0.9)), scored(1, 0.9, (1, 0.9)))
    assert short.reason == scoring.FLEETING, "a clip of two samples is no exception"
    unscored = scoring.decide(None, [scored(0, 0.9, (1, 0.9))], THRESHOLDS, True, config)
    assert unscored.reason == scoring.FLEETING


def test_a_tally_names_what_was_counted() -> None:
    scores = [scored(0, 0.2), gap(1), scored(2, 0.7)]
    assert scoring.tally(scores, "window") == {"windows_judged": 2, "highest_window_p_fake": 0.7}
    assert scoring.tally([], "frame") == {"frames_judged": 0, "highest_frame_p_fake": None}


def test_who_was_seen_in_fewer_than_three_samples_has_no_grade():
    scores = [scored(i, 0.97, (1, 0.97), *([(2, 0.97)] if i < 2 else [])) for i in range(3)]
    steady, brief = scoring.person_scores(scores, THRESHOLDS, proven=True)
    assert (steady.grade, brief.grade) == (Grade.STRONG, Grade.INCONCLUSIVE)
    assert brief.p_fake == pytest.approx(steady.p_fake)


def closer(index: int, *faces: tuple[int, float]) -> SampleScore:
    return scored(index, max(p for _, p in faces), *faces).model_copy(update={"closer": True})


def test_looking_closer_at_one_person_does_not_raise_the_score():
    even = [scored(i, 0.2, (1, 0.2)) for i in range(4)]
    more = [*even, *(closer(i, (1, 0.99)) for i in range(4, 20))]
    assert scoring.highest_person(scoring.pooled(more)) == pytest.approx(0.2)
    assert scoring.highest_person(more) > 0.9, "without it the number of looks would decide"
    assert scoring.coverage(more) == scoring.coverage(even)


def test_who_was_seen_in_too_few_samples_may_be_judged_by_the_closer_ones():
    scores = [*(scored(i, 0.2, (1, 0.2)) for i in range(3)), scored(3, 0.97, (2, 0.97))]
    assert scoring.highest_person(scoring.pooled(scores)) == pytest.approx(0.2)
    scores += [closer(4, (1, 0.5), (2, 0.97)), closer(5, (2, 0.97))]
    assert [[face.person for face in score.faces] for score in scoring.pooled(scores)] == [[1], [1], [1], [2], [2], [2]]
    assert scoring.highest_person(scoring.pooled(scores)) == pytest.approx(0.97)


def test_the_stretches_that_were_looked_at_closer_run_from_sample_to_sample():
    scores = [
        scored(0, 0.1),
        scored(1, 0.99),
        closer(2, (1, 0.9)),
        closer(3, (1, 0.9)),
        scored(4, 0.9),
        closer(5, (1, 0.9)),
    ]
    scores += [scored(6, 0.1), scored(7, 0.1), closer(8, (1, 0.9)), scored(9, 0.1)]
    assert scoring.closer_stretches(scores) == ((1.0, 6.0), (7.0, 9.0))
    assert scoring.closer_stretches(scores[:2]) == ()
