"""Where the coded pixels of a picture lie in its file: in the chunks of WebP and the items of HEIF and AVIF
(ISO/IEC 23008-12)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MAX_ITEMS = 5_000


class Data(NamedTuple):
    """The last piece of the pixels of the first picture: where it ends, and its length, bytes."""

    end: int
    length: int


def last_data(content: bytes) -> Data | None:
    """None where it is not found, or where the picture is put together from others."""
    if content[:4] == b"RIFF":
        return next((Data(end, end - start) for name, start, end in _chunks(content) if name == b"VP8 "), None)
    return _primary(content)


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of the body of each."""
    place = 12
    while place + 8 <= len(content):
        length = int.from_bytes(content[place + 4 : place + 8], "little")
        yield content[place : place + 4], place + 8, min(place + 8 + length, len(content))
        place += 8 + length + (length & 1)


def _boxes(content: bytes, start: int, end: int) -> dict[bytes, tuple[int, int]]:
    """Start and end of the body of each box, by name."""
    found: dict[bytes, tuple[int, int]] = {}
    while start + 8 <= end:
        size, name, skip = int.from_bytes(content[start : start + 4], "big"), content[start + 4 : start + 8], 8
        if size == 1:
            size, skip = int.from_bytes(content[start + 8 : start + 16], "big"), 16
        stop = end if size == 0 else start + size
        if stop > end or stop < start + skip:
            break
        found.setdefault(name, (start + skip, stop))
        start = stop
    return found


def _primary(content: bytes) -> Data | None:
    """Of the primary item of a HEIF or AVIF file."""
    start, end = _boxes(content, 0, len(content)).get(b"meta", (0, 0))
    inner = _boxes(content, start + 4, end)
    if b"iloc" not in inner or b"pitm" not in inner:
        return None
    place, _ = inner[b"pitm"]
    primary = int.from_bytes(content[place + 4 : place + (6 if content[place] == 0 else 8)], "big")
    return _locations(content[slice(*inner[b"iloc"])]).get(primary)


def _locations(box: bytes) -> dict[int, Data]:
    """The last extent of each item that lies in the file itself. box: the body of `iloc`."""
    place = 4

    def number(size: int) -> int:
        nonlocal place
        place += size
        return int.from_bytes(box[place - size : place], "big")

    version = box[0]
    sizes = number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size, wide = (sizes & 15 if version in (1, 2) else 0), 2 if version < 2 else 4
    found = {}
    for _ in range(min(number(wide), MAX_ITEMS)):
        item = number(wide)
        method = number(2) & 15 if version in (1, 2) else 0
        number(2)
        base = number(base_size)
        for _ in range(number(2)):
            number(index_size)
            offset, length = number(offset_size), number(length_size)
            if method == 0 and place <= len(box):
                found[item] = Data(base + offset + length, length)
        if place > len(box):
            break
    return found
