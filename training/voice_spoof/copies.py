"""Copies of a real recording, with its voice, room, microphone and words: those that are made anew, which are fake, and
those that only went through a codec, which are real.

Parametric codecs at the lowest rates (codec2, LPC-10, MELP) are on neither side: they make speech anew as a vocoder does,
and yet nobody would call such a call a forgery. AMR, Opus, MP3 and the like code the waveform itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from drishtiksha.features.library import librosa
from training.voice_spoof.codecs import through_codec
from training.voice_spoof.index import SAMPLE_RATE, Recording, drawn_by

Maker = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Speaks a recording, float32 (n,), anew, with settings that it draws; length and level may come out different."""

LOW_RATE = {
    "amr_6k": ("amr", 8_000, 5_900),
    "amr_12k": ("amr", 8_000, 12_200),
    "opus_8k": ("opus_narrow", 8_000, 8_000),
    "opus_16k": ("opus", 16_000, 16_000),
    "mp3_32k": ("mp3", 16_000, 32_000),
    "aac_24k": ("aac", 16_000, 24_000),
    "g711": ("g711_u", 8_000, None),
}
"""The codecs of copies in the cache: what `through_codec` is told."""

LPC_FFT, LPC_HOP = 512, 128
"""Samples, 32 and 8 ms."""


