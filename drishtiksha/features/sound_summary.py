"""Loudness of a recording, and on request the pitch of the voice in it."""

from __future__ import annotations

import numpy as np

from drishtiksha.features.library import librosa

FRAME_S = 0.02
SILENT_DB = 40.0
"""A frame this far under the loudest one counts as silent."""
PITCH_FIRST_S = 60.0
"""Pitch is measured in so much of the beginning: the method takes seconds a minute."""
PITCH_HZ = (65.0, 500.0)
"""From a low man's voice to a child's."""


def energy_summary(waveform: np.ndarray, sample_rate: int) -> dict[str, float]:
    """`sound_rms_dbfs`, `sound_peak_dbfs` (0 = full scale) and `sound_silent_share` (of frames of 20 ms, in [0, 1]).

    waveform: float32 (n,) in [-1, 1]. Empty for digital silence.
    """
    peak = float(np.abs(waveform).max(initial=0.0))
    if peak == 0:
        return {}
    size = max(1, round(FRAME_S * sample_rate))
    padded = np.pad(waveform.astype(np.float64), (0, -len(waveform) % size)).reshape(-1, size)
    power = np.square(padded).mean(axis=1)
    silent = power < power.max() * 10 ** (-SILENT_DB / 10)
    return {
        "sound_rms_dbfs": float(10 * np.log10(np.square(waveform.astype(np.float64)).mean())),
        "sound_peak_dbfs": float(20 * np.log10(peak)),
        "sound_silent_share": float(silent.mean()),
    }


def pitch_summary(waveform: np.ndarray, sample_rate: int) -> dict[str, float]:
    """`pitch_median_hz`, `pitch_5_hz`, `pitch_95_hz` and `pitch_voiced_share` of the first minute.

    Probabilistic YIN (Mauch & Dixon, ICASSP 2014). Without a voiced frame only the share, 0; empty for silence.
    """
    part = waveform[: round(PITCH_FIRST_S * sample_rate)]
    if not np.abs(part).max(initial=0.0) > 0:
        return {}
    pitch, voiced, _ = librosa().pyin(part, fmin=PITCH_HZ[0], fmax=PITCH_HZ[1], sr=sample_rate)
    share = {"pitch_voiced_share": float(voiced.mean())}
    if not voiced.any():
        return share
    low, median, high = (float(value) for value in np.percentile(pitch[voiced], (5, 50, 95)))
    return {"pitch_median_hz": median, "pitch_5_hz": low, "pitch_95_hz": high, **share}
