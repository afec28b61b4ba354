"""Pictures that decode without complaint, and of which parts are not what was stored.

Formats whose pixels are coded as one piece carry no checksums. But a decoder that lost its place in damaged data does not
end where the data end: it has finished before, or runs out of data far above the last row. So the last bytes are exchanged
for others, and the picture is decoded once more: in a sound file this changes the last rows, and nothing else.
"""

from __future__ import annotations

import io
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from drishtiksha.media.items import last_data
from drishtiksha.media.partial import BROKEN_PICTURE, END, JPEGS, Shape, data_end, recover_jpeg, same_pixels, shape_of

TAIL = 16
"""Bytes at the end of the data that are exchanged."""

LONGER_TAIL = 64
"""As many, where a changed shorter one changes nothing: encoders may fill up the end."""

LEAST_DATA = 256
"""Bytes. Of less, the last ones hold too much of the picture."""

CODED_ROWS = 128
"""px: twice the largest block of WebP, AVIF and HEIC, which the last bytes may hold."""

SHARE_OF_DATA = 4
"""At low quality, the last bytes hold that many times their share of the rows at most."""

LONGEST_ZEROS = b"\0\0\0"
"""Does not occur in the data of HEVC, which put a 3 behind two bytes of zero."""

BITS_A_BLOCK = 2
"""The fewest that a block takes in JPEG: one for its mean and one for its end."""

MAX_DAMAGED_RUNS = 0.1
"""Share of the runs between two restart markers that may be damaged."""

RESTART = re.compile(rb"\xff[\xd0-\xd7]")

STEP = 16.0
"""Levels of 255: by so much the mean of a component must jump where data are damaged."""

STEP_SIDE = 0.1
"""Of the width: so much must lie on either side of the place where the jump begins."""

STEP_SHARE = 0.7
"""Of the blocks along the jump, so many must jump by half to one and a half of it."""

BMP_SLACK = 4
"""Bytes at the end of a BMP file that programs write beyond what its header says."""


BY_PIXELS = ("JPEG2000",)
"""Formats, by Pillow's name, whose faults show in the pixels that were decoded."""

NOISY = 0.5
"""Share of the squares of a JPEG 2000 picture in which colour changes faster than brightness: damaged wavelets do that. At most
0.47 in 210 savings of portraits, 0.03 in 99 of 100; in damaged twins whose pixels are mostly destroyed mostly above."""

SQUARE = 32
"""px."""

NOISE_LEVELS = 1.5
"""Levels of 255: less is no noise."""

UNTOLD = ("BMP", "WEBP", "HEIF", "AVIF")
"""Formats in which nothing tells whether missing bytes were at the end or in the midst, so that what follows is shifted."""


@dataclass(frozen=True)
class Fault:
    """share: of the picture that could be decoded, over 0, at most 1; of a progressive JPEG, of its detail. damaged: parts of
    what decodes are shifted, of wrong colour, or not what was stored."""

    share: float = 1.0
    damaged: bool = True


def find_fault(path: Path, form: str, decoded: Image.Image | None) -> Fault | None:
    """What is wrong with a picture that Pillow decodes without complaint; None: nothing that can be told. form: Pillow's name.
    decoded: what came of it, where it is one of `BY_PIXELS`.

    Raises: what Pillow raises.
    """
    if form in JPEGS:
        return _jpeg_fault(path.read_bytes())
    if form == "BMP":
        return Fault() if _bmp_is_longer(path) else None
    if form in ("WEBP", "AVIF", "HEIF"):
        return _fault_of_one_piece(path.read_bytes(), form)
    if form in BY_PIXELS and decoded is not None:
        return Fault() if _noise_share(decoded) > NOISY else None
    return None


def _fault_of_one_piece(content: bytes, form: str) -> Fault | None:
    found = last_data(content)
    if found is None or found.length < LEAST_DATA:
        return None
    if form == "HEIF" and not _fits(content[found.end - found.length : found.end]):
        return Fault()
    as_it_is = _decoded(content, form)
    for tail in (TAIL, LONGER_TAIL):
        try:
            other = _decoded(_exchanged(content, [found.end], tail), form)
        except BROKEN_PICTURE:
            return None  # the decoder came to the last bytes, and looked at them
        rows = np.asarray(same_pixels(as_it_is, other).all(axis=1))
        if not rows.all():
            most = CODED_ROWS + len(rows) * SHARE_OF_DATA * tail / found.length
            return Fault() if len(rows) - int(np.argmin(rows)) > most else None
    return Fault()


def _fits(data: bytes) -> bool:
    """Whether the units of an HEVC picture, each behind its length, fill its data and hold nothing that HEVC does not write."""
    place = 0
    while place + 4 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if LONGEST_ZEROS in data[place + 4 : place + 4 + length]:
            return False
        place += 4 + length
    return place == len(data)


