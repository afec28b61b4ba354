"""ANTIDEEPFAKE-*: keys, logits and windows as published, and the line of forged passages."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import soundfile
import torch
from detector_kit import ENCODER, stand_in_weights
from media_factory import write_audio

from drishtiksha.contract import Sample
from drishtiksha.detectors.antideepfake import CURVE_STEP_S, PASSAGE_S, AntiDeepfakeDetector
from drishtiksha.detectors.device import keep_in_bfloat16
from drishtiksha.errors import SkipSample
from drishtiksha.media.audio import read_audio
from drishtiksha.results import AnalysisResult, GapReason, Prediction, SampleScore
from drishtiksha.settings import ROOT, MediaLimits, load_settings

RATE = 16_000
TINY = ("ANTIDEEPFAKE-TINY-GROUP", "ANTIDEEPFAKE-TINY-LAYER")
FULL = ("ANTIDEEPFAKE-W2V-SMALL", "ANTIDEEPFAKE-MMS-300M")
LAYOUTS = dict(zip(FULL, FULL, strict=True)) | {"ANTIDEEPFAKE-W2V-LARGE": "ANTIDEEPFAKE-MMS-300M"}
"""Entries and the published key list that is theirs: the two large ones have the same keys and shapes."""


def sizes(name: str) -> dict[str, object]:
    """The encoder's fields for a golden file, from its configuration of transformers."""
    facts = golden.load(name)["transformers_config"]
    return {
        "encoder_width": facts["hidden_size"],
        "encoder_layers": facts["num_hidden_layers"],
        "encoder_heads": facts["num_attention_heads"],
        "encoder_hidden": facts["intermediate_size"],
        "encoder_conv_width": facts.get("conv_dim", [512])[0],
        "encoder_norm": facts["feat_extract_norm"],
    }


@pytest.fixture(scope="module", params=TINY)
def tiny(request, tmp_path_factory):
    path = golden.checkpoint(request.param, tmp_path_factory.mktemp("weights"))
    return golden.detector(AntiDeepfakeDetector, request.param, path, isAudio=True, **sizes(request.param))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = stand_in_weights(AntiDeepfakeDetector, tmp_path_factory.mktemp("small") / "w.pt", **ENCODER)
    fields = {"class_name": "AntiDeepfakeDetector", "description": "", "model_path": path, "isAudio": True}
    return AntiDeepfakeDetector(AntiDeepfakeDetector.Config(**fields, device="cpu", **ENCODER)).load()


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """30 s without a long pause."""
    clip = read_audio(ROOT / "assets" / "clip_with_sound.mp4", RATE, limits=MediaLimits())
    return np.tile(clip[round(0.16 * RATE) : round(3.46 * RATE)], 10)[: 30 * RATE]


@pytest.mark.parametrize("name", [*TINY, *FULL])
def test_published_keys_become_the_networks_own(name):
    """Of the large ones on the meta device; with and without what is there for training alone."""
    config = AntiDeepfakeDetector.Config(class_name="", description="", model_path="x", **sizes(name))
    detector, facts = AntiDeepfakeDetector(config), golden.load(name)
    with torch.device("meta"):
        wanted = {key: tensor.shape for key, tensor in detector.build().state_dict().items()}
    published = {key: torch.empty(shape, device="meta") for key, (shape, _) in facts["state_dict"].items()}
    assert {key: tensor.shape for key, tensor in detector.remap(published).items()} == wanted
    unused = tuple(pattern.removesuffix("*") for pattern in facts["not_used"])
    bare = {key: tensor for key, tensor in published.items() if not key.startswith(unused)}
    assert len(bare) < len(published)
    assert set(detector.remap(bare)) == set(wanted)
    for theirs, ours in facts["key_map"].items():
        assert list(detector.remap({theirs: published[theirs]})) == [f"encoder.model.{ours}"]


