"""Opens video and audio containers safely: one local file, known formats only, nothing it may point at."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import av
import av.error

from drishtiksha.errors import DecodeStalledError, MediaLimitError, WrongMediaKindError
from drishtiksha.media.adts import AdtsClock
from drishtiksha.media.channels import settle
from drishtiksha.media.ebml import SEGMENT, elements
from drishtiksha.media.formats import FORMATS, format_of, unreadable
from drishtiksha.media.guard import SHORT_OF_PROCESSOR, Pulse
from drishtiksha.media.joined import Pieces, Span, headers_in
from drishtiksha.media.lengths import wrong_length
from drishtiksha.media.transport import Part, layout_of
from drishtiksha.settings import MediaLimits

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

FILE = "file:"

StreamT = TypeVar("StreamT", bound="Stream")

MIN_SAMPLE_RATE = 4000
"""Hz. In sound of fewer samples a second nothing of a voice is left to judge; a telephone has 8000."""

PIXEL_SLACK = 4
"""How far beyond `max_video_pixels` a decoder may go to find out a picture's size."""

MAX_TRACKS = 128
"""For each of which FFmpeg opens a decoder, with memory of its own, before anybody knows which are wanted."""

BEHIND_BEGINNING = 2_000_000
"""Bytes of which it takes some to know a track once it begins."""

EVER = 10**12
"""Microseconds."""

CLOCKED = ("mpegts", "mpeg", "flv")
"""Formats whose time stamps begin anywhere; players show their first moment as 0."""

CLOCK_START_S = 1.0
"""In other formats a first time stamp later than this is a live stream's clock, not a delay: it becomes time 0 too."""


def open_container(path: Path, name: str, limits: MediaLimits, span: Span | None = None) -> InputContainer:
    """Open for reading, by content. span: only these bytes of the file; None: all, or the first of the parts of `Layout`.

    Raises: UnreadableMediaError, MediaLimitError, DecodeStalledError.
    """
    try:
        container = _opened(path, span, limits)
        parts = layout_of(path, container.format.name).parts
        part = next((one for one in parts if span is None or span.start == one.start), None)
        if part is not None:
            if span is None and len(parts) > 1:
                # What follows is in another codec, which FFmpeg gives to the decoder of the first.
                container.close()
                span = Span(part.start, part.end)
                container = _opened(path, span, limits)
            if reach := _reach(container, part):
                container.close()
                container = _opened(path, span, limits, _looking_through(reach))
                container.seek(0, unsupported_byte_offset=True)
        if container.format.name.startswith("mov,") and any(map(_is_edited_away, container.streams)):
            container.close()
            container = _opened(path, span, limits, {"ignore_editlist": "1"})
        for stream in container.streams.audio:
            settle(stream)
        # PyAV asks for time stamps to be made up where a file has none; it is better to know that it has none.
        container.flags &= ~av.container.Flags.gen_pts.value  # type: ignore[operator]  # its stub says Flags
        return container
    except av.error.ExitError as error:
        raise stalled(name, limits) from error
    except av.error.MemoryError as error:
        raise MediaLimitError(
            f"{name} holds more than {MAX_TRACKS} tracks, or needs more memory than this computer has free. Save what is in "
            "question as a video of its own."
        ) from error
    except (av.error.FFmpegError, ValueError) as error:
        raise unreadable(name, _what_ffmpeg_says(error, path)) from error


def _opened(
    path: Path, span: Span | None, limits: MediaLimits, further: Mapping[str, str] | None = None
) -> InputContainer:
    """further: options of FFmpeg's readers."""
    pieces = Pieces(path, [span]) if span else _mended(path)
    return av.open(
        # The prefix keeps a name such as "concat:a|b" from being taken for anything but a file.
        pieces or f"{FILE}{path.resolve()}",
        mode="r",
        options={
            "format_whitelist": FORMATS,
            "protocol_whitelist": "file",
            "max_streams": str(MAX_TRACKS),
            **(further or {}),
            **decoder_options(limits),
        },
        metadata_errors="replace",
        timeout=SHORT_OF_PROCESSOR * limits.stall_s,  # so that what the guard has given up ends, too
    )


