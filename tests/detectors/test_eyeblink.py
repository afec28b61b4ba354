"""EYEBLINK-CNN-LSTM-V1 against the reference, and where it does otherwise."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch
from detector_kit import stand_in_weights

from drishtiksha.contract import EncodedFrame, Face, Sample
from drishtiksha.detectors.eyeblink import FRAME_STEP, EyeblinkDetectorV1
from drishtiksha.errors import SkipSample
from drishtiksha.features.eyes import eye_crop
from drishtiksha.networks.eyeblink import INPUT_PX, preprocess_eyes
from drishtiksha.results import GapReason, Prediction
from drishtiksha.settings import ROOT

NAME = "EYEBLINK-CNN-LSTM-V1"
LENGTH = 10


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> EyeblinkDetectorV1:
    path = golden.checkpoint(NAME, tmp_path_factory.mktemp("weights"))
    return golden.detector(EyeblinkDetectorV1, NAME, path, isVideo=True)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> EyeblinkDetectorV1:
    """Random weights in a small backbone, short sequences."""
    fields = {
        **{"isVideo": True, "backbone": "mobilenetv3_small_050", "lstm_hidden_size": 8, "sequence_length": 3},
        **{"min_face_px": 40},
    }
    path = stand_in_weights(EyeblinkDetectorV1, tmp_path_factory.mktemp("weights") / "random.pt", **fields)
    return golden.detector(EyeblinkDetectorV1, NAME, path, **fields)


def frames_of(ears: list[float], spacing_s: float = 0.4) -> list[EncodedFrame]:
    return [EncodedFrame(FRAME_STEP * i, i * spacing_s, {"ear": ear}) for i, ear in enumerate(ears)]


@pytest.mark.slow
def test_the_keys_are_those_of_the_checkpoint(published):
    state = golden.state_dict(NAME)
    with torch.device("meta"):
        network = published.build().state_dict()
    remapped = published.remap(state)
    assert len(remapped) == len(state)
    assert {key: tensor.shape for key, tensor in remapped.items()} == {
        key: tensor.shape for key, tensor in network.items()
    }


@pytest.mark.slow
def test_logits_are_those_of_the_reference_turned_round(published):
    (case,) = golden.load(NAME)["cases"]
    batch = torch.randn(case["shape"], generator=torch.Generator().manual_seed(1234))
    features = published.encode(batch.flatten(0, 1))
    assert features.shape == (20, 2048)
    with torch.inference_mode():
        logits = published.forward(features.unflatten(0, (2, LENGTH)))
    assert (-logits).tolist() == pytest.approx(case["logits"], abs=1e-3)


def test_pixels_are_those_of_the_reference():
    arrays = golden.arrays("visual_preprocessing")
    ours, wanted = preprocess_eyes(arrays["eye_rgb"]).numpy(), arrays["eyeblink_pixels_f16"].astype(np.float32)
    assert ours.shape == (3, INPUT_PX, INPUT_PX)
    assert np.abs(ours - wanted).mean() < 0.02
    assert np.corrcoef(ours.ravel(), wanted.ravel())[0, 1] > 0.995


@pytest.mark.slow
def test_half_a_pixel_of_its_landmarks_moves_the_score_more_than_it_differs_from_the_reference(published):
    """The reference's come from dlib. Crops of the same eyes, their points half a pixel (at a width of 640 px) elsewhere."""
    rng = np.random.default_rng(0)
    frame = golden.arrays("visual_preprocessing")["frame_rgb"]
    scale = frame.shape[1] / 640
    eyes = rng.uniform((250, 150), (390, 190), (68, 2)) * scale

    def p_fake(noise: float) -> float:
        moved = [eyes + rng.normal(0, noise * scale, eyes.shape) for _ in range(LENGTH)]
        crops = torch.stack([preprocess_eyes(eye_crop(frame, points)[0]) for points in moved])
        return float(published.score(published.encode(crops)[None])[0])

    assert abs(p_fake(0.5) - p_fake(0.0)) > 0.0101, "what was seen on a clip of 1080p"


@pytest.mark.slow
def test_every_tenth_frame_is_looked_at(published):
    plan = published.sampling(None)
    assert plan.choose(35) == [[0, 10, 20, 30]]
    assert plan.faces.landmarks


