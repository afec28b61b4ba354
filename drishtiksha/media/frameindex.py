"""Where every frame of a video lies in time, read from the packets without decoding a picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drishtiksha.errors import MediaLimitError, UnreadableMediaError, WrongMediaKindError
from drishtiksha.media.container import (
    ends_early,
    open_container,
    origin_s,
    picture_stream,
    picture_streams,
    sound_streams,
)
from drishtiksha.media.guard import Pulse, guarded_call, no_check
from drishtiksha.media.joined import Span, recordings_in
from drishtiksha.media.timeline import TrackPackets, read_timeline
from drishtiksha.settings import MediaLimits

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

JITTER_S = 0.002
"""Containers round time stamps to a millisecond: up to two of them are no change of rate."""

JITTER_SHARE = 0.1

EXACT_COUNTS = ("mov,mp4,m4a,3gp,3g2,mj2",)
"""Containers whose header counts the frames; elsewhere the number is an estimate or counts empty packets too."""

UNBROKEN = (*EXACT_COUNTS, "matroska,webm")
"""Containers in which packets do not get lost on the way. Where one is, a decoder takes for it whatever it saw last, so that
it matters what it saw. Only H.264 vouches that nothing refers to a picture; HEVC does so within one layer of time."""

STATED_LENGTH = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
"""How FFmpeg and mkvmerge write the length of a track into Matroska's tags."""

OVERLAP = 1.5
"""How many times as long as the step to the next frame, or as short, frames may be said to last."""

CUT_S = 1.0
"""What is missing of a stated length beyond this was cut off: lengths are rounded, and last frames have no end."""

USUAL_RATE = Fraction(25)
"""Frames a second of a bare stream that does not say."""


@dataclass(frozen=True)
class FrameIndex:
    """Frames in presentation order.

    times: float64 (n,) s. pts: int64 (n,) in the stream's time base, or None where the container does not give them (then
    `times` are good to a few frames, and frames are counted while decoding). keyframes: int64 (k,), indices into `times`.
    end_s: when the last frame ends. origin_s: what was taken from every time stamp. lost: how many more frames the header declares than the file holds: it is cut off.
    damaged: cut off, or the packets could not be read to the end. shifts: what is added to the stamp of each packet, in the
    order of the file, where stamps restart or jump; None elsewhere. breaks: how often they do. sound_end_s: when the last
    sound ends, as far as its packets were read. track: index of the stream; None: the main one. sparing: whether pictures to which
    no other refers may be left out of a decode, and all others come out the same to the bit. share: of the file that could be read.
    parts: of recordings that were joined, each with an index of its own, from which all the rest follows; none elsewhere.
    """

    times: np.ndarray
    pts: np.ndarray | None
    keyframes: np.ndarray
    end_s: float
    origin_s: float
    lost: int
    damaged: bool
    track: int | None = None
    shifts: np.ndarray | None = None
    breaks: int = 0
    sound_end_s: float = 0.0
    sparing: bool = False
    share: float = 1.0
    parts: tuple[JoinedPart, ...] = ()

    def __len__(self) -> int:
        return len(self.times)

    @property
    def declared(self) -> int:
        """Frames that the undamaged file had, as far as it tells."""
        return len(self.times) + self.lost

    @property
    def frame_s(self) -> float:
        """Average time from frame to frame, s; 0 for a single frame without a duration."""
        return (self.end_s - float(self.times[0])) / len(self.times) if len(self.times) else 0.0

    @property
    def variable_rate(self) -> bool:
        steps = np.diff(self.times)
        if len(steps) < 2:
            return False
        usual = float(np.median(steps))
        return bool(np.any(np.abs(steps - usual) > max(JITTER_S, JITTER_SHARE * usual)))

    def time_s(self, index: int) -> float:
        """Presentation time; beyond the last frame (a file that is cut off) extrapolated."""
        if index < len(self.times):
            return float(self.times[index])
        return self.end_s + (index - len(self.times)) * self.frame_s


@dataclass(frozen=True)
class JoinedPart:
    """A recording of several that were joined. first: number of its first frame. begin_s: when it begins."""

    span: Span
    first: int
    begin_s: float
    index: FrameIndex

    @property
    def end_s(self) -> float:
        return self.begin_s + max(self.index.end_s, self.index.sound_end_s)


