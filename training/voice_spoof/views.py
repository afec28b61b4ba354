"""Couples of `Mix`, drawn and degraded once and stored: the windows that VOICE-SPOOF-LITE-V2 is trained and tried on."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from drishtiksha.networks.voice_spoof import WINDOW, preprocess_voice
from drishtiksha.networks.voice_whisper import STEPS, coarse
from training.voice_spoof.dataset import Mix, maker_of
from training.voice_spoof.index import Recording


@dataclass(frozen=True)
class View:
    """One stored window, and where it came from."""

    path: str
    fake: bool
    corpus: str
    system: str
    speaker: str
    words: str
    """The recording whose words are said: its own, or its origin's."""


def view_of(row: Recording) -> View:
    return View(row.path, row.fake, row.corpus, maker_of(row), row.speaker, row.origin or row.path)


class Views:
    """A folder of windows int16 (N, WINDOW) and their table; couples lie side by side, real first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, mix: Mix, couples: int) -> None:
        """Store the first `couples` of `mix`; those that are there are kept."""
        self.folder.mkdir(parents=True, exist_ok=True)
        done = len(self.rows())
        with (self.folder / "windows.i16").open("ab") as samples, self._table.open("a", newline="") as table:
            samples.truncate(done * WINDOW * 2)
            writer = csv.DictWriter(table, [field.name for field in fields(View)])
            if not done:
                writer.writeheader()
            for item in range(done // 2, couples):
                *halves, couple = mix.halves(item)
                windows = [coarse(preprocess_voice(half)).numpy() * STEPS for half in halves]
                samples.write(np.rint(windows).astype(np.int16).tobytes())
                samples.flush()
                writer.writerows(asdict(view_of(row)) for row in (couple.real, couple.fake))
                table.flush()

    def rows(self) -> list[View]:
        """The table; a couple that was cut off is left out."""
        if not self._table.exists():
            return []
        with self._table.open(newline="") as file:
            rows = [View(fake=row.pop("fake") == "True", **row) for row in csv.DictReader(file)]
        return rows[: len(rows) // 2 * 2]

    def windows(self, chosen: Sequence[int]) -> np.ndarray:
        """float32 (n, WINDOW), as `coarse` makes them."""
        stored = np.memmap(self.folder / "windows.i16", np.int16, "r").reshape(-1, WINDOW)
        return stored[np.asarray(chosen)].astype(np.float32) / np.float32(STEPS)

    @property
    def _table(self) -> Path:
        return self.folder / "views.csv"
