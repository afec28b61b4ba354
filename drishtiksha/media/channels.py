"""What the channels of a sound track have in common: one recording in all of them, or a recording each."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from av import AudioFrame, AudioLayout
    from av.audio.stream import AudioStream

LABELS = {
    "FL": "left",
    "FR": "right",
    "FC": "centre",
    "SL": "left side",
    "SR": "right side",
    "BL": "left back",
    "BR": "right back",
    "BC": "back",
    "LFE": "low-frequency channel",
}
"""FFmpeg's names of channels, in words."""

USUAL = {
    2: ("FL", "FR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
"""Places of channels where the file does not name them (WAV), by how many there are, as players take them."""

SHARES = {"FC": 0.707, "SL": 0.354, "SR": 0.354, "BL": 0.354, "BR": 0.354, "BC": 0.5, "LFE": 0.0, "LFE2": 0.0}
"""How much of a channel goes into one mixture, by ITU-R BS.775; of others a half. Low frequency effects carry no voice."""

PLACES = "drishtiksha places"
"""Under which `settle` keeps the places of channels that stand in an order of their own, in the notes of their track."""

LOW_HZ, RUMBLE = 400.0, 0.01
"""What is meant for a subwoofer lies below it: above it, next to nothing of the loudest channel."""

AMBISONIC = "ambisonic"
"""Layouts whose first channel is the sound from all sides, and the others what differs between them."""

SURVEY_HZ = 4000
"""Channels are compared at about this rate: what tells voices apart lies below 2 kHz."""

LAG_S = 0.002
"""Two microphones in one place hear a voice up to this apart."""

BLOCK_S = 0.5
SILENT = 10 ** (-60 / 20)
"""A channel this far below the loudest carries nothing."""

QUIET = 0.01
"""A block with less than this share of the usual power tells nothing."""

UNLIKE = 0.5
"""Of the power of two channels, the share that they do not have in common, from which on they are different sounds."""

STRETCH, AGREED = 512, 0.9
"""Samples of a stretch, and how much of a band of it two channels must have in common, up to the sign."""

EACH_SHARE, BOTH_SHARE = 0.03, 0.6
"""Of the power, from which on channels are a sum and a difference: what is the same, or opposite, and both together."""

LEAST_S, LEAST_SHARE = 1.0, 0.02
"""Channels are judged by themselves when they differ for both this long and this share of the recording."""


@dataclass(frozen=True)
class SoundPart:
    """A part of a file's sound that is judged by itself.

    track: index of its stream; None: the main sound track. weights: what each channel is multiplied with before they are
    added up; None: the usual mixture. label: in words; empty for the mixture of the main track.
    """

    track: int | None = None
    weights: tuple[float, ...] | None = None
    label: str = ""


MIXTURE = SoundPart()


@dataclass(frozen=True)
class Sound:
    """waveform: float32 (n,) in [-1, 1]. filled: begin and end, s, of the silence that stands for holes between time stamps.
    parts: what to judge instead of the mixture, where its channels are different sounds, in opposite phase or silent."""

    waveform: np.ndarray
    filled: tuple[tuple[float, float], ...] = ()
    parts: tuple[SoundPart, ...] = ()

    @property
    def begins_s(self) -> float:
        """When its first own sample is heard, s: later than 0 where a sound track begins after the picture."""
        return self.filled[0][1] if self.filled and self.filled[0][0] == 0 else 0.0


def settle(stream: AudioStream) -> None:
    """Keep the places of a track's channels where they stand in an order of their own, and let FFmpeg know only how many there are,
    before its decoder is opened: PyAV 18 shares such an order between objects that each free it, and crashes."""
    context = stream.codec_context
    layout = context.layout if context is not None else None
    if layout is None or not layout.nb_channels:
        return
    own = _is_own_order(layout)
    if own:
        stream.metadata[PLACES] = "+".join(channel.name for channel in layout.channels)
    context.layout = f"{layout.nb_channels} channels" if own else layout.name


def keep_order(frame: AudioFrame) -> AudioFrame:
    """The frame. An order of its own that its decoder chose is never freed by Python, some 100 bytes a frame, since the frame frees
    it as well: see `settle`. To be called before the frame is let go."""
    if _is_own_order(frame.layout):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(frame.layout))
    return frame


def _is_own_order(layout: AudioLayout) -> bool:
    return "+" in layout.name or "channels (" in layout.name


class Survey:
    """Mixes the channels of a track frame by frame, and finds out on the way how they go together."""

    def __init__(self, part: SoundPart) -> None:
        self._part = part
        self._layout = ""
        self._names: tuple[str, ...] = ()
        self._pieces: list[np.ndarray] = []
        self._alike = True
        self._rate = 0

    def mixed(self, channels: np.ndarray, frame: AudioFrame, places: str = "") -> np.ndarray:
        """float32 (n,) of (channels, n). One or two channels are averaged, more of them weighted by their places, which are
        those that the frame names, else `places`, as `settle` keeps them; of ambisonic ones the first says it all."""
        count = len(channels)
        weights = self._part.weights
        if weights is not None and len(weights) == count:
            return np.asarray(weights, np.float32) @ channels
        if count == 1:
            return channels[0]
        layout = frame.layout
        if weights is None and layout.name.startswith(AMBISONIC):
            return channels[0]
        if layout.name != self._layout:
            self._begin(layout.name, tuple(channel.name for channel in layout.channels), tuple(places.split("+")))
        if weights is None:
            self._note(channels, frame.sample_rate)
        if count == 2:
            # The mean to the last bit, several times as fast as `mean` over so few.
            return (channels[0] + channels[1]) * np.float32(0.5)
        shares = np.array([SHARES.get(name, 0.5) for name in self._names], np.float32)
        return (shares / shares.sum() if shares.any() else np.full(count, 1 / count, np.float32)) @ channels

    def _begin(self, layout: str, names: tuple[str, ...], places: tuple[str, ...]) -> None:
        """Of joined recordings of different layouts the later one is told by what is mixed."""
        told = [own for own in (names, places) if len(own) == len(names) and any(name in LABELS for name in own)]
        self._layout, self._names = layout, told[0] if told else USUAL.get(len(names), names)
        self._pieces, self._alike = [], True

    def _note(self, channels: np.ndarray, rate: int) -> None:
        self._alike = self._alike and all(np.array_equal(channels[0], other) for other in channels[1:])
        step = max(rate // SURVEY_HZ, 1)
        whole = channels.shape[1] // step * step
        self._rate = rate // step
        # A product is several times as fast as a mean over so few.
        coarse = channels[:, :whole].reshape(-1, step) @ np.full(step, 1 / step, np.float32)
        self._pieces.append(coarse.reshape(len(channels), -1))

    def parts(self) -> tuple[SoundPart, ...]:
        """As `Sound.parts`; empty where the mixture speaks for all channels."""
        if self._alike or not self._pieces:
            return ()
        found = np.concatenate(self._pieces, axis=1)
        found -= found.mean(axis=1, keepdims=True)  # an offset of the recorder is nothing that channels have in common
        if not found.any():
            return ()
        levels = np.sqrt(np.mean(np.square(found), axis=1))
        low = {i for i, name in enumerate(self._names) if "LFE" in name and _is_low(found[i], self._rate, levels.max())}
        heard = [i for i, level in enumerate(levels) if level > SILENT * levels.max() and i not in low]
        groups: list[list[tuple[int, int]]] = []
        for i in heard:
            for group in groups:
                if sign := _alike(found[group[0][0]], found[i], self._rate):
                    group.append((i, sign))
                    break
            else:
                groups.append([(i, 1)])
        silent = [i for i in range(len(levels)) if i not in heard and i not in low]
        if len(groups) == 1 and not silent and all(sign > 0 for _, sign in groups[0]):
            return ()
        if len(found) == len(groups) == 2 and _is_mid_side(*found):
            return self._sides(found)
        return tuple(self._part_of(group) for group in groups)

    def _sides(self, found: np.ndarray) -> tuple[SoundPart, ...]:
        """Left and right of a recording that stores their sum and their difference."""
        pairs = {"left": (1.0, 1.0), "right": (1.0, -1.0)}
        scale = min(1 / max(float(np.abs(np.array(pair) @ found).max()) for pair in pairs.values()), 1.0)
        return tuple(
            SoundPart(self._part.track, (scale * mid, scale * side), f"{label}, from the sum and difference stored")
            for label, (mid, side) in pairs.items()
        )

    def _part_of(self, group: Sequence[tuple[int, int]]) -> SoundPart:
        weights = [0.0] * len(self._names)
        for i, sign in group:
            weights[i] = sign / len(group)
        names = [LABELS.get(self._names[i], f"channel {i + 1}") for i, _ in group]
        return SoundPart(self._part.track, tuple(weights), " and ".join(names))


def _is_low(channel: np.ndarray, rate: int, loudest: float) -> bool:
    """Whether what is named after low frequencies holds nothing else. loudest: the root mean square of the loudest channel."""
    power = np.abs(np.fft.rfft(channel)) ** 2
    above = 2 * power[np.fft.rfftfreq(len(channel), 1 / rate) > LOW_HZ].sum() / len(channel) ** 2
    return bool(above <= (RUMBLE * loudest) ** 2)


def _is_mid_side(mid: np.ndarray, side: np.ndarray) -> bool:
    """Whether two channels are the sum and the difference of two recordings: then they are the same wherever only one of these
    sounds, and of opposite sign wherever the other does. Looked at in the bands of short stretches, since both may sound at once."""
    count = min(len(mid), len(side)) // STRETCH * STRETCH
    if not count:
        return False
    window = np.hanning(STRETCH)
    a, b = (np.fft.rfft(one[:count].reshape(-1, STRETCH) * window) for one in (mid, side))
    power = np.abs(a) ** 2 + np.abs(b) ** 2
    agreement = 2 * (a * b.conj()).real / np.maximum(power, 1e-12)
    same, opposite = (float(power[sign * agreement > AGREED].sum() / power.sum()) for sign in (1, -1))
    return min(same, opposite) > EACH_SHARE and same + opposite > BOTH_SHARE


def _alike(one: np.ndarray, other: np.ndarray, rate: int) -> int:
    """1 when two channels carry one recording, whatever its levels; -1 when in opposite phase; 0 when they differ."""
    one, other = (channel / max(float(np.sqrt(np.mean(np.square(channel)))), 1e-12) for channel in (one, other))
    most = min(round(LAG_S * rate), len(one) - 1)
    pairs = [(one[max(lag, 0) :], other[max(-lag, 0) :]) for lag in range(-most, most + 1)]
    pairs = [(a[: min(len(a), len(b))], b[: min(len(a), len(b))]) for a, b in pairs]
    agreement = [float(a @ b) / len(one) for a, b in pairs]
    sign = -1 if -min(agreement) > max(agreement) + 0.2 else 1
    a, b = pairs[int(np.argmax(np.multiply(sign, agreement)))]
    block = max(round(BLOCK_S * rate), 1)
    starts = np.arange(0, len(a), block)
    apart = np.add.reduceat(np.square(b - sign * a), starts)
    power = np.add.reduceat(np.square(a) + np.square(b), starts)
    differing = (apart > UNLIKE * power) & (power > QUIET * power.mean())
    seconds = float(differing.sum()) * BLOCK_S
    length_s = len(one) / rate
    return 0 if seconds >= min(max(LEAST_S, LEAST_SHARE * length_s), length_s / 2) else sign