@pytest.mark.parametrize(("width", "fits"), [(640, True), (1920, False)])
def test_how_large_a_face_must_be_goes_by_the_width_of_the_frame(published, width, fits):
    landmarks = np.random.default_rng(0).uniform(110, 190, (68, 2)).astype(np.float32)
    frame = np.zeros((width * 9 // 16, width, 3), np.uint8)
    sample = Sample(0, frame=frame, faces=(Face((100, 100, 200, 200), 1.0, landmarks=landmarks),))
    if fits:
        assert published.preprocess(sample)[0].shape == (3, INPUT_PX, INPUT_PX)
    else:
        with pytest.raises(SkipSample, match="face_too_small"):
            published.preprocess(sample)


@pytest.mark.slow
def test_runs_below_the_published_threshold_are_kept_and_joined(small):
    ears = [0.3, 0.3, 0.5, 0.3, 0.5, 0.3, 0.3, 0.3]
    assert [window.members for window in small.windows(frames_of(ears))] == [(0, 1, 5), (1, 5, 6), (5, 6, 7)]
    assert small.windows(frames_of([0.3, 0.5] * 6)) == [], "single frames are no run"
    assert small.windows(frames_of([0.3, 0.3])) == []


def test_blinks_are_counted_below_a_blink_threshold(small):
    metrics = small.frame_metrics(frames_of([0.3, 0.1, 0.3, 0.3, 0.15, 0.3]))
    assert metrics["frames_with_eyes"] == 6
    assert metrics["median_eye_aspect_ratio"] == pytest.approx(0.3)
    assert metrics["blinks_seen"] == 2
    assert metrics["blinks_seen_per_minute"] == pytest.approx(2 / (6 * 0.4) * 60)
    assert small.frame_metrics(frames_of([0.3] * 6))["blinks_seen"] == 0
    assert small.frame_metrics([]) == {
        "frames_with_eyes": 0,
        "median_eye_aspect_ratio": None,
        "blinks_seen": 0,
        "blinks_seen_per_minute": None,
    }


@pytest.mark.slow
def test_on_the_shared_clip_as_the_reference(published):
    wanted, events = golden.end_to_end(NAME), []
    result = published.analyze(golden.clip("stage_360p.mp4"), reporter=events.append)
    assert {event.model_name for event in events} == {NAME}
    assert result.prediction is Prediction.FAKE
    assert result.p_fake == pytest.approx(wanted["p_fake"], abs=0.02)
    scores = [score.p_fake for score in result.scores if score.p_fake is not None]
    near = [min(abs(score - other) for other in wanted["scores"]) < 0.05 for score in scores]
    assert np.mean(near) > 0.75
    assert result.metrics["sequences_judged"] == len(scores) >= len(wanted["scores"])
    assert result.metrics["frames_with_eyes"] >= 15
    assert 0.2 < result.metrics["median_eye_aspect_ratio"] < 0.4
    assert result.metrics["blinks_seen"] >= 0
    assert "no blink threshold" in result.notes[0]
    best = result.heatmaps[0]
    assert best.method == "gradcam"
    x0, y0, x1, y1 = best.face_box
    assert x1 - x0 > 2 * (y1 - y0) > 0, "the map lies over both eyes"
    assert all(score.measures["ear"] < 0.45 for score in result.scores if score.p_fake is not None)


@pytest.mark.slow
def test_too_few_eyes_are_never_called_real(small):
    result = small.analyze(ROOT / "assets" / "no_face.mp4")
    assert (result.prediction, result.gap, result.confidence) == (Prediction.INCONCLUSIVE, GapReason.NO_FACE, None)
    long = EyeblinkDetectorV1(small.config.model_copy(update={"sequence_length": 40}))
    result = long.analyze(ROOT / "assets" / "clip_silent.mp4")
    assert (result.prediction, result.p_fake) == (Prediction.INCONCLUSIVE, None)
    assert result.gap in (GapReason.TOO_SHORT, GapReason.TOO_FEW)
    assert "40 sampled frames" in result.notes[-1]


def test_eyes_outside_of_the_frame_are_a_gap(small):
    landmarks = np.full((68, 2), 900, np.float32)
    frame = np.zeros((360, 640, 3), np.uint8)
    with pytest.raises(SkipSample, match="no_face"):
        small.preprocess(Sample(0, frame=frame, faces=(Face((0, 0, 90, 90), 1.0, landmarks=landmarks),)))


def test_a_frame_alone_is_judged_as_a_sequence_of_itself(small):
    eyes = torch.randn(2, 3, INPUT_PX, INPUT_PX, generator=torch.Generator().manual_seed(0))
    alone = small.score_alone(eyes)
    repeated = small.score(small.encode(eyes).unsqueeze(1).expand(-1, 3, -1))
    assert alone == pytest.approx(repeated)
    values, method = small.importance(eyes[0])
    assert (values.shape, method) == ((INPUT_PX, INPUT_PX), "gradcam")
    assert 0 <= values.min() <= values.max() <= 1
