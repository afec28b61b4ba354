"""Which files are judged, and what each of them is: a CSV with the columns file, label and optionally group, source, or a
data set in the layout in which it is distributed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize
from urllib.parse import quote

import numpy as np

from drishtiksha.batch.datasets import folder_at, read_dataset
from drishtiksha.batch.items import Item
from drishtiksha.batch.sources import WEB, file_name, is_address, local_name, shown
from drishtiksha.errors import ManifestError
from drishtiksha.evaluation.spreadsheet import headings, rows_of, text_of, unguarded

REQUIRED = ("file", "label")
OPTIONAL = ("group", "source")
LABELS = ("real", "fake")
WEB_STARTS = tuple(f"{scheme}://" for scheme in WEB)


@dataclass(frozen=True)
class Listing:
    """Labelled files. sha256: of the CSV file; of a data set, of the rows that it amounts to."""

    name: str
    sha256: str
    items: list[Item]


def listing_of(source: str, form: str | None = None, split: str | None = None) -> Listing:
    """The files of a CSV, or with `form` those of a data set in a folder or at an address (`split`: one part of it).

    Raises: ManifestError; ConfigError for a format that is not known, or an address that cannot be opened.
    """
    if form is None:
        data = _bytes_of(source)
        return Listing(file_name(source), hashlib.sha256(data).hexdigest(), read_manifest(source, data))
    folder = folder_at(source)
    items = list(read_dataset(folder, form, split))
    rows = "".join(f"{one.name}\t{one.label}\t{one.group}\t{one.source}\n" for one in items)
    digest = hashlib.sha256(rows.encode(errors="surrogateescape")).hexdigest()
    return Listing(", ".join(filter(None, (folder.name, form.lower(), split))), digest, items)


def read_manifest(source: Path | str, data: bytes | None = None, *, labelled: bool = True) -> list[Item]:
    """The rows of a manifest, as a spreadsheet or a person writes it; file names are relative to its folder, or addresses. It may
    lie at an address itself. data: its bytes, where they were read already. labelled: whether each file must have a label.

    Raises: ManifestError that names every bad row by its line: a file that is missing or named twice, a label other than
    real and fake. Nothing is opened but the manifest: whether there is something at an address is seen when it is fetched.
    """
    source = local_name(str(source))
    name = file_name(source)
    rows = rows_of(text_of(_bytes_of(source) if data is None else data, name))
    names = headings(next(rows, (0, []))[1])
    required = REQUIRED if labelled else REQUIRED[:1]
    missing = [name for name in required if name not in names]
    if missing:
        raise ManifestError(
            f"{name} has no column {' or '.join(missing)}. Its first line must name the columns: "
            f"{', '.join(required)} and, if you like, {', '.join((*REQUIRED[len(required) :], *OPTIONAL))}."
        )
    items: list[Item] = []
    above = source.rpartition("/")[0] if is_address(source) else Path(source).parent
    faults = list(_faults(names, rows, above, items, labelled))
    if not items and not faults:
        faults = ["it names no file"]
    if faults:
        raise ManifestError(f"{name} cannot be used:\n" + "\n".join(faults))
    return items


def _faults(
    names: Sequence[str], rows: Iterable[tuple[int, list[str]]], folder: Path | str, items: list[Item], labelled: bool
) -> Iterator[str]:
    """What is wrong with each row; the good rows are added to `items`."""
    first: dict[Path | str, int] = {}
    for line, cells in rows:
        if len(cells) > len(names):
            yield f"line {line}: more fields than the first line names; put quotes around a name with a comma"
            continue
        values = dict.fromkeys((*REQUIRED, *OPTIONAL), "") | dict(zip(names, map(str.strip, cells), strict=False))
        name, label = unguarded(values["file"]), values["label"].lower()
        path = _place(folder, name)
        if path is None:
            yield f"line {line}: there is no file {name!r} in {folder}"
        elif label not in LABELS and (label or labelled):
            yield f"line {line}: the label is {values['label']!r}; wanted real or fake"
        elif (known := first.setdefault(path if isinstance(path, str) else path.resolve(), line)) != line:
            yield f"line {line}: {name} is named in line {known} already"
        else:
            groups = {key: told for key in OPTIONAL if (told := unguarded(values[key]))}
            items.append(Item(shown(name) if is_address(name) else name, str(path), label or None, groups))


def _bytes_of(source: str) -> bytes:
    source = local_name(source)
    if is_address(source):
        from drishtiksha.batch.remote import read_list

        return read_list(source)
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise ManifestError(f"{source} cannot be read: {error.strerror}. Name a CSV file.") from error


def _place(folder: Path | str, name: str) -> Path | str | None:
    """The file of that name, or the address; None without one. folder: of the list, or the address above it."""
    if is_address(name):
        return name if is_address(local := local_name(name)) else _named(Path(), local)
    if isinstance(folder, Path):
        return _named(folder, name)
    plain = name.replace("\\", "/")
    return f"{folder}/{quote(plain) if folder.startswith(WEB_STARTS) else plain}" if plain else None


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
