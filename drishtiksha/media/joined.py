"""Recordings that were joined byte by byte, one whole file behind the other, of formats whose readers stop at the joint, or go
on there with the wrong decoder."""

from __future__ import annotations

import io
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from drishtiksha.errors import MediaLimitError
from drishtiksha.media.transport import layout_of

OGG_FIRST = b"OggS\0\x02"
"""A page with the header of a stream."""
OGG_PAGE, OGG_SEGMENTS = 27, 26
OPUS_LEVEL = slice(10, 18)
"""Of the header of Opus: how many samples come first, the rate before coding, and the gain; they may change on the way."""

FLAC_FIRST = b"fLaC\0\0\0\x22"

FLV_FIRST = b"FLV\x01"
FLV_HEADER = b"\0\0\0\x09\0\0\0\0"
FLV_BYTES = 13


MAX_JOINED = 500
"""Of which each is opened by itself, several times."""


class Span(NamedTuple):
    """Bytes of a file: from `start` up to `end`."""

    start: int
    end: int


def check_joined(path: Path, name: str) -> None:
    """Raises: MediaLimitError for a file that is joined of too many."""
    if len(recordings_in(path)) + len(headers_in(path)) > MAX_JOINED:
        raise MediaLimitError(
            f"{name} is joined from more than {MAX_JOINED} recordings; opening each of them would take minutes. Examine them one "
            "by one, or save them as one recording in a sound or video program."
        )


def recordings_in(path: Path) -> tuple[Span, ...]:
    """Where each of the recordings lies that were joined to an Ogg, WAV or FLAC file, or to a broadcast stream that changes its
    codec; none where one reader reads them all."""
    with path.open("rb") as file:
        read = {b"OggS": _ogg, b"RIFF": _wav, b"fLaC": _flac}.get(file.read(4))
        if read is None:
            parts = layout_of(path, "mpegts").parts
            return tuple(Span(part.start, part.end) for part in parts) if len(parts) > 1 else ()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            starts = read(content)
            if len(starts) < 2:
                return ()
            return tuple(Span(*pair) for pair in zip(starts, [*starts[1:], len(content)], strict=True))


def _ogg(content: mmap.mmap) -> list[int]:
    """Starts of chained streams (RFC 3533), where their headers differ."""
    starts: list[int] = []
    headers: list[bytes] = []
    place, expected = content.find(OGG_FIRST), -1
    while place >= 0:
        count = content[place + OGG_SEGMENTS] if place + OGG_PAGE <= len(content) else 0
        body = place + OGG_PAGE + count
        end = body + sum(content[place + OGG_PAGE : body])
        if place != expected:  # headers that follow on each other are of one recording with several tracks
            starts.append(place)
            headers.append(b"")
        headers[-1] += _kind(content[body:end])
        expected = end
        place = content.find(OGG_FIRST, place + 1)
    return starts if len(set(headers)) > 1 else []


def _kind(header: bytes) -> bytes:
    return header[: OPUS_LEVEL.start] + header[OPUS_LEVEL.stop :] if header.startswith(b"OpusHead") else header


def _wav(content: mmap.mmap) -> list[int]:
    starts, place = [], 0
    while content[place : place + 4] == b"RIFF" and content[place + 8 : place + 12] == b"WAVE":
        starts.append(place)
        size = int.from_bytes(content[place + 4 : place + 8], "little")
        place += 8 + size + (size & 1)
    return starts


def _flac(content: mmap.mmap) -> list[int]:
    starts, place = [], 0
    while place >= 0:
        starts.append(place)
        place = content.find(FLAC_FIRST, place + 1)
    return starts


def headers_in(path: Path) -> tuple[Span, ...]:
    """The headers of further FLV files within one, at which its reader loses its way; none of other files."""
    with path.open("rb") as file:
        if file.read(4) != FLV_FIRST:
            return ()
        found = []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            place = content.find(FLV_FIRST, FLV_BYTES)
            while place >= 0:
                if content[place + 5 : place + FLV_BYTES] == FLV_HEADER:
                    found.append(Span(place, place + FLV_BYTES))
                place = content.find(FLV_FIRST, place + 1)
    return tuple(found)


class Pieces(io.RawIOBase):
    """A file of which only these bytes are there, one span behind the other. patches: what is read at these places of the file in
    place of what is there."""

    def __init__(self, path: Path, spans: Sequence[Span], patches: Sequence[tuple[int, bytes]] = ()) -> None:
        self._file = path.open("rb")
        self._patches = patches
        self._spans = [span for span in spans if span.end > span.start]
        self._size = sum(span.end - span.start for span in self._spans)
        self._at = 0

    @classmethod
    def without(cls, path: Path, left_out: Sequence[Span]) -> Pieces:
        edges = [0, *(edge for span in left_out for edge in span), path.stat().st_size]
        return cls(path, [Span(*pair) for pair in zip(edges[::2], edges[1::2], strict=True)])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = self._size - self._at if size < 0 else min(size, self._size - self._at)
        found, before = b"", 0
        for span in self._spans:
            length = span.end - span.start
            inside = self._at - before
            if left > 0 and inside < length:
                piece = self._piece(span.start + inside, min(left, length - inside))
                found += piece
                left -= len(piece)
                self._at += len(piece)
            before += length
        return found

    def _piece(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        piece = self._file.read(size)
        for place, value in self._patches:
            first, last = max(place, start), min(place + len(value), start + len(piece))
            if first < last:
                own = value[first - place : last - place]
                piece = piece[: first - start] + own + piece[last - start :]
        return piece

    def close(self) -> None:
        self._file.close()
        super().close()
