"""What a score is worth: set against the scores of held-out media, and said in words on every surface."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights
from media_factory import write_video
from sample_results import clean_picture, no_face, odds, result
from scipy.stats import binomtest

from drishtiksha import scoring
from drishtiksha.contract import Reference
from drishtiksha.render import words
from drishtiksha.render.facts import custody_facts
from drishtiksha.results import (
    AnalysisResult,
    ErrorRates,
    GapReason,
    Grade,
    MediaKind,
    Prediction,
    Thresholds,
)
from drishtiksha.settings import ROOT
from drishtiksha.ui.analyze import view
from drishtiksha.weights import sha256_of

pytestmark = pytest.mark.slow

REFERENCE = Reference(
    data="portraits of 200 people",
    fake_data="faces swapped into them",
    p_fake=tuple(i / 200 for i in range(200)),
    fake_p_fake=(0.2, 0.5, 0.5, 0.9),
)


def rates(p_fake: float, reference: Reference = REFERENCE) -> ErrorRates:
    found = scoring.error_rates(p_fake, reference, Thresholds())
    assert found is not None
    return found


def test_shares_count_ties_on_the_cautious_side():
    found = rates(0.5)
    assert (found.n_genuine, found.n_fake) == (200, 4)
    assert found.genuine_as_high == pytest.approx(0.5)
    assert found.fake_as_low == pytest.approx(0.75)


def test_scores_kept_with_three_decimals_still_tie_with_the_score_they_came_from():
    one = Reference(data="d", p_fake=(0.123,), fake_p_fake=(0.988,))
    assert rates(0.12349, one).genuine_as_high == 1
    assert rates(0.98751, one).fake_as_low == 1


@pytest.mark.parametrize(("count", "n"), [(0, 111), (3, 111), (1, 7), (110, 111), (111, 111)])
def test_bounds_are_those_of_clopper_and_pearson(count, n):
    reference = Reference(data="d", p_fake=(0.9,) * count + (0.1,) * (n - count))
    expected = binomtest(count, n, alternative="less").proportion_ci(0.95, method="exact").high
    assert rates(0.5, reference).genuine_as_high_95 == pytest.approx(expected)


def test_many_files_of_few_people_do_not_narrow_the_bound():
    files, people = (rates(0.5, Reference(data="d", p_fake=(0.1,) * 1000, sources=n)) for n in (None, 100))
    expected = binomtest(0, 100, alternative="less").proportion_ci(0.95, method="exact").high
    assert people.genuine_as_high_95 == pytest.approx(expected)
    assert files.genuine_as_high_95 < people.genuine_as_high_95
    assert files.n_genuine == people.n_genuine == 1000
    too_many = rates(0.5, Reference(data="d", p_fake=(0.1,) * 10, sources=99))
    assert too_many.genuine_as_high_95 == rates(0.5, Reference(data="d", p_fake=(0.1,) * 10)).genuine_as_high_95


def test_without_score_or_reference_there_are_no_rates():
    assert scoring.error_rates(None, REFERENCE, Thresholds()) is None
    assert scoring.error_rates(0.5, None, Thresholds()) is None
    only_genuine = rates(0.5, Reference(data="d", p_fake=(0.1,)))
    assert (only_genuine.n_fake, only_genuine.fake_as_low, only_genuine.fake_as_low_95) == (0, None, None)


@pytest.mark.parametrize(
    ("kind", "plural"), [(MediaKind.IMAGE, "pictures"), (MediaKind.VIDEO, "clips"), (MediaKind.AUDIO, "recordings")]
)
def test_a_high_score_is_set_against_genuine_media(kind, plural):
    made = result(error_rates=rates(0.965), media=result().media.model_copy(update={"kind": kind}))
    assert odds(made) == (
        f"Of 100 genuine {plural} like these, about 4 would score this high, possibly up to 7 (n = 200). "
        f"These were portraits of 200 people; other {plural} may differ.",
    )


def test_nobody_scored_this_high_is_not_said_to_be_impossible():
    reference = Reference(data="portraits.", p_fake=(0.1,) * 111)
    assert odds(result(error_rates=rates(0.9, reference))) == (
        "None of n = 111 genuine clips like these scored this high, so fewer than about 3 of 100 would. "
        "These were portraits; other clips may differ.",
    )


def test_a_share_that_rounds_to_nothing_is_not_called_none():
    reference = Reference(data="d", p_fake=(0.1,) * 999 + (0.95,))
    (sentence,) = odds(result(error_rates=rates(0.9, reference)))
    assert "fewer than 1 would score this high, possibly up to 1 (n = 1000)" in sentence


def test_under_a_low_score_stands_the_miss_rate():
    """Whatever the score: of 100 fakes 50 come out below the threshold, and never 'of 100 fakes 1 would score this low'."""
    for p_fake in (0.01, 0.12, 0.3):
        low = rates(p_fake, Reference(data="d", fake_p_fake=(0.4, 0.9)))
        assert odds(clean_picture().model_copy(update={"p_fake": p_fake, "error_rates": low})) == (
            "Of 100 fakes like ours, about 50 are missed by this detector, possibly up to 98 (n = 2). Other fakes may differ.",
        )
    (sentence,) = odds(clean_picture().model_copy(update={"error_rates": rates(0.5)}))
    assert sentence.endswith("Ours were faces swapped into them; other fakes may differ.")


def test_no_fake_missed_is_not_said_to_be_impossible():
    low = rates(0.1, Reference(data="d", fake_p_fake=(0.9,) * 90))
    (sentence,) = odds(clean_picture().model_copy(update={"error_rates": low}))
    assert sentence.startswith(
        "None of n = 90 fakes like ours is missed by this detector, so fewer than about 4 of 100 are."
    )


def test_scores_that_are_not_calibrated_have_no_odds():
    for made in (result(error_rates=rates(0.9), calibrated=False), unclear(error_rates=rates(0.5), calibrated=False)):
        assert odds(made) == (scoring.NO_ERROR_RATE,)


def unclear(**changes) -> AnalysisResult:
    fields = {"prediction": Prediction.INCONCLUSIVE, "grade": Grade.INCONCLUSIVE, "confidence": None, "p_fake": 0.5}
    return result(**(fields | {"gap": GapReason.BETWEEN_THRESHOLDS} | changes))


def test_under_an_unclear_score_stands_the_miss_rate_alone():
    (told,) = odds(unclear(error_rates=rates(0.5)))
    assert "missed by this detector" in told


def test_what_was_not_measured_is_said():
    assert odds(result()) == (scoring.NO_ERROR_RATE,)
    assert odds(unclear(gap=GapReason.LOW_COVERAGE)) == (scoring.NO_ERROR_RATE_FOR_LITTLE,)
    assert odds(no_face()) == ()
    no_genuine = rates(0.9, Reference(data="d", fake_p_fake=(0.9,)))
    assert odds(result(error_rates=no_genuine)) == (scoring.NO_ERROR_RATE,)


def test_every_surface_says_it():
    shown = result(error_rates=rates(0.965))
    (sentence,) = odds(shown)
    assert view.details([shown]).count(sentence) == 1
    assert "not calibrated" in view.details([result(calibrated=False)])
    assert dict(custody_facts(shown))["Error rates"] == sentence
    assert sentence in words.sentence(shown)
    assert scoring.NO_ERROR_RATE in view.details([result()])
    assert "n = " not in view.details([no_face()])
    assert dict(custody_facts(no_face()))["Error rates"] == "none, since nothing was scored"


def test_experimental_is_said_in_the_sentence_and_the_facts():
    assert "with the experimental model FACE" in words.sentence(result(experimental=True))
    assert dict(custody_facts(result(experimental=True)))["Model"].endswith("(experimental)")


def test_json_round_trips_and_results_of_before_still_read():
    made = result(error_rates=rates(0.9), experimental=True)
    assert AnalysisResult.model_validate_json(made.model_dump_json()) == made
    old = made.model_dump(mode="json")
    del old["error_rates"], old["experimental"]
    read = AnalysisResult.model_validate(old)
    assert read.error_rates is None
    assert not read.experimental


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A loaded tiny detector whose sidecar knows how genuine pictures scored."""

    def build(kinds: tuple[str, ...] = ("image",), **fields: object):
        path = plain_weights(tmp_path / "w.pt")
        sidecar = {
            "sha256": sha256_of(path),
            "calibration": {"scale": 1.0, "offset": 0.0},
            "reference": {kind: REFERENCE.model_dump(mode="json") for kind in kinds},
        }
        path.with_suffix(".json").write_text(json.dumps(sidecar))
        return manager_of({"T": entry(model_path=path, **fields)}, tmp_path, monkeypatch).load_model("T")

    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS):
        yield build


