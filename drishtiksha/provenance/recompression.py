"""Was a JPEG compressed twice? Looks for the gaps and bumps that a first quantisation leaves in the histograms of a second.

Method: J. Lukáš, J. Fridrich, "Estimation of Primary Quantization Matrix in Double Compressed JPEG Images", DFRWS 2003. The
histogram of a DCT coefficient before any compression is estimated from the picture shifted by half a block, which no longer
falls on the block grid. From it follows which histogram one compression (the step stands in the file) or two (each possible
first step) would give; the likelihoods of what is really there are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from drishtiksha.casefile import ProvenanceFinding

BLOCK = 8
SHIFT = 4
"""px by which the picture is moved off its grid."""
MODES = ((0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0))
"""Row and column of the coefficients looked at: the lowest of the zigzag order but for the mean."""
MAX_SIDE = 2048
"""px of the part in the middle that is looked at."""
MIN_BLOCKS = 1024
"""Fewer blocks (a picture below 256 x 256) do not fill a histogram."""
MAX_STEP = 40
REACH = 120
"""Coefficients beyond are passed over: there are few of them."""
FINE = 4
"""Cells a grey level of the histogram before compression: the edges of every step then lie between cells."""
ROUNDING = 0.6
"""Standard deviation of a coefficient after rounding to whole grey levels, colour conversion and back."""
DOUBT = 0.02
"""Share of every model's probability that is spread evenly, so that a few odd coefficients cannot decide."""
TWICE = 0.1
"""`gain` from here on counts as compressed twice. Measured on 480 files that were compressed once, made from 30 portraits in 8
ways (shrunk, enlarged, sharpened, blurred, other tones, noisy, grey, moved off the grid of an earlier compression; qualities 50 to
100): none reached it, the highest was 0.035; of 18 screenshots none (0.032). Of files compressed twice (30 portraits a pair) all
reached it whose second quality was the higher one (50 then 75: 1.00 or more, 60 then 90: 1.57, 75 then 85: 0.45, 85 then 95: 0.59, 90
then 95: 0.17); none did whose second quality was the same or lower (75 then 75: at most 0.001, 85 then 75: 0.04, 75 then 60: 0.04):
the second compression then wipes out the traces of the first."""


@dataclass(frozen=True)
class Recompression:
    """`gain`: how much better two compressions explain the picture than one, nats a coefficient that is not zero, mean over the
    coefficients looked at. `first_steps`: the likeliest steps of a first compression, in the order of `MODES`."""

    gain: float
    first_steps: tuple[int, ...]


def compression_findings(measured: Recompression | None) -> list[ProvenanceFinding]:
    """In words; nothing where nothing could be measured."""
    if measured is None:
        return []
    if measured.gain < TWICE:
        return [
            ProvenanceFinding(
                kind="recompression",
                title="No trace of an earlier JPEG compression",
                detail=f"Two compressions explain the picture hardly better than one (measure {measured.gain:.3f}, trace from "
                f"{TWICE:g}).",
                tells="Little: the picture was not compressed more strongly before, on the same grid of blocks.",
                does_not_tell="Whether it was saved several times: a stronger last compression, scaling or cropping wipes the trace "
                "out.",
            )
        ]
    steps = ", ".join(map(str, measured.first_steps))
    return [
        ProvenanceFinding(
            kind="recompression",
            title="It was compressed as JPEG at least twice",
            detail=f"The coefficients of its blocks show gaps of an earlier, stronger compression (measure {measured.gain:.2f}, trace "
            f"from {TWICE:g}; likeliest earlier steps {steps}).",
            tells="It is not the file from a camera: it was opened and saved again without being scaled.",
            does_not_tell="Whether anything was changed in between: services, messengers and editors save anew as a matter of course.",
            notable=True,
        )
    ]


