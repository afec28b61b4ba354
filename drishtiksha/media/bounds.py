"""Bounds on what stands around the pixels of a picture file, checked before any of it is parsed.

A file of a few megabytes may hold a million pieces of text: reading them would take minutes and tell nothing.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from drishtiksha.errors import MediaLimitError
from drishtiksha.media.items import tiles_drawn

MAX_BLOCKS = 5_000
"""Pieces of metadata. Cameras and editors write some dozens, in JPEG up to a thousand where a large one is cut up."""

MAX_METADATA = 64_000_000
"""Bytes of them in all."""

MAX_PARTS = 2_000_000
"""Pieces of pixel data and frames: of 255 bytes each in GIF, which makes 500 MB."""

MAX_FRAMES = 20_000
"""Pictures of an animation."""

MAX_TILES = 5_000
"""Of a HEIC or AVIF picture, counted as often as they are drawn. Phones write some hundred, of 512 px."""

JPEG_SCAN = 0xDA


def check_blocks(path: Path, name: str) -> None:
    """Count without reading what is counted. Files of other formats pass, and so do damaged ones, as far as they go.

    Raises: MediaLimitError.
    """
    if path.stat().st_size < 16:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[:8] == b"\x89PNG\r\n\x1a\n":
            sizes = _png(content)
        elif content[:2] == b"\xff\xd8":
            sizes = _jpeg(content)
        elif content[:4] == b"GIF8":
            sizes = _gif(content)
        elif content[4:8] == b"ftyp":
            if tiles_drawn(content) > MAX_TILES:
                raise _too_much(name, "tiles in one another")
            return
        else:
            return
        blocks = size = parts = frames = 0
        for kind, length in sizes:
            blocks += kind == "block"
            size += length if kind == "block" else 0
            parts += kind == "part"
            frames += kind == "frame"
            if blocks > MAX_BLOCKS or size > MAX_METADATA:
                raise _too_much(name, "pieces of text and other notes beside its picture")
            if parts > MAX_PARTS or frames > MAX_FRAMES:
                raise _too_much(name, "pieces of picture data")


def _too_much(name: str, what: str) -> MediaLimitError:
    return MediaLimitError(
        f"{name} holds more {what} than any camera or program writes; reading them would take minutes. "
        "Save the picture anew in a photo program."
    )


Sizes = Iterator[tuple[str, int]]
"""What it is ("block" of notes, "part" of the pixels, "frame") and how many bytes."""


def _png(content: mmap.mmap) -> Sizes:
    place = 8
    while place + 8 <= len(content):
        length, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        place += 12 + length
        if kind == b"IEND":
            return
        yield "part" if kind in (b"IDAT", b"fdAT") else "frame" if kind == b"fcTL" else "block", length


def _jpeg(content: mmap.mmap) -> Sizes:
    """Up to the first scan: what stands behind it is passed over by its decoder in one go."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if marker == 0xFF:
            place += 1
            continue
        if marker == JPEG_SCAN or length < 2:
            return
        yield "block", length
        place += 2 + length


def _gif(content: mmap.mmap) -> Sizes:
    place = 13 + _palette(content[10])
    while place + 2 <= len(content):
        mark = content[place]
        if mark == 0x2C and place + 11 <= len(content):
            yield "frame", 0
            place += 11 + _palette(content[place + 9])
            kind = "part"
        elif mark == 0x21:
            # The control block before each frame is part of it.
            kind = "part" if content[place + 1] == 0xF9 else "block"
            place += 2
        elif mark == 0x3B:
            return
        else:
            place += 1
            continue
        while place < len(content) and (length := content[place]):
            yield kind, length
            place += 1 + length
        place += 1


def _palette(flags: int) -> int:
    """Bytes of the table of colours that these flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
