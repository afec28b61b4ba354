"""Which files are judged, and what each of them is: a CSV with the columns file, label and optionally group, source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

import numpy as np

from drishtiksha.batch import items as batch
from drishtiksha.errors import ManifestError
from drishtiksha.evaluation.spreadsheet import headings, rows_of, text_of, unguarded

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

    def for_batch(self) -> batch.Item:
        """The same, as batches take it."""
        return batch.Item(self.name, str(self.path), self.label, {"group": self.group, "source": self.source})


def read_manifest(path: Path) -> list[Item]:
    """The rows of a manifest, as a spreadsheet or a person writes it; file names are relative to its folder.

    Raises: ManifestError that names every bad row by its line: a file that is missing or named twice, a label other than
    real and fake. Nothing is opened but the manifest.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}. Name a CSV file.") from error
    rows = rows_of(text_of(data, path.name))
    names = headings(next(rows, (0, []))[1])
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise ManifestError(
            f"{path.name} has no column {' or '.join(missing)}. Its first line must name the columns: "
            f"{', '.join(REQUIRED)} and, if you like, {', '.join(OPTIONAL)}."
        )
    items: list[Item] = []
    faults = list(_faults(names, rows, path.parent, items))
    if not items and not faults:
        faults = ["it names no file"]
    if faults:
        raise ManifestError(f"{path.name} cannot be used:\n" + "\n".join(faults))
    return items


def _faults(
    names: Sequence[str], rows: Iterable[tuple[int, list[str]]], folder: Path, items: list[Item]
) -> Iterator[str]:
    """What is wrong with each row; the good rows are added to `items`."""
    first: dict[Path, int] = {}
    for line, cells in rows:
        if len(cells) > len(names):
            yield f"line {line}: more fields than the first line names; put quotes around a name with a comma"
            continue
        values = dict.fromkeys((*REQUIRED, *OPTIONAL), "") | dict(zip(names, map(str.strip, cells), strict=False))
        name, label = unguarded(values["file"]), values["label"].lower()
        path = _named(folder, name)
        if path is None:
            yield f"line {line}: there is no file {name!r} in {folder}"
        elif label not in LABELS:
            yield f"line {line}: the label is {values['label']!r}; wanted real or fake"
        elif (known := first.setdefault(path.resolve(), line)) != line:
            yield f"line {line}: {name} is named in line {known} already"
        else:
            items.append(
                Item(name, path, LABELS[label], unguarded(values["group"]), unguarded(values["source"]) or name)
            )


def _named(folder: Path, name: str) -> Path | None:
    """The file of that name, also where the list was made on Windows (backslashes) or a Mac (composed letters)."""
    if not name:
        return None
    forms = (name, name.replace("\\", "/"))
    spellings = [form for text in forms for form in (text, normalize("NFC", text), normalize("NFD", text))]
    return next((path for spelling in spellings if (path := folder / spelling).is_file()), None)


def drawn(items: list[Item], limit: int | None, seed: int) -> list[Item]:
    """At most `limit` rows drawn at random, in the manifest's order; a larger limit keeps those of a smaller one."""
    if limit is None or limit >= len(items):
        return items
    chosen = np.random.default_rng(seed).permutation(len(items))[:limit]
    return [items[index] for index in np.sort(chosen)]
