"""The sound of a recording or of a video: mono float32 at the asked rate, aligned with the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av.error
import numpy as np
import soxr

from drishtiksha.errors import MediaLimitError, WrongMediaKindError
from drishtiksha.media.container import audio_stream, open_container, origin_s, stalled, unreadable, video_stream
from drishtiksha.media.guard import Pulse, guarded_call, no_check
from drishtiksha.settings import MediaLimits

if TYPE_CHECKING:
    from av import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

GAP_S = 0.1
"""Silence is put in for a hole in the time stamps from here on; below, it is the rounding of the stamps."""

OVERRUN = 1.1
"""How much longer than `max_duration_s` the sound may run before decoding stops: durations are estimates."""


def read_audio(
    path: Path,
    sample_rate: int,
    *,
    limits: MediaLimits,
    check: Callable[[], None] = no_check,
    name: str | None = None,
) -> np.ndarray:
    """float32 (n,) in [-1, 1] at `sample_rate` Hz; the mean of all channels, resampled by soxr (high quality).

    In a video, sample 0 is at time 0 of the picture: a sound track that starts later begins with silence. In a recording it
    is the first sample. Holes in the time stamps are filled with silence, so that times stay right. Values that a lossy
    codec drove beyond full scale are clipped to it.

    Raises: WrongMediaKindError without a sound track; UnreadableMediaError, MediaLimitError, DecodeStalledError; whatever
    `check` raises.
    """
    name = name or path.name

    def work(pulse: Pulse) -> np.ndarray:
        with open_container(path, name, limits) as container:
            stream = sound_stream(container, name)
            return _resampled(_on_time(container, stream, name, limits, pulse), sample_rate, pulse)

    waveform = guarded_call(work, name=name, stall_s=limits.stall_s, check=check)
    if not waveform.size:
        raise unreadable(name, "no sound could be decoded from its sound track")
    return waveform


def sound_stream(container: InputContainer, name: str) -> AudioStream:
    """Raises: WrongMediaKindError without a sound track, UnreadableMediaError without a decoder for it."""
    stream = audio_stream(container)
    if stream is None:
        raise WrongMediaKindError(
            f"{name} has no sound track, and this model listens to one. Choose a model that looks at the picture."
        )
    if stream.codec_context is None:
        raise unreadable(name, "its sound is made with a codec that is not known here")
    return stream


def mono(frame: AudioFrame) -> np.ndarray:
    """float32 (n,): the mean of the channels, full scale at 1, whatever the sample format."""
    values: Any = frame.to_ndarray()
    channels = len(frame.layout.channels)
    values = values if frame.format.is_planar else values.reshape(-1, channels).T
    if values.dtype == np.uint8:
        scaled = (values.astype(np.float32) - 128) / 128
    elif np.issubdtype(values.dtype, np.integer):
        scaled = values.astype(np.float32) / -float(np.iinfo(values.dtype).min)
    else:
        scaled = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    return scaled.mean(axis=0, dtype=np.float32)


def _on_time(
    container: InputContainer, stream: AudioStream, name: str, limits: MediaLimits, pulse: Pulse
) -> Iterator[tuple[np.ndarray, int]]:
    """(samples, their rate) in order, with silence where the time stamps leave a hole."""
    origin = origin_s(container) if video_stream(container) is not None else None
    at = 0.0
    for frame in _decoded(container, stream, name, limits, pulse):
        samples, rate = mono(frame), frame.sample_rate
        if frame.pts is not None and frame.time_base is not None:
            stamp = float(frame.pts * frame.time_base)
            origin = stamp if origin is None else origin
            hole = stamp - origin - at
            if hole > (GAP_S if at else 0.0):
                silence = min(hole, limits.max_duration_s)
                yield from _silence(round(silence * rate), rate)
                at += silence
            elif not at and hole < 0:
                samples = samples[round(-hole * rate) :]
        at += len(samples) / rate
        if at > limits.max_duration_s * OVERRUN:
            raise MediaLimitError(
                f"The sound of {name} is longer than {limits.max_duration_s / 60:g} minutes, the most that is taken. "
                "Cut out the part in question."
            )
        yield samples, rate


def _silence(samples: int, rate: int) -> Iterator[tuple[np.ndarray, int]]:
    """In pieces of a second: a wrong time stamp can ask for half an hour."""
    for start in range(0, samples, rate):
        yield np.zeros(min(rate, samples - start), np.float32), rate


def _decoded(
    container: InputContainer, stream: AudioStream, name: str, limits: MediaLimits, pulse: Pulse
) -> Iterator[AudioFrame]:
    try:
        for packet in container.demux(stream):
            pulse.beat()
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue  # the hole that a broken packet leaves becomes silence
            for frame in frames:
                if frame.samples:
                    yield frame
    except av.error.ExitError as error:
        raise stalled(name, limits) from error
    except av.error.FFmpegError:
        return  # cut off: what came so far is all there is


def _resampled(pieces: Iterator[tuple[np.ndarray, int]], sample_rate: int, pulse: Pulse) -> np.ndarray:
    """Joined at one rate. The stored rate may change within a stream (joined recordings)."""
    done: list[np.ndarray] = []
    resampler: soxr.ResampleStream | None = None
    rate = 0
    for samples, piece_rate in pieces:
        pulse.beat()
        if piece_rate != rate:
            if resampler is not None:
                done.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
            rate = piece_rate
            resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
        assert resampler is not None
        done.append(resampler.resample_chunk(samples))
    if resampler is None:
        return np.zeros(0, np.float32)
    done.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.clip(np.concatenate(done), -1.0, 1.0)