def read_index(
    path: Path,
    *,
    limits: MediaLimits,
    check: Callable[[], None] = no_check,
    name: str | None = None,
    track: int | None = None,
) -> FrameIndex:
    """Of the main moving picture, or of the stream `track`.

    Raises: UnreadableMediaError, MediaLimitError, DecodeStalledError, WrongMediaKindError without a moving picture."""
    name = name or path.name

    def work(pulse: Pulse) -> FrameIndex:
        return index_file(path, name, limits, pulse, track)

    return guarded_call(work, path, name=name, stall_s=limits.stall_s, check=check)


def index_file(path: Path, name: str, limits: MediaLimits, pulse: Pulse, track: int | None = None) -> FrameIndex:
    """As `read_index`, in the guarded thread."""
    if spans := recordings_in(path):
        return _index_of_joined(path, spans, name, limits, pulse, track)
    with open_container(path, name, limits) as container:
        return index_stream(container, picture_stream(container, name, track), name, limits, pulse)


def _index_of_joined(
    path: Path, spans: Sequence[Span], name: str, limits: MediaLimits, pulse: Pulse, track: int | None
) -> FrameIndex:
    """Each recording behind the one before. One without a picture that can be decoded is as long as its sound."""
    parts: list[JoinedPart] = []
    for span in spans:
        index = _index_of_part(path, span, name, limits, pulse, track)
        first = parts[-1].first + len(parts[-1].index) if parts else 0
        parts.append(JoinedPart(span, first, parts[-1].end_s if parts else 0.0, index))
        if first + len(index) > limits.max_frames:
            raise too_many_frames(name, limits)
    if not parts[-1].first + len(parts[-1].index):
        raise WrongMediaKindError(f"{name} has no moving picture. Choose a model for recordings.")
    last = max((part for part in parts if len(part.index)), key=lambda part: part.first)
    size = sum(span.end - span.start for span in spans)
    return FrameIndex(
        times=np.concatenate([part.index.times + part.begin_s for part in parts]),
        pts=None,
        keyframes=np.concatenate([part.index.keyframes + part.first for part in parts]),
        end_s=last.begin_s + last.index.end_s,
        origin_s=0.0,
        lost=0,
        damaged=any(part.index.damaged for part in parts),
        track=track,
        breaks=sum(part.index.breaks for part in parts) + len(parts) - 1,
        sound_end_s=max(part.begin_s + part.index.sound_end_s for part in parts),
        share=sum((part.span.end - part.span.start) * part.index.share for part in parts) / size,
        parts=tuple(parts),
    )


def _index_of_part(
    path: Path, span: Span, name: str, limits: MediaLimits, pulse: Pulse, track: int | None
) -> FrameIndex:
    """share: 0 where it has a picture that cannot be decoded, or cannot be opened."""
    nothing = FrameIndex(np.zeros(0), None, np.zeros(0, np.int64), 0.0, 0.0, 0, damaged=False, share=0.0)
    try:
        with open_container(path, name, limits, span) as container:
            pictures = [one for one in picture_streams(container) if track in (None, one.index)]
            if known := [one for one in pictures if one.codec_context is not None]:
                return index_stream(container, known[0], name, limits, pulse)
            if not (sounds := sound_streams(container)):
                return nothing
            timeline = read_timeline(container, sounds, name, limits, pulse)
            ends = [one.end_s() for one in timeline.tracks.values()]
            share = 0.0 if pictures else timeline.share
            return replace(nothing, sound_end_s=max(ends) - origin_s(container), share=share)
    except UnreadableMediaError:
        return nothing


