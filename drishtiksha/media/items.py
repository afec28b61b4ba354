"""Where the coded pixels of a picture lie in its file: in the chunks of WebP and the items of HEIF and AVIF
(ISO/IEC 23008-12)."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

MAX_ITEMS = 5_000
MAX_NESTED = 8
"""Pictures of pictures; decoders follow them no deeper."""


class Data(NamedTuple):
    """The last piece of the pixels of the first picture: where it ends, and its length, bytes."""

    end: int
    length: int


def last_data(content: bytes) -> Data | None:
    """None where it is not found, or where the picture is put together from others."""
    if content[:4] == b"RIFF":
        return next((Data(end, end - start) for name, start, end in _chunks(content) if name == b"VP8 "), None)
    return _primary(content)


def tiles_drawn(content: bytes | mmap.mmap) -> int:
    """How many pictures are decoded to put the largest item of a HEIF or AVIF file together: what is made of others may be
    part of others again, so that a file of 1 kB can ask for millions. 0 where none is made of others."""
    start, end = _boxes(content, 0, len(content)).get(b"meta", (0, 0))
    start, end = _boxes(content, start + 4, end).get(b"iref", (0, 0))
    if start >= end:
        return 0
    parts = _parts(content[start:end])
    drawn: dict[int, int] = {}

    def count(item: int, depth: int) -> int:
        if item not in parts or depth > MAX_NESTED:
            return 1
        if item not in drawn:
            drawn[item] = 1  # of what is part of itself
            drawn[item] = sum(count(part, depth + 1) for part in parts[item])
        return drawn[item]

    return max((count(item, 0) for item in parts), default=0)


def _parts(box: bytes) -> dict[int, tuple[int, ...]]:
    """The items that each is put together from. box: the body of `iref`."""
    found, place, wide = {}, 4, 2 if not box[0] else 4
    while place + 10 + wide <= len(box):
        size, name = int.from_bytes(box[place : place + 4], "big"), box[place + 4 : place + 8]
        if size < 8:
            break
        item, at = int.from_bytes(box[place + 8 : place + 8 + wide], "big"), place + 10 + wide
        references = box[at : at + wide * int.from_bytes(box[at - 2 : at], "big")]
        if name == b"dimg":
            found[item] = tuple(
                int.from_bytes(references[one : one + wide], "big") for one in range(0, len(references), wide)
            )
        place += size
    return found


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of the body of each."""
    place = 12
    while place + 8 <= len(content):
        length = int.from_bytes(content[place + 4 : place + 8], "little")
        yield content[place : place + 4], place + 8, min(place + 8 + length, len(content))
        place += 8 + length + (length & 1)


def boxes(content: bytes | mmap.mmap, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, and start and end of the body, of each box, up to the first that does not fit."""
    while start + 8 <= end:
        size, name, skip = int.from_bytes(content[start : start + 4], "big"), content[start + 4 : start + 8], 8
        if size == 1:
            size, skip = int.from_bytes(content[start + 8 : start + 16], "big"), 16
        stop = end if size == 0 else start + size
        if stop > end or stop < start + skip:
            return
        yield name, start + skip, stop
        start = stop


def first_box(content: bytes | mmap.mmap, place: tuple[int, int], name: bytes) -> tuple[int, int] | None:
    """Start and end of the body of the first box of that name in a place; None without one."""
    return next(((begin, stop) for own, begin, stop in boxes(content, *place) if own == name), None)


def _boxes(content: bytes | mmap.mmap, start: int, end: int) -> dict[bytes, tuple[int, int]]:
    """Start and end of the body of each box, by name; of several of one name, the first."""
    found: dict[bytes, tuple[int, int]] = {}
    for name, begin, stop in boxes(content, start, end):
        found.setdefault(name, (begin, stop))
    return found


def aperture_of_item(content: bytes | mmap.mmap) -> tuple[bytes, tuple[int, int]] | None:
    """The body of the clean aperture (`clap`) of the primary item of a HEIF or AVIF file, and its width and height as stored, px;
    None without them."""
    start, end = _boxes(content, 0, len(content)).get(b"meta", (0, 0))
    inner = _boxes(content, start + 4, end)
    properties = _boxes(content, *inner.get(b"iprp", (0, 0)))
    if b"pitm" not in inner or not {b"ipco", b"ipma"} <= set(properties):
        return None
    known = list(boxes(content, *properties[b"ipco"]))
    own = _properties(content[slice(*properties[b"ipma"])], _number_of_primary(content, inner[b"pitm"][0]))
    found = {name: content[begin:stop] for name, begin, stop in (known[n - 1] for n in own if 0 < n <= len(known))}
    if not {b"clap", b"ispe"} <= set(found):
        return None
    size = found[b"ispe"][4:]
    return found[b"clap"], (int.from_bytes(size[:4], "big"), int.from_bytes(size[4:8], "big"))


def _properties(box: bytes, item: int) -> list[int]:
    """The numbers, from 1, of the properties of an item. box: the body of `ipma`."""
    if len(box) < 8:
        return []
    wide, long = 4 if box[0] else 2, 2 if box[3] & 1 else 1
    place = 8
    for _ in range(min(int.from_bytes(box[4:8], "big"), MAX_ITEMS)):
        if place + wide >= len(box):
            break
        begin = place + wide + 1
        end = begin + long * box[begin - 1]
        if int.from_bytes(box[place : place + wide], "big") == item:
            # The highest bit tells whether it is essential.
            return [int.from_bytes(box[at : at + long], "big") & ~(1 << 8 * long - 1) for at in range(begin, end, long)]
        place = end
    return []


def _number_of_primary(content: bytes | mmap.mmap, place: int) -> int:
    """place: where the body of `pitm` begins."""
    return int.from_bytes(content[place + 4 : place + (6 if content[place] == 0 else 8)], "big")


def _primary(content: bytes) -> Data | None:
    """Of the primary item of a HEIF or AVIF file."""
    start, end = _boxes(content, 0, len(content)).get(b"meta", (0, 0))
    inner = _boxes(content, start + 4, end)
    if b"iloc" not in inner or b"pitm" not in inner:
        return None
    return _locations(content[slice(*inner[b"iloc"])]).get(_number_of_primary(content, inner[b"pitm"][0]))


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
