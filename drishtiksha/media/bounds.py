"""Bounds on what stands around the pixels of a picture file, checked before any of it is parsed.

A file of a few megabytes may hold a million pieces of text: reading them would take minutes and tell nothing.
"""

from __future__ import annotations

import itertools
import mmap
import re
import struct
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Literal

from drishtiksha.errors import MediaLimitError
from drishtiksha.media.items import tiles_drawn

MAX_BLOCKS = 5_000
"""Pieces of metadata. Cameras and editors write some dozens, in JPEG up to a thousand where a large one is cut up."""

MAX_METADATA = 64_000_000
"""Bytes of them in all."""

MAX_SAMPLES = 2_000_000
"""Of all tracks of a movie: pictures, and pieces of sound, of which half an hour has some 90,000 a track."""

MAX_BOXES = 60_000
"""Of a movie, one behind the other: a fragment a picture makes 54,000 in half an hour. Time grows with their square."""

MAX_EDITS, MAX_EDITED = 1_000, 10_000_000
"""Stretches that the tracks of a movie are put together from, and those times all samples: each stretch may be all of a track.
Cameras and editing programs write one to three."""

MAX_SCANS = 200
"""Of a JPEG, over each of which its decoder goes through all of the picture. Encoders write a dozen, the most thorough some sixty."""

MAX_PARTS = 2_000_000
"""Pieces of pixel data and frames: of 255 bytes each in GIF, which makes 500 MB."""

MAX_PIECES = 100_000
"""Strips or tiles of a TIFF: a strip a row makes at most 65,535 of each colour."""

MAX_FRAMES = 20_000
"""Pictures of an animation."""

MAX_TILES = 5_000
"""Of a HEIC or AVIF picture, counted as often as they are drawn: phones write some hundred, of 512 px. Of a JPEG 2000, for each
of which its decoder takes 11 kB."""
MAX_PLANES = 4 * MAX_TILES
"""Of a JPEG 2000: tiles times components."""

MAX_RUNS = 4_000_000
"""Bytes of a BMP whose pixels are packed as runs, which Pillow unpacks in Python, a pair of bytes at a time."""

