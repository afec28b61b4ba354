"""What SyncNet looks at: whole faces in a square that reaches below the chin, and the cepstrum of the sound."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from scipy.fft import dct
from scipy.signal import medfilt

from drishtiksha.features.speech import FRAME_S, speech_probability
from drishtiksha.results import FaceBox

SAMPLE_RATE = 16_000
"""Hz."""
FRAME, HOP, FFT_SIZE = 400, 160, 512
"""Samples: 25 ms every 10 ms."""
FILTERS, COEFFICIENTS, LIFTER = 26, 13, 22
PRE_EMPHASIS = 0.97
LEAST_POWER = 2.220446049250313e-16
GREY = 110
"""Around the picture, where the square goes beyond it."""
ABOVE, BELOW, BESIDE = 1.0, 1.8, 1.4
"""Of the square, in halves of the face box's longer side, from the box's centre."""
SMOOTHED_OVER = 13
"""Frames."""
SPEECH_FROM, MIN_SPEECH_S = 0.5, 0.5
"""Probability from which somebody speaks, and how long that must last."""


@cache
def _filters() -> np.ndarray:
    """(FILTERS, FFT_SIZE / 2 + 1): triangles between whole bins that lie evenly in mel, not normalised."""
    mels = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700), FILTERS + 2)
    edges = np.floor((FFT_SIZE + 1) * 700 * (10 ** (mels / 2595) - 1) / SAMPLE_RATE).astype(int)
    bank = np.zeros((FILTERS, FFT_SIZE // 2 + 1))
    for row, (left, middle, right) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        bank[row, left:middle] = (np.arange(left, middle) - left) / (middle - left)
        bank[row, middle:right] = (right - np.arange(middle, right)) / (right - middle)
    return bank


def cepstrum(waveform: np.ndarray) -> np.ndarray:
    """Mel cepstrum of sound at 16 kHz in whole numbers of 16 bits, as python_speech_features makes it: float64 (steps, 13),
    one step every 10 ms, the first coefficient the log of the power."""
    samples = waveform.astype(np.float64)
    raised = np.append(samples[:1], samples[1:] - PRE_EMPHASIS * samples[:-1])
    count = 1 + max(0, int(np.ceil((len(raised) - FRAME) / HOP)))
    padded = np.pad(raised, (0, max(0, (count - 1) * HOP + FRAME - len(raised))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][:count]
    power = np.abs(np.fft.rfft(frames, FFT_SIZE)) ** 2 / FFT_SIZE
    whole, bands = power.sum(axis=1), power @ _filters().T
    bands[bands == 0] = LEAST_POWER
    whole[whole == 0] = LEAST_POWER
    found = dct(np.log(bands), type=2, axis=1, norm="ortho")[:, :COEFFICIENTS]
    found *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / LIFTER)
    found[:, 0] = np.log(whole)
    return found


def to_16_bit(waveform: np.ndarray) -> np.ndarray:
    """float32 (n,) in [-1, 1] as int16."""
    return np.clip(np.round(waveform * 32768), -32768, 32767).astype(np.int16)


def heard(waveform: np.ndarray) -> np.ndarray:
    """The cepstrum of a sound track, float32 (n,) in [-1, 1], and below it how probable speech is: float32 (14, steps), 100
    steps a second."""
    steps = -(-len(waveform) // HOP)
    found = cepstrum(to_16_bit(waveform)).T.astype(np.float32)
    found = np.pad(found, ((0, 0), (0, max(steps - found.shape[1], 0))), mode="edge")[:, :steps]
    speech = speech_probability(np.array(waveform), SAMPLE_RATE)
    places = np.minimum(np.arange(steps) * HOP / SAMPLE_RATE / FRAME_S, max(len(speech) - 1, 0)).astype(int)
    return np.concatenate([found, speech[places][None]])


def speechless(sound: np.ndarray) -> bool:
    """Whether a part of what `heard` gives holds too little speech to be compared with lips."""
    return bool((sound[COEFFICIENTS] >= SPEECH_FROM).sum() * HOP / SAMPLE_RATE < MIN_SPEECH_S)


def around(sound: np.ndarray, start_s: float, before_s: float, steps: int) -> np.ndarray:
    """The cepstrum from `before_s` before a stretch on, float32 (13, steps); NaN before the track begins and after it ended.

    sound: a part of what `heard` gives, from `before_s` before `start_s`, or from the beginning of the track where that is
    later.
    """
    a_second = SAMPLE_RATE // HOP
    missing = max(round(before_s * a_second) - round(start_s * a_second), 0)
    found = np.full((COEFFICIENTS, steps), np.nan, np.float32)
    part = sound[:COEFFICIENTS, : steps - missing]
    found[:, missing : missing + part.shape[1]] = part
    return found


def smoothed(boxes: Sequence[FaceBox | None]) -> np.ndarray:
    """Half the longer side and the centre of each box, float64 (n, 3): between frames without one by straight lines, then the
    median over `SMOOTHED_OVER` frames. Raises: ValueError without any box."""
    known = [i for i, box in enumerate(boxes) if box is not None]
    if not known:
        raise ValueError("a face must have been found in one frame at least")
    found = np.array([box for box in boxes if box is not None], dtype=np.float64)
    half = np.maximum(found[:, 2] - found[:, 0], found[:, 3] - found[:, 1]) / 2
    shape = np.stack([half, (found[:, 0] + found[:, 2]) / 2, (found[:, 1] + found[:, 3]) / 2], axis=1)
    every = np.stack([np.interp(np.arange(len(boxes)), known, column) for column in shape.T], axis=1)
    side = SMOOTHED_OVER // 2
    wide = np.pad(every, ((side, side), (0, 0)), mode="edge")
    return np.stack([medfilt(column, SMOOTHED_OVER) for column in wide.T], axis=1)[side : side + len(boxes)]


def face_square(frame: np.ndarray, half: float, x: float, y: float, size: int = 224) -> np.ndarray:
    """uint8 (size, size, 3) in the channel order of `frame`: the square around a face, bilinear; grey beyond the picture."""
    height, width = frame.shape[:2]
    border = int(half * BELOW)
    top, bottom = int(y + border - ABOVE * half), int(y + border + BELOW * half)
    left, right = int(x + border - BESIDE * half), int(x + border + BESIDE * half)
    rows = slice(max(top - border, 0), max(bottom - border, 0))
    columns = slice(max(left - border, 0), max(right - border, 0))
    inside = frame[rows, columns]
    beyond = (
        max(border - top, 0),
        max(bottom - border - height, 0),
        max(border - left, 0),
        max(right - border - width, 0),
    )
    square = cv2.copyMakeBorder(inside, *beyond, cv2.BORDER_CONSTANT, value=(GREY, GREY, GREY))
    return cv2.resize(square, (size, size))
