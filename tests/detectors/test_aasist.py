"""AASIST-V1 and AASIST-L-V1: keys, published scores, windows, and that they never clear a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import golden
import numpy as np
import pytest
import soundfile
import torch
from detector_kit import SMALL, stand_in_weights
from media_factory import write_audio

from drishtiksha.contract import Sample
from drishtiksha.detectors.aasist import AASISTDetector
from drishtiksha.detectors.speech_base import WINDOW
from drishtiksha.media.audio import read_audio
from drishtiksha.results import GapReason, Prediction, SampleScore
from drishtiksha.settings import EMBEDDED_DIR, ROOT, MediaLimits, load_settings

RATE = 16_000
NAMES = ("AASIST-V1", "AASIST-L-V1")


@pytest.fixture(scope="module")
def entries() -> dict[str, dict]:
    models = load_settings().models
    return {name: models[name] for name in NAMES}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    fields = SMALL["AASISTDetector"]
    path = stand_in_weights(AASISTDetector, tmp_path_factory.mktemp("small") / "w.pt", **fields)
    config = {"class_name": "AASISTDetector", "description": "", "model_path": path, "isAudio": True, "device": "cpu"}
    return AASISTDetector(AASISTDetector.Config(**config, **fields, thresholds={"real": 0, "fake": 0.65})).load()


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """10 s without a long pause."""
    clip = read_audio(ROOT / "assets" / "clip_with_sound.mp4", RATE, limits=MediaLimits())
    return np.tile(clip[round(0.16 * RATE) : round(3.46 * RATE)], 4)[: 10 * RATE]


@pytest.mark.parametrize("name", NAMES)
def test_published_keys_are_the_configured_networks(name, entries):
    with torch.device("meta"):
        network = AASISTDetector(AASISTDetector.Config(**entries[name])).build()
    published = {key: tuple(shape) for key, (shape, _) in golden.load(name)["state_dict"].items()}
    assert {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()} == published


@pytest.mark.parametrize("name", NAMES)
def test_source_and_hash_are_the_published_files(name, entries):
    facts, source = golden.load(name)["published_weights"], entries[name]["weights"]
    assert source["sha256"] == facts["sha256"]
    assert facts["path"] in str(source)
    assert facts["commit"] in str(source)


@pytest.mark.parametrize("name", NAMES)
def test_the_published_weights_give_the_published_scores(name, entries, tmp_path):
    """Where somebody has fetched them (`drishtiksha weights pull`): the one file of this shelf whose real scores are known."""
    facts = golden.load(name)
    path = next((p for p in _places(entries[name]) if p.is_file()), None)
    if path is None or hashlib.sha256(path.read_bytes()).hexdigest() != facts["published_weights"]["sha256"]:
        pytest.skip(f"the published weights of {name} are not on this machine: drishtiksha weights pull {name}")
    detector = golden.detector(AASISTDetector, name, path, channels=entries[name].get("channels", 64))
    for case in facts["published_weights_cases"][1:]:
        samples = soundfile.read(golden.SHARED / case["input"].split(",")[0], dtype="float32", frames=WINDOW)[0]
        _, measures = detector.judge(detector.prepare(samples)[None])
        assert measures["margin"][0] == pytest.approx(case["logits"][0] - case["logits"][1], abs=2e-3)


def _places(entry: dict) -> list[Path]:
    file = Path(entry["model_path"])
    return [EMBEDDED_DIR / file.name, ROOT / file, ROOT.parent / "main" / file]


def test_it_never_clears_a_file(entries, small):
    for entry in entries.values():
        assert entry["thresholds"]["real"] == 0
        assert entry["experimental"]
    assert "close to chance" in entries["AASIST-V1"]["limits"]


@pytest.mark.slow
def test_windows_overlap_by_half_and_the_last_ends_with_the_recording(small, tmp_path, speech):
    result = small.analyze(write_audio(tmp_path / "a.flac", speech, RATE))
    times = [score.time_s for score in result.scores]
    assert times == pytest.approx([0, 2.01875, 4.0375, 5.9625])
    assert result.scores[-1].end_s == 10
    apart = [result.scores[i].measures["margin"] for i in (0, 2, 3)]
    assert result.metrics["mean_margin"] == pytest.approx(np.mean(apart))
    assert result.p_fake == pytest.approx(1 / (1 + np.exp(-np.mean(apart))))
    assert result.prediction is not Prediction.REAL
    heatmap = result.heatmaps[0]
    assert heatmap.end_s - heatmap.time_s == pytest.approx(WINDOW / RATE, abs=1e-3)
    assert (heatmap.height, heatmap.top_hz, heatmap.method) == (1, 8000, "time-frequency")


def test_windows_that_overlap_do_not_count_twice(small):
    margins = (3.0, -50.0, 1.0, -50.0, 2.0)
    scores = [scored(2.01875 * i, margin) for i, margin in enumerate(margins)]
    assert small.aggregate(scores).metrics["mean_margin"] == pytest.approx(2.0)
    gap = SampleScore(index=0, time_s=0.0, end_s=4.0375, gap=GapReason.NO_SPEECH)
    left = small.aggregate([gap, *scores[1:]])  # the windows at 2 and 6 s, and the last one, which goes on beyond them
    assert left.metrics["mean_margin"] == pytest.approx((-50 - 50 + 2) / 3)


def scored(time_s: float, margin: float) -> SampleScore:
    p_fake = float(1 / (1 + np.exp(-margin)))
    return SampleScore(index=0, time_s=time_s, end_s=time_s + 4.0375, p_fake=p_fake, measures={"margin": margin})


def test_short_sound_is_repeated_from_its_start_never_padded_with_zeros(small, speech):
    part = speech[: 2 * RATE]
    padded = np.pad(part, (0, WINDOW - len(part)))
    (tensor,) = small.preprocess(Sample(0, 0.0, 2.0, waveform=padded, sample_rate=RATE))
    assert np.array_equal(tensor.numpy(), np.tile(part, 3)[:WINDOW])
    heatmap = small.explain(
        Sample(0, 0.0, 2.0, waveform=padded, sample_rate=RATE), SampleScore(index=0, time_s=0.0, end_s=2.0, p_fake=0.9)
    )[0]
    assert (heatmap.time_s, heatmap.end_s) == (0, 2)
    assert heatmap.width == round(29 * len(part) / WINDOW)
