"""Writes HEIC pictures that are put together from tiles, as phones do, right or wrong."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field

import numpy as np
import pillow_heif
from PIL import Image

TILE = 64
"""px."""


@dataclass
class Grid:
    """rows, columns: of tiles. size: width and height that the picture is said to have. references: items that it is put
    together from; None: as many as it has places, all the one tile. more: further grids by their item number."""

    rows: int = 2
    columns: int = 2
    size: tuple[int, int] | None = None
    references: list[int] | None = None
    extents: list[tuple[int, int]] = field(default_factory=list)
    """(place, length) of the tile's data in the file; none: where they are."""
    more: dict[int, Grid] = field(default_factory=dict)

    @property
    def said(self) -> tuple[int, int]:
        return self.size or (self.columns * TILE, self.rows * TILE)

    @property
    def content(self) -> bytes:
        return struct.pack(">BBBBII", 0, 1, self.rows - 1, self.columns - 1, *self.said)

    @property
    def of(self) -> list[int]:
        return [1] * (self.rows * self.columns) if self.references is None else self.references


GRID, TILE_ITEM = 2, 1
"""Item numbers."""


def written(grid: Grid) -> bytes:
    """A HEIC file of one tile of 64 x 64 px, and a grid of it as its picture."""
    hvcc, data = _tile()
    grids = {GRID: grid} | grid.more
    ftyp = _box(b"ftyp", b"heic\0\0\0\0mif1heic")
    length = len(ftyp) + len(_meta(grids, hvcc, 0, len(data))) + 8
    return ftyp + _meta(grids, hvcc, length, len(data)) + _box(b"mdat", data)


def _meta(grids: dict[int, Grid], hvcc: bytes, at: int, size: int) -> bytes:
    extents = grids[GRID].extents or [(at, size)]
    infos = [_full(b"infe", struct.pack(">HH4sx", TILE_ITEM, 0, b"hvc1"), 2)]
    infos += [_full(b"infe", struct.pack(">HH4sx", number, 0, b"grid"), 2) for number in grids]
    places = [
        struct.pack(">HHHH", TILE_ITEM, 0, 0, len(extents)) + b"".join(struct.pack(">II", *one) for one in extents)
    ]
    idat = b""
    for number, grid in grids.items():
        places.append(struct.pack(">HHHHII", number, 1, 0, 1, len(idat), len(grid.content)))
        idat += grid.content
    links = [_box(b"dimg", struct.pack(f">HH{len(g.of)}H", n, len(g.of), *g.of)) for n, g in grids.items()]
    properties = [_box(b"hvcC", hvcc), _ispe(TILE, TILE), *(_ispe(*grid.said) for grid in grids.values())]
    owners = [struct.pack(">HBBB", TILE_ITEM, 2, 0x81, 2)]
    owners += [struct.pack(">HBB", number, 1, 3 + place) for place, number in enumerate(grids)]
    return _full(
        b"meta",
        _full(b"hdlr", struct.pack(">I4s12xB", 0, b"pict", 0))
        + _full(b"pitm", struct.pack(">H", GRID))
        + _full(b"iinf", struct.pack(">H", len(infos)) + b"".join(infos))
        + _full(b"iloc", struct.pack(">BBH", 0x44, 0, len(places)) + b"".join(places), 1)
        + _full(b"iref", b"".join(links))
        + _box(
            b"iprp",
            _box(b"ipco", b"".join(properties)) + _full(b"ipma", struct.pack(">I", len(owners)) + b"".join(owners)),
        )
        + _box(b"idat", idat),
    )


def _tile() -> tuple[bytes, bytes]:
    """hvcC and data of a picture that is brighter to the right."""
    pillow_heif.register_heif_opener()
    once = io.BytesIO()
    ramp = np.linspace(40, 220, TILE).astype(np.uint8)
    Image.fromarray(np.repeat(np.tile(ramp, (TILE, 1))[..., None], 3, axis=2)).save(once, "HEIF", quality=90)
    content = once.getvalue()
    at = content.index(b"hvcC")
    hvcc = content[at + 4 : at - 4 + int.from_bytes(content[at - 4 : at], "big")]
    at = content.index(b"mdat")
    return hvcc, content[at + 4 : at - 4 + int.from_bytes(content[at - 4 : at], "big")]


def _ispe(width: int, height: int) -> bytes:
    return _full(b"ispe", struct.pack(">II", width, height))


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def _full(kind: bytes, content: bytes, version: int = 0) -> bytes:
    return _box(kind, struct.pack(">B3x", version) + content)
