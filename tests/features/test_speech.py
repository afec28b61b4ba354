"""Where somebody speaks: against the published network, on real speech, and on sound that is none."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import soundfile
import soxr
from media_factory import chords, noise, speech_like, tone

from drishtiksha.features.speech import FRAME_S, speech_probability, speech_spans
from drishtiksha.media.audio import read_audio
from drishtiksha.settings import EMBEDDED_DIR, ROOT
from drishtiksha.weights import read_sidecar, sha256_of

RATE = 16_000
# Every 6th and every 40th probability that `silero_vad.jit` of the package silero-vad 6.2.3 gave (its own
# `audio_forward` at 16 kHz, torch 2.14) for `speech_like(2.0, seed=3)` and for LibriSpeech clip 0000 of the shared material.
PUBLISHED_MADE = [0.1837, 0.4470, 0.1438, 0.1499, 0.1883, 0.3755, 0.9955, 0.9209, 0.7138, 0.6826, 0.3562]
PUBLISHED_REAL = [0.0222, 0.0398, 0.9779, 0.0311, 0.9794, 0.9998, 1.0000, 0.9666, 1.0000, 0.9999, 1.0000, 0.0246]


@pytest.fixture(scope="module")
def librispeech(shared) -> np.ndarray:
    waveform, rate = soundfile.read(shared / "data/speech/real/librispeech/0000.flac", dtype="float32")
    assert rate == RATE
    return waveform


@pytest.fixture(scope="module")
def spoken(limits) -> np.ndarray:
    """3.6 s: a sentence between two silences."""
    return read_audio(ROOT / "assets" / "clip_with_sound.mp4", RATE, limits=limits)


def test_probabilities_are_those_of_the_published_network(librispeech):
    assert speech_probability(speech_like(2.0, seed=3), RATE)[::6] == pytest.approx(PUBLISHED_MADE, abs=1e-3)
    assert speech_probability(librispeech, RATE)[::40] == pytest.approx(PUBLISHED_REAL, abs=1e-3)


def test_the_committed_file_is_the_one_the_sidecar_names():
    path = EMBEDDED_DIR / "silero_vad.safetensors"
    sidecar = read_sidecar(path)
    assert sidecar is not None
    assert sidecar.sha256 == sha256_of(path)


@pytest.mark.parametrize("sound", [np.zeros(RATE * 4, np.float32), noise(4.0), tone(4.0), chords(4.0)])
def test_silence_noise_tones_and_music_are_no_speech(sound):
    assert speech_spans(sound, RATE) == []


def speech_share(waveform: np.ndarray, rate: int) -> float:
    """The part of the waveform that is speech."""
    return sum(end - begin for begin, end in speech_spans(waveform, rate)) * rate / len(waveform)


def test_speech_is_found_where_it_is(spoken):
    sentence = np.concatenate([np.zeros(RATE * 2, np.float32), spoken, np.zeros(RATE * 2, np.float32)])
    spans = speech_spans(sentence, RATE)
    assert spans[0][0] == pytest.approx(2.16, abs=0.1)
    assert spans[-1][1] == pytest.approx(5.46, abs=0.1)
    assert all(before[1] < after[0] for before, after in pairwise(spans))
    assert speech_share(sentence, RATE) == pytest.approx(3.1 / 7.6, abs=0.03)


@pytest.mark.parametrize("level", [0.1, 0.03])
def test_quiet_speech_is_speech(librispeech, level):
    quiet = (librispeech * level).astype(np.float32)
    assert speech_share(quiet, RATE) == pytest.approx(speech_share(librispeech, RATE), abs=0.1)


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_any_rate_will_do(spoken, rate):
    resampled = soxr.resample(spoken, RATE, rate)
    assert speech_share(resampled, rate) == pytest.approx(speech_share(spoken, RATE), abs=0.05)


def test_long_sound_goes_through_in_parts_without_a_seam(librispeech):
    long = np.tile(librispeech, 4)
    whole = speech_probability(long, RATE)
    assert len(whole) * FRAME_S == pytest.approx(len(long) / RATE, abs=FRAME_S)
    assert len(whole) > 1024
    start = speech_probability(long[: 1100 * 512], RATE)
    assert whole[: len(start)] == pytest.approx(start, abs=1e-4)
    assert speech_share(long, RATE) == pytest.approx(speech_share(librispeech, RATE), abs=0.05)


def test_no_sound_is_no_speech():
    nothing = np.zeros(0, np.float32)
    assert speech_probability(nothing, RATE).shape == (0,)
    assert speech_spans(nothing, RATE) == []