JPEG_SCAN, JPEG_END = 0xDA, 0xD9
_BEHIND_A_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""The marker that ends a scan: one that is neither a byte of it nor a restart."""
_PACKED_HEADER = re.compile(rb"dcomzlib.{4}cmvd(.{4})", re.DOTALL)
"""A packed list of contents as FFmpeg finds it, wherever it stands, and the size that is stated."""
_SAMPLE_SIZES = re.compile(rb"(?:stsz|stz2).{8}(.{4})", re.DOTALL)
"""The table of the sizes of samples, and how many are stated; of one size for all there is no table."""
_FRAGMENT = re.compile(rb"trun.{4}(.{4})", re.DOTALL)
"""The samples of a fragment, and how many are stated: where all are alike, nothing more stands there of any."""
_EDITS = re.compile(rb"elst.{4}(.{4})", re.DOTALL)
"""The list of stretches that a track is put together from, and how many are stated."""
BMP_RUNS = (b"\1\0\0\0", b"\2\0\0\0")
JPEG2000_START = b"\xff\x4f\xff\x51"
_JPEG2000 = re.compile(re.escape(JPEG2000_START) + rb".{4}(.{34})", re.DOTALL)
"""The sizes of a picture: its right and lower edge, its origin, the size of a tile, the origin of tiles, and how many components."""
_ONE_EACH = b"stts" + bytes(4) + b"\0\0\0\1"
FIRST_BOXES = frozenset(
    (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"udta", b"uuid", b"styp", b"moof")
)
BIG_TIFF = (b"+\0", b"\0+")
TIFF_BEGINNINGS = frozenset(order + mark for order in (b"II", b"MM") for mark in (b"*\0", b"\0*", *BIG_TIFF))
"""Also those that are written the wrong way round, which Pillow takes."""
PLACES_OF_PIECES = (273, 324)
"""The facts that tell where the strips or tiles of a page lie."""


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
        elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            sizes = _webp(content)
        elif content[:4] in TIFF_BEGINNINGS:
            sizes = _tiff(content, "little" if content[:2] == b"II" else "big")
        elif content[4:8] == b"jP  " or content[:4] == JPEG2000_START:
            for found in _JPEG2000.finditer(content):
                if _planes(found[1]) > MAX_PLANES:
                    raise _too_much(name, "tiles")
            sizes = _jpeg2000(content)
        elif content[:2] == b"BM" and content[30:34] in BMP_RUNS and len(content) > MAX_RUNS:
            raise _too_much(name, "runs of pixels")
        elif content[4:8] == b"ftyp":
            if tiles_drawn(content) > MAX_TILES:
                raise _too_much(name, "tiles in one another")
            return
        else:
            return
        blocks = size = parts = frames = scans = pieces = 0
        for kind, length in sizes:
            blocks += kind == "block"
            size += length if kind == "block" else 0
            parts += kind == "part"
            frames += kind == "frame"
            scans += kind == "scan"
            pieces += kind == "piece"
            if blocks > MAX_BLOCKS or size > MAX_METADATA:
                raise _too_much(name, "pieces of text and other notes beside its picture")
            if parts > MAX_PARTS or frames > MAX_FRAMES or scans > MAX_SCANS or pieces > MAX_PIECES:
                raise _too_much(name, "pieces of picture data")


def check_movie(path: Path, name: str) -> None:
    """What an MP4 or MOV file says of its contents, for which FFmpeg takes memory before it reads any of them: a few bytes may
    claim gigabytes. Files of other formats pass. Raises: MediaLimitError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[4:8] not in FIRST_BOXES:
            return
        samples = edits = 0
        for number, (start, end) in enumerate(boxes_of_facts(content), 1):
            if number > MAX_BOXES:
                raise MediaLimitError(
                    f"{name} is put together from more than {MAX_BOXES:,} pieces; reading them would take minutes. Save the video "
                    "anew in a video program."
                )
            for found in _PACKED_HEADER.finditer(content, start, end):
                if (size := int.from_bytes(found[1], "big")) > MAX_METADATA:
                    raise MediaLimitError(
                        f"The list of contents of {name} is said to unfold to {size / 1e6:,.0f} MB; no camera or program writes "
                        "such a one. Save the video anew in a video program."
                    )
            for found in _SAMPLE_SIZES.finditer(content, start, end):
                samples += 0 if _is_plain_sound(content, found.start(), start, end) else int.from_bytes(found[1], "big")
            samples += sum(int.from_bytes(found[1], "big") for found in _FRAGMENT.finditer(content, start, end))
            if samples > MAX_SAMPLES:
                raise MediaLimitError(
                    f"{name} is said to hold {samples:,} pictures and pieces of sound; at most {MAX_SAMPLES:,} are taken. Cut out "
                    "the part in question, or save the video anew in a video program."
                )
            edits += sum(int.from_bytes(found[1], "big") for found in _EDITS.finditer(content, start, end))
            if edits > MAX_EDITS or edits * samples > MAX_EDITED:
                raise MediaLimitError(
                    f"{name} is said to be put together from {edits:,} stretches; unfolding them would take too much memory. Save "
                    "the video anew in a video program."
                )


