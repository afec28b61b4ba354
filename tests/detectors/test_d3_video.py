"""D3-RESNET-18 and D3-XCLIP-16: the published number of given frames, which frames are taken, and no verdict without calibration."""

from __future__ import annotations

import json

import golden
import pytest
import torch
from open_shelf import array_error, noise, picture, preprocessing, published_network, unloaded, with_network, wrong_keys

from drishtiksha.detectors.d3_video import D3VideoDetector
from drishtiksha.networks.d3 import preprocess_frame, steps, unevenness
from drishtiksha.results import GapReason, MediaInfo, MediaKind, Prediction, SampleScore
from drishtiksha.settings import ROOT
from drishtiksha.weights.files import sha256_of

NAME, XCLIP = "D3-RESNET-18", "D3-XCLIP-16"
TINY = {"embedder": "xclip", "width": 64, "layers": 2, "heads": 4}


@pytest.fixture(scope="module")
def published() -> D3VideoDetector:
    detector = unloaded(D3VideoDetector)
    return with_network(detector, published_network(detector, golden.state_dict(NAME)))


def video(duration_s: float, fps: float) -> MediaInfo:
    facts = {"name": "a", "sha256": "0", "size_bytes": 1, "container": "mp4"}
    return MediaInfo(kind=MediaKind.VIDEO, duration_s=duration_s, fps=fps, **facts)


def test_every_published_key_finds_its_place_and_torchvisions_too():
    detector = unloaded(D3VideoDetector)
    assert wrong_keys(detector, NAME) == []
    from torchvision.models import resnet18

    own = resnet18(weights=None).state_dict()
    assert set(detector.remap(own)) == set(detector.build().state_dict())


@pytest.mark.parametrize("prefix", ["", "encoder."])
def test_of_x_clips_file_only_the_vision_tower_is_taken(prefix):
    detector = unloaded(D3VideoDetector, embedder="xclip")
    assert wrong_keys(detector, XCLIP, lambda key: prefix + key.removeprefix("encoder.")) == []
    beside = ("text_model.final_layer_norm.bias", "mit.position_embedding", "prompts_visual_projection", "logit_scale")
    assert detector.remap(dict.fromkeys(beside, torch.zeros(1))) == {}
    assert list(detector.remap({"strange.bias": torch.zeros(1)})) == ["vision.strange.bias"], "told as not fitting"


@pytest.mark.large
@pytest.mark.slow
def test_the_number_of_x_clip_is_the_published_one():
    detector = unloaded(D3VideoDetector, embedder="xclip")
    check_numbers(with_network(detector, published_network(detector, golden.state_dict(XCLIP))), XCLIP)


def test_frames_are_described_in_groups_of_eight(tmp_path):
    """With a tiny X-CLIP: a frame's description depends on the seven others of its group alone."""
    torch.manual_seed(0)
    path = tmp_path / "xclip.pt"
    torch.save(unloaded(D3VideoDetector, **TINY).build().state_dict(), path)
    detector = golden.detector(D3VideoDetector, XCLIP, path, **TINY, runs=1, isVideo=True)
    frames = noise([16, 3, 224, 224])
    changed = frames.clone()
    changed[0] = 0
    with torch.inference_mode():
        first, second = detector.network(frames), detector.network(changed)
    moved = (first - second).abs().amax(dim=1) > 1e-6
    assert moved.tolist() == [True] * 8 + [False] * 8
    result = detector.analyze(ROOT / "assets" / "clip_silent.mp4")
    assert (result.gap, result.metrics["runs"]) == (GapReason.NOT_CALIBRATED, 1)


@pytest.mark.slow
def test_the_number_is_the_published_one(published):
    check_numbers(published, NAME)


