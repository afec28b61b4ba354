"""AUDIO-MFT-CRNN-V1 against the golden files, and on real sound."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch
from media_factory import speech_like, write_audio

from drishtiksha.contract import Sample
from drishtiksha.detectors.audio_mft_crnn import AudioMFTCRNNV1
from drishtiksha.features.mft import LINEAR_ROWS, ROWS, STEPS
from drishtiksha.results import GapReason, Prediction, SampleScore

NAME, RATE = "AUDIO-MFT-CRNN-V1", 16_000


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    path = golden.checkpoint(NAME, tmp_path_factory.mktemp("weights"))
    yield golden.detector(AudioMFTCRNNV1, NAME, path, isAudio=True)
    path.unlink()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The same network with a narrow LSTM and random weights."""
    path = tmp_path_factory.mktemp("small") / "w.pt"
    fields = {"class_name": "AudioMFTCRNNV1", "description": "", "model_path": path, "isAudio": True, "device": "cpu"}
    config = AudioMFTCRNNV1.Config(**fields, lstm_width=4)
    torch.manual_seed(0)
    torch.save(AudioMFTCRNNV1(config).build().state_dict(), path)
    return AudioMFTCRNNV1(config).load()


def test_the_published_keys_are_the_networks(loaded):
    published = {key: tuple(shape) for key, (shape, _) in golden.load(NAME)["state_dict"].items()}
    assert {key: tuple(value.shape) for key, value in loaded.network.state_dict().items()} == published


def test_logits_are_the_references(loaded):
    (case,) = golden.load(NAME)["cases"]
    batch = torch.randn(case["shape"], generator=torch.Generator().manual_seed(1234))
    with torch.inference_mode():
        assert loaded.forward(batch).numpy() == pytest.approx(case["logits"], abs=1e-3)


@pytest.mark.slow
def test_inputs_are_the_references(loaded):
    kept = golden.arrays("audio_preprocessing")
    for number, wanted in enumerate(kept["mft_features_f32"]):
        begin = number * RATE // 2
        sample = Sample(number, waveform=kept["waveform"][begin : begin + RATE], sample_rate=RATE)
        (ours,) = loaded.preprocess(sample)
        assert np.abs(ours[0].numpy() - wanted).mean() < 1e-3
        assert np.corrcoef(ours[0].numpy().ravel(), wanted.ravel())[0, 1] > 0.9999


@pytest.mark.slow
def test_a_whole_clip_scores_as_the_reference(loaded):
    events = []
    result = loaded.analyze(golden.clip("stage_360p.mp4"), events.append)
    assert result.p_fake == pytest.approx(golden.end_to_end(NAME)["p_fake"], abs=0.02)
    assert {event.model_name for event in events} == {NAME}
    assert result.metrics["windows_judged"] == len(result.scores)
    heatmap = result.heatmaps[0]
    assert (heatmap.top_hz, heatmap.method) == (8000, "time-frequency")
    assert heatmap.array().max() > 0.9


@pytest.mark.slow
def test_resampled_as_by_the_reference_a_clip_scores_the_same(loaded):
    folding = AudioMFTCRNNV1(loaded.config.model_copy(update={"resampling": "reference"})).load()
    result = folding.analyze(golden.clip("stage_360p.mp4"), explain=False)
    assert result.p_fake == pytest.approx(golden.end_to_end(NAME)["p_fake"], abs=0.001)


def test_windows_overlap_by_half_and_are_whole(small, tmp_path):
    result = small.analyze(write_audio(tmp_path / "a.wav", speech_like(2.7), RATE), explain=False)
    assert [(score.time_s, score.end_s) for score in result.scores] == [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0), (1.5, 2.5)]
    assert result.p_fake == pytest.approx(np.mean([score.p_fake for score in result.scores]))


def test_silence_and_less_than_a_second_are_no_verdict(small, tmp_path):
    silent = small.analyze(write_audio(tmp_path / "silence.wav", np.zeros(3 * RATE, np.float32), RATE))
    assert (silent.prediction, silent.gap) == (Prediction.INCONCLUSIVE, GapReason.NO_SPEECH)
    partly = np.concatenate([speech_like(1.0), np.zeros(RATE, np.float32)])
    result = small.analyze(write_audio(tmp_path / "partly.wav", partly, RATE), explain=False)
    assert [score.gap for score in result.scores] == [None, None, GapReason.NO_SPEECH]
    short = small.analyze(write_audio(tmp_path / "short.wav", speech_like(0.6), RATE))
    assert (short.prediction, short.gap) == (Prediction.INCONCLUSIVE, GapReason.TOO_SHORT)


def test_the_heatmap_shows_the_rows_of_the_plain_spectrogram(small, monkeypatch):
    values = np.zeros((ROWS, STEPS), np.float32)
    values[LINEAR_ROWS.start] = 1  # 0 Hz
    values[LINEAR_ROWS.stop] = 5  # the cepstrum
    monkeypatch.setattr(small, "importance", lambda tensor: (values, "time-frequency"))
    sample = Sample(0, 0.0, 1.0, waveform=speech_like(1.0), sample_rate=RATE)
    (heatmap,) = small.explain(sample, SampleScore(index=0, time_s=0.0, end_s=1.0, p_fake=0.9))
    drawn = heatmap.array()
    assert drawn[0].max() == pytest.approx(1, abs=0.01)
    assert drawn[-1].max() == 0
