"""Which files are judged, and what each of them is: a CSV with the columns file, label and optionally group, source."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drishtiksha.errors import ManifestError

REQUIRED = ("file", "label")
OPTIONAL = ("group", "source")
LABELS = {"real": False, "fake": True}


@dataclass(frozen=True)
class Item:
    """One row. `name` is the file as the manifest writes it; `group` is "" and `source` is `name` where none is given."""

    name: str
    path: Path
    fake: bool
    group: str
    source: str

    @property
    def label(self) -> str:
        return "fake" if self.fake else "real"


def read_manifest(path: Path) -> list[Item]:
    """The rows of a manifest; file names are relative to its folder.

    Raises: ManifestError that names every bad row by its line: a file that is missing or named twice, a label other than
    real and fake. Nothing is opened but the manifest.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read as a UTF-8 text: {error}. Name a CSV file.") from error
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
    if missing:
        raise ManifestError(
            f"{path.name} has no column {' or '.join(missing)}. Its first line must name the columns: "
            f"{', '.join(REQUIRED)} and, if you like, {', '.join(OPTIONAL)}."
        )
    items: list[Item] = []
    faults = list(_faults(reader, path.parent, items))
    if not items and not faults:
        faults = ["it names no file"]
    if faults:
        raise ManifestError(f"{path.name} cannot be used:\n" + "\n".join(faults))
    return items


def _faults(reader: csv.DictReader[str], folder: Path, items: list[Item]) -> Iterator[str]:
    """What is wrong with each row; the good rows are added to `items`."""
    first: dict[Path, int] = {}
    for row in reader:
        line = reader.line_num
        if None in row:
            yield f"line {line}: more fields than the first line names; put quotes around a name with a comma"
            continue
        values = {key: (row.get(key) or "").strip() for key in (*REQUIRED, *OPTIONAL)}
        name, label = values["file"], values["label"].lower()
        path = folder / name
        if not name or not path.is_file():
            yield f"line {line}: there is no file {name!r} in {folder}"
        elif label not in LABELS:
            yield f"line {line}: the label is {values['label']!r}; wanted real or fake"
        elif (known := first.setdefault(path.resolve(), line)) != line:
            yield f"line {line}: {name} is named in line {known} already"
        else:
            items.append(Item(name, path, LABELS[label], values["group"], values["source"] or name))


def drawn(items: list[Item], limit: int | None, seed: int) -> list[Item]:
    """At most `limit` rows drawn at random, in the manifest's order; a larger limit keeps those of a smaller one."""
    if limit is None or limit >= len(items):
        return items
    chosen = np.random.default_rng(seed).permutation(len(items))[:limit]
    return [items[index] for index in np.sort(chosen)]