def check_numbers(published: D3VideoDetector, name: str) -> None:
    noisy, faded = golden.load(name)["cases"]
    frames = noise(noisy["shape"]) * torch.linspace(0.2, 1, 16)[None, :, None, None, None]
    ends = [preprocess_frame(picture(case["picture"]), bgr=True) for case in preprocessing(name).values()]
    weights = (1 - torch.cos(torch.pi * torch.arange(8) / 7)) / 2
    fade = torch.stack([ends[0] * (1 - weight) + ends[1] * weight for weight in weights])[None]
    for batch, case in ((frames, noisy), (fade, faded)):
        with torch.inference_mode():
            logits, told = published.detailed(batch)
            lengths = steps(published.network(batch[0])[None])
        assert told["unevenness"].tolist() == pytest.approx(case["second_std"], rel=1e-3)
        assert torch.equal(logits, -told["unevenness"])
        assert lengths[0].tolist() == pytest.approx(case["first_distances"], rel=1e-3)


@pytest.mark.parametrize("array", ["portrait", "frame"])
def test_pixels_are_the_published_ones(array):
    frame = picture(preprocessing(NAME)[array]["picture"])
    assert array_error(preprocess_frame(frame, bgr=True), NAME, array) < 0.01
    assert torch.allclose(
        preprocess_frame(frame, bgr=False)[0].std(), preprocess_frame(frame, bgr=True)[2].std(), rtol=0.05
    )


def test_even_motion_is_low():
    along = torch.arange(16.0)[None, :, None] * torch.ones(1, 1, 4)
    assert unevenness(steps(along)) == pytest.approx(0, abs=1e-5)
    assert unevenness(steps(along**2)) == pytest.approx(0, abs=1e-3), "steps that grow evenly"
    assert unevenness(steps(along + noise([1, 16, 4]))) > 0.3


def test_eight_frames_a_second_for_two_seconds_or_one():
    plan = unloaded(D3VideoDetector).sampling(video(10, 29.97))
    assert (len(plan.places), plan.length, plan.count) == (16, 57, 5)
    assert list(plan.places[:4]) == [0, 4, 7, 11]
    assert len(unloaded(D3VideoDetector).sampling(video(1.5, 25)).places) == 8
    assert len(unloaded(D3VideoDetector).sampling(video(0.5, 25)).places) == 16, (
        "longer than the clip: nothing to judge"
    )


@pytest.mark.slow
def test_a_clip_is_measured_and_not_judged_until_it_is_calibrated(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "resnet18.pth"
    torch.save(unloaded(D3VideoDetector).build().state_dict(), path)
    fields = {"runs": 2, "isVideo": True}
    clip, events = ROOT / "assets" / "clip_silent.mp4", []
    result = golden.detector(D3VideoDetector, NAME, path, **fields).analyze(clip, events.append)
    assert {event.model_name for event in events} == {NAME}
    assert (result.prediction, result.p_fake, result.gap) == (Prediction.INCONCLUSIVE, None, GapReason.NOT_CALIBRATED)
    assert "not known" in result.reason
    assert result.metrics["unevenness"] > 0
    assert {score.gap for score in result.scores} == {GapReason.NOT_CALIBRATED}
    assert all(score.measures["unevenness"] > 0 for score in result.scores)
    scale, offset = 0.5, 0.5 * result.metrics["unevenness"]
    sidecar = {"sha256": sha256_of(path), "calibration": {"scale": scale, "offset": offset}}
    (tmp_path / "resnet18.json").write_text(json.dumps(sidecar))
    judged = golden.detector(D3VideoDetector, NAME, path, **fields).analyze(clip)
    assert judged.p_fake == pytest.approx(0.5, abs=0.15)
    assert judged.coverage == 1


def test_stretches_with_a_cut_are_left_out():
    def run(number: float, step: float, p_fake: float) -> SampleScore:
        return SampleScore(index=0, p_fake=p_fake, measures={"unevenness": number, "longest_step": step})

    aggregate = unloaded(D3VideoDetector).aggregate([run(2, 1.5, 0.7), run(90, 20, 0.0), run(4, 2, 0.5)])
    assert (aggregate.p_fake, aggregate.metrics["unevenness"]) == (pytest.approx(0.6), 3)
    assert aggregate.metrics["runs_with_a_cut"] == 1
    assert unloaded(D3VideoDetector).aggregate([]).p_fake is None
