"""Several descriptions of a second of sound, one above the other."""

from __future__ import annotations

from functools import cache

import numpy as np

from drishtiksha.features.library import librosa
from drishtiksha.features.mel import HOP, N_FFT, SAMPLE_RATE, mel_decibels

STEPS = 32
N_FFT_BROAD, CEPSTRA = 512, 20
ROWS = 1619
LINEAR_ROWS = slice(256 + 257, 256 + 257 + 1025)
"""The spectrogram of 2048 samples: equal steps of Hz, 0 Hz first, 8000 Hz last."""


def stacked_features(waveform: np.ndarray) -> np.ndarray:
    """float32 (1619, 32) of a second, float32 (16000,) in [-1, 1] at 16 kHz.

    From the top: mel spectrogram in dB of the pre-emphasised sound (256 rows), spectrograms in dB of 512 and of 2048 samples
    (257, 1025), cepstrum with its first and second differences (60), chroma (12), spectral contrast (7), mean and standard
    deviation of the zero-crossing rate (2). All but the first are of the sound as it is.
    """
    fine = np.abs(librosa().stft(waveform, n_fft=N_FFT, hop_length=HOP))
    broad = np.abs(librosa().stft(waveform, n_fft=N_FFT_BROAD, hop_length=HOP))
    power = np.square(fine)
    cepstrum = librosa().feature.mfcc(S=librosa().power_to_db(_mel_bands() @ power), n_mfcc=CEPSTRA)
    crossings = librosa().feature.zero_crossing_rate(waveform, frame_length=N_FFT, hop_length=HOP)
    parts = [
        mel_decibels(waveform),
        librosa().amplitude_to_db(broad, ref=np.max),
        librosa().amplitude_to_db(fine, ref=np.max),
        cepstrum,
        cepstrum @ _differences(1),
        cepstrum @ _differences(2),
        _chroma(power),
        librosa().feature.spectral_contrast(S=fine, sr=SAMPLE_RATE),
        np.full((1, STEPS), crossings.mean()),
        np.full((1, STEPS), crossings.std()),
    ]
    return np.concatenate(parts).astype(np.float32)


def _chroma(power: np.ndarray) -> np.ndarray:
    """float32 (12, frames) as `librosa.feature.chroma_stft`, which works out its filters anew for each second."""
    tuning = librosa().estimate_tuning(S=power, sr=SAMPLE_RATE, bins_per_octave=12)
    return librosa().util.normalize(_chroma_bands(round(float(tuning), 2)) @ power, norm=np.inf, axis=0)


@cache
def _chroma_bands(tuning: float) -> np.ndarray:
    """float32 (12, 1025). tuning: in hundredths of a semitone's width, so that no more than 100 are kept."""
    return librosa().filters.chroma(sr=SAMPLE_RATE, n_fft=N_FFT, tuning=tuning)


@cache
def _mel_bands() -> np.ndarray:
    """float32 (128, 1025): the bands that librosa takes a cepstrum of."""
    return librosa().filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT)


@cache
def _differences(order: int) -> np.ndarray:
    """(32, 32): `librosa.feature.delta` is linear, so its answers to the unit vectors are all there is to know."""
    return librosa().feature.delta(np.eye(STEPS), order=order)