def boxes_of_facts(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Where each outermost box begins and ends, but for those of pictures and sound themselves."""
    place = 0
    while place + 16 <= len(content):
        size, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        if size == 1:
            size = int.from_bytes(content[place + 8 : place + 16], "big")
        end = len(content) if size == 0 else min(place + size, len(content))
        if end < place + 8:
            return
        if kind != b"mdat":
            yield place, end
        place = end


def _is_plain_sound(content: mmap.mmap, place: int, start: int, end: int) -> bool:
    """Whether the track whose sizes stand there is sound of which each value is a sample, which FFmpeg reads by the chunk."""
    begins, ends = content.rfind(b"trak", start, place), content.find(b"trak", place, end)
    track = content[max(begins, start) : end if ends < 0 else ends]
    return b"soun" in track and b"vide" not in track and _ONE_EACH in track


def _too_much(name: str, what: str) -> MediaLimitError:
    return MediaLimitError(
        f"{name} holds more {what} than any camera or program writes; reading them would take minutes. "
        "Save the picture anew in a photo program."
    )


Sizes = Iterator[tuple[str, int]]
"""What it is ("block" of notes, "part" of the pixels, "piece" of a page, "frame", "scan") and how many bytes."""


def _png(content: mmap.mmap) -> Sizes:
    place = 8
    while place + 8 <= len(content):
        length, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        place += 12 + length
        if kind == b"IEND":
            return
        there = min(length, max(len(content) - place + length, 0))  # what is said of a damaged file is not in it
        yield "part" if kind in (b"IDAT", b"fdAT") else "frame" if kind == b"fcTL" else "block", there


def end_of_jpeg(content: bytes | mmap.mmap) -> int | None:
    """Where the first picture of a file ends that begins as JPEG; None where its end marker is missing."""
    walk = _jpeg(content)
    while True:
        try:
            next(walk)
        except StopIteration as end:
            return end.value


def _jpeg(content: bytes | mmap.mmap) -> Generator[tuple[str, int], None, int | None]:
    """To its end, which is returned; what is appended is not part of it. None: it has no end."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if marker == 0xFF:
            place += 1
            continue
        if marker == JPEG_END:
            return place + 2
        if length < 2:
            return None
        place += 2 + length
        if marker != JPEG_SCAN:
            yield "block", length
            continue
        yield "scan", 0
        behind = _BEHIND_A_SCAN.search(content, place)
        if behind is None:
            return None
        place = behind.start()
    return None


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


def _webp(content: mmap.mmap) -> Sizes:
    kinds = {b"VP8 ": "part", b"VP8L": "part", b"ALPH": "part", b"ANMF": "frame"}
    place = 12
    while place + 8 <= len(content):
        length = int.from_bytes(content[place + 4 : place + 8], "little")
        yield kinds.get(content[place : place + 4], "block"), min(length, len(content) - place)
        place += 8 + length + length % 2


def _tiff(content: mmap.mmap, order: Literal["little", "big"]) -> Sizes:
    """The list of facts of each page. What a fact holds is not counted: layers of an editor may be large. Of the first page the
    tiles or strips are, which Pillow goes through in Python."""
    big = content[2:4] in BIG_TIFF
    head, entry, width = (8, 20, 8) if big else (2, 12, 4)
    seen: set[int] = set()
    place = int.from_bytes(content[8:16] if big else content[4:8], order)
    while 0 < place <= len(content) - head and place not in seen:
        count = min(int.from_bytes(content[place : place + head], order), (len(content) - place) // entry)
        yield "frame", 0
        yield from itertools.repeat(("part" if seen else "block", 0), count)
        for fact in range(place + head, place + head + entry * count, entry) if not seen else ():
            if int.from_bytes(content[fact : fact + 2], order) in PLACES_OF_PIECES:
                yield from itertools.repeat(("piece", 0), int.from_bytes(content[fact + 4 : fact + 4 + width], order))
        seen.add(place)
        place += head + entry * count
        place = int.from_bytes(content[place : place + width], order)


def _planes(sizes: bytes) -> int:
    right, below, _, _, width, height, left, top, components = struct.unpack(">8IH", sizes)
    if not width or not height:
        return 0  # its decoder refuses it
    return -((left - right) // width) * -((top - below) // height) * components


def _jpeg2000(content: mmap.mmap) -> Sizes:
    """The boxes round it. Their contents are not read, but for colours and sizes."""
    for _ in boxes_of_facts(content):
        yield "block", 0


def _palette(flags: int) -> int:
    """Bytes of the table of colours that these flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
