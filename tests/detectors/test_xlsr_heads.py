"""XLSR-SLS-V1, XLSR-AASIST-V1, SPECTRA-AASIST and SPECTRA-0: keys, heads, sound, and whole networks once."""

from __future__ import annotations

import re

import golden
import numpy as np
import pytest
import soundfile
import torch
from detector_kit import ENCODER, SMALL, stand_in_weights
from media_factory import write_audio

from drishtiksha.detectors.base import Detector
from drishtiksha.detectors.discovery import discover
from drishtiksha.detectors.spectra import SpectraDetector
from drishtiksha.detectors.speech_base import WINDOW
from drishtiksha.media.audio import read_audio
from drishtiksha.networks.xlsr import FRAMES, XLSRAASIST, XLSRSLS
from drishtiksha.results import GapReason, Prediction
from drishtiksha.settings import ROOT, MediaLimits, load_settings
from drishtiksha.weights import fitted

RATE = 16_000
FAIRSEQ = ("XLSR-SLS-V1", "XLSR-AASIST-V1")
SPECTRA = ("SPECTRA-AASIST", "SPECTRA-0")
CLASSES = ("SpectraDetector", "XLSRAASISTDetector", "XLSRSLSDetector")


@pytest.fixture(scope="module")
def entries() -> dict[str, dict]:
    return load_settings().models


def configured(entries, name: str) -> Detector:
    cls = discover()[entries[name]["class_name"]]
    return cls(cls.Config(**entries[name], model_name=name, device="cpu"))


def recording(name: str) -> np.ndarray:
    return soundfile.read(golden.SHARED / "data/speech" / name, dtype="float32")[0]


@pytest.mark.parametrize("name", [*FAIRSEQ, *SPECTRA])
def test_published_keys_become_the_networks_own(name, entries):
    detector, facts = configured(entries, name), golden.load(name)
    with torch.device("meta"):
        own = detector.build().state_dict()
    wanted = {key: tensor.shape for key, tensor in own.items()}
    published = {key: torch.empty(shape, device="meta") for key, (shape, _) in facts["state_dict"].items()}
    assert {key: tensor.shape for key, tensor in detector.remap(published).items()} == wanted
    if name in FAIRSEQ:
        wrapped = {f"module.{key}": tensor for key, tensor in published.items()}
        assert set(fitted(wrapped, own, detector.remap, name)) == set(wanted)
        unused = tuple(pattern.removesuffix("*") for pattern in facts["not_used"])
        bare = {key: tensor for key, tensor in published.items() if not key.startswith(unused)}
        assert set(detector.remap(bare)) == set(wanted)
    for current, older in facts.get("also_accept", {}).items():
        assert list(detector.remap({older: published[current]})) == [current]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "head"), [("SPECTRA-AASIST", "aasist"), ("SPECTRA-0", "ecapa_tdnn")])
def test_heads_give_the_published_logits(name, head, entries):
    facts = golden.load(name)
    detector = configured(entries, name)
    detector.config = detector.config.model_copy(update=ENCODER)
    network = detector.build().eval()
    prefix = f"{head}."
    state = {
        key.removeprefix(prefix): golden.stand_in(key, *form) * facts["scale"].get(key, 1)
        for key, form in facts["state_dict"].items()
        if key.startswith(prefix)
    }
    network.get_submodule(head).load_state_dict(state, strict=True)
    (case,) = facts["head_cases"]
    bridged = 1.6 * torch.randn(case["shape"], generator=torch.Generator().manual_seed(1234))
    with torch.inference_mode():
        logits, margins = network.logits(bridged.transpose(1, 2)), network.judge(bridged.transpose(1, 2))
    for found, published in zip(logits.tolist(), case["logits"], strict=True):
        assert found == pytest.approx(published, abs=1e-3)
    assert margins.tolist() == pytest.approx([facts["threshold"] - one[1] for one in case["logits"]], abs=1e-3)


def test_sound_is_pre_emphasised_before_it_is_cut_as_published(entries):
    facts, kept = golden.load("SPECTRA-0"), golden.arrays("SPECTRA-0")
    detector = configured(entries, "SPECTRA-0")
    for case in facts["preprocessing"]:
        path = case["source"].removeprefix("data/speech/")
        found = detector.prepare(recording(path)).numpy()
        assert found.shape == (WINDOW,)
        assert found[:8] == pytest.approx(case["first8"], abs=1e-6)
        assert np.abs(found[::8] - kept[case["array"]].astype(np.float32)).max() < 1e-3
        assert (found.mean(), found.std()) == pytest.approx((case["mean"], case["std"]), abs=1e-6)
        assert np.abs(found).sum() == pytest.approx(case["abs_sum"], rel=1e-4)