def _exchanged(content: bytes, ends: list[int], tail: int, begins: list[int] | None = None) -> bytes:
    """The content with other bits in the last `tail` bytes before each end, but not before where its data begin."""
    changed = np.frombuffer(content, np.uint8).copy()
    for number, end in enumerate(ends):
        start = max(end - tail, begins[number] if begins is not None else 0)
        start += changed[start - 1] == 0xFF  # a zero behind it keeps it from being a marker
        piece = changed[start:end] ^ 0x55
        # In JPEG, 255 begins a marker.
        changed[start:end] = np.where(piece == 0xFF, 0x54, piece)
    return changed.tobytes()


def _jpeg_fault(content: bytes) -> Fault | None:
    end, proper = data_end(content)
    shape = shape_of(content[:end])
    if shape is None:
        return None
    small = _small(content[:end] + END * 512)
    # Where each row begins anew, a wrong mean does not reach the next.
    carried = not 0 < shape.restart_every <= shape.units_a_row
    tables: dict[int, list[int]] = small.quantization  # type: ignore[attr-defined]
    if any(0 in table for table in tables.values()) or (carried and _has_step(small, shape)):
        return Fault()
    if shape.progressive:
        share = shape.detail(shape.scans)
        if 0 < share < 1:
            return Fault(share, damaged=False)
        return _out_of_step(content[:end], shape, 0)
    if not proper:
        found = recover_jpeg(content[:end])
        if found is not None and found.share < 1:
            return Fault(found.share, damaged=False)
    return _out_of_step(content[:end], shape, -1)


