"""What speaks for a false alarm: only what was measured for the detector and shows in the file."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sample_results as planted

from drishtiksha.analysis.conditions import Conditions
from drishtiksha.answer import Texts, answer_of
from drishtiksha.answer.doubts import CAUSES, HIDDEN, Doubt, doubt_of
from drishtiksha.casefile import StressPoint, StressResult
from drishtiksha.results import AnalysisResult, ErrorRates, FalseAlarms, Grade, MediaKind, Prediction, RunProvenance
from drishtiksha.settings import EMBEDDED_DIR
from drishtiksha.weights import read_sidecar

GROUPS = (
    FalseAlarms(group="clean", n=106, share=0.0, share_95=0.034),
    FalseAlarms(group="jpeg_30", n=107, share=0.0093, share_95=0.028),
    FalseAlarms(group="resized_0.5_jpeg_70", n=95, share=0.0421, share_95=0.0842),
    FalseAlarms(group="hard_shadow", n=106, share=0.0094, share_95=0.028),
    FalseAlarms(group="brim_shadow", n=105, share=0.019, share_95=0.0476),
    FalseAlarms(group="denoised", n=106, share=0.0189, share_95=0.047),
)


def flagged(groups: tuple[FalseAlarms, ...] = GROUPS, **changes: Any) -> AnalysisResult:
    """Signs in four of six frames of a clip."""
    scores = tuple(planted.sample(index, p=0.9 if index < 4 else 0.5, time_s=float(index)) for index in range(6))
    rates = ErrorRates(
        data="clips", n_genuine=9, genuine_as_high=0.1, genuine_as_high_95=0.2, n_fake=0, fake_as_low=None,
        fake_as_low_95=None, groups=groups,
    )  # fmt: skip
    run = RunProvenance(**(planted.provenance().model_dump() | {"config": {"evidence": "face texture"}}))
    fields = {
        "model_name": "FACE-A", "media": planted.media(), "prediction": Prediction.FAKE, "grade": Grade.MODERATE,
        "p_fake": 0.9, "confidence": 0.9, "reason": "Suspicious.", "scores": scores, "people": (), "heatmaps": (),
        "coverage": 1.0, "calibrated": True, "error_rates": rates, "provenance": run,
    }  # fmt: skip
    return planted.result(**(fields | changes))


def doubt(result: AnalysisResult, conditions: Conditions | None, stress: tuple[StressResult, ...] = ()) -> Doubt:
    found = doubt_of(answer_of(result.media, [result]), [result], conditions, stress)
    assert found is not None
    return found


def test_it_tells_which_moment_decided_on_how_many_samples() -> None:
    found = doubt(flagged(), Conditions())
    assert found.decided == (
        "The check of the faces decided, by FACE-A: score 0.90, suspicious from 0.65. 4 of 6 judged samples reach that; "
        "the highest is 0.90, at 00:00-00:03."
    )
    assert found.place is not None
    assert found.place.time_s == 0.0


def test_only_causes_that_were_measured_and_that_the_file_shows_are_told_the_worst_first() -> None:
    seen = Conditions(face_px=96.4, jpeg_quality=40, shadow=0.31, white=0.9, sharpness=0.1, noise=0.1, roll_deg=30)
    found = doubt(flagged(), seen)
    assert [(one.key, one.share) for one in found.causes] == [
        ("small", 0.0421),
        ("shadowed", 0.019),
        ("jpeg_strong", 0.0093),
    ], "white, blur and tilt show, and were not measured for this detector"
    assert found.causes[0].text == (
        "Small face: 96 px, in a compressed file. Of 95 genuine pictures that were made half as large and saved as JPEG of "
        "quality 70, about 4 of 100 were wrongly suspected in the detector's test (up to 9 are possible)."
    )
    assert "Of 106 genuine ones that were left as they are, none was wrongly suspected" in found.remark
    assert "possible, not likely" in found.remark
    assert "about 2 of 100" in found.hidden


@pytest.mark.parametrize(
    ("seen", "keys"),
    [
        (Conditions(face_px=96, jpeg_quality=95), []),
        (Conditions(face_px=400, jpeg_quality=60), []),
        (Conditions(face_px=96, bits_per_pixel=0.05), ["small"]),
        (Conditions(face_px=96, bits_per_pixel=0.3, shadow=0.7), []),
    ],
)
def test_what_the_file_does_not_show_is_not_told(seen: Conditions, keys: list[str]) -> None:
    assert [one.key for one in doubt(flagged(), seen).causes] == keys


def test_where_nothing_is_known_it_says_so() -> None:
    unmeasured = doubt(flagged(groups=()), Conditions(shadow=0.1))
    assert unmeasured.causes == ()
    assert "was not measured for files of this kind" in unmeasured.remark
    assert unmeasured.hidden == ""
    assert "could not be looked at again" in doubt(flagged(), None).remark
    nothing = doubt(flagged(), Conditions(face_px=400, shadow=0.8))
    assert nothing.causes == ()
    assert "None of the causes" in nothing.remark
    assert "does not make the signs proof" in nothing.remark


def test_the_band_of_a_stress_test_is_told_where_there_is_one() -> None:
    result = flagged()
    points = [
        StressPoint(kind=kind, label=kind, strength=0, prediction=Prediction.FAKE, grade=Grade.WEAK, p_fake=p, coverage=1, flips=flips)
        for kind, p, flips in (("excerpt", 0.8, True), ("jpeg", 0.7, False), ("noise", 0.4, True))
    ]  # fmt: skip
    tested = StressResult(
        model_name="FACE-A", sha256="ab" * 32, baseline=result, points=tuple(points), low=0.4, high=0.9, sentences=(),
        seconds=1,
    )  # fmt: skip
    found = doubt(result, Conditions(), (tested,))
    assert found.tested
    assert "between 0.40 and 0.90; 1 of 2 changes turn" in found.stress
    other = doubt(result, Conditions(), (tested.model_copy(update={"model_name": "FACE-B"}),))
    assert not other.tested
    assert "not tested yet" in other.stress


def test_there_is_no_doubt_where_no_detector_found_signs() -> None:
    clean = flagged(prediction=Prediction.REAL, grade=Grade.NONE_FOUND, p_fake=0.1, confidence=0.9)
    assert doubt_of(answer_of(clean.media, [clean]), [clean], Conditions()) is None
    assert doubt_of(answer_of(clean.media, []), [], None) is None


def test_every_cause_has_its_sentences() -> None:
    keys = {f"doubt.cause.{cause.key}.{part}" for cause in (*CAUSES, HIDDEN) for part in ("shown", "like")}
    assert keys <= Texts.of().keys


@pytest.mark.parametrize(
    ("name", "kind", "group", "row"),
    [
        ("FACE-BLEND-LITE-V1", MediaKind.IMAGE, "resized_0.5_jpeg_70", "real/resized_0.5_jpeg_70"),
        ("FACE-BLEND-LITE-V1", MediaKind.VIDEO, "crf28", "clip_real/crf28"),
        ("VOICE-SPOOF-LITE-V1", MediaKind.AUDIO, "opus_16k", "*/opus_16k"),
    ],
)
def test_the_rates_are_those_that_were_measured_for_the_detector(
    name: str, kind: MediaKind, group: str, row: str
) -> None:
    path = EMBEDDED_DIR / f"{name}.safetensors"
    sidecar = read_sidecar(path)
    assert sidecar is not None
    reference = sidecar.reference_of(kind)
    assert reference is not None
    found = {one.group: one for one in reference.groups}
    measured = json.loads(path.with_suffix(".json").read_text())["measured"][row]
    assert [found[group].share, found[group].share_95] == [measured["false_alarms"][0], measured["false_alarms"][2]]
    unscored = 0 if measured["n_fake"] else measured["not_scored"]
    assert found[group].n == measured["n_real"] - unscored
    assert "*" not in found
