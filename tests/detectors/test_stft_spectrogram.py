"""STFT-Spectrogram-CNN V2 and V3 against the golden files, and on real sound."""

from __future__ import annotations

import golden
import numpy as np
import pytest
import torch
from media_factory import speech_like, tone, write_audio

from drishtiksha.contract import Sample
from drishtiksha.detectors.stft_spectrogram import STFTSpectrogramCNNV1
from drishtiksha.features.library import librosa
from drishtiksha.features.stft_picture import N_FFT_BROAD, narrow_panel, stft_decibels
from drishtiksha.results import GapReason, Prediction

NARROW = {"STFT-SPECTROGRAM-CNN-V2": 2048, "STFT-SPECTROGRAM-CNN-V3": 4096}


@pytest.fixture(scope="module", params=NARROW)
def loaded(request, tmp_path_factory):
    name = request.param
    path = golden.checkpoint(name, tmp_path_factory.mktemp("weights"))
    yield name, golden.detector(STFTSpectrogramCNNV1, name, path, isAudio=True, n_fft_narrow=NARROW[name])
    path.unlink()


@pytest.fixture
def small(tmp_path):
    """The same network with a narrow hidden layer and random weights."""
    fields = {"class_name": "STFTSpectrogramCNNV1", "description": "", "model_path": tmp_path / "w.pt", "isAudio": True}
    config = STFTSpectrogramCNNV1.Config(**fields, hidden=4, device="cpu")
    torch.manual_seed(0)
    torch.save(STFTSpectrogramCNNV1(config).build().state_dict(), config.model_path)
    return STFTSpectrogramCNNV1(config).load()


@pytest.mark.slow
def test_the_published_keys_are_the_networks(loaded):
    name, detector = loaded
    published = {key: tuple(shape) for key, (shape, _) in golden.load(name)["state_dict"].items()}
    assert {key: tuple(value.shape) for key, value in detector.network.state_dict().items()} == published


def test_scores_are_the_references(loaded):
    name, detector = loaded
    (case,) = golden.load(name)["cases"]
    pictures = torch.randn(case["shape"], generator=torch.Generator().manual_seed(1234))
    wanted = np.array(case["logits"]).reshape(-1, 2)
    with torch.inference_mode():
        assert detector.network(pictures).numpy() == pytest.approx(wanted, abs=1e-3)
        assert detector.forward(pictures).numpy() == pytest.approx(wanted[:, 1] - wanted[:, 0], abs=1e-3)


def test_pictures_are_the_references(loaded):
    name, detector = loaded
    arrays = golden.arrays("audio_preprocessing")
    wanted = arrays["stft_v2_f16" if NARROW[name] == 2048 else "stft_v3_f16"].astype(np.float32)
    for number, picture in enumerate(wanted):
        second = arrays["waveform"][number * 16_000 : (number + 1) * 16_000]
        (ours,) = detector.preprocess(Sample(number, waveform=second, sample_rate=16_000))
        assert np.abs(ours.numpy() - picture).mean() < 0.02
        assert np.corrcoef(ours.numpy().ravel(), picture.ravel())[0, 1] > 0.995


@pytest.mark.slow
def test_a_whole_clip_scores_as_the_reference(loaded):
    name, detector = loaded
    events = []
    result = detector.analyze(golden.clip("stage_360p.mp4"), events.append)
    # Ours filters before it resamples; the next test shows that nothing else differs.
    assert result.p_fake == pytest.approx(golden.end_to_end(name)["p_fake"], abs=0.03)
    assert {event.model_name for event in events} == {name}
    assert result.metrics["windows_judged"] == len(result.scores)
    assert result.heatmaps[0].top_hz == 8000
    assert result.heatmaps[0].method == "time-frequency"


@pytest.mark.slow
def test_resampled_as_by_the_reference_a_clip_scores_the_same(loaded):
    name, detector = loaded
    folding = type(detector)(detector.config.model_copy(update={"resampling": "reference"})).load()
    result = folding.analyze(golden.clip("stage_360p.mp4"), explain=False)
    assert result.p_fake == pytest.approx(golden.end_to_end(name)["p_fake"], abs=0.001)


def test_decibels_are_librosas():
    sound = speech_like(1.0)
    spectrum = np.abs(librosa().stft(sound, n_fft=N_FFT_BROAD, hop_length=160))
    assert stft_decibels(sound, N_FFT_BROAD) == pytest.approx(librosa().amplitude_to_db(spectrum, ref=np.max), abs=1e-2)


def test_the_narrow_panel_begins_at_zero_hertz():
    picture = np.arange(512)[:, None].repeat(2, axis=1)
    assert narrow_panel(picture)[0, 0] == 511
    assert narrow_panel(picture)[-1, 0] == 256


def test_silence_is_a_gap_and_never_real(small, tmp_path):
    result = small.analyze(write_audio(tmp_path / "silence.wav", np.zeros(48_000, np.float32), 16_000))
    assert result.prediction is Prediction.INCONCLUSIVE
    assert result.gap is GapReason.NO_SPEECH
    half = np.concatenate([speech_like(2.0), np.zeros(32_000, np.float32)])
    result = small.analyze(write_audio(tmp_path / "half.wav", half, 16_000))
    assert [score.gap for score in result.scores] == [None, None, GapReason.NO_SPEECH, GapReason.NO_SPEECH]


@pytest.mark.slow
def test_the_last_second_is_filled_up_and_less_than_a_tenth_is_left(small, tmp_path):
    assert len(small.analyze(write_audio(tmp_path / "a.wav", speech_like(2.5), 16_000)).scores) == 3
    assert len(small.analyze(write_audio(tmp_path / "b.wav", speech_like(2.05), 16_000)).scores) == 2
    short = small.analyze(write_audio(tmp_path / "c.wav", tone(0.05), 16_000))
    assert short.gap is GapReason.TOO_SHORT
