"""NPR: published keys, pixels and logits, odd sides, and large pictures."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch
from open_shelf import array_error, noise, picture, preprocessing, published_network, unloaded, with_network, wrong_keys

from drishtiksha.contract import Sample
from drishtiksha.detectors.npr import NPRDetector
from drishtiksha.results import SampleScore


@pytest.fixture(scope="module")
def published() -> torch.nn.Module:
    return published_network(unloaded(NPRDetector), golden.state_dict("NPR"))


@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_published_key_finds_its_place(prefix):
    assert wrong_keys(unloaded(NPRDetector), "NPR", lambda key: prefix + key) == []


def test_logits_are_those_of_the_published_network(published):
    square, wide = golden.load("NPR")["cases"]
    pictures = noise(square["shape"])
    pictures[1] *= 0.25
    with torch.inference_mode():
        assert published(pictures).tolist() == pytest.approx(square["logits"], abs=1e-3)
        assert published(noise(wide["shape"], 4321)).tolist() == pytest.approx(wide["logits"], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("array", "resize_to"), [("portrait", 256), ("frame", 256), ("frame_native", None)])
def test_pixels_and_the_logit_of_the_whole_path_are_the_published_ones(published, array, resize_to):
    detector = with_network(unloaded(NPRDetector, resize_to=resize_to), published)
    case = preprocessing("NPR")[array]
    (tensor,) = detector.preprocess(Sample(0, frame=picture(case["picture"])))
    assert array_error(tensor, "NPR", array) < 0.01
    with torch.inference_mode():
        assert detector.forward(tensor[None]).tolist() == pytest.approx(case["logits"], abs=1e-3)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 2), (41, 30), (40, 31)])
def test_odd_sides_do_not_fail(published, height, width):
    detector = with_network(unloaded(NPRDetector), published)
    sample = Sample(0, frame=np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))
    (tensor,) = detector.preprocess(sample)
    assert tensor.shape[1] % 2 == tensor.shape[2] % 2 == 0
    assert 0 < detector.score(tensor[None])[0] < 1
    assert detector.importance(tensor)[0].shape == tuple(tensor.shape[1:])


def test_of_a_large_picture_the_middle_is_looked_at_and_the_reader_is_told():
    detector = unloaded(NPRDetector, most_px=100)
    frame = np.zeros((300, 90, 3), np.uint8)
    frame[100:200] = 255
    sample = Sample(0, frame=frame)
    (tensor,) = detector.preprocess(sample)
    assert tensor.shape == (3, 100, 90)
    assert tensor.min() > 0, "only the white middle"
    assert detector.region(sample, None) == (0, 100, 90, 200)
    (note,) = detector.aggregate([SampleScore(index=0, p_fake=0.4, measures=sample.measures)]).notes
    assert "33%" in note
    whole = Sample(0, frame=frame[:100])
    detector.preprocess(whole)
    assert detector.aggregate([SampleScore(index=0, p_fake=0.4, measures=whole.measures)]).notes == ()