def _looking_through(reach: int) -> dict[str, str]:
    """Options to look for tracks in so many bytes; FFmpeg then stands behind them, and keeps nothing of them in memory."""
    return {
        "probesize": str(reach),
        "analyzeduration": str(EVER),
        "scan_all_pmts": "1",
        "fflags": "nobuffer",
    }


def _is_edited_away(stream: Stream) -> bool:
    """Whether an edit list leaves nothing of a track, as one without a meaning does."""
    if stream.type not in ("video", "audio") or not stream.frames or is_cover(stream):
        return False
    return all(entry.is_discard for entry in stream.index_entries)


def _reach(container: InputContainer, part: Part) -> int:
    """How many bytes to look through for tracks that begin behind what FFmpeg looks at by itself; 0 where all were found."""
    known = {stream.id for stream in container.streams if _is_known(stream)}
    late = [place for number, place in part.begins.items() if number not in known]
    return max(late) + BEHIND_BEGINNING if late else 0


def _is_known(stream: Stream) -> bool:
    """Whether enough of a track was read to decode it, if that is possible at all."""
    if stream.type == "audio":
        return stream.codec_context is None or bool(stream.sample_rate)  # type: ignore[attr-defined]
    return stream.type != "video" or stream.codec_context is None or bool(stream.width)  # type: ignore[attr-defined]


def _mended(path: Path) -> Pieces | None:
    """The file without what its reader would lose its way at, or stop at too early; None where it is read as it is."""
    if headers := headers_in(path):
        return Pieces.without(path, headers)
    if claim := wrong_length(path):
        return Pieces(path, [Span(0, path.stat().st_size)], claim.patches)
    return None


def demuxed(
    container: InputContainer,
    streams: Sequence[StreamT],
    name: str,
    limits: MediaLimits,
    pulse: Pulse,
    on_break: Callable[[], None] = lambda: None,
) -> Iterator[Packet[StreamT]]:
    """The packets of these streams in the order of the file, then an empty one each, which empties its decoder.

    on_break: called where the rest of the file cannot be read; what came so far is all there is.
    Raises: DecodeStalledError.
    """
    if not streams:
        return
    clocks = {s.index: AdtsClock(s) for s in streams if _is_adts(container, s)}  # type: ignore[arg-type]
    try:
        for packet in container.demux(*streams):
            pulse.beat()
            if packet.size and (clock := clocks.get(packet.stream_index)) is not None:
                clock.correct(packet)
            yield packet  # type: ignore[misc]  # its stub speaks of any stream
    except av.error.ExitError as error:
        raise stalled(name, limits) from error
    except av.error.FFmpegError:
        on_break()
    except IndexError:
        # A stream begins in the midst of the file. PyAV does not know it and fails at the end, after the last packet.
        return


def _is_adts(container: InputContainer, stream: Stream) -> bool:
    """Whether each packet has a header of AAC's own."""
    context = stream.codec_context if stream.type == "audio" else None
    return context is not None and context.name == "aac" and container.format.name in ("aac", "mpegts")


def decoder_options(limits: MediaLimits) -> dict[str, str]:
    """Keep decoders from taking memory for a monstrous picture that a header hides; what is merely too large still opens,
    so that it can be refused with its size. A picture is cropped where its stream says, not where its rows lie well in memory."""
    return {"max_pixels": str(PIXEL_SLACK * limits.max_video_pixels), "flags": "+unaligned"}


def stalled(name: str, limits: MediaLimits) -> DecodeStalledError:
    return DecodeStalledError(
        f"{name} could not be read: nothing came out of it for {limits.stall_s:g} seconds, so it was stopped. "
        "The file may be damaged; convert it to MP4 (H.264) and try again."
    )


