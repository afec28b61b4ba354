"""TRUFOR: published keys, maps and scores, pieces of large pictures, and both maps together."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch
from open_shelf import noise, picture, published_network, unloaded, wrong_keys

from drishtiksha.contract import Sample
from drishtiksha.detectors.trufor import TruForDetector
from drishtiksha.errors import SkipSample
from drishtiksha.results import SampleScore
from drishtiksha.settings import ROOT

SMALL = {"depths": (1, 1, 1, 1), "decoder_width": 16, "tile_px": 96}


@pytest.fixture(scope="module")
def detector(tmp_path_factory) -> TruForDetector:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("trufor") / "trufor.pth.tar"
    torch.save({"state_dict": unloaded(TruForDetector, **SMALL).build().state_dict(), "epoch": 3}, path)
    return golden.detector(TruForDetector, "TRUFOR", path, **SMALL, isImage=True)


def test_every_published_key_finds_its_place():
    assert wrong_keys(unloaded(TruForDetector), "TRUFOR") == []


def test_pixels_are_the_published_ones():
    piece = picture("data/portraits/a0001.jpg")[400:624, 300:556]
    (pixels,) = unloaded(TruForDetector).preprocess(Sample(0, frame=piece))
    wanted = golden.load("TRUFOR")["cases"][1]["channel_mean"]
    assert pixels[0].mean(dim=(1, 2)).tolist() == pytest.approx(wanted, abs=1e-5)


@pytest.mark.large
@pytest.mark.slow
def test_maps_and_score_are_the_published_ones():
    network = published_network(unloaded(TruForDetector), golden.state_dict("TRUFOR"))
    arrays, case = golden.arrays("TRUFOR"), golden.load("TRUFOR")["cases"][0]
    pictures = torch.rand(case["shape"], generator=torch.Generator().manual_seed(1234))
    with torch.inference_mode():
        edited, reliability = network.maps(pictures)
        logit, camera = network.judge(edited, reliability), network.noise(pictures)[0, 0]
    assert logit.item() == pytest.approx(case["score_logit"], abs=1e-3)
    for made, kept in ((edited.sigmoid()[0], "map"), (reliability.sigmoid()[0], "conf"), (camera, "noiseprint")):
        assert np.abs(made[::4, ::4].numpy() - arrays[f"noise_{kept}"]).max() < 1e-3
        assert made.mean().item() == pytest.approx(case[kept]["mean"], abs=1e-4)


def test_a_picture_within_a_piece_is_looked_at_whole_and_a_large_one_from_edge_to_edge():
    detector = unloaded(TruForDetector)
    assert detector._boxes(600, 1024) == [(0, 0, 1024, 600)]
    assert detector._boxes(600, 1500) == [(0, 0, 1024, 600), (476, 0, 1500, 600)]
    boxes = detector._boxes(3000, 4000)
    assert [box[:2] for box in boxes] == [(0, 0), (2976, 0), (0, 1976), (2976, 1976)]
    assert unloaded(TruForDetector, tiles=1)._boxes(2048, 1024) == [(0, 512, 1024, 1536)]


@pytest.mark.slow
def test_the_highest_piece_counts_and_the_reader_is_told(detector):
    frame = np.random.default_rng(0).integers(0, 256, (96, 240, 3), np.uint8)
    sample = Sample(0, frame=frame)
    (pieces,) = detector.preprocess(sample)
    assert pieces.shape == (2, 3, 96, 96)
    with torch.inference_mode():
        each = detector.network(pieces).sigmoid()
    p_fake, measures = detector.judge(pieces[None])
    assert p_fake[0] == pytest.approx(each.max().item(), abs=1e-5)
    assert measures["piece"][0] == each.argmax()
    (note,) = detector.aggregate([SampleScore(index=0, p_fake=0.4, measures=sample.measures)]).notes
    assert "2 pieces" in note
    assert "80%" in note


@pytest.mark.slow
def test_edits_are_shown_as_far_as_they_are_reliable_beside_the_reliability(detector):
    frame = np.random.default_rng(1).integers(0, 256, (96, 240, 3), np.uint8)
    score = SampleScore(index=0, p_fake=0.6, measures={"piece": 1.0})
    edits, sure = detector.explain(Sample(0, frame=frame), score)
    assert (edits.method, sure.method) == ("edits", "reliability")
    assert edits.face_box == sure.face_box == (144, 0, 240, 96)
    assert (edits.array() <= sure.array() + 0.01).all()


@pytest.mark.slow
def test_tiny_pictures_are_a_gap_and_others_are_judged(detector):
    result = detector.analyze(ROOT / "assets" / "portrait.jpg")
    assert (result.model_name, result.coverage) == ("TRUFOR", 1)
    assert len(result.heatmaps) == 2
    with pytest.raises(SkipSample, match="picture_too_small"):
        detector.preprocess(Sample(0, frame=np.zeros((20, 300, 3), np.uint8)))


def test_it_attends_over_places_of_any_size(detector):
    for height, width in ((33, 47), (96, 64)):
        with torch.inference_mode():
            edited, reliability = detector.network.maps(noise([1, 3, height, width]).sigmoid())
        assert edited.shape == reliability.shape == (1, height, width)
