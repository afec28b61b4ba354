"""Loudness and pitch of sounds that are known."""

from __future__ import annotations

import numpy as np
import pytest

from drishtiksha.features.sound_summary import energy_summary, pitch_summary

RATE = 16_000


def tone(hz: float, seconds: float, level: float) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def test_loudness_of_a_tone_and_of_its_silent_half():
    sound = np.concatenate([tone(200, 1.0, 0.5), np.zeros(RATE, np.float32)])
    found = energy_summary(sound, RATE)
    assert found["sound_peak_dbfs"] == pytest.approx(-6.02, abs=0.05)
    assert found["sound_rms_dbfs"] == pytest.approx(-6.02 - 3.01 - 3.01, abs=0.05)
    assert found["sound_silent_share"] == pytest.approx(0.5, abs=0.02)


def test_the_pitch_of_a_tone():
    found = pitch_summary(np.concatenate([tone(150, 1.0, 0.4), np.zeros(RATE, np.float32)]), RATE)
    assert found["pitch_median_hz"] == pytest.approx(150, rel=0.02)
    assert 0.3 < found["pitch_voiced_share"] < 0.7


def test_silence_has_neither():
    silence = np.zeros(RATE, np.float32)
    assert energy_summary(silence, RATE) == {}
    assert pitch_summary(silence, RATE) == {}
