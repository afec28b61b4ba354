"""Which frames and which stretches of sound to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def evenly_spaced(total: int, count: int | None) -> list[int]:
    """Indices 0 .. total-1 at equal distances: linspace(0, total - 1, count) cut to whole numbers, duplicates dropped.

    `count` None gives all of them.
    """
    if total < 0 or (count is not None and count < 1):
        raise ValueError(f"evenly_spaced needs total >= 0 and count >= 1 or None, not {total} and {count}")
    if count is None or count >= total:
        return list(range(total))
    return sorted(set(np.linspace(0, total - 1, count).astype(int).tolist()))


def sparse_first(indices: Sequence[int], n: int) -> tuple[list[int], list[int]]:
    """Split sorted indices into `n` evenly spread ones for the quick first answer, and the rest; both sorted."""
    chosen = set(evenly_spaced(len(indices), n))
    first = [index for place, index in enumerate(indices) if place in chosen]
    rest = [index for place, index in enumerate(indices) if place not in chosen]
    return first, rest


def audio_windows(
    n_samples: int, sample_rate: int, window_s: float, hop_s: float, min_s: float, *, shifted: bool = False
) -> list[tuple[int, int]]:
    """(start, stop) in samples of the windows over a waveform of `n_samples`.

    Whole windows every `hop_s`; then one shorter window (stop = n_samples, to be zero-padded by the caller) when sound is
    left over beyond the last whole one and at least `min_s` of it would fill that window. Less than `min_s` of sound in
    all gives no window. shifted: that last window is a whole one, ending with the sound, wherever there is enough of it.
    """
    window, hop, least = (max(1, round(seconds * sample_rate)) for seconds in (window_s, hop_s, min_s))
    windows: list[tuple[int, int]] = []
    start = 0
    while start + window <= n_samples:
        windows.append((start, start + window))
        start += hop
    covered = windows[-1][1] if windows else 0
    if shifted and 0 < covered < n_samples:
        windows.append((n_samples - window, n_samples))
    elif covered < n_samples and n_samples - start >= least:
        windows.append((start, n_samples))
    return windows
