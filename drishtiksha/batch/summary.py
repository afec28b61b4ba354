"""What a folder of results says as a whole, and its rows in other formats."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from drishtiksha.batch.parts import RESULTS, SCORES, ResultFolder, schema
from drishtiksha.report.csvfile import cell

Format = Literal["jsonl", "csv"]
LEFT_OUT = ("result", "version")
"""Columns that a spreadsheet does without."""


@dataclass(frozen=True)
class ModelCounts:
    """Of one model: how many files by prediction, how many have no result by the kind of error, and seconds on average."""

    model: str
    predictions: Mapping[str, int]
    errors: Mapping[str, int]
    seconds: float | None

    @property
    def files(self) -> int:
        return sum(self.predictions.values()) + sum(self.errors.values())


def summary(folder: ResultFolder) -> list[ModelCounts]:
    """One for each model, by name. Raises: ConfigError for a damaged part."""
    import pyarrow as pa

    parts = list(folder.newest(["model", "prediction", "error_kind", "seconds"]))
    if not parts:
        return []
    counted = (
        pa.concat_tables(parts)
        .group_by(["model", "prediction", "error_kind"])
        .aggregate([("model", "count"), ("seconds", "sum"), ("seconds", "count")])
    )
    rows = counted.to_pylist()
    return [_counts(name, [row for row in rows if row["model"] == name]) for name in sorted({r["model"] for r in rows})]


def _counts(model: str, rows: list[dict[str, Any]]) -> ModelCounts:
    timed = sum(row["seconds_count"] for row in rows)
    return ModelCounts(
        model,
        {row["prediction"]: row["model_count"] for row in rows if row["prediction"] is not None},
        {row["error_kind"]: row["model_count"] for row in rows if row["error_kind"] is not None},
        sum(row["seconds_sum"] or 0.0 for row in rows) / timed if timed else None,
    )


def export(folder: ResultFolder, to: Format, file: IO[str], *, samples: bool = False) -> int:
    """Write the rows that count as JSON Lines or CSV; how many. samples: of `SCORES` in place of `RESULTS`.

    JSON Lines are those that `predict --out` writes. Raises: ConfigError for a damaged part.
    """
    rows = _samples(folder) if samples else _rows(folder)
    if to == "csv":
        names = [name for name in schema(SCORES if samples else RESULTS).names if name not in LEFT_OUT]
        return _as_csv(rows, names, file)
    return _each(rows, lambda row: file.write(json.dumps(row if samples else document(row), ensure_ascii=False) + "\n"))


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `RESULTS` as `predict` tells it: an `AnalysisResult`, or why there is none."""
    if row["result"] is not None:
        found: dict[str, Any] = json.loads(row["result"])
        return found
    name = row["name"]
    return {"path": name, "file": Path(name).name, "model_name": row["model"], "error": row["error"]}


def _rows(folder: ResultFolder) -> Iterator[dict[str, Any]]:
    for table in folder.newest():
        yield from table.to_pylist()


def _samples(folder: ResultFolder) -> Iterator[dict[str, Any]]:
    """Those of the results that count."""
    keys = ["name", "model", "sha256", "recipe"]
    count = {tuple(row.values()) for table in folder.newest(keys) for row in table.to_pylist()}
    seen: set[tuple[Any, ...]] = set()
    for table in folder.tables(SCORES):
        for row in table.to_pylist():
            place = tuple(row[name] for name in (*keys, "index"))
            if place[:-1] in count and place not in seen:
                seen.add(place)
                yield row


def _as_csv(rows: Iterable[dict[str, Any]], names: list[str], file: IO[str]) -> int:
    file.write("\ufeff")
    writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    return _each(rows, lambda row: writer.writerow({name: cell(_flat(row[name])) for name in names}))


def _flat(value: Any) -> Any:
    """Several values in one cell."""
    if not isinstance(value, list):
        return value
    if value and isinstance(value[0], dict):
        return json.dumps(value)
    return " ".join("=".join(map(str, one)) if isinstance(one, tuple) else one for one in value)


def _each(rows: Iterable[dict[str, Any]], write: Callable[[dict[str, Any]], object]) -> int:
    count = 0
    for row in rows:
        write(row)
        count += 1
    return count
