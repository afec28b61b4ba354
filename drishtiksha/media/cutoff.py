"""Pictures whose file ends too early, of formats whose decoders take a whole file or none: WebP, HEIC and AVIF.

The file says how long it should be. What is missing is filled in several times, each time with other content: rows (or, of
a picture that is shown turned, columns) that come out the same were stored in the file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from drishtiksha.media.partial import BROKEN_PICTURE, Recovered, greyed

FORMATS = ("WEBP", "HEIF", "AVIF")
BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif")
"""Of stills in boxes, as the `ftyp` box names them; videos have others."""
JP2 = b"\x00\x00\x00\x0cjP  "
MOST_BYTES = 100_000_000
"""No whole file of these is longer: a header that says so lies."""
PLAIN = (5, 10, 3, 12, 17, 20, 9, 6, 85, 255)
"""What a lossless WebP is filled with: its decoder stops at most of the others, noise among them."""
FILLS = 3
"""So many fillings that decode are compared."""


def missing_bytes(path: Path) -> int:
    """How many bytes the file says it has beyond its end; 0 of whole files, of other formats, and where nothing tells."""
    there = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            wanted = 8 + int.from_bytes(head[4:8], "little")
        elif head.startswith(JP2) or (head[4:8] == b"ftyp" and head[8:12] in BRANDS):
            wanted = _end_of_boxes(file, there)
        else:
            return 0
    return max(wanted - there, 0) if wanted <= MOST_BYTES else 0


def completed(path: Path, fill: bytes = b"\0") -> io.BytesIO:
    """The file with what is missing filled in."""
    return io.BytesIO(path.read_bytes() + fill * missing_bytes(path))


def recover_cut(path: Path, form: str) -> Recovered | None:
    """What is there of such a picture; None where it is nothing. form: Pillow's name of it."""
    content, missing = path.read_bytes(), missing_bytes(path)
    versions: list[Image.Image] = []
    for fill in _fills(missing):
        if (picture := _decoded(content + fill, form)) is not None:
            versions.append(picture)
        if len(versions) == FILLS:
            break
    if len(versions) < 2 or len({picture.size for picture in versions}) > 1:
        return None
    first, *others = (np.atleast_3d(np.asarray(picture)) for picture in versions)
    there = _band(np.logical_and.reduce([(first == other).all(axis=2) for other in others]))
    return Recovered(greyed(versions[0], there), float(there.mean())) if there.any() else None


def _end_of_boxes(file: io.BufferedReader, there: int) -> int:
    """Where the last box ends, or the file where that is not known."""
    place = 0
    while place < there:
        file.seek(place)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if len(head) < 8 or size < 8:  # 0: up to the end of the file, wherever that is
            return there
        place += size
    return place


def _fills(missing: int) -> Iterator[bytes]:
    yield bytes(missing)
    for seed in (0, 1):
        yield np.random.default_rng(seed).integers(0, 256, missing, np.uint8).tobytes()
    for byte in PLAIN:
        yield bytes([byte]) * missing


def _decoded(content: bytes, form: str) -> Image.Image | None:
    try:
        picture = Image.open(io.BytesIO(content), formats=(form,))
        picture.load()
    except BROKEN_PICTURE:
        return None
    return picture


def _band(same: np.ndarray) -> np.ndarray:
    """bool (H, W): the widest band from one side on in which all is the same; elsewhere it may be so by chance."""
    best = np.zeros_like(same)
    for axis in (1, 0):
        lines = np.asarray(same.all(axis=axis))
        for backwards in (False, True):
            run = lines[::-1] if backwards else lines
            count = len(run) if run.all() else int(np.argmin(run))
            band = np.zeros_like(same)
            view = band if axis == 1 else band.T
            view[len(run) - count :] |= backwards
            view[:count] |= not backwards
            best = max(best, band, key=lambda one: int(one.sum()))
    return best
