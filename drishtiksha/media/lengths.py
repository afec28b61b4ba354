"""Recordings whose header states a length that is not theirs: broken off while they were written, or made to look short."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

CHUNK_NAME = re.compile(rb"[A-Za-z0-9_\xa9 ]{4}")
FILES, TAGS = (b"RIFF", b"RF64", b"FORM"), (b"ID3", b"TAG", b"APE")
"""What else follows on sound: another file, and what players write behind every format."""

UNKNOWN = 0xFFFFFFFF
"""What recorders state as a length that they do not know."""

MOST_CHUNKS = 5_000

BEHIND = 64
"""Bytes behind the sound that need no explanation."""

COUNT = 2
"""Of AIFF's COMM chunk: where the number of frames stands."""

W64_DATA, W64_HEAD = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a", 24
W64_NAME = re.compile(rb"[a-z]{4}\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a")
CAF_FIRST, CAF_UNKNOWN = 8, b"\xff" * 8
AU_SIZE = 8


class Claim(NamedTuple):
    """What to read in place of a wrong statement. patches: by their places in the file. stated, found: bytes of sound; stated is
    None where the header leaves it open."""

    patches: tuple[tuple[int, bytes], ...]
    stated: int | None
    found: int


def wrong_length(path: Path) -> Claim | None:
    """Of WAV, RF64, AIFF, CAF, Wave64 and AU; None where the stated length may be believed, and of other files."""
    if path.stat().st_size < 64:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        head = content[:12]
        if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":
            return _wav(content)
        if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            return _aiff(content)
        if head[:4] == b"caff":
            return _caf(content)
        if head[:4] == b"riff":
            return _w64(content)
        if head[:4] == b".snd" and content[AU_SIZE : AU_SIZE + 4] == bytes(4):
            return Claim(((AU_SIZE, UNKNOWN.to_bytes(4, "big")),), None, len(content) - 24)
    return None


def _chunks(
    content: mmap.mmap, place: int, order: Literal["little", "big"], length: int = 4
) -> Iterator[tuple[bytes, int, int]]:
    """Name, place of the size and size of each chunk, up to something else."""
    for _ in range(MOST_CHUNKS):
        if not CHUNK_NAME.fullmatch(content, place, place + 4) or place + 4 + length > len(content):
            return
        size = int.from_bytes(content[place + 4 : place + 4 + length], order)
        yield content[place : place + 4], place + 4, size
        place += 4 + length + size + (size & 1 if length == 4 else 0)


def _runs_on(content: mmap.mmap, begin: int, size: int, order: Literal["little", "big"], length: int = 4) -> bool:
    """Whether sound goes on behind its stated end: neither the file ends there nor another chunk begins."""
    end = begin + size
    if len(content) - end <= BEHIND:
        return False
    for place in {end, end + (size & 1)}:
        name, stated = content[place : place + 4], int.from_bytes(content[place + 4 : place + 4 + length], order)
        if CHUNK_NAME.fullmatch(name) and place + 4 + length + stated <= len(content) + 1:
            return False
        if name in FILES or name.startswith(TAGS):
            return False
    rest = content[end : end + (1 << 20)]
    return rest.count(0) < len(rest)


def _wav(content: mmap.mmap) -> Claim | None:
    wide = None
    for name, at, size in _chunks(content, 12, "little"):
        if name == b"ds64" and size >= 24:
            wide = int.from_bytes(content[at + 12 : at + 20], "little")
        if name == b"data":
            begin = at + 4
            stated = wide if size == UNKNOWN and wide is not None else size
            # FFmpeg itself reads on where a plain one states nothing.
            if (size in (0, UNKNOWN) and wide is None) or (stated and not _runs_on(content, begin, stated, "little")):
                return None
            patches = ((0, b"RIFF"), (at, UNKNOWN.to_bytes(4, "little")))
            return Claim(patches, stated or None, len(content) - begin)
    return None


def _aiff(content: mmap.mmap) -> Claim | None:
    counted: tuple[int, int] | None = None
    for name, at, size in _chunks(content, 12, "big"):
        if name == b"COMM":
            place = at + 4 + COUNT
            counted = place, int.from_bytes(content[place : place + 4], "big")
        if name == b"SSND":
            begin, patches = at + 4, []
            if counted is not None and counted[1] > len(content):
                patches.append((counted[0], bytes(4)))
            if size != UNKNOWN and (size <= 8 or _runs_on(content, begin, size, "big")):
                patches.append((at, min(len(content) - begin, UNKNOWN - 1).to_bytes(4, "big")))
                return Claim(tuple(patches), max(size - 8, 0) or None, len(content) - begin - 8)
            return Claim(tuple(patches), None, len(content) - begin - 8) if patches else None
    return None


def _caf(content: mmap.mmap) -> Claim | None:
    for name, at, size in _chunks(content, CAF_FIRST, "big", 8):
        if name == b"data":
            begin = at + 8
            if size.to_bytes(8, "big") == CAF_UNKNOWN:
                # FFmpeg then takes the last packet for a full one, and of some codecs knows only the first.
                found = len(content) - begin
                return Claim(((at, found.to_bytes(8, "big")),), None, found - 4)
            if _runs_on(content, begin, size, "big", 8):
                return Claim(((at, CAF_UNKNOWN),), max(size - 4, 0) or None, len(content) - begin - 4)
            return None
    return None


def _w64(content: mmap.mmap) -> Claim | None:
    """Sizes are those of chunks with their heads of 24 bytes, and rounded up to 8."""
    place = content.find(W64_DATA)
    if place < 0:
        return None
    size, begin = int.from_bytes(content[place + 16 : place + 24], "little"), place + W64_HEAD
    end = place + (size + 7) // 8 * 8
    if size > len(content):
        stated = None
    elif len(content) - end <= BEHIND or W64_NAME.match(content, end):
        return None
    else:
        stated = max(size - W64_HEAD, 0) or None
    return Claim(((place + 16, (len(content) - place).to_bytes(8, "little")),), stated, len(content) - begin)
