"""What happens to speech between a mouth and a listener: one chain for real and fake, drawn without a look at either."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import soxr
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

from training.voice_spoof.codecs import CODECS, MESSENGERS, SAMPLE_RATE, Codec, through_codec

RATES = (8_000, 11_025, 16_000, 22_050, 24_000)
"""Hz that recordings are stored at. Those above SAMPLE_RATE only leave their filter's trace."""
PACKET = SAMPLE_RATE // 50
"""Samples of a lost packet: 20 ms."""

Draw = np.random.Generator
Babble = Sequence[np.ndarray]


@dataclass(frozen=True)
class Step:
    """One thing that may happen. share: how often; work: (waveform, rng) to a waveform as long."""

    share: float
    work: Callable[[np.ndarray, Draw], np.ndarray]


def rms(waveform: np.ndarray) -> float:
    """Root mean square, never 0."""
    return float(np.sqrt(np.mean(np.square(waveform)))) + 1e-8


def room(waveform: np.ndarray, rng: Draw) -> np.ndarray:
    """A small room: the direct sound, then noise that falls by 60 dB within 0.08 to 0.5 s."""
    decay_s, ratio_db = rng.uniform(0.08, 0.5), rng.uniform(-2, 15)
    n = round(decay_s * SAMPLE_RATE)
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail[: round(0.002 * SAMPLE_RATE)] = 0
    tail *= 10 ** (-ratio_db / 20) / np.sqrt(np.sum(np.square(tail)))
    tail[0] = 1
    return fftconvolve(waveform, tail.astype(np.float32))[: len(waveform)]


def equalise(waveform: np.ndarray, rng: Draw) -> np.ndarray:
    """A gentle tilt, and now and then a high-pass as microphones and telephones have it."""
    slope = rng.uniform(-0.6, 0.6)
    tilted = lfilter([1.0, slope], [1.0], waveform)
    if rng.random() < 0.4:
        edge = float(rng.uniform(50, 350))
        tilted = sosfilt(butter(2, edge, "high", fs=SAMPLE_RATE, output="sos"), tilted)
    return tilted


def low_pass(waveform: np.ndarray, rng: Draw) -> np.ndarray:
    """Band limits from a telephone's to those of old MP3s."""
    edge, order = float(rng.uniform(3_400, 7_800)), int(rng.integers(2, 9))
    return sosfilt(butter(order, edge, "low", fs=SAMPLE_RATE, output="sos"), waveform)


def resample(waveform: np.ndarray, rng: Draw) -> np.ndarray:
    """Stored at another rate and brought back."""
    rate, quality = int(rng.choice(RATES)), str(rng.choice(["QQ", "LQ", "MQ", "HQ"]))
    if rate == SAMPLE_RATE:
        return waveform
    there = soxr.resample(waveform.astype(np.float32), SAMPLE_RATE, rate, quality=quality)
    return _as_long(soxr.resample(there, rate, SAMPLE_RATE, quality="MQ"), len(waveform))


def noise(waveform: np.ndarray, rng: Draw, babble: Babble = ()) -> np.ndarray:
    """White, pink, humming or babbling background, 8 to 45 dB below the speech."""
    kind, ratio_db = rng.choice(["white", "pink", "hum", "babble"]), rng.uniform(8, 45)
    if kind == "babble" and len(babble):
        background = babble_of(babble, len(waveform), rng)
    else:
        background = rng.standard_normal(len(waveform)).astype(np.float32)
    if kind == "pink":
        background = lfilter([1.0], [1.0, -0.95], background)
    if kind == "hum":
        base = rng.choice([50, 60]) * np.arange(1, 6)[:, None] * np.arange(len(waveform)) / SAMPLE_RATE
        background = 0.1 * background + np.sin(2 * np.pi * base).sum(0) / 5
    return waveform + background * (rms(waveform) * 10 ** (-ratio_db / 20) / rms(background))


def babble_of(babble: Babble, length: int, rng: Draw) -> np.ndarray:
    """Three to six people who talk at once, float32 (length,)."""
    voices = [babble[int(i)] for i in rng.integers(0, len(babble), int(rng.integers(3, 7)))]
    turned = [np.roll(np.resize(voice / rms(voice), length), int(rng.integers(length))) for voice in voices]
    return np.asarray(np.sum(turned, axis=0), np.float32)


