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

TAILS = (16, 600)
"""Bytes at the end of the data that are exchanged: some plain blocks' worth, then one block of the finest detail."""

BROKEN_DECODE = (OSError, SyntaxError, ValueError, EOFError, RuntimeError)
"""What decoders raise on data that end too early."""

LAST_ROWS = 6
"""Of 8 px each: what so few bytes may hold in a sound file."""

FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
SCAN = 0xDA
KNOWN_MARKERS = FRAMES | frozenset((0xC4, 0xC8, 0xCC, SCAN, 0xDB, 0xDC, 0xDD, 0xFE)) | frozenset(range(0xE0, 0xF0))
"""What may stand in a file: frames, tables, scans, comments and blocks of programs."""


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
    return _recover_jpeg(content[: _end(content)[0]])


@dataclass(frozen=True)
class Fault:
    """What is wrong with a JPEG that decodes without complaint. share: as of `Recovered`; 1: all of it is there, but the
    decoder lost its place in damaged data, so that parts are shifted or of wrong colour."""

    share: float


def jpeg_fault(path: Path) -> Fault | None:
    """Looks into a JPEG that Pillow decodes: it fills in what broken data leave out, and does not say so.

    The last bytes are exchanged for others. In a sound file this changes the last rows; in one that ends too early, rows far
    above; where the decoder is out of step, nothing, since it has finished before. Raises: what Pillow raises.
    """
    content = path.read_bytes()
    end, proper = _end(content)
    shape = _shape(content[:end])
    if shape is None:
        return None
    if shape.progressive:
        share = shape.detail(shape.scans)
        return Fault(share) if 0 < share < 1 else None
    if not proper:
        found = _recover_jpeg(content[:end])
        return Fault(found.share) if found is not None and found.share < 1 else None
    as_it_is = _small(content[:end] + END * 512)
    for tail in TAILS:
        noise = np.random.default_rng(0).integers(0, 255, tail, np.uint8).tobytes()
        other = _small(content[: end - tail].rstrip(b"\xff") + noise + END * 512)
        same = np.asarray(_same(as_it_is, other).all(axis=1))
        if not same.all():
            rows = int(np.argmin(same))
            return Fault(max(rows, 1) / len(same)) if len(same) - rows > LAST_ROWS else None
    return Fault(1.0)


def _small(content: bytes) -> Image.Image:
    """At an eighth of its size, which is quick."""
    picture = Image.open(io.BytesIO(content), formats=("JPEG",))
    picture.draft(picture.mode, (1, 1))
    picture.load()
    return picture


def _end(content: bytes) -> tuple[int, bool]:
    """Where the data of the first picture in a JPEG file end, and whether its end marker is there."""
    place = 2
    for at, marker, body in _segments(content):
        place = at + 4 + len(body)
        if marker not in KNOWN_MARKERS:
            return at, False
    found = MARKER.search(content, place)
    return (found.start(), content[found.start() + 1] == END[1]) if found is not None else (len(content), False)


def _recover_jpeg(content: bytes) -> Recovered | None:
    content = content.rstrip(b"\xff")
    noise = np.random.default_rng(0).integers(0, 255, 4096, np.uint8).tobytes()
    one, other = (_decoded(io.BytesIO(content + tail + END * 512), "JPEG") for tail in (b"", noise))
    there = _same(one, other)
    rows = int(np.argmin(there.all(axis=1))) if not there.all() else one.height
    shape = _shape(content)
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
    there = _same(one, other)
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


def _same(one: Image.Image, other: Image.Image) -> np.ndarray:
    """bool (H, W): where two pictures of one size have the same pixels."""
    same = np.atleast_3d(np.equal(np.asarray(one), np.asarray(other)))
    return np.asarray(same.all(axis=2))


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
class _Shape:
    """components: of the frame, brightness first."""

    progressive: bool
    components: tuple[int, ...]
    scans: tuple[Scan, ...]

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


def _shape(content: bytes) -> _Shape | None:
    progressive, components = False, ()  # type: tuple[bool, tuple[int, ...]]
    scans: list[Scan] = []
    for _, marker, body in _segments(content):
        if marker in FRAMES and len(body) >= 6:
            progressive, components = marker in PROGRESSIVE, tuple(body[6 : 6 + 3 * body[5] : 3])
        elif marker == SCAN and body and len(body) >= 4 + 2 * body[0]:
            count = body[0]
            first, last, approximation = body[1 + 2 * count : 4 + 2 * count]
            scans.append((tuple(body[1 : 1 + 2 * count : 2]), first, min(last, 63), approximation & 0x0F))
    return _Shape(progressive, components, tuple(scans)) if components and scans else None


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
