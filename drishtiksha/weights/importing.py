"""Take in a checkpoint that a person fetched: copied beside its place, proven, and put there in one step."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from drishtiksha.contract import WeightsSource
from drishtiksha.errors import DownloadError, WeightsMismatchError
from drishtiksha.weights import archive
from drishtiksha.weights.files import bytes_of, files_of, md5_of, read_sidecar, require_room, sha256_of, unlike
from drishtiksha.weights.lock import LOCK, fingerprint, pin, pinned


@contextmanager
def unpacked(given: Path, destination: Path, source: WeightsSource) -> Iterator[Path]:
    """What is to be taken in: `given`, or, where it is the archive that the source speaks of, its member for as long as the
    block lasts.

    Raises: WeightsMismatchError when it is another archive than the source states, or damaged; DownloadError.
    """
    if source.member is None or not given.is_file() or not archive.holds(given, source.member):
        yield given
        return
    for stated, found, kind in ((source.sha256, sha256_of, "SHA-256"), (source.md5, md5_of, "MD5")):
        if stated and (came := found(given)) != stated.lower():
            raise WeightsMismatchError(unlike(given, came, stated, kind))
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".importing-") as folder:
        member = Path(folder) / PurePosixPath(source.member).name
        archive.take_out(given, source.member, member)
        yield member


def accept(given: Path, destination: Path, source: WeightsSource, *, force: bool = False) -> str:
    """The SHA-256 of `given`, which is a file or a folder, where it may take the place of `destination`.

    force: also where another file lies or was accepted before. What the publisher or the sidecar states always counts.

    Raises: WeightsMismatchError, with the remedy.
    """
    if bytes_of(given, source) == 0:
        raise WeightsMismatchError(f"{given} is empty or not complete. Fetch it again.")
    found = fingerprint(given, source, remember=False)
    sidecar = read_sidecar(destination)
    if (wanted := source.stated_sha256 or (sidecar.sha256 if sidecar else None)) and found != wanted.lower():
        raise WeightsMismatchError(unlike(given, found, wanted))
    if not wanted and source.stated_md5 and (came := md5_of(given)) != source.stated_md5:
        raise WeightsMismatchError(unlike(given, came, source.stated_md5, "MD5"))
    if force:
        return found
    if bytes_of(destination, source) and fingerprint(destination, source) != found:
        raise WeightsMismatchError(
            f"Another file lies at {destination} already. Add --force to replace it by {given.name}."
        )
    before = pinned(destination)
    if before is not None and before.sha256 != found:
        raise WeightsMismatchError(
            f"{given.name} is not the file that was used here first ({before.pinned}): its SHA-256 is {found}, in {LOCK} "
            f"stands {before.sha256}. Add --force to accept it in place of the first."
        )
    return found


def copy_in(given: Path, destination: Path, source: WeightsSource, sha256: str) -> None:
    """Copy `given` to `destination`, whole or not at all, and pin it. The original stays where it is.

    Raises: DownloadError when it cannot be written; WeightsMismatchError when the copy is not what was accepted.
    """
    files = files_of(given, source)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        for file in files:
            target = destination / file.relative_to(given) if given.is_dir() else destination
            target.parent.mkdir(parents=True, exist_ok=True)
            if not (target.exists() and target.samefile(file)):
                _copy(file, target)
    except OSError as error:
        raise DownloadError(
            f"{destination} could not be written: {error.strerror or error}. Make room or choose another folder, "
            "then import it again."
        ) from error
    pin(destination, sha256, source)


def _copy(file: Path, target: Path) -> None:
    require_room(target.parent, file.stat().st_size)
    beside = target.with_name(target.name + ".importing")
    try:
        shutil.copyfile(file, beside)
        if sha256_of(beside) != sha256_of(file):
            raise WeightsMismatchError(f"{file} changed while it was copied. Import it again.")
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
