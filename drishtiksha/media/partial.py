"""Pictures that are cut off or damaged: as far as they decode, with the share that is there.

A picture is decoded twice, each time over other content: what is the same in both was stored in the file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

JPEGS = ("JPEG", "MPO")

STREAMED = ("PNG", "GIF")
"""Formats whose pixels come row by row and end before the file does."""

END = b"\xff\xd9"
"""JPEG's end marker."""

MCU = 16
"""px: the largest usual unit of a JPEG file. What follows the first unit that differs is not there."""

GREY = 128
"""What is shown where nothing could be decoded: as far from black as from white, and no edge inside."""

MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Of JPEG, without stuffed bytes and restart markers."""

STRIP = 64
"""Rows that are compared at a time: large pictures take much memory as arrays."""

FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
SCAN = 0xDA
RESTART_EVERY = 0xDD
KNOWN_MARKERS = FRAMES | frozenset((0xC4, 0xC8, 0xCC, SCAN, 0xDB, 0xDC, 0xDD, 0xFE)) | frozenset(range(0xE0, 0xF0))
"""What may stand in a file: frames, tables, scans, comments and blocks of programs."""


BROKEN_PICTURE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    RuntimeError,
)
"""What the readers of Pillow, libheif and libavif raise on damaged files."""


@dataclass(frozen=True)
class Recovered:
    """share: of the picture that was decoded, over 0, at most 1; of a progressive JPEG, of its detail."""

    picture: Image.Image
    share: float


def recover(path: Path, form: str) -> Recovered | None:
    """What can be had of a picture that does not decode to its end; None when it is nothing. form: Pillow's name of it.

    Raises: what Pillow raises.
    """
    if form not in JPEGS:
        return _recover_other(path, form)
    content = path.read_bytes()
    return recover_jpeg(content[: data_end(content)[0]])


def data_end(content: bytes) -> tuple[int, bool]:
    """Where the data of the first picture in a JPEG file end, and whether its end marker is there."""
    place = 2
    for at, marker, body in _segments(content):
        place = at + 4 + len(body)
        if marker not in KNOWN_MARKERS:
            return at, False
    found = MARKER.search(content, place)
    return (found.start(), content[found.start() + 1] == END[1]) if found is not None else (len(content), False)


def recover_jpeg(content: bytes) -> Recovered | None:
    content = content.rstrip(b"\xff")
    noise = np.random.default_rng(0).integers(0, 255, 4096, np.uint8).tobytes()
    one, other = (_decoded(io.BytesIO(content + tail + END * 512), "JPEG") for tail in (b"", noise))
    there = same_pixels(one, other)
    rows = int(np.argmin(there.all(axis=1))) if not there.all() else one.height
    shape = shape_of(content)
    if shape is None:
        return None
    if shape.progressive:
        reached = rows / one.height
        share = reached * shape.detail(shape.scans) + (1 - reached) * shape.detail(shape.scans[:-1])
        return Recovered(one, share) if share else None
    if not shape.complete or rows < MCU:
        return None
    there[rows // MCU * MCU if rows < one.height else rows :] = False
    return Recovered(greyed(one, there), float(there.mean()))


def _recover_other(path: Path, form: str) -> Recovered | None:
    one, other = (_decoded(path, form, fill) for fill in (0, 255))
    there = same_pixels(one, other)
    if there.all():
        # The fault lies behind the pixels; of other formats the decoder may just have written over everything.
        return Recovered(one, 1.0) if form in STREAMED else None
    if not there.any():
        return None
    return Recovered(greyed(one, there), float(there.mean()))


def _decoded(source: Path | io.BytesIO, form: str, fill: int | None = None) -> Image.Image:
    """Decoded as far as it goes. fill: what the pixels hold before, 0 or 255; None: what Pillow sets."""
    picture = Image.open(source, formats=(form,))
    if fill is not None:
        value = fill if len(picture.getbands()) == 1 else (fill,) * len(picture.getbands())
        picture.im = Image.core.fill(picture.mode, picture.size, value)
    try:
        picture.load()
    except (OSError, SyntaxError, ValueError, EOFError):
        if fill is None:
            raise
        picture.tile = []  # nothing more is to be decoded
    return picture


def same_pixels(one: Image.Image, other: Image.Image) -> np.ndarray:
    """bool (H, W): where two pictures of one size have the same pixels."""
    same = np.empty((one.height, one.width), bool)
    for top in range(0, one.height, STRIP):
        box = (0, top, one.width, min(top + STRIP, one.height))
        pair = [np.asarray(picture.crop(box)) for picture in (one, other)]
        same[top : box[3]] = np.atleast_3d(np.equal(*pair)).all(axis=2)
    return same


def greyed(picture: Image.Image, there: np.ndarray) -> Image.Image:
    """The picture, upright or not as it was, with grey for what is not there."""
    if there.all():
        return picture
    wanted = picture.mode
    if wanted not in ("L", "RGB", "RGBA"):
        wanted = "RGBA" if picture.has_transparency_data else "RGB"
    if picture.mode.startswith(("I", "F")):
        return picture  # of many bits: left black
    grey = picture.convert(wanted)
    full = tuple(GREY for _ in range(3)) + ((255,) if wanted == "RGBA" else ())
    grey.paste(GREY if wanted == "L" else full, mask=Image.fromarray(~there))
    grey.format = picture.format
    return grey


Scan = tuple[tuple[int, ...], int, int, int]
"""Components of a scan, its first and last coefficient, and how many low bits are left for later scans."""


@dataclass(frozen=True)
class Shape:
    """components: of the frame, brightness first. data: where those of each scan begin and end. unit: height and width in px of
    what it codes at a time, blocks_a_unit: how many blocks of 8 x 8 values that is. units_a_row: of them. restart_every: so many
    units of the first scan of a progressive file, else of the last; 0: the decoder never begins anew."""

    progressive: bool
    components: tuple[int, ...]
    scans: tuple[Scan, ...]
    data: tuple[tuple[int, int], ...]
    unit: tuple[int, int]
    blocks_a_unit: int
    units_a_row: int
    units: int
    restart_every: int

    @property
    def complete(self) -> bool:
        """Whether every component comes in some scan."""
        return set(self.components) <= {one for scan in self.scans for one in scan[0]}

    def detail(self, scans: Sequence[Scan]) -> float:
        """Share of the detail of brightness that these scans hold: of 64 coefficients, each halved for a missing bit."""
        there = np.zeros(64)
        for components, first, last, missing in scans:
            if self.components[0] in components:
                there[first : last + 1] = np.maximum(there[first : last + 1], 0.5**missing)
        return float(there.mean())


def shape_of(content: bytes) -> Shape | None:
    """How a JPEG file codes its picture; None where its header does not say."""
    frame, progressive, restart_every = b"", False, 0
    restarts: list[int] = []
    scans: list[Scan] = []
    data: list[tuple[int, int]] = []
    for at, marker, body in _segments(content):
        if marker in FRAMES and len(body) >= 6:
            frame, progressive = body, marker in PROGRESSIVE
        elif marker == RESTART_EVERY and len(body) >= 2:
            restart_every = int.from_bytes(body[:2], "big")
        elif marker == SCAN and body and len(body) >= 4 + 2 * body[0]:
            count = body[0]
            first, last, approximation = body[1 + 2 * count : 4 + 2 * count]
            scans.append((tuple(body[1 : 1 + 2 * count : 2]), first, min(last, 63), approximation & 0x0F))
            restarts.append(restart_every)  # each scan may have an interval of its own
            start = at + 4 + len(body)
            found = MARKER.search(content, start)
            data.append((start, len(content) if found is None else found.start()))
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    parts = {one: (hv >> 4, hv & 15) for one, hv in zip(frame[6::3], frame[7::3], strict=False)}
    if not scans or not parts or not height or not width or (0 in (side for part in parts.values() for side in part)):
        return None
    coded = [parts[one] for one in scans[0 if progressive else -1][0] if one in parts]
    across, down = (max(part[i] for part in parts.values()) for i in (0, 1))
    if len(coded) == 1:  # coded by itself, a component comes block by block
        unit, blocks = (8 * down // coded[0][1], 8 * across // coded[0][0]), 1
    else:
        unit, blocks = (8 * down, 8 * across), sum(h * v for h, v in coded)
    columns, rows = -(-width // unit[1]), -(-height // unit[0])
    return Shape(
        progressive,
        tuple(parts),
        tuple(scans),
        tuple(data),
        unit,
        max(blocks, 1),
        columns,
        columns * rows,
        restarts[0 if progressive else -1],
    )


def _segments(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(place, marker, body) of each segment of a JPEG file; what is encoded between them is passed over."""
    place = 2
    while (found := MARKER.search(content, place)) is not None:
        at, marker = found.start(), content[found.start() + 1]
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        if marker == END[1] or length < 2:
            return
        yield at, marker, content[at + 4 : at + 2 + length]
        place = at + 2 + length
