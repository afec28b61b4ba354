"""One member of a zip file: taken out by itself, bounded in size; nothing else in the archive is unpacked."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from pathlib import Path

from drishtiksha.errors import WeightsMismatchError
from drishtiksha.weights.files import require_room

MAX_MEMBER_BYTES = 20_000_000_000
MAX_MEMBERS = 100_000


def holds(archive: Path, member: str) -> bool:
    """Whether the file is a zip with such a member."""
    if not zipfile.is_zipfile(archive):
        return False
    try:
        with zipfile.ZipFile(archive) as opened:
            return _find(opened, member) is not None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def take_out(archive: Path, member: str, destination: Path) -> None:
    """Write the member (its path in the archive, or its name where only one has it) to `destination`.

    Raises: WeightsMismatchError when there is none, it is damaged, encrypted or too large; DownloadError when the disk has
    no room.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            info = _find(opened, member)
            if info is None:
                raise WeightsMismatchError(
                    f"{archive.name} has no member {member}, or several of that name. The publisher may have replaced it."
                )
            if info.file_size > MAX_MEMBER_BYTES:
                raise WeightsMismatchError(
                    f"{member} of {archive.name} has {info.file_size} bytes; no checkpoint over {MAX_MEMBER_BYTES} is taken."
                )
            require_room(destination.parent, info.file_size)
            with opened.open(info) as source, destination.open("wb") as target:  # reads file_size bytes and no more
                shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError) as error:
        destination.unlink(missing_ok=True)
        raise WeightsMismatchError(
            f"{member} cannot be taken out of {archive.name} ({error}). Fetch the archive again."
        ) from error


def _find(opened: zipfile.ZipFile, member: str) -> zipfile.ZipInfo | None:
    infos = [info for info in opened.infolist()[:MAX_MEMBERS] if not info.is_dir()]
    exact = [info for info in infos if info.filename == member]
    found = exact or [info for info in infos if info.filename.rsplit("/", 1)[-1] == member]
    return found[0] if len(found) == 1 else None