def test_an_analysis_gives_the_rates_of_its_own_kind_of_media(loaded):
    detector = loaded()
    picture = detector.analyze(ROOT / "assets" / "portrait.jpg", explain=False)
    assert picture.error_rates == scoring.error_rates(picture.p_fake, REFERENCE, picture.thresholds)
    assert picture.odds == picture.reasons[-len(picture.odds) :] == odds(picture), (
        "JSON and the command line show the reasons"
    )
    clip = detector.analyze(ROOT / "assets" / "clip_silent.mp4", explain=False)
    assert clip.error_rates is None
    assert scoring.NO_ERROR_RATE in clip.reasons


def test_too_little_judged_has_no_rates(loaded, tmp_path):
    frames = [np.full((64, 96, 3), value, np.uint8) for value in (0, 200, 0, 0)]
    clip = write_video(tmp_path / "dark.mp4", frames)
    found = loaded(("video",), skip_dark=True, min_coverage=0.5).analyze(clip, explain=False)
    assert found.gap is GapReason.LOW_COVERAGE
    assert found.p_fake is not None
    assert found.error_rates is None
    assert scoring.NO_ERROR_RATE_FOR_LITTLE in found.reasons


def test_an_experimental_detector_marks_its_result_and_never_finds_strong_evidence(loaded):
    thresholds = {"real": 0.0, "fake": 0.001}
    strong = loaded(thresholds=thresholds).analyze(ROOT / "assets" / "portrait.jpg", explain=False)
    weaker = loaded(thresholds=thresholds, experimental=True).analyze(ROOT / "assets" / "portrait.jpg", explain=False)
    assert weaker.experimental
    assert not strong.experimental
    assert any(reason.startswith("Experimental: ") for reason in weaker.reasons)
    assert weaker.p_fake == strong.p_fake
    assert weaker.grade is not Grade.STRONG