def world(waveform: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Pitch, envelope and aperiodicity, and back (Morise, Yokomori & Ozawa, IEICE 2016)."""
    import pyworld

    samples, period_ms = waveform.astype(np.float64), float(draw.choice((5, 8)))
    pitch, times = pyworld.dio(samples, SAMPLE_RATE, frame_period=period_ms)
    pitch = pyworld.stonemask(samples, pitch, times, SAMPLE_RATE)
    envelope = pyworld.cheaptrick(samples, pitch, times, SAMPLE_RATE)
    noise = pyworld.d4c(samples, pitch, times, SAMPLE_RATE)
    return pyworld.synthesize(pitch, envelope, noise, SAMPLE_RATE, period_ms)


def griffin_lim(waveform: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Back from a mel spectrogram by guessing the phase (Griffin & Lim, IEEE TASSP 1984)."""
    mels, hop, rounds = (int(draw.choice(options)) for options in ((64, 80, 100), (160, 200, 256), (16, 32)))
    filters, back = _mel_filters(mels)
    magnitudes = np.abs(librosa().stft(waveform, n_fft=1024, hop_length=hop))
    guessed = np.maximum(back @ (filters @ magnitudes), 0)
    return librosa().griffinlim(
        guessed, n_iter=rounds, hop_length=hop, n_fft=1024, random_state=int(draw.integers(2**31))
    )


@lru_cache(maxsize=4)
def _mel_filters(mels: int) -> tuple[np.ndarray, np.ndarray]:
    filters = librosa().filters.mel(sr=SAMPLE_RATE, n_fft=1024, n_mels=mels)
    return filters, np.linalg.pinv(filters)


def lpc(waveform: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A residual-excited linear predictor: the spectral envelope, the residual up to a cutoff, and above it pulses at
    the pitch, or noise, as loud as the residual was (Un & Magill, IEEE Trans. Comm. 1975).
    """
    order, cutoff_hz = int(draw.choice((14, 18, 22))), int(draw.choice((400, 800, 1200, 1600)))
    spectra = librosa().stft(waveform, n_fft=LPC_FFT, hop_length=LPC_HOP)
    padded = np.pad(waveform, LPC_FFT // 2)
    frames = librosa().util.frame(padded, frame_length=LPC_FFT, hop_length=LPC_HOP) * np.hanning(LPC_FFT)[:, None]
    hush = draw.normal(0, 1e-5, frames.shape)
    inverse = np.fft.rfft(librosa().lpc(frames + hush, order=order, axis=0), LPC_FFT, axis=0)
    count = min(spectra.shape[1], inverse.shape[1])
    residual = spectra[:, :count] * inverse[:, :count]
    made = librosa().stft(_excitation(waveform, draw), n_fft=LPC_FFT, hop_length=LPC_HOP)[:, :count]
    above = np.fft.rfftfreq(LPC_FFT, 1 / SAMPLE_RATE) >= cutoff_hz
    gain = _rms(residual[above]) / (_rms(made[above]) + 1e-9)
    residual[above] = (made * gain)[above]
    return librosa().istft(residual / inverse[:, :count], hop_length=LPC_HOP, length=len(waveform))


def _rms(spectra: np.ndarray) -> np.ndarray:
    """(1, T) of (F, T)."""
    return np.sqrt(np.mean(np.abs(spectra) ** 2, axis=0, keepdims=True))


def _excitation(waveform: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """float32 (n,): a pulse a period where there is a voice, white noise elsewhere, a little noise everywhere."""
    import pyworld

    pitch, times = pyworld.dio(waveform.astype(np.float64), SAMPLE_RATE)
    at = np.arange(len(waveform)) / SAMPLE_RATE
    hertz = pitch[np.minimum(np.searchsorted(times, at), len(pitch) - 1)]
    turns = np.floor(np.cumsum(hertz) / SAMPLE_RATE)
    pulses = np.diff(turns, prepend=0) * np.sqrt(SAMPLE_RATE / np.maximum(hertz, 1))
    noise = draw.normal(size=len(waveform))
    return np.where(hertz > 0, pulses + draw.uniform(0, 0.5) * noise, noise).astype(np.float32)


MAKERS: dict[str, Maker] = {"world": world, "griffinlim": griffin_lim, "lpc": lpc}
"""The copies that are fake and need no training."""


def _like(made: np.ndarray, original: np.ndarray) -> np.ndarray:
    """float32 (n,) with the length and the level (RMS) of `original`."""
    fitted = np.pad(made[: len(original)], (0, max(0, len(original) - len(made))))
    level = np.sqrt(np.mean(fitted**2))
    return (fitted * (np.sqrt(np.mean(original**2)) / max(level, 1e-9))).astype(np.float32)


@dataclass(frozen=True)
class Copy:
    """What to make of a real recording."""

    system: str
    """A maker's name; or human, where only a codec is wanted."""
    codec: str = ""

    def of(self, origin: Recording) -> Recording:
        """The row of the index. A copy that only went through a codec is real."""
        name = "+".join(part for part in (self.system, self.codec) if part)
        return replace(
            origin,
            path=f"{origin.corpus}/{name}/{origin.system}_{origin.path.rsplit('/', 1)[1]}",
            label="real" if self.system == "human" else "fake",
            system=self.codec if self.system == "human" else self.system,
            codec=self.codec,
            origin=origin.path,
        )


def planned(origin: Recording) -> list[Copy]:
    """A copy of each of MAKERS; and through one codec, drawn by the recording's path, a real copy and one of a drawn maker:
    so no codec tells the sides apart."""
    draw = drawn_by(origin.path)
    codec, coded = str(draw.choice(sorted(LOW_RATE))), str(draw.choice(sorted(MAKERS)))
    return [*(Copy(name) for name in MAKERS), Copy("human", codec), Copy(coded, codec)]


def copies(
    origin: Recording, waveform: np.ndarray, makers: Mapping[str, Maker], wanted: list[Copy]
) -> Iterator[tuple[Recording, np.ndarray]]:
    """The wanted copies of a recording, float32 (n,), as long and as loud as `waveform` (n,). What is drawn for one
    depends on the origin and the maker alone."""
    made = {"human": waveform}
    for copy in wanted:
        if copy.system not in made:
            spoken = makers[copy.system](waveform, drawn_by(f"{origin.path} {copy.system}"))
            made[copy.system] = _like(spoken, waveform)
        samples = made[copy.system]
        if copy.codec:
            samples = _like(through_codec(samples, *LOW_RATE[copy.codec]), waveform)
        yield copy.of(origin), samples
