"""What is measured in the sound of every file that a detector listens to."""

from __future__ import annotations

import numpy as np


def sound_summary(waveform: np.ndarray, sample_rate: int, *, pitch: bool) -> dict[str, float]:
    """Loudness, and with `pitch` the pitch of the voice; by name, as `features.sound_summary` defines them."""
    from drishtiksha.features.sound_summary import energy_summary, pitch_summary

    return energy_summary(waveform, sample_rate) | (pitch_summary(waveform, sample_rate) if pitch else {})