def compress(waveform: np.ndarray, rng: Draw) -> np.ndarray:
    """Loud parts made quieter, as broadcasters and telephones do."""
    power, window_s = rng.uniform(0.3, 0.8), rng.uniform(0.01, 0.1)
    pole = float(np.exp(-1 / (window_s * SAMPLE_RATE)))
    envelope = np.sqrt(lfilter([1 - pole], [1, -pole], np.square(waveform))) + 0.02 * rms(waveform)
    return waveform * (envelope / rms(waveform)) ** (power - 1)


def level(waveform: np.ndarray, rng: Draw) -> np.ndarray:
    """Any level; what is too loud is clipped."""
    target = 10 ** (rng.uniform(-35, -8) / 20)
    return np.clip(waveform * (target / rms(waveform)), -1, 1)


def codec(waveform: np.ndarray, rng: Draw, among: Mapping[str, Codec] = CODECS) -> np.ndarray:
    """Sent or stored through one of `among`."""
    name = str(rng.choice(list(among)))
    rate = int(rng.choice(among[name].rates))
    bit_rate = int(rng.choice(among[name].bit_rates)) if among[name].bit_rates else None
    loudest = max(1.0, float(np.abs(waveform).max()))
    return through_codec((waveform / loudest).astype(np.float32), name, rate, bit_rate)


def packets(waveform: np.ndarray, rng: Draw) -> np.ndarray:
    """Lost packets of 20 ms: silent, or the one before again."""
    share, repeat = rng.uniform(0.005, 0.05), rng.random() < 0.5
    heard = waveform.copy()
    for at in np.flatnonzero(rng.random(len(waveform) // PACKET) < share) * PACKET:
        before = heard[at - PACKET : at] if repeat and at else 0
        heard[at : at + PACKET] = before
    return heard


def gate(waveform: np.ndarray, rng: Draw) -> np.ndarray:
    """Noise suppression of a messenger: what is 20 to 45 dB below the speech is turned down, up to silence."""
    edge = rms(waveform) * 10 ** (-rng.uniform(20, 45) / 20)
    floor, window_s = 10 ** (-rng.uniform(10, 60) / 20), rng.uniform(0.01, 0.05)
    pole = float(np.exp(-1 / (window_s * SAMPLE_RATE)))
    envelope = np.sqrt(np.maximum(lfilter([1 - pole], [1, -pole], np.square(waveform)), 0))
    opened = lfilter([1 - pole], [1, -pole], (envelope > edge).astype(float))
    return waveform * (floor + (1 - floor) * opened)


CLEAN_SHARE = 0.15
"""Of the recordings: nothing happens to them but the level."""


MESSENGER = (Step(0.25, gate), Step(0.3, partial(codec, among=MESSENGERS)))
"""What a voice message or a call adds to the chain; learned by VOICE-SPOOF-LITE-V2."""


class Chain:
    """Calls `chain(waveform, seed)`: the waveform, float32 (n,) at SAMPLE_RATE, after what `seed` draws, float32 (n,)
    in [-1, 1]. Two waveforms of one length and one seed go through the very same chain, with the same noise.

    babble: voices to make a background of. more: what may happen after everything else.
    """

    def __init__(self, babble: Babble = (), more: Sequence[Step] = ()) -> None:
        self.steps = (
            Step(0.25, room),
            Step(0.5, equalise),
            Step(0.6, partial(noise, babble=babble)),
            Step(0.2, compress),
            Step(0.3, low_pass),
            Step(0.3, resample),
            Step(1.0, level),
            Step(0.4, codec),
            Step(0.1, packets),
            Step(0.15, codec),
            *more,
        )

    def __call__(self, waveform: np.ndarray, seed: Sequence[int]) -> np.ndarray:
        rng = np.random.default_rng(list(seed))
        clean = rng.random() < CLEAN_SHARE
        for step in self.steps:
            happens, own = rng.random() < step.share, np.random.default_rng(int(rng.integers(2**62)))
            if step.share == 1 or (happens and not clean):
                waveform = step.work(waveform, own)
        return np.clip(waveform, -1, 1).astype(np.float32)


def _as_long(waveform: np.ndarray, length: int) -> np.ndarray:
    return np.pad(waveform[:length], (0, max(0, length - len(waveform))))