def test_a_score_is_how_far_the_genuine_logit_lies_below_the_authors_threshold():
    case = golden.load("SPECTRA-AASIST")["cases"][0]
    config = SpectraDetector.Config(class_name="", description="", model_path="x")
    margin = config.threshold_logit - case["logits"][1]
    assert SpectraDetector(config).p_fake_of(np.array(margin)) == pytest.approx(case["p_fake"], abs=1e-4)


@pytest.fixture(scope="module", params=CLASSES)
def small(request, tmp_path_factory) -> Detector:
    cls, fields = discover()[request.param], SMALL[request.param]
    path = stand_in_weights(cls, tmp_path_factory.mktemp("small") / "w.pt", **fields)
    base = {"class_name": cls.__name__, "description": "", "model_path": path, "isAudio": True, "device": "cpu"}
    return cls(cls.Config(**base, **fields)).load()


@pytest.mark.slow
def test_speech_is_scored_window_by_window_and_silence_is_a_gap(small, tmp_path):
    clip = read_audio(ROOT / "assets" / "clip_with_sound.mp4", RATE, limits=MediaLimits())
    spoken = np.tile(clip[round(0.16 * RATE) : round(3.46 * RATE)], 2)
    sound = np.concatenate([spoken, np.zeros(8 * RATE, np.float32)])
    result = small.analyze(write_audio(tmp_path / "a.flac", sound, RATE))
    assert result.scores[0].p_fake is not None
    assert result.scores[-1].gap is GapReason.NO_SPEECH
    assert "margin" in result.scores[0].measures
    heatmap = result.heatmaps[0]
    assert (heatmap.width, heatmap.top_hz) == (FRAMES, 8000)
    silent = small.analyze(write_audio(tmp_path / "b.wav", np.zeros(6 * RATE, np.float32), RATE))
    assert (silent.prediction, silent.gap) == (Prediction.INCONCLUSIVE, GapReason.NO_SPEECH)


@pytest.mark.large
@pytest.mark.slow
def test_two_heads_on_one_full_encoder_give_the_published_logits(entries):
    """Both files name their encoder alike, so that its stand-in weights are the same."""
    layered, graphs = (configured(entries, name) for name in FAIRSEQ)
    with torch.device("meta"):
        sls, aasist = layered.build().eval(), graphs.build().eval()
    state = layered.remap(golden.state_dict(FAIRSEQ[0]))
    sls.load_state_dict(state, strict=True, assign=True)
    encoder = {key.replace("encoder.", "ssl_model.", 1): t for key, t in state.items() if key.startswith("encoder.")}
    facts = golden.load(FAIRSEQ[1])
    own = {
        key: golden.stand_in(key, *form) * facts["scale"].get(key, 1)
        for key, form in facts["state_dict"].items()
        if not key.startswith("ssl_model.")
    }
    aasist.load_state_dict(encoder | own, strict=True, assign=True)
    assert isinstance(sls, XLSRSLS)
    assert isinstance(aasist, XLSRAASIST)
    cases = [golden.load(name)["cases"][3] for name in FAIRSEQ]
    name = re.match(r"data/speech/(\S+\.flac)", cases[0]["input"])[1]
    batch = layered.prepare(recording(name))[None]
    with torch.inference_mode():
        log_probabilities = sls.log_probabilities(sls.features(batch))[0].tolist()
        logits = aasist.two_logits(aasist.features(batch))[0].tolist()
    assert log_probabilities == pytest.approx(cases[0]["log_probabilities"], abs=1e-3)
    assert logits == pytest.approx(cases[1]["logits"], abs=1e-3)


@pytest.mark.large
@pytest.mark.slow
def test_a_whole_network_with_its_own_encoder_gives_the_published_logits(entries):
    detector, facts = configured(entries, "SPECTRA-AASIST"), golden.load("SPECTRA-AASIST")
    with torch.device("meta"):
        network = detector.build().eval()
    network.load_state_dict(detector.remap(golden.state_dict("SPECTRA-AASIST")), strict=True, assign=True)
    batch = detector.prepare(recording("e1tts/fake_ns2_0331.flac"))[None]
    with torch.inference_mode():
        logits = network.logits(network.features(batch))[0].tolist()
    assert logits == pytest.approx(facts["cases"][3]["logits"], abs=1e-3)