def test_configured_sizes_are_the_checkpoints():
    for name, layout in LAYOUTS.items():
        entry = load_settings().models[name]
        config = AntiDeepfakeDetector.Config(**entry)
        assert {field: getattr(config, field) for field in sizes(layout)} == sizes(layout), name


@pytest.mark.slow
def test_logits_are_the_published_networks(tiny):
    facts = golden.load(tiny.model_name)
    for case in facts["cases"]:
        waveform = heard(case)
        tensor = tiny.preprocess(Sample(0, waveform=waveform, sample_rate=RATE))[0] if spoken(case) else None
        batch = (tiny.prepare(waveform) if tensor is None else tensor)[None]
        with torch.inference_mode():
            logits = tiny.network.logits(batch).mean(dim=1)[0].tolist()
            features = tiny.network.encoder(batch).mean(dim=1)[0, :4].tolist()
        assert logits == pytest.approx(case["logits"], abs=1e-4)
        assert features == pytest.approx(case["pooled"], abs=1e-4)
        p_fake, measures = tiny.judge(batch)
        margin = case["logits"][0] - case["logits"][1]
        assert measures["margin"][0] == pytest.approx(margin, abs=1e-4)
        assert p_fake[0] == pytest.approx(1 / (1 + np.exp(-margin)), abs=1e-4)


def spoken(case) -> bool:
    return case["input"].startswith("data/")


def heard(case) -> np.ndarray:
    if not spoken(case):
        return torch.randn(case["shape"][1], generator=torch.Generator().manual_seed(1234)).numpy()
    path = golden.SHARED / case["input"].split(",")[0]
    return soundfile.read(path, dtype="float32", frames=case["shape"][1])[0]


@pytest.mark.large
@pytest.mark.slow
def test_a_full_network_gives_the_published_logits_in_bfloat16_too():
    """The large size, in the numbers that the configuration asks for; the small one is the same code."""
    name = FULL[1]
    entry = load_settings().models[name]
    assert entry["dtype"] == "bfloat16"
    detector = AntiDeepfakeDetector(AntiDeepfakeDetector.Config(**entry))
    with torch.device("meta"):
        network = detector.build().eval()
    network.load_state_dict(detector.remap(golden.state_dict(name)), strict=True, assign=True)
    network.requires_grad_(False)
    case = golden.load(name)["cases"][2]
    batch = detector.prepare(heard(case))[None]
    with torch.inference_mode():
        exact = network.logits(batch).mean(dim=1)[0]
        keep_in_bfloat16(network)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network.logits(batch).mean(dim=1)[0]
    assert exact.tolist() == pytest.approx(case["logits"], abs=1e-3)
    assert 0 < abs(float((rough - exact) @ torch.tensor([1.0, -1.0]))) <= 0.04, (
        "moves p_fake by 0.01 at most, wherever it is"
    )


def test_what_transformers_itself_makes_of_the_encoder(tiny):
    waveform = torch.randn(2, 8000, generator=torch.Generator().manual_seed(1))
    encoder = tiny.network.encoder
    with torch.inference_mode():
        theirs = encoder.model(waveform, output_hidden_states=True)
        assert (encoder(waveform) - theirs.last_hidden_state).abs().max() < 1e-5
        layers = list(encoder.layers(waveform))
    assert (layers[0] - theirs.hidden_states[1]).abs().max() < 1e-5


def test_windows_do_not_overlap_and_the_last_ends_with_the_recording(small, tmp_path, speech):
    events = []
    result = small.analyze(write_audio(tmp_path / "a.flac", speech, RATE), events.append, explain=False)
    assert [(score.time_s, score.end_s) for score in result.scores] == [(0, 12), (12, 24), (18, 30)]
    margins = [score.measures["margin"] for score in result.scores]
    assert result.p_fake == pytest.approx(1 / (1 + np.exp(-np.mean(margins))), abs=1e-6)
    assert result.metrics["mean_margin"] == pytest.approx(np.mean(margins))
    assert {event.model_name for event in events} == {small.model_name}
    assert AnalysisResult.model_validate_json(result.model_dump_json()) == result


