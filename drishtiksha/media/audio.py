"""The sound of a recording or of a video: float32 at the asked rate, aligned with the picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av.error
import numpy as np
import soxr
from av import AudioResampler

from drishtiksha.errors import DrishtikshaError, MediaLimitError, UnreadableMediaError, WrongMediaKindError
from drishtiksha.media.channels import MIXTURE, PLACES, Sound, SoundPart, Survey, keep_order
from drishtiksha.media.container import (
    MIN_SAMPLE_RATE,
    audio_stream,
    demuxed,
    open_container,
    origin_s,
    picture_streams,
    sound_streams,
    too_coarse,
    video_stream,
)
from drishtiksha.media.formats import unreadable
from drishtiksha.media.frameindex import index_file
from drishtiksha.media.guard import Pulse, guarded_call, no_check
from drishtiksha.media.joined import Span, recordings_in
from drishtiksha.media.timeline import may_jump, read_timeline, shifted
from drishtiksha.settings import MediaLimits

if TYPE_CHECKING:
    from av import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

    from drishtiksha.contract import Resampling

GAP_S = 0.1
"""Silence is put in for a hole in the time stamps from here on; below, it is the rounding of the stamps."""

MOST_PLANES = 7
"""PyAV 18 tells the planes of a frame by a null behind them, and behind eight there is none: it reads on, and crashes."""

FULL_SCALE = 2**15
"""Of samples of 16 bits."""

OVERRUN = 1.1
"""How much longer than `max_duration_s` the sound may run before decoding stops: durations are estimates."""


def read_sound(
    path: Path,
    sample_rate: int,
    *,
    limits: MediaLimits,
    check: Callable[[], None] = no_check,
    name: str | None = None,
    part: SoundPart = MIXTURE,
    resampling: Resampling = "filtered",
) -> Sound:
    """The sound of `part` at `sample_rate` Hz, resampled by soxr (high quality); or by straight lines, as `Interpolator`
    does, where `resampling` is "reference".

    In a video, sample 0 is at time 0 of the picture: a sound track that starts later begins with silence, and what follows
    that is the same to the bit as if it stood alone (`Sound.begins_s`). In a recording it is the first sample. Holes in the time stamps are filled with silence, so that times stay right; where stamps restart or
    the clock jumps, what follows is joined on. Values that a lossy codec drove beyond full scale are clipped to it.

    Raises: WrongMediaKindError without a sound track; UnreadableMediaError, MediaLimitError, DecodeStalledError; whatever
    `check` raises.
    """
    name = name or path.name

    def decode(pulse: Pulse) -> Sound:
        filled: list[tuple[float, float]] = []
        survey = Survey(part)
        pieces = _all_on_time(path, part.track, name, limits, pulse, survey, filled)
        sound = Sound(_resampled(pieces, sample_rate, resampling, pulse), tuple(filled), survey.parts())
        before = round(sound.begins_s * sample_rate)
        return replace(sound, waveform=np.pad(sound.waveform, (before, 0))) if before else sound

    sound = guarded_call(decode, path, name=name, stall_s=limits.stall_s, check=check)
    if not sound.waveform.size:
        raise unreadable(name, "no sound could be decoded from its sound track")
    return sound


def read_audio(
    path: Path,
    sample_rate: int,
    *,
    limits: MediaLimits,
    check: Callable[[], None] = no_check,
    name: str | None = None,
) -> np.ndarray:
    """float32 (n,) in [-1, 1]: the mixture of the main sound track, as `read_sound` gives it. Raises: as that."""
    return read_sound(path, sample_rate, limits=limits, check=check, name=name).waveform


def sound_stream(container: InputContainer, name: str, track: int | None = None) -> AudioStream:
    """The main sound track, or that of the stream `track`.

    Raises: WrongMediaKindError without a sound track, UnreadableMediaError without a decoder for it.
    """
    found = container.streams.audio
    stream = audio_stream(container) if track is None else next((one for one in found if one.index == track), None)
    if stream is None:
        raise WrongMediaKindError(
            f"{name} has no sound track, and this model listens to one. Choose a model that looks at the picture."
        )
    if stream.codec_context is None:
        raise unreadable(name, "its sound is made with a codec that is not known here")
    if stream.sample_rate < MIN_SAMPLE_RATE:
        raise too_coarse(name, stream.sample_rate)
    return stream


def channels_of(frame: AudioFrame) -> np.ndarray:
    """float32 (channels, n), full scale at 1, whatever the sample format."""
    channels = frame.layout.nb_channels
    values: Any
    if frame.format.is_planar and channels > MOST_PLANES:
        (frame,) = map(keep_order, AudioResampler(frame.format.name.removesuffix("p")).resample(frame))
    if frame.format.name in ("s64", "s64p"):
        # PyAV hands these over as bytes only, each plane padded at its end.
        count = frame.samples * (1 if frame.format.is_planar else channels)
        values = np.stack([np.frombuffer(bytes(plane), np.int64, count) for plane in frame.planes])
    else:
        values = frame.to_ndarray()
    values = values if frame.format.is_planar else values.reshape(-1, channels).T
    if values.dtype == np.uint8:
        scaled = (values.astype(np.float32) - 128) / 128
    elif np.issubdtype(values.dtype, np.integer):
        scaled = values.astype(np.float32) / -float(np.iinfo(values.dtype).min)
    else:
        scaled = values.astype(np.float32, copy=False)
        if not np.isfinite(scaled).all():  # looked at first, since to replace takes ten times as long
            scaled = np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0)
    return scaled


def _all_on_time(
    path: Path,
    track: int | None,
    name: str,
    limits: MediaLimits,
    pulse: Pulse,
    survey: Survey,
    filled: list[tuple[float, float]],
) -> Iterator[tuple[np.ndarray, int]]:
    """As `_on_time`, of a whole file, or of a recording after the other where several were joined."""
    spans = recordings_in(path)
    if not spans:
        yield from _of_one(path, None, track, name, limits, pulse, survey, filled)
        return
    begins = _begins(path, name, limits, pulse)
    at = 0.0
    without: DrishtikshaError | None = None
    for number, span in enumerate(spans):
        begin = begins[number] if begins else at
        own: list[tuple[float, float]] = []
        late = True
        try:
            for samples, rate in _of_one(path, span, track, name, limits, pulse, survey, own):
                if late:
                    late = False
                    silence = begin + (own.pop()[1] if own else 0.0) - at
                    if silence > 0:
                        if at:
                            yield from _silence(round(silence * rate), rate)
                        filled.append((at, at + silence))
                        at += silence
                at += len(samples) / rate
                if at > limits.max_duration_s * OVERRUN:
                    raise _too_long(name, limits)
                yield samples, rate
        except (WrongMediaKindError, UnreadableMediaError) as error:
            without = error
        filled += [(start + begin, stop + begin) for start, stop in own]
    if not at and without is not None:
        raise without


def _begins(path: Path, name: str, limits: MediaLimits, pulse: Pulse) -> list[float]:
    """When each of the recordings begins that were joined, s, each behind the picture and the sound before; none without a
    picture."""
    try:
        return [part.begin_s for part in index_file(path, name, limits, pulse).parts]
    except WrongMediaKindError:
        return []


def _of_one(
    path: Path,
    span: Span | None,
    track: int | None,
    name: str,
    limits: MediaLimits,
    pulse: Pulse,
    survey: Survey,
    filled: list[tuple[float, float]],
) -> Iterator[tuple[np.ndarray, int]]:
    """As `_on_time`, of one recording."""
    with open_container(path, name, limits, span) as container:
        stream = sound_stream(container, name, track)
        if not may_jump(container):
            yield from _on_time(container, stream, name, limits, pulse, None, survey, filled)
            return
        tracks = [*sound_streams(container), *picture_streams(container)[:1]]
        moved = read_timeline(container, tracks, name, limits, pulse).tracks[stream.index].shifts
    with open_container(path, name, limits, span) as container:
        stream = sound_stream(container, name, track)
        yield from _on_time(container, stream, name, limits, pulse, moved, survey, filled)


def _on_time(
    container: InputContainer,
    stream: AudioStream,
    name: str,
    limits: MediaLimits,
    pulse: Pulse,
    moved: np.ndarray | None,
    survey: Survey,
    filled: list[tuple[float, float]],
) -> Iterator[tuple[np.ndarray, int]]:
    """(samples, their rate) in order, with silence where the time stamps leave a hole; that is noted in `filled`, s. Silence
    before the first sample is noted alone."""
    origin = origin_s(container) if video_stream(container) is not None else None
    at, places = 0.0, stream.metadata.get(PLACES, "")
    for frame in _decoded(container, stream, name, limits, pulse, moved):
        samples, rate = survey.mixed(channels_of(frame), frame, places), frame.sample_rate
        if frame.pts is not None and frame.time_base is not None:
            stamp = float(frame.pts * frame.time_base)
            origin = stamp if origin is None else origin
            hole = stamp - origin - at
            if hole > (GAP_S if at else 0.0):
                silence = min(hole, limits.max_duration_s)
                if at:
                    yield from _silence(round(silence * rate), rate)
                filled.append((at, at + silence))
                at += silence
            elif not at and hole < 0:
                samples = samples[round(-hole * rate) :]
        at += len(samples) / rate
        if at > limits.max_duration_s * OVERRUN:
            raise _too_long(name, limits)
        yield samples, rate


def _too_long(name: str, limits: MediaLimits) -> MediaLimitError:
    return MediaLimitError(
        f"The sound of {name} is longer than {limits.max_duration_s / 60:g} minutes, the most that is taken. "
        "Cut out the part in question."
    )


def _silence(samples: int, rate: int) -> Iterator[tuple[np.ndarray, int]]:
    """In pieces of a second: a wrong time stamp can ask for half an hour."""
    for start in range(0, samples, rate):
        yield np.zeros(min(rate, samples - start), np.float32), rate


def _decoded(
    container: InputContainer,
    stream: AudioStream,
    name: str,
    limits: MediaLimits,
    pulse: Pulse,
    moved: np.ndarray | None,
) -> Iterator[AudioFrame]:
    shifts = None if moved is None else iter(moved.tolist())
    for packet in demuxed(container, [stream], name, limits, pulse):
        if shifts is not None and packet.size:
            packet = shifted(packet, next(shifts, 0))
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue  # the hole that a broken packet leaves becomes silence
        for frame in map(keep_order, frames):
            # A broken packet may claim any rate; stretched to that of the others, one sample a second would fill an hour.
            if frame.samples and frame.sample_rate >= MIN_SAMPLE_RATE:
                yield frame


def _resampled(
    pieces: Iterator[tuple[np.ndarray, int]], sample_rate: int, resampling: Resampling, pulse: Pulse
) -> np.ndarray:
    """Joined at one rate. The stored rate may change within a stream (joined recordings)."""
    done: list[np.ndarray] = []
    resampler: soxr.ResampleStream | Interpolator | None = None
    rate = 0
    for samples, piece_rate in pieces:
        pulse.beat()
        if piece_rate != rate:
            if resampler is not None:
                done.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
            rate = piece_rate
            if resampling == "filtered":
                resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
            else:
                resampler = Interpolator(rate, sample_rate)
        assert resampler is not None
        done.append(resampler.resample_chunk(samples))
    if resampler is None:
        return np.zeros(0, np.float32)
    done.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    joined = np.concatenate(done)
    done.clear()
    return np.clip(joined, -1.0, 1.0, out=joined)


class Interpolator:
    """Resamples by straight lines between samples of 16 bits, as Python's `audioop.ratecv` does and with it the reference
    server (pydub). No low-pass filter comes before: what lies above half of the new rate folds down."""

    def __init__(self, rate: int, sample_rate: int) -> None:
        common = math.gcd(rate, sample_rate)
        self._step, self._parts = rate // common, sample_rate // common
        """One new sample lies `_step / _parts` old ones after the one before."""
        self._read = self._made = 0
        self._last = np.zeros(0, np.int64)

    def resample_chunk(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """float32, whole multiples of 2**-15: the new samples up to the last old one. Called as soxr's is; nothing is kept
        back, so that `last` changes nothing."""
        stored = np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int64)
        known = np.concatenate([self._last, stored])
        first = self._read - len(self._last)
        self._read, self._last = first + len(known), known[-1:]
        stop = (self._read - 1) * self._parts // self._step + 1
        whole, rest = np.divmod(np.arange(self._made, stop) * self._step, self._parts)
        before, after = known[whole - first], known[np.minimum(whole + 1, self._read - 1) - first]
        self._made = max(stop, self._made)
        drawn = (before * (self._parts - rest) + after * rest) // self._parts
        return (drawn / FULL_SCALE).astype(np.float32)
