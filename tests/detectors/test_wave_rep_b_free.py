"""WAVEREP and B-FREE: one network, two ways to cut a picture, both the published ones."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch
from open_shelf import array_error, picture, preprocessing, published_network, unloaded, with_network, wrong_keys

from drishtiksha.contract import Sample
from drishtiksha.detectors.b_free import BFreeDetector
from drishtiksha.detectors.wave_rep import WaveRepDetector
from drishtiksha.results import SampleScore
from drishtiksha.settings import ROOT

SMALL_WAVE = {"crop_px": 98, "depth": 1, "num_frames": 3, "every_s": 1000}
SMALL_FREE = {"window_px": 70, "depth": 1}


def small(cls, name, path, **fields):
    torch.manual_seed(0)
    network = unloaded(cls, **fields).build()
    torch.nn.init.normal_(network.vit.head.weight)
    torch.save(network.state_dict(), path)
    return golden.detector(cls, name, path, **fields)


@pytest.fixture(scope="module")
def wave(tmp_path_factory) -> WaveRepDetector:
    return small(WaveRepDetector, "WAVEREP", tmp_path_factory.mktemp("wave") / "w.pt", **SMALL_WAVE, isVideo=True)


@pytest.fixture(scope="module")
def free(tmp_path_factory) -> BFreeDetector:
    return small(BFreeDetector, "B-FREE", tmp_path_factory.mktemp("free") / "b.pt", **SMALL_FREE, isImage=True)


@pytest.mark.parametrize(("cls", "name"), [(WaveRepDetector, "WAVEREP"), (BFreeDetector, "B-FREE")])
def test_every_published_key_finds_its_place(cls, name):
    assert wrong_keys(unloaded(cls), name) == []


def test_of_a_lightning_file_only_the_network_is_taken():
    state = {"model.head.weight": torch.zeros(1), "loss.weight": torch.zeros(1)}
    assert list(unloaded(WaveRepDetector).remap(state)) == ["vit.head.weight"]
    assert list(unloaded(WaveRepDetector).remap({"head.bias": torch.zeros(1)})) == ["vit.head.bias"]


@pytest.mark.large
@pytest.mark.slow
def test_logits_of_the_whole_path_are_the_published_ones():
    """At full size: a frame amid black for WAVEREP, a picture that is repeated for B-FREE."""
    wave = unloaded(WaveRepDetector)
    with_network(wave, published_network(wave, golden.state_dict("WAVEREP")))
    (tensor,) = wave.preprocess(Sample(0, frame=golden.arrays("WAVEREP")["frame_rgb"]))
    free = unloaded(BFreeDetector)
    with_network(free, published_network(free, golden.state_dict("B-FREE")))
    frame = preprocessing("B-FREE")["frame"]
    (windows,) = free.preprocess(Sample(0, frame=picture(frame["picture"])))
    with torch.inference_mode():
        assert wave.network(tensor[None]).item() == pytest.approx(preprocessing("WAVEREP")["frame"]["logit"], abs=1e-3)
        assert free.forward(windows[None]).item() == pytest.approx(frame["logits"][0], abs=1e-3)


@pytest.mark.parametrize("array", ["frame", "portrait"])
def test_wavereps_pixels_are_the_published_ones(array):
    case = preprocessing("WAVEREP")[array]
    frame = golden.arrays("WAVEREP")["frame_rgb"] if array == "frame" else picture(case["source"])
    (tensor,) = unloaded(WaveRepDetector).preprocess(Sample(0, frame=frame))
    assert array_error(tensor, "WAVEREP", array) < 0.01


def test_b_frees_windows_in_their_order():
    """Numbered patches tell which went where: five windows of a large picture, in the published order."""
    rows, columns = 40, 50
    numbers = np.repeat(np.repeat(np.arange(rows * columns).reshape(rows, columns), 14, axis=0), 14, axis=1)[..., None]
    windows = unloaded(BFreeDetector).cut(numbers)
    corners = [divmod(int(window[0, 0, 0]), columns) for window, _ in windows]
    assert corners == [(2, 7), (0, 0), (4, 0), (4, 14), (0, 14)]
    assert [box[:2] for _, box in windows] == [(98, 28), (0, 0), (0, 56), (196, 56), (196, 0)]
    assert len(unloaded(BFreeDetector, crops=1).cut(numbers)) == 1
    assert len(unloaded(BFreeDetector).cut(numbers[:504, :504])) == 1, "all five would be the same"


@pytest.mark.parametrize(("height", "width"), [(300, 420), (427, 640), (1, 3), (13, 700)])
def test_b_free_repeats_a_picture_that_is_smaller_than_a_window(height, width):
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    ((window, box),) = unloaded(BFreeDetector).cut(frame)
    assert window.shape == (504, 504, 3)
    tall, wide = max(height // 14, 1) * 14, max(width // 14, 1) * 14
    assert np.array_equal(window[: min(tall, height), : min(wide, width, 504)], frame[:tall, : min(wide, 504)])
    if tall < 504:
        assert np.array_equal(window[tall : tall + 14, :14], window[:14, :14])
    assert box == (0, 0, min(504, width), min(504, height))


def test_the_score_is_that_of_the_mean_of_the_windows(free):
    frame = np.random.default_rng(1).integers(0, 256, (150, 200, 3), np.uint8)
    (windows,) = free.preprocess(Sample(0, frame=frame))
    with torch.inference_mode():
        each = free.network(windows)
    assert each.std() > 0.01
    p_fake, measures = free.judge(windows[None])
    assert p_fake[0] == pytest.approx(each.mean().sigmoid().item(), abs=1e-5)
    assert measures["highest_square_p_fake"][0] == pytest.approx(each.max().sigmoid().item(), abs=1e-5)


def test_b_frees_heatmap_covers_only_the_picture(free):
    frame = np.random.default_rng(2).integers(0, 256, (40, 60, 3), np.uint8)
    score = SampleScore(index=0, p_fake=0.6, measures={"square": 0.0})
    (heatmap,) = free.explain(Sample(0, frame=frame), score)
    assert heatmap.face_box == (0, 0, 60, 40)
    assert heatmap.array().shape == (40, 60)


def test_the_mean_of_the_frames_logits_decides(wave):
    facts = golden.load("WAVEREP")["video"]
    p_fakes = 1 / (1 + np.exp(-np.array(facts["logits"])))
    scores = [SampleScore(index=i, p_fake=p, measures={"shorter_side_px": 98}) for i, p in enumerate(p_fakes)]
    assert wave.aggregate(scores).p_fake == pytest.approx(facts["p_fake"], abs=1e-6)
    assert wave.aggregate(scores).notes == ()


def test_a_clip_and_a_picture_from_end_to_end(wave, free):
    events = []
    result = wave.analyze(ROOT / "assets" / "clip_silent.mp4", events.append)
    assert {event.model_name for event in events} == {"WAVEREP"} == {result.model_name}
    assert (len(result.scores), result.coverage) == (3, 1)
    assert {heatmap.method for heatmap in result.heatmaps} == {"attention"}
    result = free.analyze(ROOT / "assets" / "portrait.jpg")
    assert result.metrics["highest_square_p_fake"] >= result.p_fake
    assert result.heatmaps


def test_a_small_clip_is_amid_black_and_the_reader_is_told():
    frame = np.full((300, 700, 3), 128, np.uint8)
    detector, sample = unloaded(WaveRepDetector), Sample(0, frame=frame)
    (tensor,) = detector.preprocess(sample)
    assert torch.equal(tensor[:, 0], tensor[:, -1])
    assert tensor[0, 0, 0] == pytest.approx(-0.485 / 0.229, abs=1e-4)
    (note,) = detector.aggregate([SampleScore(index=0, p_fake=0.5, measures=sample.measures)]).notes
    assert "300 px" in note
    assert detector.region(sample, None) == (98, -102, 602, 402)
