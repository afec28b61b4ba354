"""Results are frozen, never invent a verdict, and round-trip through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError

from drishtiksha.results import (
    DISCLAIMER,
    AnalysisResult,
    ErrorRates,
    GapReason,
    Grade,
    Heatmap,
    MediaInfo,
    MediaKind,
    Prediction,
    RunProvenance,
    SampleScore,
    Thresholds,
)
from drishtiksha.ui.analyze import view


@pytest.fixture
def result() -> AnalysisResult:
    return AnalysisResult(
        model_name="M",
        media=MediaInfo(name="a.png", sha256="0" * 64, size_bytes=1, kind=MediaKind.IMAGE, container="png"),
        prediction=Prediction.REAL,
        grade=Grade.NONE_FOUND,
        p_fake=0.1,
        confidence=0.9,
        coverage=1.0,
        thresholds=Thresholds(),
        calibrated=True,
        scores=(SampleScore(index=0, p_fake=0.1),),
        heatmaps=(heatmap(np.eye(4)),),
        processing_time=0.5,
        provenance=RunProvenance(
            started_utc="2026-01-01T00:00:00+00:00",
            versions={"python": "3"},
            device="cpu",
            dtype="float32",
            checkpoint_sha256=None,
            config={"num_frames": 32},
        ),
    )


def heatmap(values: np.ndarray) -> Heatmap:
    return Heatmap.from_array(values, sample_index=0, p_fake=0.5, method="gradcam", caption="c")


def test_heatmap_keeps_its_values_to_eight_bits_and_round_trips():
    values = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    made = heatmap(values)
    again = Heatmap.model_validate_json(made.model_dump_json())
    assert again == made
    assert np.abs(again.array() - values).max() <= 0.5 / 255 + 1e-6
    assert again.array().shape == (5, 7)


def test_heatmap_of_the_wrong_size_is_refused():
    fields = heatmap(np.zeros((2, 2))).model_dump(mode="json") | {"height": 3}
    with pytest.raises(ValidationError, match="3 x 2"):
        Heatmap.model_validate(fields)


@pytest.mark.parametrize("fields", [{}, {"p_fake": 0.5, "gap": GapReason.NO_FACE}])
def test_a_sample_is_either_scored_or_a_gap(fields):
    with pytest.raises(ValidationError, match="either p_fake or a gap"):
        SampleScore(index=0, **fields)


def test_thresholds_must_be_ordered():
    with pytest.raises(ValidationError):
        Thresholds(real=0.7, fake=0.3)


@pytest.mark.parametrize(
    "change",
    [{"prediction": "REAL", "p_fake": None, "confidence": 0.9}, {"prediction": "INCONCLUSIVE"}, {"confidence": None}],
)
def test_no_result_holds_an_invented_verdict(change, result):
    with pytest.raises(ValidationError):
        AnalysisResult.model_validate(result.model_dump(mode="json") | change)


def test_a_result_round_trips_through_json_and_cannot_be_changed(result):
    assert AnalysisResult.model_validate_json(result.model_dump_json()) == result
    with pytest.raises(ValidationError):
        result.p_fake = 0.9


def of_version_0_1(result: AnalysisResult, *sentences: str) -> AnalysisResult:
    """Read from JSON that keeps its sentences as version 0.1 did."""
    document = result.model_dump(mode="json", exclude={"reason", "caveats", "odds"}) | {"reasons": sentences}
    return AnalysisResult.model_validate_json(json.dumps(document))


RATES = ErrorRates(
    data="d",
    n_genuine=9,
    genuine_as_high=0.5,
    genuine_as_high_95=0.6,
    n_fake=9,
    fake_as_low=0.5,
    fake_as_low_95=0.6,
)
UNCLEAR = {"prediction": Prediction.INCONCLUSIVE, "confidence": None}


@pytest.mark.parametrize(
    ("change", "caveats", "odds"),
    [
        ({}, ("caveat",), ("odds",)),
        ({}, (), ("odds",)),
        ({"prediction": Prediction.FAKE, "error_rates": RATES}, ("caveat",), ("odds",)),
        ({"error_rates": RATES}, ("caveat", "another"), ("odds",)),
        (UNCLEAR | {"error_rates": RATES}, ("caveat",), ("of genuine media", "of fakes")),
        (UNCLEAR | {"error_rates": RATES, "gap": GapReason.LOW_COVERAGE}, ("caveat",), ("none apply",)),
        (UNCLEAR | {"p_fake": None, "gap": GapReason.NO_FACE}, ("caveat",), ()),
    ],
)
def test_sentences_of_version_0_1_are_kept_each_once_in_their_places(result, change, caveats, odds):
    base = result.model_copy(update=change)
    disclaimer = () if base.prediction is Prediction.FAKE else (DISCLAIMER,)
    told = ("main", *disclaimer, *caveats, *odds)
    read = of_version_0_1(base, *told)
    assert (read.reason, read.caveats, read.odds) == ("main", caveats, odds)
    assert read.reasons == told
    shown = view.details([read])
    assert all(shown.count(f">{sentence}<") == 1 for sentence in told)
    assert AnalysisResult.model_validate_json(read.model_dump_json()) == read


def test_a_result_without_sentences_of_version_0_1_is_read(result):
    assert of_version_0_1(result).reasons == ()


def test_sentences_that_are_none_are_refused(result):
    for wrong in ("text", 3, [4]):
        with pytest.raises(ValidationError):
            AnalysisResult.model_validate(result.model_dump(exclude={"reason", "caveats", "odds"}) | {"reasons": wrong})