def measure(picture: Image.Image) -> Recompression | None:
    """None for what is no JPEG of grey or colour, or too small. `picture` is decoded. Raises what Pillow raises on damage."""
    tables = getattr(picture, "quantization", None)
    if picture.format not in ("JPEG", "MPO") or not tables or 0 not in tables:
        return None
    luma = _luma(picture)
    if luma is None or (luma.shape[0] // BLOCK) * (luma.shape[1] // BLOCK) < MIN_BLOCKS:
        return None
    steps = np.array(tables[0]).reshape(BLOCK, BLOCK)
    on_grid, off_grid = _coefficients(luma), _coefficients(luma[SHIFT:-SHIFT, SHIFT:-SHIFT])
    gains, firsts = [], []
    for row, column in MODES:
        gain, first = _mode(on_grid[:, row, column], off_grid[:, row, column], int(steps[row, column]))
        gains.append(gain)
        firsts.append(first)
    return Recompression(float(np.mean(gains)), tuple(firsts))


def _luma(picture: Image.Image) -> np.ndarray | None:
    """uint8 (H, W): the middle of the brightness channel as it was coded, from a corner of a block on."""
    if picture.mode not in ("L", "RGB", "YCbCr"):
        return None
    if picture.mode == "RGB":
        picture.draft("YCbCr", picture.size)
    width, height = picture.size
    left, top = (max(0, (side - MAX_SIDE) // 2) // BLOCK * BLOCK for side in (width, height))
    part = picture.crop((left, top, left + min(width, MAX_SIDE), top + min(height, MAX_SIDE)))
    return np.asarray(part if part.mode in ("L", "YCbCr") else part.convert("YCbCr")).reshape(*part.size[::-1], -1)[
        ..., 0
    ]


def _coefficients(luma: np.ndarray) -> np.ndarray:
    """float32 (n, 8, 8): the DCT of every whole block that is nowhere black or white (those were cut off)."""
    rows, columns = luma.shape[0] // BLOCK, luma.shape[1] // BLOCK
    grid = luma[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    blocks = grid.swapaxes(1, 2).reshape(-1, BLOCK, BLOCK)
    sound = (blocks.min(axis=(1, 2)) > 0) & (blocks.max(axis=(1, 2)) < 255)
    from scipy.fft import dctn  # here, because the first page need not wait for it

    return dctn(blocks[sound].astype(np.float32) - 128, axes=(1, 2), norm="ortho")


def _mode(found: np.ndarray, before: np.ndarray, step: int) -> tuple[float, int]:
    """(gain in nats a non-zero coefficient, likeliest first step) of one coefficient; (0, step) where nothing can be said."""
    reach = round(REACH / step)
    values = np.rint(found / step).astype(int)
    counts = np.bincount(values[np.abs(values) <= reach] + reach, minlength=2 * reach + 1)
    filled = counts.sum() - counts[reach]
    cells = np.floor(before[np.abs(before) < REACH] * FINE).astype(int) + REACH * FINE
    smooth = np.bincount(cells, minlength=2 * REACH * FINE).astype(float)
    if reach < 2 or filled < MIN_BLOCKS // 4 or not smooth.sum():
        return 0.0, step
    smooth = (smooth + smooth[::-1]) / (2 * smooth.sum())
    once = _likelihood(counts, _once(smooth, step, reach))
    twice = {first: _likelihood(counts, _twice(smooth, first, step, reach)) for first in range(1, MAX_STEP + 1)}
    best = max(twice, key=lambda first: twice[first])
    return max(0.0, (twice[best] - once) / filled), best


def _likelihood(counts: np.ndarray, model: np.ndarray) -> float:
    model = (1 - DOUBT) * model / max(model.sum(), 1e-12) + DOUBT / len(model)
    return float(counts @ np.log(model))


def _once(smooth: np.ndarray, step: int, reach: int) -> np.ndarray:
    """Histogram over -reach .. reach after one quantisation."""
    centres = (np.arange(2 * REACH * FINE) + 0.5) / FINE - REACH
    values = np.rint(centres / step).astype(int)
    inside = np.abs(values) <= reach
    return np.bincount(values[inside] + reach, weights=smooth[inside], minlength=2 * reach + 1)


def _twice(smooth: np.ndarray, first: int, step: int, reach: int) -> np.ndarray:
    """Histogram over -reach .. reach after quantisation by `first`, rounding of the picture, and quantisation by `step`."""
    ends = round(REACH / first)
    return _once(smooth, first, ends) @ _moved(first, step, reach)


@lru_cache(maxsize=256)
def _moved(first: int, step: int, reach: int) -> np.ndarray:
    """(levels of `first`, 2 * reach + 1): where the rounding of the picture and the second quantisation take each level."""
    ends = round(REACH / first)
    levels = np.arange(-ends, ends + 1) * float(first)
    edges = (np.arange(-reach, reach + 2) - 0.5) * step
    from scipy.special import ndtr

    return np.diff(ndtr((edges[None, :] - levels[:, None]) / ROUNDING), axis=1)
