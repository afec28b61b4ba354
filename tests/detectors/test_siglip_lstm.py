"""SigLIP-LSTM V1, V3 and V4 against the golden files: keys, logits, pixels, and a whole clip."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch
from detector_kit import SMALL
from media_factory import write_video

from drishtiksha.contract import EncodedFrame, Sample
from drishtiksha.detectors.device import has_bfloat16, keep_in_bfloat16
from drishtiksha.detectors.siglip_lstm_v1 import SiglipLSTMV1
from drishtiksha.detectors.siglip_lstm_v3 import SiglipLSTMV3
from drishtiksha.detectors.siglip_lstm_v4 import SiglipLSTMV4
from drishtiksha.networks.packed import PackedLinear
from drishtiksha.networks.siglip_lstm import preprocess_frame

VERSIONS = {"SIGLIP-LSTM-V1": SiglipLSTMV1, "SIGLIP-LSTM-V3": SiglipLSTMV3, "SIGLIP-LSTM-V4": SiglipLSTMV4}


@pytest.fixture(scope="module", params=VERSIONS.items(), ids=VERSIONS)
def loaded(request, tmp_path_factory):
    name, cls = request.param
    path = golden.checkpoint(name, tmp_path_factory.mktemp("weights"), wrap=lambda state: {"state_dict": state})
    yield name, golden.detector(cls, name, path, num_frames=8, dtype="float32")
    path.unlink()


def small(cls, folder, **fields):
    """A tiny random network of the same kind, loaded."""
    fields = {"isVideo": True} | SMALL[cls.__name__] | fields
    config = cls.Config(class_name=cls.__name__, description="", model_path=folder / "w.pt", device="cpu", **fields)
    torch.manual_seed(0)
    torch.save(cls(config).build().state_dict(), config.model_path)
    return cls(config).load()


@pytest.mark.slow
def test_the_published_keys_are_the_networks(loaded):
    name, detector = loaded
    published = {key: tuple(shape) for key, (shape, _) in golden.load(name)["state_dict"].items()}
    assert {key: tuple(value.shape) for key, value in detector.network.state_dict().items()} == published


@pytest.mark.slow
def test_logits_are_the_references(loaded):
    name, detector = loaded
    network = detector.network
    video, picture = golden.load(name)["cases"]
    with torch.inference_mode():
        frames = torch.randn(video["shape"], generator=torch.Generator().manual_seed(1234))
        features = network.features(frames)
        assert network(features[None]).tolist() == pytest.approx(video["logits"], abs=1e-3)
        one = torch.randn(picture["shape"], generator=torch.Generator().manual_seed(1235))
        assert network.image_classifier(network.features(one))[:, 0].tolist() == pytest.approx(
            picture["logits"], abs=1e-3
        )


def test_features_and_attention_are_those_of_transformers(tmp_path):
    network = small(SiglipLSTMV4, tmp_path, dtype="float32").network
    backbone = network.siglip_backbone
    frames = torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(7))
    with torch.inference_mode():
        backbone.head.attention.in_proj_bias.normal_(generator=torch.Generator().manual_seed(8))
        wanted = backbone(pixel_values=frames)
        probe, patches = backbone.head.probe.expand(3, -1, -1), wanted.last_hidden_state
        weights = backbone.head.attention(probe, patches, patches, need_weights=True)[1][:, 0]
        assert torch.allclose(network.features(frames), wanted.pooler_output, atol=1e-5)
        assert torch.allclose(network.attentions(frames)[1], weights, atol=1e-6)
    assert wanted.pooler_output.std() > 0.01
    assert weights.std() > 1e-5


def test_pixels_are_the_references():
    arrays = golden.arrays("visual_preprocessing")
    ours, wanted = preprocess_frame(arrays["frame_rgb"]).numpy(), arrays["siglip_pixels_f16"].astype(np.float32)
    assert np.abs(ours - wanted).mean() < 0.001
    assert np.abs(ours - wanted).max() < 0.02


@pytest.mark.slow
def test_bfloat16_moves_no_score_by_more_than_a_hundredth(tmp_path):
    path = golden.checkpoint("SIGLIP-LSTM-V4", tmp_path)
    detector = golden.detector(SiglipLSTMV4, "SIGLIP-LSTM-V4", path, num_frames=8, dtype="float32")
    frames = torch.randn((1, 3, 224, 224), generator=torch.Generator().manual_seed(1234))
    exact = detector.score_alone(frames)
    keep_in_bfloat16(detector.network)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        features = detector.network.features(frames).float()
        half = detector.network(features[:, None].expand(-1, 8, -1)).float().sigmoid().numpy()
    assert np.abs(half - exact).max() <= 0.01


@pytest.mark.slow
def test_packed_as_it_is_used_no_score_moves_by_more_than_a_hundredth(tmp_path):
    if not has_bfloat16(torch.device("cpu")):
        pytest.skip("this processor has no bfloat16: nothing is packed here")
    path = golden.checkpoint("SIGLIP-LSTM-V4", tmp_path)
    frames = torch.randn((2, 3, 224, 224), generator=torch.Generator().manual_seed(1234))
    exact, used = (
        golden.detector(SiglipLSTMV4, "SIGLIP-LSTM-V4", path, num_frames=8, dtype=dtype)
        for dtype in ("float32", "bfloat16")
    )
    assert isinstance(used.network.siglip_backbone.encoder.layers[0].mlp.fc1, PackedLinear)
    assert np.abs(used.score_alone(frames) - exact.score_alone(frames)).max() <= 0.01


@pytest.mark.large
@pytest.mark.parametrize(("name", "rolls"), [("SIGLIP-LSTM-V1", False), ("SIGLIP-LSTM-V4", True)])
def test_a_whole_clip_scores_as_the_reference(name, rolls, tmp_path):
    expected = golden.end_to_end(name)
    path = golden.checkpoint(name, tmp_path)
    fields = {"isVideo": True, "num_windows": 12, "dtype": "float32"} | expected["settings"]
    detector = golden.detector(VERSIONS[name], name, path, **fields)
    events = []
    result = detector.analyze(golden.clip("stage_360p.mp4"), events.append)
    assert result.p_fake == pytest.approx(expected["p_fake"], abs=0.02)
    wanted = np.array(expected["scores"])
    ours = np.array([score.p_fake for score in result.scores])
    at = np.round(np.linspace(0, 49, 12)).astype(int)
    assert np.mean(np.abs(ours - wanted[at]) < 0.05) > 0.7
    assert {event.model_name for event in events} == {name}
    assert result.metrics["sequences_judged"] == 12
    assert ("highest_rolling_p_fake" in result.metrics) is rolls
    assert result.heatmaps[0].method == "attention"
    assert result.heatmaps[0].array().max() == pytest.approx(1, abs=0.01)
    assert any("whole frames" in note for note in result.notes)


def test_windows_end_where_the_reference_ends_them(tmp_path):
    detector = small(SiglipLSTMV4, tmp_path, num_frames=8, num_windows=50)
    evenly, consecutive = detector.sampling(None).choose(275)
    assert evenly == np.linspace(0, 274, 8).astype(int).tolist()
    assert consecutive == list(range(275))
    frames = [EncodedFrame(index, index / 25) for index in consecutive]
    whole, *windows = detector.windows(frames)
    assert whole.whole
    assert list(whole.members) == evenly
    assert len(windows) == 50
    assert [window.members[-1] for window in windows] == np.linspace(7, 274, 50).astype(int).tolist()
    assert all(window.members == tuple(range(window.members[0], window.members[0] + 8)) for window in windows)


def test_after_the_first_pass_there_is_a_verdict_alone(tmp_path):
    detector = small(SiglipLSTMV1, tmp_path, num_frames=8)
    frames = [EncodedFrame(index, index / 25) for index in detector.sampling(None).choose(275)[0]]
    assert [window.whole for window in detector.windows(frames)] == [True]
    assert detector.windows([]) == []


def test_damaged_frames_leave_out_their_windows(tmp_path):
    detector = small(SiglipLSTMV1, tmp_path, num_frames=8)
    frames = [EncodedFrame(index, index / 25) for index in range(100) if not 40 <= index < 60]
    spans = [
        (frames[w.members[0]].frame_index, frames[w.members[-1]].frame_index) for w in detector.windows(frames)[1:]
    ]
    assert spans
    assert not any(start < 40 and end >= 60 for start, end in spans)


@pytest.mark.slow
@pytest.mark.parametrize("total", [275, 18_000])
@pytest.mark.parametrize("lost", [1, 3, 30])
def test_a_file_that_breaks_off_is_still_judged_on_all_its_length(tmp_path, total, lost):
    detector = small(SiglipLSTMV4, tmp_path, num_frames=120, num_windows=50)
    first, then = detector.sampling(None).choose(total)
    for looked_at in (first, sorted({*first, *then})):
        frames = [EncodedFrame(index, index / 25) for index in looked_at if index < total - lost]
        whole, *windows = detector.windows(frames)
        spread = [frames[member].frame_index for member in dict.fromkeys(whole.members)]
        wanted = np.linspace(0, frames[-1].frame_index, len(spread))
        assert len(spread) >= 105
        assert np.abs(np.array(spread) - wanted).max() <= max(20, total / 120)
    assert len(windows) >= 48
    assert all(frames[w.members[-1]].frame_index - frames[w.members[0]].frame_index < 120 for w in windows)


@pytest.mark.parametrize("count", [1, 5])
def test_a_clip_shorter_than_a_sequence_repeats_its_first_frame(tmp_path, count):
    detector = small(SiglipLSTMV3, tmp_path, num_frames=8)
    clip = write_video(tmp_path / "a.mp4", (np.full((64, 96, 3), 40 * i, np.uint8) for i in range(count)), 25)
    result = detector.analyze(clip)
    assert result.p_fake is not None
    assert result.coverage == 1
    frames = [EncodedFrame(index, index / 25) for index in range(count)]
    assert detector.windows(frames)[0].members == tuple(list(range(count)) + [0] * (8 - count))


def test_a_frame_is_taken_whole(tmp_path):
    detector = small(SiglipLSTMV1, tmp_path, num_frames=2)
    frame = np.zeros((100, 200, 3), np.uint8)
    frame[:, 100:] = 255
    (pixels,) = detector.preprocess(Sample(0, 0.0, frame_index=0, frame=frame))
    assert pixels.shape == (3, 224, 224)
    assert pixels[:, :, 0].max() == -1
    assert pixels[:, :, -1].min() == 1
