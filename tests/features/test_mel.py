"""The pictures of the scattering networks."""

from __future__ import annotations

import golden
import numpy as np
import pytest

from drishtiksha.features.library import librosa
from drishtiksha.features.mel import SAMPLE_RATE, mel_decibels, mel_picture, to_linear_hz


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 0.1, round(seconds * SAMPLE_RATE)).astype(np.float32)


def test_the_pictures_are_the_references():
    kept = golden.arrays("audio_preprocessing")
    for i, wanted in enumerate(kept["mel_chunks_u8"]):
        chunk = kept["waveform"][i * SAMPLE_RATE : (i + 1) * SAMPLE_RATE]
        assert np.abs(mel_picture(chunk, "after the resize").astype(int) - wanted).max() <= 1
    first = mel_picture(kept["waveform"][: 2 * SAMPLE_RATE], "before the resize")
    assert np.abs(first.astype(int) - kept["scattering_u8"]).max() <= 1


def test_decibels_are_librosas():
    waveform = noise(1.0)
    power = librosa().feature.melspectrogram(
        y=librosa().effects.preemphasis(waveform), sr=SAMPLE_RATE, n_fft=2048, hop_length=512, n_mels=256
    )
    assert np.abs(mel_decibels(waveform) - librosa().power_to_db(power, ref=np.max)).max() < 1e-3


@pytest.mark.parametrize("hz", [300, 1000, 4000])
def test_a_tone_lies_at_its_pitch_once_rows_are_equal_in_hz(hz):
    tone = np.sin(2 * np.pi * hz * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    picture = mel_picture(tone, "after the resize")
    linear = to_linear_hz(picture.astype(float))
    loudest = (linear[:, 128].argmax() + 0.5) / len(linear) * SAMPLE_RATE / 2
    assert loudest == pytest.approx(hz, abs=60)
