"""COLOR-CUES-LSTM-V1 against the reference, and where it does otherwise."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import golden
import numpy as np
import pytest
import torch
from detector_kit import stand_in_weights

from drishtiksha.contract import EncodedFrame, Face, Sample
from drishtiksha.detectors.color_cues import CELLS, MESH_NOTE, ColorCuesLSTMV1
from drishtiksha.errors import SkipSample
from drishtiksha.results import GapReason, Prediction, SampleScore
from drishtiksha.settings import ROOT

NAME = "COLOR-CUES-LSTM-V1"
LENGTH = 32


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> ColorCuesLSTMV1:
    path = golden.checkpoint(NAME, tmp_path_factory.mktemp("weights"))
    return golden.detector(ColorCuesLSTMV1, NAME, path, isVideo=True)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> ColorCuesLSTMV1:
    """Random weights, short sequences of few frames."""
    fields = {"isVideo": True, "hidden_size": 4, "frames_per_video": 6, "sequence_length": 4}
    path = stand_in_weights(ColorCuesLSTMV1, tmp_path_factory.mktemp("weights") / "random.pt", **fields)
    return golden.detector(ColorCuesLSTMV1, NAME, path, **fields)


def sample_of(frame: np.ndarray, box: tuple[int, int, int, int] = (60, 60, 120, 140)) -> Sample:
    x0, y0, x1, y1 = box
    landmarks = np.linspace((x0, y0), (x1, y1), 68).astype(np.float32)
    return Sample(0, 0.0, None, 0, frame, (Face((x0, y0, x1, y1), 1.0, landmarks=landmarks),))


def test_the_keys_are_those_of_the_checkpoint(published):
    state = golden.state_dict(NAME)
    network = published.build().state_dict()
    assert {key: tensor.shape for key, tensor in published.remap(state).items()} == {
        key: tensor.shape for key, tensor in network.items()
    }


def test_a_wrapped_checkpoint_loads(published, tmp_path):
    path = golden.checkpoint(NAME, tmp_path, wrap=lambda state: {"epoch": 3, "model_state_dict": state})
    wrapped = golden.detector(ColorCuesLSTMV1, NAME, path)
    batch = torch.rand(2, LENGTH, 32, 32) * 255
    assert np.array_equal(wrapped.score(batch), published.score(batch))


def test_logits_are_those_of_the_reference(published):
    (case,) = golden.load(NAME)["cases"]
    batch = torch.rand(case["shape"], generator=torch.Generator().manual_seed(1234)) * 255
    with torch.inference_mode():
        assert published.forward(batch).tolist() == pytest.approx(case["logits"], abs=1e-3)


def test_the_face_is_the_box_of_the_landmarks_and_a_margin(small):
    frame = np.random.default_rng(0).integers(0, 256, (200, 220, 3), dtype=np.uint8)
    sample = sample_of(frame)
    assert small.region(sample, 0) == (40, 40, 140, 160)
    (tensor,) = small.preprocess(sample)
    assert tensor.shape == (32, 32)
    assert (tensor.min(), tensor.max()) == (0, 255)
    inside = frame.copy()
    inside[:40] = inside[160:] = 0
    inside[:, :40] = inside[:, 140:] = 0
    assert torch.equal(small.preprocess(replace(sample, frame=inside))[0], tensor)
    assert 0 < sample.measures["mean_g"] < sample.measures["mean_r"] + 0.1 < 1


def test_a_face_outside_of_the_frame_is_a_gap(small):
    with pytest.raises(SkipSample, match="no_face"):
        small.preprocess(sample_of(np.zeros((200, 220, 3), np.uint8), (300, 60, 350, 120)))


def test_red_and_green_are_not_exchanged(small):
    red, green = (np.full((200, 220, 3), colour, np.uint8) for colour in ((255, 40, 0), (40, 255, 0)))
    of_red, of_green = (small.preprocess(sample_of(frame))[0] for frame in (red, green))
    assert torch.equal(of_red, of_green.T)
    assert int(of_red.argmax()) // 32 > int(of_green.argmax()) // 32


def test_windows_slide_by_one_frame(published):
    frames = [EncodedFrame(i, i / 25) for i in range(LENGTH + 2)]
    windows = published.windows(frames)
    assert [window.members[0] for window in windows] == [0, 1, 2]
    assert all(len(window.members) == LENGTH and not window.whole for window in windows)
    assert published.windows(frames[: LENGTH - 1]) == []


def test_metrics_of_the_frames(small):
    frames = [EncodedFrame(i, i / 25, {"mean_r": 0.4 + 0.01 * i, "mean_g": 0.3}) for i in range(6)]
    metrics = small.frame_metrics(frames)
    assert metrics["faces_found"] == 6
    assert metrics["chromaticity_drift"] == pytest.approx(0.04)
    assert metrics["chromaticity_spread"] == pytest.approx(np.std(0.01 * np.arange(6)))
    assert small.frame_metrics([])["chromaticity_drift"] is None


@pytest.mark.slow
def test_on_the_shared_clip_as_the_reference(published):
    """Its landmarks are dlib's, which may not be passed on; the mesh's faces are a few px larger, and where several
    people stand side by side another one is the first. Moving each box by 1.5 px at random moves p_fake by 0.01."""
    wanted, events = golden.end_to_end(NAME), []
    result = published.analyze(golden.clip("stage_360p.mp4"), reporter=events.append)
    assert {event.model_name for event in events} == {NAME}
    assert result.prediction is Prediction.FAKE
    assert result.p_fake == pytest.approx(wanted["p_fake"], abs=0.06)
    scores = [score.p_fake for score in result.scores if score.p_fake is not None]
    assert len(scores) >= len(wanted["scores"])
    assert min(scores) > min(wanted["scores"]) - 0.05
    assert max(scores) < max(wanted["scores"]) + 0.08
    assert result.metrics["sequences_judged"] == len(scores)
    assert result.metrics["faces_found"] >= 34
    assert 0 < result.metrics["chromaticity_drift"] < 0.2
    assert result.notes == (MESH_NOTE,)
    assert all(heatmap.method == "occlusion" for heatmap in result.heatmaps)
    assert result.heatmaps[0].array().shape == (CELLS, CELLS)
    assert 0.6 < result.coverage < 0.9, "some frames show no face"


@pytest.mark.slow
def test_too_few_faces_are_never_called_real(published, small):
    result = published.analyze(ROOT / "assets" / "no_face.mp4")
    assert (result.prediction, result.gap, result.confidence) == (Prediction.INCONCLUSIVE, GapReason.NO_FACE, None)
    many = golden.detector(ColorCuesLSTMV1, NAME, Path(published.config.model_path), isVideo=True, frames_per_video=20)
    result = many.analyze(ROOT / "assets" / "clip_silent.mp4")
    assert (result.prediction, result.gap, result.p_fake) == (Prediction.INCONCLUSIVE, GapReason.TOO_SHORT, None)
    assert small.analyze(ROOT / "assets" / "clip_silent.mp4").p_fake is not None


def test_the_heatmap_shows_what_raises_the_score(small):
    """A network that calls one bin fake: covering the part of the face that fills it lowers the score."""
    network = small.build().to_empty(device="cpu")
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    blue_bin = 0
    with torch.no_grad():
        network.lstm.weight_ih_l0[[0, 8, 12], blue_bin] = 0.02  # input, cell and output gate of the first unit
        network.fc1.weight[0, 0] = network.fc2.weight[0, 0] = 3.0
    detector = ColorCuesLSTMV1(small.config)
    detector._network = network.eval()
    frame = np.full((200, 220, 3), (120, 90, 70), np.uint8)
    frame[40:70, 40:70] = (0, 0, 255)  # the upper left of the face's region
    frame[70:, 70:][np.random.default_rng(0).random((130, 150)) < 0.5] = (200, 90, 20)
    sample = sample_of(frame)
    (heatmap,) = detector.explain(sample, SampleScore(index=0, p_fake=0.9))
    values = heatmap.array()
    assert values[0, 0] == 1
    assert values[-1, -1] < 0.2


def test_dlib_is_used_where_it_and_its_configured_file_are_there(small, tmp_path, monkeypatch):
    path = tmp_path / "elsewhere" / "68.dat"
    companions = {"landmarks": {"path": path, "optional": True}}
    detector = ColorCuesLSTMV1(
        type(small.config).model_validate({**small.config.model_dump(), "companions": companions})
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert detector.sampling(None).faces.finder == "blazeface"
    assert detector.aggregate([]).notes == (MESH_NOTE,)
    path.parent.mkdir()
    path.write_bytes(b"landmarks")
    request = detector.sampling(None).faces
    assert (request.finder, request.landmarks_file) == ("dlib", path)
    assert (request.landmarks, request.halve_from) == (True, None)
    assert detector.aggregate([]).notes == ()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert detector.sampling(None).faces.finder == "blazeface"


def test_the_frames_are_evenly_spaced(published):
    ((*frames,),) = published.sampling(None).choose(275)
    assert len(frames) == 50
    assert (frames[0], frames[-1]) == (0, 274)
