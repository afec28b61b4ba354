"""COMMUNITY-FORENSICS: published keys, pixels and logits, and the squares at the picture's own size."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch
from open_shelf import array_error, noise, picture, preprocessing, published_network, unloaded, with_network, wrong_keys

from drishtiksha.contract import Sample
from drishtiksha.detectors.community_forensics import CommunityForensicsDetector
from drishtiksha.results import SampleScore
from drishtiksha.settings import ROOT

SIZES = {
    "COMMUNITY-FORENSICS-384": {},
    "COMMUNITY-FORENSICS-224": {"architecture": "vit_small_patch16_224", "input_size": 224, "shorter_side": 256},
}
SMALL = {"architecture": "test_vit", "input_size": 64, "shorter_side": 74}


@pytest.fixture(scope="module", params=SIZES)
def published(request):
    """Name, and the detector with stand-in weights of full size."""
    name = request.param
    detector = unloaded(CommunityForensicsDetector, **SIZES[name])
    return name, with_network(detector, published_network(detector, golden.state_dict(name)))


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("commfor") / "weights.pt"
    torch.save({"model": unloaded(CommunityForensicsDetector, **SMALL).build().state_dict()}, path)
    fields = SMALL | {"num_frames": 3, "every_s": 1000, "isImage": True, "isVideo": True}
    return golden.detector(CommunityForensicsDetector, "COMMUNITY-FORENSICS-384", path, **fields)


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", "_orig_mod."])
@pytest.mark.parametrize("name", SIZES)
def test_every_published_key_finds_its_place(name, prefix):
    assert wrong_keys(unloaded(CommunityForensicsDetector, **SIZES[name]), name, lambda key: prefix + key) == []


@pytest.mark.slow
def test_logits_are_those_of_the_published_network(published):
    name, detector = published
    (case,) = golden.load(name)["cases"]
    with torch.inference_mode():
        logits = detector.network(noise(case["shape"]))
    assert logits.tolist() == pytest.approx(case["logits"], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("array", ["portrait", "frame"])
def test_pixels_and_the_logit_of_the_whole_path_are_the_published_ones(published, array):
    name, detector = published
    case = preprocessing(name)[array]
    (squares,) = detector.preprocess(Sample(0, frame=picture(case["picture"])))
    assert array_error(squares[0], name, array) < 0.01
    with torch.inference_mode():
        (logit,) = detector.forward(squares[None, :1])
    assert float(logit) == pytest.approx(case["logits"][0], abs=1e-3)


def test_the_highest_square_counts_and_both_are_told(detector):
    frame = np.random.default_rng(0).integers(0, 256, (150, 200, 3), np.uint8)
    (squares,) = detector.preprocess(Sample(0, frame=frame))
    assert squares.shape == (5, 3, 64, 64)
    with torch.inference_mode():
        each = detector.network(squares).sigmoid().numpy()
    p_fake, measures = detector.judge(squares[None])
    assert p_fake == pytest.approx(each.max(), abs=1e-6)
    assert measures["middle_p_fake"] == pytest.approx(each[0], abs=1e-6)
    assert measures["highest_square_p_fake"] == pytest.approx(each.max(), abs=1e-6)
    assert measures["square"] == each.argmax()


def test_a_picture_smaller_than_a_square_is_judged_by_its_middle(detector):
    (squares,) = detector.preprocess(Sample(0, frame=np.zeros((50, 200, 3), np.uint8)))
    assert squares.shape == (1, 3, 64, 64)
    _, measures = detector.judge(squares[None])
    assert set(measures) == {"square"}


def test_the_heatmap_lies_where_the_square_was(detector):
    frame = np.random.default_rng(1).integers(0, 256, (148, 296, 3), np.uint8)
    sample = Sample(0, frame=frame)

    def region(square: int):
        (heatmap,) = detector.explain(sample, SampleScore(index=0, p_fake=0.7, measures={"square": float(square)}))
        assert heatmap.method == "attention"
        assert heatmap.array().max() == pytest.approx(1, abs=0.01)
        return heatmap.face_box

    assert region(0) == (84, 10, 212, 138), "the middle 64 px of 74, of a picture twice as high"
    assert region(1) == (0, 0, 64, 64)
    assert region(4) == (232, 84, 296, 148)


def test_pictures_and_clips_from_end_to_end(detector):
    for path, count in ((ROOT / "assets" / "portrait.jpg", 1), (ROOT / "assets" / "clip_silent.mp4", 3)):
        events = []
        result = detector.analyze(path, events.append)
        assert {event.model_name for event in events} == {"COMMUNITY-FORENSICS-384"} == {result.model_name}
        assert len(result.scores) == count
        assert result.coverage == 1
        assert result.p_fake == pytest.approx(np.mean([score.p_fake for score in result.scores]))
        assert result.metrics["middle_p_fake"] <= result.p_fake + 1e-6
        assert {heatmap.method for heatmap in result.heatmaps} == {"attention"}
