"""The few boxes of an MP4 or MOV file (ISO/IEC 14496-12) that FFmpeg does not pass on: edit lists, and kinds of samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PARENTS = frozenset({b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl"})
MAX_BOXES = 4000
MAX_DEPTH = 8
MAX_BODY = 1 << 16
"""Bytes of one box that are read."""


@dataclass(frozen=True)
class Edit:
    """A stretch of a track: from `start_s` of what is stored, None for nothing (an empty stretch), `length_s` long."""

    start_s: float | None
    length_s: float


@dataclass(frozen=True)
class Track:
    """`kind`: the handler's four letters, "vide" for pictures. `length_s` of what is stored. `descriptions`: how many ways of
    encoding the track declares."""

    kind: str
    length_s: float
    descriptions: int
    edits: tuple[Edit, ...]


def read_tracks(path: Path) -> list[Track]:
    """The tracks of an MP4 or MOV file; empty for other files and for damaged ones."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        bodies = list(_walk(file, 0, end, 0, [MAX_BOXES]))
    movie_scale, tracks, current = 0, [], {}  # type: ignore[var-annotated]
    for name, body in bodies:
        if name == b"mvhd":
            movie_scale = _times(body)[0]
        elif name == b"trak":
            current = {}
            tracks.append(current)
        elif tracks:
            current.setdefault(name, body)
    return [_track(boxes, movie_scale) for boxes in tracks]


def _walk(file: BinaryIO, start: int, end: int, depth: int, left: list[int]) -> Iterator[tuple[bytes, bytes]]:
    """(name, beginning of the body) of each box, parents before what is in them; `left` counts down over all."""
    while start + 8 <= end and left[0] > 0:
        left[0] -= 1
        file.seek(start)
        head = file.read(16)
        size, name, skip = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, skip = int.from_bytes(head[8:16], "big"), 16
        stop = end if size == 0 else start + size
        if stop > end or stop < start + skip:
            return
        if name in PARENTS and depth < MAX_DEPTH:
            yield name, b""
            yield from _walk(file, start + skip, stop, depth + 1, left)
        elif depth:
            file.seek(start + skip)
            yield name, file.read(min(MAX_BODY, stop - start - skip))
        start = stop


def _times(body: bytes) -> tuple[int, int]:
    """(units a second, length in units) of `mvhd` or `mdhd`."""
    wide = body[:1] == b"\1"
    place = 20 if wide else 12
    scale = int.from_bytes(body[place : place + 4], "big")
    return scale, int.from_bytes(body[place + 4 : place + (12 if wide else 8)], "big")


def _track(boxes: dict[bytes, bytes], movie_scale: int) -> Track:
    scale, length = _times(boxes.get(b"mdhd", b""))
    edits = tuple(_edits(boxes.get(b"elst", b""), movie_scale, scale)) if scale and movie_scale else ()
    return Track(
        kind=boxes.get(b"hdlr", b"")[8:12].decode("latin-1"),
        length_s=length / scale if scale else 0.0,
        descriptions=int.from_bytes(boxes.get(b"stsd", b"")[4:8], "big"),
        edits=edits,
    )


def _edits(body: bytes, movie_scale: int, scale: int) -> Iterator[Edit]:
    wide = body[:1] == b"\1"
    width, size = (8, 20) if wide else (4, 12)
    count = int.from_bytes(body[4:8], "big")
    for place in range(8, min(len(body), 8 + count * size) - size + 1, size):
        length = int.from_bytes(body[place : place + width], "big")
        start = int.from_bytes(body[place + width : place + 2 * width], "big", signed=True)
        yield Edit(None if start < 0 else start / scale, length / movie_scale)
