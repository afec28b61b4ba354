"""FACE-SYNTH-LITE-V1: what the network sees of a picture, and the weights that ship."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from drishtiksha.detectors.face_synth import FaceSynthesisDetector
from drishtiksha.networks.face_synth import (
    WINDOW_PX,
    FaceSynthesisNetwork,
    native_window,
    neighbour_residuals,
    to_input,
    window_box,
)
from drishtiksha.registry import ModelManager
from drishtiksha.results import GapReason, MediaKind, Prediction
from drishtiksha.settings import ROOT, load_settings

NAME = "FACE-SYNTH-LITE-V1"
MOST_BYTES = 12_000_000


@pytest.fixture(scope="module")
def detector() -> FaceSynthesisDetector:
    """Loading checks the hash and the canary's logits."""
    if not (ROOT / "models" / f"{NAME}.safetensors").is_file():
        pytest.skip(f"{NAME} is not trained yet")
    return ModelManager(load_settings(device="cpu")).load_model(NAME)


@pytest.fixture
def frame() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (400, 300, 3)).astype(np.uint8)


def test_the_window_holds_the_pictures_own_pixels(frame):
    box = (100.4, 150.2, 210.1, 290.7)
    x0, y0, x1, y1 = window_box(box)
    assert np.array_equal(native_window(frame, box), frame[y0:y1, x0:x1])
    assert (x1 - x0, y1 - y0) == (WINDOW_PX, WINDOW_PX)


def test_a_window_over_the_edge_repeats_the_edge(frame):
    window = native_window(frame, (-20, -20, 60, 60))
    assert window.shape == (WINDOW_PX, WINDOW_PX, 3)
    x0, y0, _, _ = window_box((-20, -20, 60, 60))
    assert np.array_equal(window[-y0:, -x0:], frame[: WINDOW_PX + y0, : WINDOW_PX + x0])
    assert (window[0] == window[-y0]).all()
    with pytest.raises(ValueError, match="no part inside"):
        native_window(frame, (1000, 1000, 1100, 1100))


def test_residuals_vanish_where_neighbours_are_alike_and_keep_what_differs():
    doubled = torch.rand(1, 3, 8, 8).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert neighbour_residuals(doubled).abs().max() == 0
    single = torch.zeros(1, 3, 16, 16)
    single[0, 1, 4, 5] = 1.0
    residuals = neighbour_residuals(single)
    assert residuals.shape == (1, 9, 8, 8)
    assert residuals.count_nonzero() == 1
    assert residuals[0, 3, 2, 2] == pytest.approx(2 / 3)


def test_the_network_takes_windows_of_any_size():
    network = FaceSynthesisNetwork().eval()
    batch = torch.stack([to_input(np.full((96, 128, 3), value, np.uint8)) for value in (0, 255)])
    assert batch.min() == -1
    assert batch.max() == 1
    with torch.inference_mode():
        assert network(batch).shape == (2,)
        assert torch.allclose(network(batch), network.forward_head(network.forward_features(batch)))


def test_the_weights_that_ship_are_small_and_prove_themselves(detector):
    assert (ROOT / "models" / f"{NAME}.safetensors").stat().st_size < MOST_BYTES
    result = detector.analyze(ROOT / "assets" / "portrait.jpg")
    assert result.media.kind is MediaKind.IMAGE
    assert result.prediction is not Prediction.FAKE
    assert result.heatmaps[0].method == "gradcam"


def test_a_picture_without_a_face_is_a_gap(detector, tmp_path):
    path = tmp_path / "sky.png"
    cv2.imwrite(str(path), np.full((300, 300, 3), 180, np.uint8))
    result = detector.analyze(path)
    assert result.prediction is Prediction.INCONCLUSIVE
    assert result.p_fake is None
    assert result.gap is GapReason.NO_FACE


def test_a_video_needs_more_for_fake_and_is_not_called_calibrated(detector):
    video = detector.analyze(ROOT / "assets" / "clip_silent.mp4", explain=False)
    assert video.media.kind is MediaKind.VIDEO
    assert not video.calibrated
    assert video.thresholds.fake >= detector.config.video_fake
    assert video.people


@pytest.mark.parametrize("name", ["stage_360p.mp4", "street_faces_1080p.mp4"])
def test_genuine_clips_are_not_called_fake(detector, shared, name):
    assert detector.analyze(shared / "data" / "clips" / name, explain=False).prediction is not Prediction.FAKE
