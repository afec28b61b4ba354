"""The stack of features against librosa, which works each of them out by itself."""

from __future__ import annotations

import numpy as np
import pytest
from media_factory import speech_like

from drishtiksha.features.library import librosa
from drishtiksha.features.mft import LINEAR_ROWS, ROWS, STEPS, stacked_features

CEPSTRUM = slice(LINEAR_ROWS.stop, LINEAR_ROWS.stop + 60)
CHROMA = slice(CEPSTRUM.stop, CEPSTRUM.stop + 12)


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return speech_like(1.0).astype(np.float32)


@pytest.fixture(scope="module")
def stack(sound) -> np.ndarray:
    return stacked_features(sound)


def test_shape(stack):
    assert stack.shape == (ROWS, STEPS)
    assert stack.dtype == np.float32
    assert np.isfinite(stack).all()


def test_the_plain_spectrogram_begins_at_zero_hertz():
    seconds = np.arange(16_000, dtype=np.float32) / 16_000
    rows = stacked_features(np.sin(2 * np.pi * 1000 * seconds).astype(np.float32))[LINEAR_ROWS]
    assert rows[:, 5:-5].mean(axis=1).argmax() == 128  # 1000 Hz of 8000, over 1024 steps


def test_cepstrum_and_its_differences_are_librosas(sound, stack):
    cepstrum = librosa().feature.mfcc(y=sound, sr=16_000, n_mfcc=20, n_fft=2048, hop_length=512)
    changes = [librosa().feature.delta(cepstrum, order=order) for order in (1, 2)]
    assert stack[CEPSTRUM] == pytest.approx(np.concatenate([cepstrum, *changes]), abs=1e-2)


def test_chroma_is_librosas_whatever_the_tuning(sound):
    for stretch in (1.0, 1.02):
        detuned = np.interp(np.arange(16_000) * stretch % 15_999, np.arange(16_000), sound).astype(np.float32)
        wanted = librosa().feature.chroma_stft(y=detuned, sr=16_000, n_fft=2048, hop_length=512)
        assert stacked_features(detuned)[CHROMA] == pytest.approx(wanted, abs=1e-3)
