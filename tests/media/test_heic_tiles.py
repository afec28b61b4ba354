"""HEIC pictures that are put together from tiles: right ones come whole, wrong ones end soon and never as another picture."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from heic_tiles import TILE, Grid, written

from drishtiksha.errors import MediaLimitError, UnreadableMediaError
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.image import read_image
from drishtiksha.media.items import tiles_drawn
from drishtiksha.provenance import examine
from drishtiksha.settings import MediaLimits

LIMITS = MediaLimits(stall_s=20)
SOON_S = 15

RIGHT = {
    "four": (Grid(), (128, 128)),
    "cropped": (Grid(size=(100, 90)), (100, 90)),
    "strip": (Grid(1, 256), (256 * TILE, TILE)),
    "grid of grids": (Grid(references=[3] * 4, size=(256, 256), more={3: Grid()}), (256, 256)),
    "tiles larger than their places": (Grid(references=[3] * 4, size=(128, 64), more={3: Grid(4, 4)}), (128, 64)),
}
WRONG = {
    "larger than its tiles": Grid(size=(1000, 1000)),
    "of no size": Grid(size=(0, 0)),
    "larger than any": Grid(size=(2**32 - 1, 2**32 - 1)),
    "too few tiles": Grid(4, 4, references=[1] * 4),
    "no tiles": Grid(references=[]),
    "itself": Grid(references=[2] * 4),
    "each other": Grid(references=[3] * 4, more={3: Grid(references=[2] * 4)}),
    "absent tiles": Grid(references=[9] * 4),
    "four thousand tiles": Grid(64, 64),
    "sixty thousand places of data": Grid(extents=[(0, 300)] * 60_000),
    "gigabytes of data": Grid(extents=[(0, 2**32 - 1)]),
    "data behind the end": Grid(extents=[(2**31, 300)]),
}


def opened(path: Path, grid: Grid) -> Evidence:
    path.write_bytes(written(grid))
    evidence = Evidence.open(path, LIMITS)
    examine(evidence, LIMITS)
    return evidence


@pytest.mark.parametrize(("grid", "size"), RIGHT.values(), ids=RIGHT)
def test_tiles_are_put_together(tmp_path: Path, grid: Grid, size: tuple[int, int]) -> None:
    started = time.monotonic()
    media = opened(tmp_path / "a.heic", grid).media
    assert (media.width, media.height, media.damaged) == (*size, False)
    picture = read_image(tmp_path / "a.heic", limits=LIMITS)
    assert picture.shape == (size[1], size[0], 3)
    assert np.ptp(picture[:TILE, :TILE].mean(axis=(0, 2))) > 60, "the ramp of the first tile"
    assert time.monotonic() - started < SOON_S


@pytest.mark.parametrize("grid", WRONG.values(), ids=WRONG)
def test_tiles_that_do_not_fit_are_refused_and_none_is_shown_for_the_whole(tmp_path: Path, grid: Grid) -> None:
    started = time.monotonic()
    with pytest.raises(UnreadableMediaError, match=r"a\.heic cannot be read"):
        opened(tmp_path / "a.heic", grid)
    assert time.monotonic() - started < SOON_S


def test_a_picture_over_the_limit_is_refused_by_its_size(tmp_path: Path) -> None:
    with pytest.raises(MediaLimitError, match="50 megapixels"):
        opened(tmp_path / "a.heic", Grid(16, 16, size=(65_535, 65_535)))


def test_tiles_in_tiles_are_counted_before_they_are_drawn(tmp_path: Path) -> None:
    inside = {3: Grid(16, 16, references=[4] * 256), 4: Grid(16, 16)}
    with pytest.raises(MediaLimitError, match="tiles in one another"):
        opened(tmp_path / "a.heic", Grid(16, 16, references=[3] * 256, more=inside))
    assert [tiles_drawn(written(grid)) for grid in (Grid(), RIGHT["grid of grids"][0], WRONG["itself"])] == [4, 16, 4]
