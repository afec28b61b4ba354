"""Pictures by indexing against what matplotlib draws."""

from __future__ import annotations

import io

import numpy as np
import pytest

from drishtiksha.features.raster import cells, colour_table, draw, levels


def drawn_by_matplotlib(values: np.ndarray, height: int, width: int, colours: str) -> np.ndarray:
    """What specshow and savefig do: a mesh of cells that fills a figure without axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.pcolormesh(np.arange(values.shape[1]), np.arange(values.shape[0]), values, cmap=colours, rasterized=True)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return np.array(Image.open(file).convert("RGB"))


@pytest.mark.parametrize(
    ("shape", "size", "colours"),
    [((256, 32), (400, 400), "magma"), ((256, 63), (400, 400), "magma"), ((7, 5), (50, 120), "viridis")],
)
def test_every_pixel_is_matplotlibs(shape, size, colours):
    values = -80 * np.random.default_rng(1).random(shape, np.float32)
    assert np.array_equal(draw(values, *size, colours), drawn_by_matplotlib(values, *size, colours))


def test_colour_tables():
    table = colour_table("magma")
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert table[0].tolist() == [0, 0, 4]
    assert table[-1].sum() > 600
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 0


def test_cells_cover_everything_in_order():
    index = cells(32, 400)
    assert (index[0], index[-1]) == (0, 31)
    assert set(np.diff(index)) == {0, 1}
    assert index[12] == 0, "centred on the edge between two cells"
    assert cells(1025, 100).max() < 1025


def test_low_bins_lie_at_the_bottom_and_a_flat_picture_has_one_colour():
    values = np.zeros((4, 6), np.float32)
    values[0] = 1
    picture = draw(values, 8, 12)
    assert (picture[-2:] == colour_table("magma")[255]).all()
    assert (picture[:-2] == colour_table("magma")[0]).all()
    assert not levels(np.full((3, 3), -7.0)).any()
