"""Reading a zip of unknown origin: bounded in size and number, no name twice, none that leads out of it."""

from __future__ import annotations

import hashlib
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from drishtiksha.errors import BundleError
from drishtiksha.report.manifest import SAFE_NAME, Entry

MAX_ENTRIES = 1000
MAX_DIRECTORY = 1_000_000
"""Bytes of the list of files."""
MAX_ENTRY = 100_000_000
"""Bytes of one file that is read into memory, unpacked."""
MAX_TOTAL = 4_000_000_000
"""Bytes of all files together, unpacked, the original with them."""
CHUNK = 1 << 20
END = struct.Struct("<4s4H2LH")
"""The record that ends a zip: disk numbers, number of files, size and place of their list, length of a comment."""


class Archive:
    """An open zip whose list of files has been checked; what the files hold has not.

    Reading raises OSError where this machine fails at it.
    """

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._zip = opened
        self._facts = {facts.filename: facts for facts in opened.infolist()}

    @property
    def names(self) -> list[str]:
        return list(self._facts)

    def read(self, name: str) -> bytes:
        """Raises: BundleError when it is absent, too large, or damaged."""
        if name not in self._facts:
            raise BundleError(f"{name} is missing.")
        if self._facts[name].file_size > MAX_ENTRY:
            raise BundleError(f"{name} is larger than any file of a bundle.")
        return b"".join(self._chunks(name))

    def entry(self, name: str) -> Entry:
        """Size and SHA-256 of a file as it is. Raises: BundleError when it is damaged."""
        digest, size = hashlib.sha256(), 0
        for chunk in self._chunks(name):
            digest.update(chunk)
            size += len(chunk)
        return Entry(name=name, size_bytes=size, sha256=digest.hexdigest())

    def extract(self, name: str, target: BinaryIO) -> None:
        """Raises: BundleError when it is damaged."""
        for chunk in self._chunks(name):
            target.write(chunk)

    def _chunks(self, name: str) -> Iterator[bytes]:
        """What the file holds; never more than the list of files says."""
        left = self._facts[name].file_size
        try:
            with self._zip.open(self._facts[name]) as file:
                while chunk := file.read(min(CHUNK, left + 1)):
                    left -= len(chunk)
                    if left < 0:
                        raise BundleError(f"{name} holds more than the list of files says.")
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise BundleError(f"{name} is damaged.") from error


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Raises: BundleError when it is no zip that a bundle could be; OSError when this machine cannot read it."""
    with path.open("rb") as file:
        yield Archive(_checked(file))


def _checked(file: BinaryIO) -> zipfile.ZipFile:
    try:
        size = _check_end(file)
        opened = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, zlib.error, UnicodeDecodeError, struct.error) as error:
        raise BundleError("It is not a zip, or it is damaged.") from error
    _check_list(opened.infolist(), size)
    return opened


def _check_end(file: BinaryIO) -> int:
    """The size of `file`, bytes. Bounds the list of files before it is read, and refuses bytes before or behind the zip."""
    size = file.seek(0, 2)
    if size < END.size:
        raise BundleError("It is not a zip.")
    file.seek(size - END.size)
    mark, disk, first, _, count, listed, place, comment = END.unpack(file.read(END.size))
    if mark != b"PK\5\6" or comment or disk or first:
        raise BundleError("It is not a zip, it is not complete, or something was added behind its end.")
    if count > MAX_ENTRIES or listed > MAX_DIRECTORY:
        raise BundleError(f"It holds more than {MAX_ENTRIES} files, which no bundle does.")
    if place + listed + END.size != size:
        raise BundleError("Something was put before its first file or before its end.")
    file.seek(0)
    return size


def _check_list(files: list[zipfile.ZipInfo], size: int) -> None:
    seen: set[str] = set()
    for facts in files:
        name = facts.filename
        if re.fullmatch(SAFE_NAME, name) is None or facts.orig_filename != name:
            raise BundleError("It holds a file whose name no bundle has.")
        if name.lower() in seen:
            raise BundleError(f"It holds {name} twice.")
        seen.add(name.lower())
        if not 0 <= facts.header_offset < size:
            raise BundleError(f"{name} is said to lie outside of the zip.")
        mode = facts.external_attr >> 16
        if facts.flag_bits & 1 or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
            raise BundleError(f"{name} is encrypted, or no plain file.")
        if facts.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BundleError(f"{name} is packed in a way that no bundle uses.")
    if sum(facts.file_size for facts in files) > MAX_TOTAL:
        raise BundleError("Unpacked it would be larger than any bundle.")