def too_coarse(name: str, sample_rate: int) -> MediaLimitError:
    return MediaLimitError(
        f"The sound of {name} has {sample_rate} samples a second; a voice cannot be judged below {MIN_SAMPLE_RATE}. "
        "The file is damaged, or holds no recording."
    )


def _what_ffmpeg_says(error: Exception, path: Path) -> str:
    if isinstance(error, av.error.InvalidDataError | av.error.EOFError):
        if (known := format_of(path)) is not None:
            return f"it begins as {known.name}, but is cut off or damaged"
        return "its content is of no known media format, or it is cut off or damaged"
    if isinstance(error, av.error.FileNotFoundError):
        return "the file is no longer there"
    if isinstance(error, av.error.PermissionError):
        return "this computer does not allow it to be opened"
    return "its format is not one that is taken here, or it is damaged"


def video_stream(container: InputContainer) -> VideoStream | None:
    """The main moving picture; cover art of a song is not one."""
    return next(iter(picture_streams(container)), None)


def picture_streams(container: InputContainer) -> list[VideoStream]:
    """All moving pictures, the main one first."""
    best = container.streams.best("video")
    found = [stream for stream in container.streams.video if not is_cover(stream)]
    return sorted(found, key=lambda stream: best is None or stream.index != best.index)


def sound_streams(container: InputContainer) -> list[AudioStream]:
    """All sound tracks that can be decoded, the main one first."""
    best = audio_stream(container)
    found = [stream for stream in container.streams.audio if stream.codec_context is not None]
    return sorted(found, key=lambda stream: best is None or stream.index != best.index)


def picture_stream(container: InputContainer, name: str, track: int | None = None) -> VideoStream:
    """The main moving picture, or that of the stream `track`.

    Raises: WrongMediaKindError without a moving picture, UnreadableMediaError without a decoder for it.
    """
    stream = next((one for one in picture_streams(container) if track in (None, one.index)), None)
    if stream is None:
        raise WrongMediaKindError(f"{name} has no moving picture. Choose a model for recordings.")
    if stream.codec_context is None:
        raise unreadable(name, "its pictures are made with a codec that is not known here")
    return stream


def audio_stream(container: InputContainer) -> AudioStream | None:
    """The main sound track: the one that belongs to the picture where the file says so."""
    return container.streams.best("audio", related=video_stream(container))  # type: ignore[return-value]


def pixel_aspect(container: InputContainer, stream: VideoStream) -> Fraction:
    """Width of a pixel by its height, as of the picture decoded last; 1 where the file does not say."""
    # Of broadcast formats only the pictures tell it, and it may change on the way; elsewhere the container's word counts.
    context = stream.codec_context
    told = context.sample_aspect_ratio if container.format.name in CLOCKED else stream.sample_aspect_ratio
    return told or Fraction(1)


def origin_s(container: InputContainer) -> float:
    """Seconds to take from every time stamp, so that times are those that a player shows."""
    start = (container.start_time or 0) / av.time_base
    return start if container.format.name in CLOCKED or start > CLOCK_START_S else 0.0


def ends_early(container: InputContainer) -> bool:
    """Whether a Matroska file ends before it says that it does, or does not say; lengths that its tags state may be those of the
    file that it was made from. False for other formats."""
    if not container.format.name.startswith("matroska"):
        return False
    with path_of(container).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        segment = next((one for one in elements(content, 0, len(content)) if one.kind == SEGMENT), None)
        return segment is None or segment.stop is None or segment.stop > len(content)


def path_of(container: InputContainer) -> Path:
    """The file that it was opened from as a whole."""
    return Path(container.name.removeprefix(FILE))


def is_cover(stream: Stream) -> bool:
    """Whether it is a picture that goes with a recording, such as its cover, rather than a moving one."""
    pictures = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    return bool(stream.disposition & pictures)
