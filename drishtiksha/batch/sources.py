"""Which files a batch examines: files, folders and patterns as people name them."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urlsplit

from drishtiksha.errors import ConfigError

BESIDE = (
    "aae arrow bat bib cfg cmd conf css csv db doc docx eml epub exe h5 htm html ics ini json jsonl js lnk lock log "
    "md msg ndjson nfo npy npz odp ods odt par2 parquet pdf pkl ppt pptx py rtf sav sh sha1 sha256 sha512 sig srt "
    "sqlite svg tex toml torrent tsv txt url vcf vtt xls xlsx xml xmp yaml yml"
)
"""Endings of files that lie beside media in folders and are never media themselves."""
_BESIDE = frozenset(f".{ending}" for ending in BESIDE.split())
WEB = ("http", "https")
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


@dataclass(frozen=True)
class Sources:
    """files: in order; twice only what was named twice. single: whether one file was named by itself. passed_over: what lies in the folders and
    was left out, by its ending."""

    files: tuple[Path, ...]
    single: bool
    passed_over: Counter[str]


def files_of(names: Sequence[str], own: Sequence[Path] = ()) -> Sources:
    """The files behind names of files, folders (with all below them) and patterns (`*`, `?`, `[...]`, `**`).

    A file that is named is always taken. Of a folder, hidden files, those that are never media, and what lies at or
    below `own` (where results are written) are left out.

    Raises: ConfigError for names behind which there is nothing, and for media that results would be written over; OSError
    for a folder that cannot be listed.
    """
    found: list[Path] = []
    missing: list[str] = []
    passed_over: Counter[str] = Counter()
    kept_out = {_real(path) for path in own}
    single = len(names) == 1
    for name in map(local_name, names):
        named = os.path.lexists(name)
        paths = [Path(name)] if named else _matching(name)
        here: list[Path] = []
        for path in paths:
            if path.is_dir():
                named = False
                here += _below(path, kept_out, passed_over)
            elif _real(path) not in kept_out:
                here.append(path)
            elif path.suffix.lower() not in _BESIDE:  # results of an earlier run come with a pattern of the shell
                raise ConfigError(f"{path} is to be examined, so no results are written there. Choose another file.")
        if not here and _real(Path(name)) not in kept_out:
            missing.append(name)
        single = single and named
        known = set() if named else {_real(path) for path in found}
        found += [path for path in here if _real(path) not in known]
    if missing or not found:
        raise ConfigError(
            f"There is no file to examine at {', '.join(missing or names)}. "
            "Name files, folders, or a pattern such as 'clips/*.mp4'."
        )
    return Sources(tuple(found), single, passed_over)


def is_address(name: str) -> bool:
    """Whether it names something that is not a path of this machine, such as `s3://bucket/clip.mp4`."""
    return _ADDRESS.match(name) is not None


def shown(address: str) -> str:
    """The address without user, password and query, which may hold a key; a digest keeps those of one path apart."""
    parts = urlsplit(address)
    query = f"?{sha256(parts.query.encode()).hexdigest()[:8]}" if parts.query else ""
    rest = "" if parts.scheme in WEB or not parts.fragment else f"#{parts.fragment}"  # elsewhere # stands in names
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}{rest}"


def file_name(path: str) -> str:
    """Of a path or an address, without what stands above it."""
    if not is_address(path):
        return Path(path).name
    parts = urlsplit(path)
    return unquote(parts.path.rpartition("/")[2]) if parts.scheme in WEB else shown(path).rpartition("/")[2]


def local_name(name: str) -> str:
    """Of `file:///a%20b.mp4` the path; anything else as it is. Raises: ConfigError for a file of another machine."""
    parts = urlsplit(name) if name[:5].lower() == "file:" else None
    if parts is None or not is_address(name):
        return name
    if parts.netloc not in ("", "localhost"):
        raise ConfigError(f"{name} names a file of the machine {parts.netloc}. Wanted: a path, or file:///path.")
    return unquote(parts.path)


def lies_beside(name: str) -> bool:
    """Whether a file in a folder is hidden, or by its ending never media itself."""
    return name.startswith(".") or Path(name).suffix.lower() in _BESIDE


def _matching(pattern: str) -> list[Path]:
    if not glob.has_magic(pattern):
        return []
    return sorted(map(Path, glob.glob(pattern, recursive=True)), key=_in_order)  # noqa: PTH207 - that of Path takes hidden files


def _below(folder: Path, kept_out: Set[Path], passed_over: Counter[str]) -> Iterator[Path]:
    for root, folders, names in walk(folder):
        folders[:] = sorted((name for name in folders if _is_shown(root, name, kept_out)), key=_natural)
        for name in sorted(names, key=_natural):
            if not _is_shown(root, name, kept_out):
                continue
            path = Path(root, name)
            if path.suffix.lower() in _BESIDE:
                passed_over[path.suffix.lower()] += 1
            else:
                yield path


def _is_shown(root: str, name: str, kept_out: Set[Path]) -> bool:
    return not name.startswith(".") and _real(Path(root, name)) not in kept_out


def walk(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk`, also into folders that are links, each folder once: links may lead in a circle. One that leads back into
    `top` is passed over, since what it leads to is found by its own name.

    Raises: OSError for a folder that cannot be listed; nothing where there is no `top`.
    """
    seen: set[tuple[int, int]] = set()
    if not top.is_dir():
        return
    for root, folders, names in os.walk(top, onerror=_raised, followlinks=True):
        facts = Path(root).stat()
        place = facts.st_dev, facts.st_ino
        back = Path(root) != top and Path(root).is_symlink() and _real(Path(root)).is_relative_to(_real(top))
        if back or place in seen:
            folders.clear()
            continue
        seen.add(place)
        yield root, folders, names


def _real(path: Path) -> Path:
    """Where links lead; one that leads to itself is what it is."""
    return Path(os.path.realpath(path))


def _raised(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # deleted meanwhile
        raise error


def _in_order(path: Path) -> list[list[tuple[int, int, str]]]:
    return [_natural(part) for part in path.parts]


def _natural(name: str) -> list[tuple[int, int, str]]:
    """2.jpg comes before 10.jpg."""
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts]


def written(path: Path) -> str:
    """The path as text for results; of a name that is no UTF-8, the odd bytes as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