def index_stream(
    container: InputContainer, stream: VideoStream, name: str, limits: MediaLimits, pulse: Pulse
) -> FrameIndex:
    """Read all packets of `stream` and of the sound; the container stands at its end afterwards."""

    def watch(track: TrackPackets) -> None:
        if len(track) > limits.max_frames:
            raise too_many_frames(name, limits)

    timeline = read_timeline(container, [stream, *sound_streams(container)], name, limits, pulse, watch)
    track = timeline.tracks[stream.index]
    hidden = sum(track.hidden)
    rows, scale = _stamped(track, stream), track.tick_s
    stamps = np.array([row[0] for row in rows], dtype=np.int64)
    origin = origin_s(container)
    if origin and len(stamps):
        # FFmpeg leaves some first packets out of its start time.
        origin = min(origin, float(stamps[0]) * scale)
    last_end = _last_end(rows)
    exact = container.format.name in EXACT_COUNTS
    lost = 0
    if track.shifts is None:
        if exact:
            lost = _lost(stream, len(rows), hidden, last_end)
        elif ends_early(container):
            lost = _lost_of_stated_length(stream, rows, last_end)
    counted = any(pts is None for pts, hide in zip(track.pts, track.hidden, strict=True) if not hide)
    return FrameIndex(
        times=stamps * scale - origin,
        pts=None if counted else stamps,
        keyframes=np.flatnonzero([row[2] for row in rows]),
        end_s=last_end * scale - origin,
        origin_s=origin,
        lost=lost,
        damaged=timeline.broken or lost > 0,
        shifts=track.shifts,
        breaks=timeline.breaks,
        share=timeline.share,
        track=stream.index,
        sparing=stream.codec_context.name == "h264" and container.format.name in UNBROKEN,
        sound_end_s=max((one.end_s() - origin for one in timeline.tracks.values() if one.sound), default=0.0),
    )


def _last_end(rows: Sequence[tuple[int, int, bool]]) -> int:
    """When the last frame ends. Where frames are said to last much longer or shorter than to the next, that is a wrong
    statement."""
    if not rows:
        return 0
    steps, lengths = np.diff([row[0] for row in rows]), [row[1] for row in rows]
    usual = float(np.median(steps)) if len(steps) > 1 else 0.0
    stated = float(np.median(lengths))
    if usual and stated and not 1 / OVERLAP <= stated / usual <= OVERLAP:
        return rows[-1][0] + round(usual)
    return max(row[0] + row[1] for row in rows)


def _lost(stream: VideoStream, found: int, hidden: int, last_end: int) -> int:
    """Frames that the header counts beyond those found. A clip trimmed by an edit list also counts frames that are never
    shown: then nothing is lost as long as the found ones reach the stated end."""
    uncounted = max(0, stream.frames - found - hidden)
    if not uncounted or not found or stream.duration is None:
        return uncounted
    begin = stream.start_time or 0
    step = (last_end - begin) / found
    return uncounted if begin + stream.duration - last_end > step / 2 else 0


def _lost_of_stated_length(stream: VideoStream, rows: Sequence[tuple[int, int, bool]], last_end: int) -> int:
    """About how many frames are missing up to the length that Matroska states of this track, where its writer stated one."""
    stated = STATED_LENGTH.fullmatch(stream.metadata.get("DURATION", ""))
    rate = stream.average_rate or stream.guessed_rate
    if stated is None or not rows or not rate:
        return 0
    hours, minutes, seconds = map(float, stated.groups())
    missing_s = 3600 * hours + 60 * minutes + seconds - last_end * float(stream.time_base or 0)
    return round(missing_s * rate) if missing_s > CUT_S else 0


def _stamped(track: TrackPackets, stream: VideoStream) -> list[tuple[int, int, bool]]:
    """(time stamp, duration, keyframe) in presentation order. Without presentation times (AVI) the decoding times stand in,
    without any (bare streams) a steady rate."""
    shifts = np.zeros(len(track), np.int64) if track.shifts is None else track.shifts
    packets = [
        (pts, dts, length, key, int(shift))
        for pts, dts, length, key, hidden, shift in zip(
            track.pts, track.dts, track.durations, track.keys, track.hidden, shifts, strict=True
        )
        if not hidden
    ]
    if all(pts is not None for pts, *_ in packets):
        return sorted(((pts or 0) + shift, length, key) for pts, _, length, key, shift in packets)
    if all(dts is not None for _, dts, *_ in packets):
        return sorted(((dts or 0) + shift, length, key) for _, dts, length, key, shift in packets)
    rate = stream.average_rate or stream.guessed_rate or USUAL_RATE
    step = round(1 / (rate * (stream.time_base or 1)))
    return [(number * step, step, key) for number, (_, _, _, key, _) in enumerate(packets)]


def too_many_frames(name: str, limits: MediaLimits) -> MediaLimitError:
    return MediaLimitError(
        f"{name} has more than {limits.max_frames:,} frames, the most that is taken. Cut out the part in question."
    )
