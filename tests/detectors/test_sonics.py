"""SONICS-ALPHA-120S and -5S: keys, spectrograms and logits as published, the deciding window, silence."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import soundfile
import torch
from detector_kit import SMALL, stand_in_weights
from media_factory import chords, write_audio

from drishtiksha.detectors.sonics import MOSTLY_SILENCE, SONGS_ALONE, SonicsDetector
from drishtiksha.results import GapReason, Prediction
from drishtiksha.settings import load_settings

RATE = 16_000
NAMES = ("SONICS-ALPHA-5S", "SONICS-ALPHA-120S")


@pytest.fixture(scope="module")
def entries() -> dict[str, dict]:
    return load_settings().models


def configured(entries, name: str, **fields) -> SonicsDetector:
    return SonicsDetector(SonicsDetector.Config(**{**entries[name], "model_name": name, "device": "cpu", **fields}))


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> SonicsDetector:
    fields = SMALL["SonicsDetector"]
    path = stand_in_weights(SonicsDetector, tmp_path_factory.mktemp("small") / "w.pt", **fields)
    base = {"class_name": "SonicsDetector", "description": "", "model_path": path, "isAudio": True, "device": "cpu"}
    return SonicsDetector(SonicsDetector.Config(**base, **fields)).load()


def cut(case, length: int) -> np.ndarray:
    """The part of a case's recording that is published, as it lies in the file."""
    samples = soundfile.read(golden.SHARED / case["input"].split(" ")[0], dtype="float32")[0]
    return samples[max(0, int((len(samples) - length) / 4 * 3)) :][:length]


@pytest.mark.parametrize("name", NAMES)
def test_published_keys_are_the_configured_networks(name, entries):
    detector = configured(entries, name)
    with torch.device("meta"):
        wanted = {key: tensor.shape for key, tensor in detector.build().state_dict().items()}
    forms = golden.load(name)["state_dict"]
    published = {key: torch.empty(shape, device="meta") for key, (shape, _) in forms.items()}
    assert {key: tensor.shape for key, tensor in detector.remap(published).items()} == wanted
    assert len(published) == 144


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_spectrograms_and_logits_are_the_published_networks(name, entries, tmp_path):
    facts, kept = golden.load(name), golden.arrays(name)
    detector = configured(entries, name, model_path=golden.checkpoint(name, tmp_path)).load()
    step = 16 if name == NAMES[1] else 4
    for number, part in ((1, "real"), (2, "fake"))[:: 2 if name == NAMES[1] else 1]:
        case, wanted = facts["cases"][number], facts["preprocessing"][number]
        picture = detector.prepare(cut(case, detector.window))
        assert tuple(picture.shape) == tuple(wanted["shape"])
        assert np.abs(picture[::2, ::step].numpy() - kept[part].astype(np.float32)).max() < 0.01
        assert float(picture.abs().sum()) == pytest.approx(wanted["abs_sum"], rel=1e-3)
        p_fake, measures = detector.judge(picture[None])
        assert measures["margin"].tolist() == pytest.approx(case["logits"], abs=1e-3)
        assert p_fake.tolist() == pytest.approx(case["p_fake"], abs=1e-3)


@pytest.mark.slow
def test_the_window_that_was_published_decides(small, tmp_path):
    """12 s in windows of 5 s: the published one begins at 5.25 s."""
    result = small.analyze(write_audio(tmp_path / "song.wav", chords(12.0), RATE))
    times = [score.time_s for score in result.scores]
    assert times == [0, 5, 5.25, 7]
    assert result.p_fake == result.scores[2].p_fake
    assert result.metrics["deciding_window_from_s"] == 5.25
    assert SONGS_ALONE in result.notes
    assert MOSTLY_SILENCE not in result.notes
    assert [heatmap.width for heatmap in result.heatmaps] == [42] * 4


def test_short_windows_are_averaged(small, tmp_path):
    averaging = type(small)(small.config.model_copy(update={"published_window": False})).load()
    result = averaging.analyze(write_audio(tmp_path / "song.wav", chords(10.0), RATE), explain=False)
    margins = [score.measures["margin"] for score in result.scores]
    assert len(margins) == 2
    assert result.p_fake == pytest.approx(1 / (1 + np.exp(-np.mean(margins))))


def test_a_short_recording_is_filled_up_and_says_so(small, tmp_path):
    result = small.analyze(write_audio(tmp_path / "song.wav", chords(3.0), RATE))
    assert MOSTLY_SILENCE in result.notes
    (heatmap,) = result.heatmaps
    assert (heatmap.end_s, heatmap.width) == (3, round(42 * 3 / 5))


def test_silence_is_a_gap_of_its_own(small, tmp_path):
    result = small.analyze(write_audio(tmp_path / "a.wav", np.zeros(6 * RATE, np.float32), RATE))
    assert (result.prediction, result.gap) == (Prediction.INCONCLUSIVE, GapReason.SILENT)
    assert result.reason == "Nothing is heard in it."
    assert result.notes == ()