def _out_of_step(content: bytes, shape: Shape, scan: int) -> Fault | None:
    """content: without its end marker. scan: whose data are exchanged: of a progressive file, the first, which holds the mean of
    each block."""
    start, end = shape.data[scan]
    if end - start < LEAST_DATA:
        return None
    marks = [start + found.start() for found in RESTART.finditer(content[start:end])] if shape.restart_every else []
    begins, ends = [start, *(mark + 2 for mark in marks)], [*marks, end]
    as_it_is = _decoded(content + END * 512, "JPEG")
    first, late = np.full(len(ends), -1), np.zeros(len(ends), bool)
    every = shape.restart_every or shape.units
    stops = np.minimum(np.arange(1, len(ends) + 1) * every, shape.units)
    for tail in (TAIL, LONGER_TAIL):
        other = _decoded(_exchanged(content, ends, tail, begins) + END * 512, "JPEG")
        now = _first_changed(same_pixels(as_it_is, other), shape, len(ends))
        reach = 8 * tail // ((1 if shape.progressive else BITS_A_BLOCK) * shape.blocks_a_unit) + 2
        late |= (first < 0) & (now >= stops - reach)
        first = np.where(first < 0, now, first)
        if (first >= 0).all():
            break
    missing = max(0, -(-shape.units // every) - len(ends))
    if missing:
        return Fault(len(ends) / (missing + len(ends)))
    if len(ends) > 1:
        return Fault() if (~late).mean() > MAX_DAMAGED_RUNS else None
    if late[0]:
        return None
    return (
        Fault(max(int(first[0]) // shape.units_a_row, 1) * shape.units_a_row / shape.units) if first[0] > 0 else Fault()
    )


def _first_changed(same: np.ndarray, shape: Shape, runs: int) -> np.ndarray:
    """int (runs,): the first unit of each run between restart markers, counted through the picture, that differs; -1: none."""
    height, width = shape.unit
    rows, columns = -(-same.shape[0] // height), shape.units_a_row
    padded = np.ones((rows * height, columns * width), bool)
    padded[: same.shape[0], : same.shape[1]] = same
    # Where colours are stored at half the size, those of a unit reach a pixel into its neighbours.
    padded[: (rows - 1) * height][np.isin(np.arange((rows - 1) * height) % height, (0, height - 1))] = True
    padded[:, : (columns - 1) * width][:, np.isin(np.arange((columns - 1) * width) % width, (0, width - 1))] = True
    changed = ~padded.reshape(rows, height, columns, width).all(axis=(1, 3)).ravel()
    every = shape.restart_every or len(changed)
    first = np.full(runs, -1)
    for run in range(runs):
        part = changed[run * every : (run + 1) * every]
        if part.any():
            first[run] = run * every + int(np.argmax(part))
    return first


def _has_step(small: Image.Image, shape: Shape) -> bool:
    """Whether the mean of a component jumps in the midst of a row of units, and for the units before it a row farther down:
    each mean is stored as its difference from the one before, so that one wrong bit shifts all that follow.

    small: YCbCr or grey, a pixel for each block.
    """
    height, width = shape.unit[0] // 8, shape.unit[1] // 8
    values = np.atleast_3d(np.asarray(small)).astype(np.float32)
    rows, columns = values.shape[0] // height, values.shape[1] // width
    if rows < 3 or columns < 20:
        return False
    values = values[: rows * height, : columns * width]
    below, above = values[height::height], values[height - 1 : -1 : height]
    # (boundaries between rows of units, columns of units, components)
    jumps = (below - above[: len(below)]).reshape(len(below), columns, width, -1).mean(axis=2)
    least = max(int(columns * STEP_SIDE), 2)
    across = values[:height].mean(axis=0).reshape(columns, width, -1).mean(axis=1)
    for component in range(jumps.shape[2]):
        if _begins_in_first_row(across[:, component], jumps[0, :, component], least):
            return True
        if any(_is_step(*pair, least) for pair in itertools.pairwise(jumps[:, :, component])):
            return True
    return False


def _begins_in_first_row(row: np.ndarray, lower: np.ndarray, least: int) -> bool:
    """row: float (columns,), means of the first row of units; lower: the jumps to the next."""
    for place in range(least, len(row) - least + 1):
        jump = lower[:place].mean()
        if abs(jump) > STEP and abs(row[place] - row[place - 1] - jump) < abs(jump) / 2 > abs(lower[place:].mean()) * 2:
            return bool((np.abs(lower[:place] / jump - 1) < 0.5).mean() > STEP_SHARE)
    return False


def _is_step(upper: np.ndarray, lower: np.ndarray, least: int) -> bool:
    """upper, lower: float (columns,), the jumps across two boundaries that follow on each other."""
    count = len(upper)
    places = np.arange(least, count - least + 1)
    before, after = np.cumsum(upper)[places - 1], np.cumsum(lower)[places - 1]
    right, left = (upper.sum() - before) / (count - places), after / places
    rest_left, rest_right = before / places, (lower.sum() - after) / (count - places)
    fits = (np.minimum(np.abs(right), np.abs(left)) > STEP) & (np.abs(right - left) < np.abs(right) / 2)
    fits &= np.maximum(np.abs(rest_left), np.abs(rest_right)) < np.abs(right) / 4
    for place in places[fits]:
        jump = (upper[place:].sum() + lower[:place].sum()) / count
        inside = np.concatenate([upper[place:], lower[:place]]) / jump
        if (np.abs(inside - 1) < 0.5).mean() > STEP_SHARE:
            return True
    return False


def _noise_share(picture: Image.Image) -> float:
    """Share of squares whose finest detail lies in the colours rather than in brightness; of each, the difference of pixels from
    the mean of four is taken."""
    if picture.mode not in ("RGB", "YCbCr", "RGBA"):
        return 0.0
    whole = picture.convert("RGB").convert("YCbCr")
    rows, columns = whole.height // SQUARE, whole.width // SQUARE
    noisy = 0
    for row in range(rows):
        strip = np.asarray(whole.crop((0, row * SQUARE, columns * SQUARE, (row + 1) * SQUARE)), np.float32)
        fours = strip.reshape(SQUARE // 2, 2, columns, SQUARE // 2, 2, 3)
        detail = np.abs(fours - fours.mean(axis=(1, 4), keepdims=True)).mean(axis=(0, 1, 3, 4))
        colour = detail[:, 1:].max(axis=1)
        noisy += int(((colour > detail[:, 0]) & (colour > NOISE_LEVELS)).sum())
    return noisy / (rows * columns) if rows and columns else 0.0


def _bmp_is_longer(path: Path) -> bool:
    """Whether a BMP file that is not compressed holds more than its header says, so that its rows may be shifted."""
    with path.open("rb") as file:
        head = file.read(34)
    said, at = int.from_bytes(head[2:6], "little"), int.from_bytes(head[10:14], "little")
    if int.from_bytes(head[14:18], "little") < 40 or int.from_bytes(head[30:34], "little") not in (0, 3):
        return False
    width, height, bits = (
        int.from_bytes(head[18:22], "little", signed=True),
        abs(int.from_bytes(head[22:26], "little", signed=True)),
        int.from_bytes(head[28:30], "little"),
    )
    data = at + (width * bits + 31) // 32 * 4 * height
    return said >= data and path.stat().st_size > said + BMP_SLACK


def _decoded(content: bytes, form: str) -> Image.Image:
    """Its pixels alone: as long as a picture is open, a decoder of WebP keeps two more copies of them."""
    with Image.open(io.BytesIO(content), formats=(form,)) as picture:
        return picture.copy()


def _small(content: bytes) -> Image.Image:
    """At an eighth of its size: the mean of each block. In the components that are stored, where they are YCbCr."""
    picture = Image.open(io.BytesIO(content), formats=("JPEG",))
    picture.draft("YCbCr" if picture.mode == "RGB" else picture.mode, (1, 1))
    picture.load()
    return picture
