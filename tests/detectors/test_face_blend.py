"""What FACE-BLEND-LITE-V1 itself decides, with the weights that ship."""

from __future__ import annotations

import pytest

from drishtiksha.answer import State, answer_of
from drishtiksha.casefile import LineKind
from drishtiksha.detectors.face_blend import FaceBlendDetector
from drishtiksha.registry import ModelManager
from drishtiksha.results import FaceScore, GapReason, MediaKind, Prediction, SampleScore
from drishtiksha.settings import ROOT, load_settings
from drishtiksha.weights import read_sidecar


@pytest.fixture(scope="module")
def detector() -> FaceBlendDetector:
    return ModelManager(load_settings(device="cpu")).load_model("FACE-BLEND-LITE-V1")


@pytest.mark.slow
def test_a_video_needs_more_for_fake_and_is_not_called_calibrated(detector):
    picture = detector.analyze(ROOT / "assets" / "portrait.jpg", explain=False)
    video = detector.analyze(ROOT / "assets" / "clip_silent.mp4", explain=False)
    assert (picture.media.kind, video.media.kind) == (MediaKind.IMAGE, MediaKind.VIDEO)
    assert video.thresholds.fake >= detector.config.video_fake > picture.thresholds.fake
    assert video.thresholds.real == picture.thresholds.real
    assert picture.calibrated
    assert not video.calibrated


def test_it_never_answers_real_since_it_misses_most_fakes_of_kinds_it_never_saw(detector):
    unknown = read_sidecar(ROOT / "models" / "FACE-BLEND-LITE-V1.safetensors").unknown_kinds
    assert unknown.missed > 0.5
    assert unknown.blind
    result = detector.analyze(ROOT / "assets" / "portrait.jpg", explain=False)
    assert result.p_fake <= result.thresholds.real, "V1's own lower threshold is kept, for what was found"
    assert (result.prediction, result.gap) == (Prediction.INCONCLUSIVE, GapReason.ONE_SIDED)
    assert "nothing of what this detector looks for" in result.reason
    answer = answer_of(result.media, [result])
    assert answer.state is State.NOTHING_FOUND
    assert "talking heads" in next(line for line in answer.lines if line.kind is LineKind.FACES).misses


def test_the_altered_example_scores_above_the_untouched_one(detector):
    untouched = detector.analyze(ROOT / "assets" / "portrait.jpg")
    altered = detector.analyze(ROOT / "assets" / "portrait_altered.jpg")
    assert untouched.prediction is not Prediction.FAKE
    assert altered.p_fake > untouched.p_fake + 0.3
    assert altered.heatmaps[0].method == "gradcam"
    assert altered.heatmaps[0].array().max() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stage_360p.mp4", "street_faces_1080p.mp4"])
def test_genuine_clips_are_not_called_fake(detector, shared, name):
    result = detector.analyze(shared / "data" / "clips" / name, explain=False)
    assert result.prediction is not Prediction.FAKE
    assert result.people


def test_single_frames_that_went_wrong_decide_nothing(detector):
    def frame(index: int, p_fake: float) -> SampleScore:
        face = FaceScore(face_box=(0, 0, 100, 100), p_fake=p_fake, person=1)
        return SampleScore(index=index, time_s=index / 4, p_fake=p_fake, faces=(face,))

    steady = [frame(index, 0.2) for index in range(8)]
    spiked = [*steady[:6], frame(6, 1.0), frame(7, 0.99)]
    assert detector.aggregate(spiked).p_fake == pytest.approx(detector.aggregate(steady).p_fake)
    assert detector.aggregate([frame(index, 0.9) for index in range(8)]).p_fake == pytest.approx(0.9)
    half = [*steady[:4], *(frame(index, 1.0) for index in range(4, 8))]
    assert detector.aggregate(half).p_fake > 0.5, "half a clip is no single frame"
