"""The decode loop behind `video`: which packets to feed, which pictures to convert, what to do about broken ones."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import av.error
import numpy as np

from drishtiksha.errors import MediaLimitError
from drishtiksha.media.colour import RgbConverter, Shown
from drishtiksha.media.container import decoder_options, demuxed, open_container, picture_stream
from drishtiksha.media.cropping import shown
from drishtiksha.media.formats import unreadable
from drishtiksha.media.frameindex import FrameIndex, too_many_frames
from drishtiksha.media.guard import Pulse
from drishtiksha.media.interlace import deinterlaced, is_interlaced
from drishtiksha.media.joined import Span
from drishtiksha.media.timeline import shifted
from drishtiksha.settings import MediaLimits

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

SEEK_GAIN = 2
"""Seek when it leaves at most one in this many frames to decode: a seek also costs refilling the decoder."""


SEEK_TRIES = 3
"""Keyframes to try, each earlier than the last, before decoding from the start of the file."""


STRICTLY = {"err_detect": "bitstream+buffer+explode"}
"""How FFmpeg is told to fail at broken data."""

THREAD_BYTES = 500_000_000
"""Of pictures that a decoder works on at a time, one a thread: of small ones it takes as many threads as there are processors."""

PIXEL_BYTES = 3
"""Of a decoded picture, at most, but for rare ones: 4:2:0 has 1.5, or 3 with more than 8 bits."""


@dataclass(frozen=True)
class Frame:
    """index: 0-based in the source, presentation order. image: uint8 RGB (H, W, 3), upright, not shared."""

    index: int
    time_s: float
    image: np.ndarray


@dataclass
class DecodeReport:
    """How a decode went; complete once its iterator has ended.

    frames_decoded: pictures that came out of the decoder, wanted or not. missing: wanted indices that could not be decoded,
    to be recorded as gaps with GapReason.DAMAGED. damaged: the decoder met broken data, or the file is cut off.
    """

    frames_decoded: int = 0
    missing: list[int] = field(default_factory=list)
    damaged: bool = False


@dataclass(frozen=True)
class _Picture:
    """A decoded picture with its place in the source, and how it is shown."""

    index: int
    time_s: float
    frame: VideoFrame
    shown: Shown


class _InDoubtError(Exception):
    """Pictures were left out, and what came out instead shows that all are to be decoded."""


class Wanted:
    """The frames still to come, in order."""

    def __init__(self, indices: Sequence[int]) -> None:
        self._indices = indices
        self._next = 0
        self._replace = False

    @property
    def done(self) -> bool:
        return self._next == len(self._indices) and not self._replace

    @property
    def place(self) -> int:
        """How many came, or were passed over."""
        return self._next

    @property
    def rest(self) -> list[int]:
        """Those that did not come so far."""
        return list(self._indices[self._next :])

    def takes(self, index: int, report: DecodeReport) -> bool:
        """Whether the picture `index`, the next in order, is wanted.

        Frames passed over are missing when the stream is damaged. When it is not, the decoder left them out on purpose
        (such as the leading pictures of an open group), and this picture stands in for them.
        """
        while self._next < len(self._indices) and self._indices[self._next] < index:
            if report.damaged:
                report.missing.append(self._indices[self._next])
            else:
                self._replace = True
            self._next += 1
        here = self._next < len(self._indices) and self._indices[self._next] == index
        taken = here or self._replace
        self._next += here
        self._replace = False
        return taken


def _whole(pictures: Iterator[_Picture], wanted: Wanted, report: DecodeReport) -> Iterator[tuple[_Picture, VideoFrame]]:
    """The wanted pictures, each with a frame of one moment: interlaced ones wait for the next to be deinterlaced."""
    before: VideoFrame | None = None
    waiting: tuple[_Picture, VideoFrame | None] | None = None
    for picture in pictures:
        if waiting is not None:
            yield waiting[0], deinterlaced(waiting[0].frame, waiting[1], picture.frame)
            waiting = None
        if wanted.done:
            return
        if wanted.takes(picture.index, report):
            if is_interlaced(picture.frame):
                waiting = picture, before
            else:
                yield picture, picture.frame
                if wanted.done:
                    return
        before = picture.frame
    if waiting is not None:
        yield waiting[0], deinterlaced(waiting[0].frame, waiting[1], None)


class Decoder:
    """One decode of one file, run in the guarded thread."""

    def __init__(
        self,
        path: Path,
        name: str,
        limits: MediaLimits,
        index: FrameIndex,
        report: DecodeReport,
        pulse: Pulse,
        span: Span | None = None,
    ) -> None:
        self._path, self._name, self._limits, self._span = path, name, limits, span
        self._index, self._report, self._pulse = index, report, pulse
        self._in_doubt = False
        """Whether leaving pictures out went wrong before."""

    def run(self, wanted: Sequence[int], *, seek: bool) -> Iterator[Frame]:
        """`wanted`: sorted. `seek`: always go through keyframes, not only where it pays."""
        self._report.damaged = self._index.damaged
        there = [i for i in wanted if i < len(self._index)]
        if self._index.parts:
            yield from self._joined(there, seek=seek)
        else:
            yield from self._alone(there, seek=seek)
        self._report.missing.extend(i for i in wanted if i >= len(self._index))
        if there and not self._report.frames_decoded:
            raise unreadable(self._name, "its pictures are damaged, or made with a codec that is not known here")

    def _joined(self, wanted: Sequence[int], *, seek: bool) -> Iterator[Frame]:
        """Of recordings that were joined, each by itself."""
        for part in self._index.parts:
            own = [i - part.first for i in wanted if part.first <= i < part.first + len(part.index)]
            report = DecodeReport(damaged=part.index.damaged)
            one = Decoder(self._path, self._name, self._limits, part.index, report, self._pulse, part.span)
            for frame in one._alone(own, seek=seek):
                yield Frame(frame.index + part.first, frame.time_s + part.begin_s, frame.image)
            self._report.missing.extend(i + part.first for i in report.missing)
            self._report.frames_decoded += report.frames_decoded
            self._report.damaged |= report.damaged

    def _alone(self, there: Sequence[int], *, seek: bool) -> Iterator[Frame]:
        to_rgb = RgbConverter()
        for group, key in self._groups(there, seek):
            left = yield from self._sparing(group, key, to_rgb)
            if not left:
                continue
            todo = Wanted(left)
            with contextlib.closing(self._from_key(group[0], key)) as pictures:
                for picture, frame in _whole(pictures, todo, self._report):
                    yield Frame(picture.index, picture.time_s, self._converted(to_rgb, frame, picture.shown))
            self._report.missing.extend(todo.rest)

    def _sparing(
        self, group: Sequence[int], key: int | None, to_rgb: RgbConverter
    ) -> Generator[Frame, None, Sequence[int]]:
        """The frames of a group without decoding those to which nothing refers. Returns which of them are to be decoded
        with all others: from the first interlaced one on, which needs its neighbours, or once something is damaged."""
        spare = self._spare(group)
        if not spare:
            return group
        todo, given, before = Wanted(group), 0, self._report.frames_decoded
        try:
            with contextlib.closing(self._from_key(group[0], key, spare)) as pictures:
                for picture in pictures:
                    if not todo.takes(picture.index, self._report):
                        continue
                    if is_interlaced(picture.frame):
                        raise _InDoubtError
                    given = todo.place
                    yield Frame(picture.index, picture.time_s, self._converted(to_rgb, picture.frame, picture.shown))
                    if todo.done:
                        return []
        except _InDoubtError:
            self._in_doubt, self._report.frames_decoded = True, before
            return group[given:]
        return todo.rest

    def _spare(self, group: Sequence[int]) -> frozenset[int]:
        """The stamps of frames that need not be decoded for their own sake; none where there is any doubt what they belong
        to, or whether the file is whole."""
        pts = self._index.pts
        if pts is None or not self._index.sparing or self._index.shifts is not None:
            return frozenset()
        if self._in_doubt or self._report.damaged or np.any(np.diff(pts) <= 0):
            return frozenset()
        return frozenset(pts[: group[-1] + 1].tolist()) - frozenset(pts[list(group)].tolist())

    def _converted(self, to_rgb: RgbConverter, frame: VideoFrame, shown: Shown) -> np.ndarray:
        try:
            return to_rgb(frame, shown)
        except av.error.FFmpegError as error:
            raise unreadable(self._name, "its colours are stored in a way that is not known here") from error

    def _groups(self, wanted: Sequence[int], seek: bool) -> list[tuple[Sequence[int], int | None]]:
        """What to decode in one go, with the place in `keyframes` to start from (None: the start of the file)."""
        keys = self._index.keyframes
        if not len(wanted):
            return []
        if self._index.pts is None or self._index.shifts is not None or not len(keys) or keys[0] > wanted[0]:
            return [(wanted, None)]
        groups: dict[int, list[int]] = {}
        for i, place in zip(wanted, np.searchsorted(keys, wanted, side="right") - 1, strict=True):
            groups.setdefault(int(place), []).append(i)
        to_decode = sum(group[-1] - int(keys[place]) + 1 for place, group in groups.items())
        if not seek and to_decode * SEEK_GAIN > wanted[-1] + 1:
            return [(wanted, None)]
        return [(group, place) for place, group in groups.items()]

    def _from_key(
        self, first: int, key: int | None, spare: frozenset[int] = frozenset()
    ) -> Generator[_Picture, None, None]:
        """Pictures from a keyframe on; from an earlier one, or the start, when the container's seek lands behind `first`.

        spare: stamps of pictures that may be left out. Raises: _InDoubtError when some were and something is damaged.
        """
        pts, keys = self._index.pts, self._index.keyframes
        if key and pts is not None:
            damaged = self._report.damaged
            with self._opened(strictly=bool(spare)) as (container, stream):
                for place in range(key, max(0, key - SEEK_TRIES), -1):
                    container.seek(int(pts[keys[place]]), stream=stream)
                    pictures = self._pictures(container, stream, int(keys[place]), spare)
                    head = next(pictures, None)
                    # What broke on the way to the keyframe belongs to pictures that were not asked for.
                    self._report.damaged = damaged
                    if head is not None and head.index <= first:
                        yield head
                        yield from pictures
                        return
        with self._opened(strictly=bool(spare)) as (container, stream):
            yield from self._pictures(container, stream, 0, spare)

    @contextlib.contextmanager
    def _opened(self, *, strictly: bool) -> Iterator[tuple[InputContainer, VideoStream]]:
        """strictly: the decoder fails at what is broken, in place of making up a picture."""
        with open_container(self._path, self._name, self._limits, self._span) as container:
            stream = picture_stream(container, self._name, self._index.track)
            stream.thread_type = "AUTO"
            context = stream.codec_context
            most = max(THREAD_BYTES // max(context.width * context.height * PIXEL_BYTES, 1), 1)
            if most <= (os.cpu_count() or 1):
                context.thread_count = most
            stream.codec_context.options = decoder_options(self._limits) | (STRICTLY if strictly else {})
            yield container, stream

    def _pictures(
        self, container: InputContainer, stream: VideoStream, since: int, spare: frozenset[int]
    ) -> Iterator[_Picture]:
        """All that decodes from where the container stands. After a seek, pictures before
        `since` lack what they refer to: no damage, but not to be shown."""
        scale, origin, pts = float(stream.time_base or 0), self._index.origin_s, self._index.pts
        count, last = 0, -1
        how = shown(container, stream)
        for picture in self._decoded(container, stream, spare):
            self._report.frames_decoded += 1
            if self._report.frames_decoded > self._limits.max_frames:
                raise too_many_frames(self._name, self._limits)
            on_screen = how(picture)
            check_pixels(self._name, on_screen.size(picture.width, picture.height), self._limits)
            i, time_s, count = count, self._index.time_s(count), count + 1
            if pts is not None and picture.pts is not None:
                i = max(0, int(np.searchsorted(pts, picture.pts, side="right")) - 1)
                if pts[i - 1] == pts[i]:
                    # Several frames of one stamp: each takes the next of their places.
                    i = min(i, max(int(np.searchsorted(pts, picture.pts)), last + 1))
                last = i
                time_s = picture.pts * scale - origin
            if i < since:
                continue
            if picture.is_corrupt:
                self._damaged(spare)
                continue
            yield _Picture(i, time_s, picture, on_screen)

    def _damaged(self, spare: frozenset[int]) -> None:
        if spare:
            raise _InDoubtError
        self._report.damaged = True

    def _decoded(self, container: InputContainer, stream: VideoStream, spare: frozenset[int]) -> Iterator[VideoFrame]:
        """Everything the decoder gives; broken packets are passed over."""
        shifts = None if self._index.shifts is None else iter(self._index.shifts.tolist())
        broken: list[bool] = []
        packets = demuxed(container, [stream], self._name, self._limits, self._pulse, lambda: broken.append(True))
        for packet in packets:
            if shifts is not None and packet.size:
                packet = shifted(packet, next(shifts, 0))
            if spare:
                # Frame threads take it over with each packet.
                stream.codec_context.skip_frame = "NONREF" if packet.pts in spare else "DEFAULT"
            try:
                pictures = packet.decode()
            except av.error.FFmpegError:
                self._damaged(spare)
                continue
            for picture in pictures:
                self._pulse.beat()
                yield picture
        if broken:
            self._damaged(spare)
            yield from stream.codec_context.decode(None)


def check_pixels(name: str, size: tuple[int, int], limits: MediaLimits) -> None:
    """size: width and height in px. Raises: MediaLimitError when that is too large."""
    if size[0] * size[1] <= limits.max_video_pixels:
        return
    width, height = size
    raise MediaLimitError(
        f"{name} is {width} x {height}; at most {limits.max_video_pixels / 1e6:.0f} megapixels a frame are taken. "
        "Make a smaller copy."
    )
