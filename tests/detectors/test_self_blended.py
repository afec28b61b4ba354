"""SELF-BLENDED-IMAGES: published keys, pixels and logits, and which faces count."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch
from open_shelf import array_error, picture, preprocessing, published_network, unloaded, with_network, wrong_keys

from drishtiksha.contract import Face, Sample
from drishtiksha.detectors.self_blended import SelfBlendedImagesDetector
from drishtiksha.results import FaceScore, GapReason, SampleScore

NAME = "SELF-BLENDED-IMAGES"


def sample_of(case: dict) -> Sample:
    return Sample(0, frame=picture(case["picture"]), faces=(Face(tuple(case["face_box_xyxy"]), 1.0),))


@pytest.mark.parametrize("removed", ["", "net."])
def test_every_published_key_finds_its_place(removed):
    detector = unloaded(SelfBlendedImagesDetector)
    assert wrong_keys(detector, NAME, lambda key: key.removeprefix(removed)) == []


@pytest.mark.large
@pytest.mark.slow
def test_logits_and_the_whole_path_are_the_published_ones():
    detector = unloaded(SelfBlendedImagesDetector)
    with_network(detector, published_network(detector, golden.state_dict(NAME)))
    (case,), portrait = golden.load(NAME)["cases"], preprocessing(NAME)["portrait"]
    made_up = torch.rand(case["shape"], generator=torch.Generator().manual_seed(1234))[0]
    (face,) = detector.preprocess(sample_of(portrait))
    with torch.inference_mode():
        logits = detector.forward(torch.stack([made_up, face]))
    wanted = [fake - real for real, fake in (case["logits"][0], portrait["logits"])]
    assert logits.tolist() == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("array", ["portrait", "frame"])
def test_pixels_are_the_published_ones(array):
    sample = sample_of(preprocessing(NAME)[array])
    (tensor,) = unloaded(SelfBlendedImagesDetector).preprocess(sample)
    assert array_error(tensor * 255, NAME, array) / 255 < 0.001
    x0, y0, x1, y1 = preprocessing(NAME)[array]["face_box_xyxy"]
    region = unloaded(SelfBlendedImagesDetector).region(sample, 0)
    assert region[0] == int(x0 - (x1 - x0) / 8)
    assert region[3] == int(y1 + (y1 - y0) / 8) + 1


def test_the_highest_face_of_each_frame_counts_small_ones_beside_a_large_one_not():
    def score(*faces: tuple[float, float]) -> SampleScore:
        found = tuple(FaceScore(face_box=(0, 0, side, side), p_fake=p) for side, p in faces)
        return SampleScore(index=0, p_fake=max(p for _, p in faces), faces=found)

    gap = SampleScore(index=1, gap=GapReason.NO_FACE)
    aggregate = unloaded(SelfBlendedImagesDetector).aggregate(
        [score((100, 0.4), (60, 0.9)), score((100, 0.2), (90, 0.6)), gap]
    )
    assert aggregate.p_fake == pytest.approx(0.5)
    assert aggregate.metrics == {"faces_scored": 4, "highest_face_p_fake": 0.9}
    assert unloaded(SelfBlendedImagesDetector).aggregate([gap]).p_fake is None


def test_a_face_at_the_edge_is_cut_there():
    frame = np.full((100, 120, 3), 50, np.uint8)
    sample = Sample(0, frame=frame, faces=(Face((0.0, 0.0, 118.0, 99.0), 1.0),))
    assert unloaded(SelfBlendedImagesDetector).region(sample, 0) == (0, 0, 120, 100)
