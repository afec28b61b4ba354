"""Frames of a video: upright 8-bit RGB, each with its index in the source and its presentation time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

from drishtiksha.media.decode import Decoder, DecodeReport, Frame
from drishtiksha.media.frameindex import FrameIndex, index_file, read_index
from drishtiksha.media.guard import DEPTH, Pulse, guarded, no_check
from drishtiksha.settings import MediaLimits

__all__ = [
    "DecodeReport",
    "Frame",
    "FrameIndex",
    "FrameStream",
    "frames_at",
    "iter_frames",
    "read_index",
]


AHEAD_BYTES = 100_000_000
"""Of frames that are decoded ahead; at least one is."""


class FrameStream(Iterator[Frame]):
    """An iterator over frames with a `report`; use it in `with`, or close it when leaving early."""

    def __init__(self, frames: Generator[Frame, None, None], report: DecodeReport) -> None:
        self._frames = frames
        self.report = report

    def __next__(self) -> Frame:
        return next(self._frames)

    def __enter__(self) -> FrameStream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop decoding and close the file."""
        self._frames.close()


def iter_frames(
    path: Path,
    indices: Sequence[int] | None = None,
    *,
    limits: MediaLimits,
    check: Callable[[], None] = no_check,
    index: FrameIndex | None = None,
    name: str | None = None,
    track: int | None = None,
) -> FrameStream:
    """The frames at `indices` (None: all) in presentation order; only these are converted to RGB.

    A wanted frame that the decoder leaves out although nothing is damaged (such as the leading pictures of an open group)
    is replaced by the next one, which comes with its own index. `index` saves reading the packets once more; `name` is
    what messages call the file; `track` the index of a stream, None the main one.

    Raises: UnreadableMediaError when not one picture can be decoded; MediaLimitError; DecodeStalledError;
    WrongMediaKindError; whatever `check`, called several times a second, raises.
    """
    return _stream(path, indices, limits, check, index, name or path.name, track, seek=False)


def frames_at(
    path: Path,
    indices: Sequence[int],
    *,
    limits: MediaLimits,
    check: Callable[[], None] = no_check,
    index: FrameIndex | None = None,
    name: str | None = None,
    track: int | None = None,
) -> FrameStream:
    """The same frames as `iter_frames`, always reached through the keyframes before them: for a few of a long file."""
    return _stream(path, indices, limits, check, index, name or path.name, track, seek=True)


def _stream(
    path: Path,
    indices: Sequence[int] | None,
    limits: MediaLimits,
    check: Callable[[], None],
    index: FrameIndex | None,
    name: str,
    track: int | None,
    *,
    seek: bool,
) -> FrameStream:
    if indices is not None and any(i < 0 for i in indices):
        raise ValueError("frame indices are counted from 0")
    report = DecodeReport()

    def work(pulse: Pulse) -> Iterator[Frame]:
        known = index_file(path, name, limits, pulse, track) if index is None else index
        wanted = range(known.declared) if indices is None else sorted(set(indices))
        yield from Decoder(path, name, limits, known, report, pulse).run(wanted, seek=seek)

    return FrameStream(guarded(work, path, name=name, stall_s=limits.stall_s, check=check, depth=_ahead), report)


def _ahead(frame: Frame) -> int:
    """How many frames like this one may wait."""
    return min(max(AHEAD_BYTES // frame.image.nbytes, 1), DEPTH)
