"""How much of a picture shows anything at all: what is destroyed is mostly of one brightness, block by block."""

from __future__ import annotations

import numpy as np

BLOCK = 8
"""px: the blocks of JPEG and of most video."""

PLAIN = 2.0
"""Levels of 255. A block whose brightness varies by less shows nothing."""

DARK, BRIGHT = 20, 235
"""Levels of 255. Plain blocks beyond are bars, paper or a night sky, and no sign of damage."""

MOST_BLOCKS = 20_000
"""More of them are not looked at one by one: every n-th row of blocks stands for the others."""


def detail_share(picture: np.ndarray) -> float:
    """Share of its blocks in which brightness varies, among those that are neither black nor white, 0 to 1.

    picture: uint8 RGB (H, W, 3). 1 for one that is smaller than a block, or black or white all over.
    """
    rows, columns = picture.shape[0] // BLOCK, picture.shape[1] // BLOCK
    if not rows or not columns:
        return 1.0
    step = -(-rows * columns // MOST_BLOCKS)
    plain = counted = 0
    for row in range(0, rows, step):
        strip = picture[row * BLOCK : (row + 1) * BLOCK, : columns * BLOCK].astype(np.float32)
        luma = strip @ np.array([0.299, 0.587, 0.114], np.float32)
        blocks = luma.reshape(BLOCK, columns, BLOCK)
        flat = np.ptp(blocks, axis=(0, 2)) <= PLAIN
        mean = blocks.mean(axis=(0, 2))
        neutral = flat & ((mean < DARK) | (mean > BRIGHT))
        plain += int((flat & ~neutral).sum())
        counted += int((~neutral).sum())
    return 1 - plain / counted if counted else 1.0
