"""Folders that hold a data set: one of this machine here, one of a store in `remote`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from drishtiksha.batch.sources import walk
from drishtiksha.errors import ManifestError


class Folder(Protocol):
    """Names in it are relative to it, with slashes. Hidden files and folders are left out."""

    name: str

    def path_of(self, name: str) -> str:
        """Of a file in it, as an `Item` holds it: a path of this machine, or an address."""

    def files(self, below: str = "") -> Iterator[str]:
        """The names of all files below a folder, as they are listed; none where there is no such folder.

        Raises: OSError or NotFetchedError for one that cannot be listed.
        """

    def folders(self) -> list[str]:
        """The names of the folders in it, one level deep, in order."""

    def text(self, name: str) -> str:
        """A file of it, in UTF-8. Raises: FileNotFoundError; ManifestError for what cannot be read as a text."""


class LocalFolder:
    """A folder of this machine, listed in order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.name or str(path)

    def path_of(self, name: str) -> str:
        return str(self._path / name)

    def files(self, below: str = "") -> Iterator[str]:
        for root, folders, names in walk(self._path / below):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            above = Path(root).relative_to(self._path)
            yield from ((above / name).as_posix() for name in sorted(names) if not name.startswith("."))

    def folders(self) -> list[str]:
        return sorted(path.name for path in self._path.iterdir() if path.is_dir() and not path.name.startswith("."))

    def text(self, name: str) -> str:
        try:
            data = (self._path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(name) from None
        except OSError as error:
            raise ManifestError(f"{self.name}: {name} cannot be read: {error.strerror}.") from error
        return decoded(data, f"{self.name}: {name}")


def decoded(data: bytes, name: str) -> str:
    """Raises: ManifestError."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{name} cannot be read as a text in UTF-8. Download it again.") from error