def test_a_short_recording_is_judged_at_its_own_length(small, tmp_path, speech):
    part = speech[: 5 * RATE]
    result = small.analyze(write_audio(tmp_path / "a.flac", part, RATE))
    (score,) = result.scores
    assert (score.time_s, score.end_s, len(score.curve)) == (0, 5, 25)
    stored = soundfile.read(tmp_path / "a.flac", dtype="float32")[0]
    alone = small.score(small.prepare(stored)[None])[0]
    assert score.p_fake == pytest.approx(alone, abs=1e-6)
    (heatmap,) = result.heatmaps
    assert (heatmap.time_s, heatmap.end_s, heatmap.height) == (0, 5, 1)


def test_the_curve_says_when(small, speech):
    """The mean of the frames' margins is the window's; ten frames make a value."""
    batch = small.prepare(speech[: 12 * RATE])[None]
    with torch.inference_mode():
        margins = small.network(batch)[0]
    p_fake, measures = small.judge(batch)
    curve = measures["curve"][0]
    assert len(curve) == round(12 / CURVE_STEP_S)
    expected = torch.sigmoid(torch.stack([part.mean() for part in margins[:590].split(10)]))
    assert np.abs(curve[:59] - expected.numpy()).max() < 0.05
    assert p_fake[0] == pytest.approx(torch.sigmoid(margins.mean()).item(), abs=1e-5)


def test_a_forged_passage_is_named_though_the_recording_is_not_called_forged(small):
    """Two seconds within a minute."""
    flat, forged = [0.1] * 60, [0.1] * 60
    forged[20:30] = [0.95] * 10
    scores = [window(i, forged if i == 2 else flat) for i in range(5)]
    aggregate = small.aggregate(scores)
    assert aggregate.p_fake < 0.2
    assert aggregate.metrics["highest_passage_p_fake"] == pytest.approx(0.95)
    assert aggregate.metrics["highest_passage_from_s"] == pytest.approx(28)
    assert aggregate.metrics["highest_passage_until_s"] == pytest.approx(28 + PASSAGE_S)


def window(index: int, curve: list[float]) -> SampleScore:
    p_fake = float(np.mean(curve))
    margin = float(np.log(p_fake / (1 - p_fake)))
    times = {"time_s": 12.0 * index, "end_s": 12.0 * index + 12}
    return SampleScore(index=index, **times, p_fake=p_fake, measures={"margin": margin}, curve=tuple(curve))


def test_without_speech_there_is_no_verdict(small, tmp_path):
    silent = small.analyze(write_audio(tmp_path / "a.wav", np.zeros(14 * RATE, np.float32), RATE))
    assert (silent.prediction, silent.gap, silent.coverage) == (Prediction.INCONCLUSIVE, GapReason.NO_SPEECH, 0)
    assert small.aggregate(silent.scores).p_fake is None


def test_less_than_a_second_of_speech_is_too_little(small, speech):
    part = np.zeros(12 * RATE, np.float32)
    part[RATE : RATE + 9600] = speech[:9600]
    with pytest.raises(SkipSample) as caught:
        small.preprocess(Sample(0, 0.0, 12.0, waveform=part, sample_rate=RATE))
    assert caught.value.reason == GapReason.TOO_SHORT


def test_the_map_by_muting_is_over_the_sound_itself(small, speech, tmp_path):
    muted = type(small)(small.config.model_copy(update={"explain": "occlusion"})).load()
    result = muted.analyze(write_audio(tmp_path / "a.flac", speech[: 3 * RATE], RATE))
    (heatmap,) = result.heatmaps
    assert (heatmap.method, heatmap.end_s, heatmap.width) == ("occlusion", 3, 20)
