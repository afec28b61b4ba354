"""The index of the cache: what each recording is, and where its samples lie."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

SAMPLE_RATE = 16_000
"""Hz, of everything in the cache."""

FULL_SCALE = 32767


@dataclass(frozen=True)
class Recording:
    """One row. Two rows with one `path` are the same recording."""

    path: str
    """Of the samples, int16 .npy, below the cache folder; says corpus, system and name."""
    label: str
    """real or fake"""
    corpus: str
    system: str
    """human; for real copies the codec; for fake ones what made the sound."""
    speaker: str
    language: str
    origin: str
    """`path` of the real recording that a copy was made from; else empty."""
    codec: str
    """What a copy was sent through, else empty: each codec is on both sides equally often."""
    seconds: float
    native_rate: int
    """Hz, before everything was brought to SAMPLE_RATE."""

    @property
    def fake(self) -> bool:
        return self.label == "fake"


def read_index(cache: Path) -> list[Recording]:
    """All rows of `cache`/index.csv; none where there is no such file."""
    path = cache / "index.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            Recording(seconds=float(row.pop("seconds")), native_rate=int(row.pop("native_rate")), **row)
            for row in csv.DictReader(file)
        ]


def append(cache: Path, made: Iterable[tuple[Recording, np.ndarray]]) -> int:
    """Store samples and rows as they come; how many. A row is written after its samples, so that it can be trusted."""
    path, count = cache / "index.csv", 0
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Recording)])
        if new:
            writer.writeheader()
        for recording, waveform in made:
            target = cache / recording.path
            target.parent.mkdir(parents=True, exist_ok=True)
            np.save(target, to_int16(waveform))
            writer.writerow(asdict(recording))
            file.flush()
            count += 1
    return count


def waveform(cache: Path, recording: Recording, start: int = 0, length: int | None = None) -> np.ndarray:
    """float32 (n,) in [-1, 1]: the samples from `start` on, at most `length`; only those are read."""
    stored = np.load(cache / recording.path, mmap_mode="r")
    stop = len(stored) if length is None else start + length
    return np.asarray(stored[start:stop], np.float32) / FULL_SCALE


def drawn_by(text: str) -> np.random.Generator:
    """Random numbers that depend on the text alone."""
    return np.random.default_rng(zlib.crc32(text.encode()))


def to_int16(samples: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(samples, -1, 1) * FULL_SCALE).astype(np.int16)
