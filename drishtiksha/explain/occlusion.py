"""Occlusion sensitivity (Zeiler & Fergus, ECCV 2014, arXiv:1311.2901): works for any detector of picture-like input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch

from drishtiksha.explain.maps import normalise

PIECES = 20
"""Of a window of sound, muted one after the other."""


def occlusion(
    score: Callable[[torch.Tensor], np.ndarray], picture: torch.Tensor, *, cells: int = 7, batch_size: int = 16
) -> np.ndarray:
    """How much the score falls when a patch is covered by the picture's mean colour.

    score: (B, C, H, W) -> p_fake (B,). picture: (C, H, W) as the network takes it. cells: steps along each side; a patch
    is two steps wide, so that patches overlap.
    Returns float32 (H, W) in [0, 1], scaled to a maximum of 1; all zeros where no patch lowers the score.
    """
    _, height, width = picture.shape
    fill = picture.mean(dim=(1, 2), keepdim=True)
    boxes = [
        (
            y * height // cells,
            min((y + 2) * height // cells, height),
            x * width // cells,
            min((x + 2) * width // cells, width),
        )
        for y in range(cells)
        for x in range(cells)
    ]
    base = float(score(picture[None])[0])
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for start in range(0, len(boxes), batch_size):
        group = boxes[start : start + batch_size]
        batch = picture.repeat(len(group), 1, 1, 1)
        for row, (y0, y1, x0, x1) in zip(batch, group, strict=True):
            row[:, y0:y1, x0:x1] = fill
        for p_fake, (y0, y1, x0, x1) in zip(score(batch), group, strict=True):
            total[y0:y1, x0:x1] += base - float(p_fake)
            count[y0:y1, x0:x1] += 1
    return normalise(total / np.maximum(count, 1))


def muting(
    score: Callable[[Sequence[np.ndarray]], np.ndarray], waveform: np.ndarray, *, pieces: int = 20
) -> np.ndarray:
    """How much the score falls when a piece of a sound is muted.

    score: waveforms as long as `waveform`, float32 (n,) -> p_fake of each.
    Returns float32 (1, pieces) in [0, 1], scaled to a maximum of 1; all zeros where no piece lowers the score.
    """
    bounds = np.linspace(0, len(waveform), pieces + 1).astype(int)
    versions = [waveform]
    for start, stop in pairwise(bounds):
        muted = waveform.copy()
        muted[start:stop] = 0
        versions.append(muted)
    p_fakes = score(versions)
    return normalise((p_fakes[0] - p_fakes[1:])[None])
