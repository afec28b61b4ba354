"""What one model says about each labelled file, and the CSV that keeps it: written row by row, so that a run that was
stopped goes on where it was."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from drishtiksha.errors import ManifestError
from drishtiksha.evaluation.spreadsheet import guarded, headings, number, rows_of, text_of, unguarded
from drishtiksha.report.files import write_whole
from drishtiksha.results import MediaKind, Prediction


@dataclass(frozen=True)
class Score:
    """One file by one model. `p_fake` is None when the file was not scored, and `reason` says why; `kind`, `coverage`
    and thresholds are None for a file that could not be opened. `rate`: frames of a video, samples of a recording, a second."""

    file: str
    label: str
    group: str
    source: str
    model: str
    kind: str | None = None
    p_fake: float | None = None
    prediction: str | None = None
    coverage: float | None = None
    reason: str = ""
    threshold_real: float | None = None
    threshold_fake: float | None = None
    seconds: float | None = None
    sha256: str = ""
    recipe: str = ""
    container: str = ""
    size_bytes: float | None = None
    duration_s: float | None = None
    rate: float | None = None

    @property
    def fake(self) -> bool:
        return self.label == "fake"

    @property
    def scored(self) -> bool:
        return self.p_fake is not None

    @property
    def called(self) -> Prediction | None:
        return None if self.prediction is None else Prediction(self.prediction)


COLUMNS = tuple(field.name for field in fields(Score))
SINCE_0_3 = ("container", "size_bytes", "duration_s", "rate")
"""Columns that tables of version 0.2 lack."""
NUMBERS = ("p_fake", "coverage", "threshold_real", "threshold_fake", "seconds", "size_bytes", "duration_s", "rate")
DECIMALS = 6


class ScoreFile:
    """`scores.csv` of a folder: every new score is on the disk at once; the newest of a file and a model stays."""

    def __init__(self, path: Path) -> None:
        """Raises: ManifestError when the file there is of other columns."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._known = {_place(score): score for score in read_scores(path)} if path.is_file() else {}
        self.tidy()

    def __iter__(self) -> Iterator[Score]:
        """The newest score of each file and model."""
        return iter(self._known.values())

    def of(self, file: str, model: str) -> Score | None:
        """The newest score of a file by a model; None without one."""
        return self._known.get((file, model))

    def add(self, score: Score) -> None:
        self._known[_place(score)] = score
        with self.path.open("a", newline="", encoding="utf-8") as file:
            _writer(file).writerow(_texts(score))

    def tidy(self) -> None:
        """Write the file anew, without rows that were cut short or replaced."""
        write_scores(self.path, self._known.values())


def _place(score: Score) -> tuple[str, str]:
    return score.file, score.model


def write_scores(path: Path, scores: Iterable[Score], columns: tuple[str, ...] = COLUMNS) -> None:
    """Replace `path`, in one step, by these rows; `columns` may leave some out. A byte order mark tells spreadsheets that it
    is UTF-8."""
    text = io.StringIO(newline="")
    writer = _writer(text, columns)
    writer.writeheader()
    writer.writerows(map(_texts, scores))
    write_whole(path, text.getvalue().encode("utf-8-sig"))


def read_scores(path: Path) -> list[Score]:
    """Whole rows only: one that a crash cut short, or whose numbers a spreadsheet spoilt, is left out. A table that was saved
    by a spreadsheet is read as well. Raises: ManifestError for other columns."""
    rows = rows_of(text_of(path.read_bytes(), path.name))
    names = headings(next(rows, (0, []))[1])
    if not set(COLUMNS) - set(SINCE_0_3) <= set(names) <= set(COLUMNS):
        raise ManifestError(f"{path} is not a table of scores of this version. Choose another folder or delete it.")
    found = (_from_texts(dict(zip(names, cells, strict=True))) for _, cells in rows if len(cells) == len(names))
    return [score for score in found if score is not None]


def _writer(file: Any, columns: tuple[str, ...] = COLUMNS) -> csv.DictWriter[str]:
    return csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")


def _texts(score: Score) -> dict[str, str]:
    row = asdict(score)
    for name in NUMBERS:
        row[name] = "" if row[name] is None else f"{row[name]:.{DECIMALS}f}".rstrip("0").rstrip(".")
    texts = {name: "" if value is None else str(value) for name, value in row.items()}
    return {name: text if name in NUMBERS else guarded(text) for name, text in texts.items()}


def _from_texts(row: dict[str, str]) -> Score | None:
    """None for a row that holds what is no number."""
    values: dict[str, Any] = {name: unguarded(cell) for name, cell in row.items()}
    try:
        values |= {name: number(row[name]) for name in NUMBERS if name in row}
        values["kind"] = MediaKind(row["kind"]).value if row["kind"] else None
        values["prediction"] = Prediction(row["prediction"]).value if row["prediction"] else None
    except ValueError:
        return None
    return Score(**values)
