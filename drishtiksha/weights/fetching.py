"""Fetch a checkpoint: resumed where the server allows, verified, and put in place in one step.

`weights.plain`, `weights.hub` and `weights.drive` each fetch one kind of place; `weights.archive` opens a zip.
"""

from __future__ import annotations

import glob
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drishtiksha.contract import WeightsSource
from drishtiksha.errors import DownloadError, WeightsMismatchError
from drishtiksha.weights import archive, drive, hub, plain
from drishtiksha.weights.files import bytes_of, fetchable, files_of, is_commit, is_lfs_pointer, md5_of, origin, unlike
from drishtiksha.weights.kinds import is_cut, is_page
from drishtiksha.weights.lock import Pin, fingerprint, pin, pinned
from drishtiksha.weights.plain import DownloadProgress

_PLAIN = (".safetensors", ".json", ".txt", ".model")
"""What may be fetched into a model folder: nothing that could run code when it is read."""
GITHUB, GITHUB_RAW = "https://github.com", "https://raw.githubusercontent.com"


@dataclass(frozen=True)
class Announced:
    """What a server says of a download before it starts. bytes: None where it does not say."""

    bytes: int | None
    revision: str | None = None


def announced(source: WeightsSource, destination: Path) -> Announced:
    """How large the download will be, and the commit that it will be of. Nothing is fetched.

    Raises: DownloadError when no program may fetch it.
    """
    files = _files(source, destination)
    if source.hf_repo:
        return _announced_by_hub(source, files, _revision(source, pinned(destination)))
    size = None if source.drive_id or source.drive_folder else plain.ask(_addresses(source)[0])
    return Announced(size or source.bytes)


def _announced_by_hub(source: WeightsSource, files: list[tuple[Path, str]], revision: str) -> Announced:
    assert source.hf_repo
    try:
        asked = [hub.ask(source.hf_repo, name, revision) for _, name in files]
    except DownloadError:  # the download itself will say it
        return Announced(source.bytes)
    sizes = [file.bytes for file in asked]
    return Announced(sum(size or 0 for size in sizes) if all(sizes) else source.bytes, asked[0].commit)


def pull(source: WeightsSource, destination: Path, progress: DownloadProgress | None = None) -> str:
    """Fetch the checkpoint to `destination`, unless it is there already, pin it and return its SHA-256.

    What has arrived is kept in `<name>.part`, so that a later call goes on from there. An exception that `progress`
    raises stops the download and leaves that file. A file is only ever written whole; a single one is verified before.
    A folder is fetched file by file, all of one commit; `progress` is told of one after the other.

    Raises: DownloadError, with the remedy; WeightsMismatchError when what came has another hash than the source
    states, or than was pinned before.
    """
    from filelock import FileLock, Timeout

    before = pinned(destination)
    wanted = source.stated_sha256 or (before.sha256 if before else None)
    there = all(file.is_file() for file in files_of(destination, source)) and bytes_of(destination, source) > 0
    if there and (found := fingerprint(destination, source)) and wanted in (None, found):
        return found
    files = _files(source, destination)
    commit = _commit(source, files[0][1], _revision(source, before))
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(_beside(destination, ".lock"), timeout=0):
            if source.hf_files:
                found = _pull_folder(files, source, commit, wanted, destination, progress or _quiet)
            elif source.member:
                found = _pull_member(source, commit, wanted, destination, progress or _quiet)
            else:
                found = _pull(
                    _fetcher(source, files[0][1], commit), wanted, source.md5, destination, progress or _quiet
                )
    except Timeout as error:
        raise DownloadError(f"{destination.name} is being downloaded already; wait for that to end.") from error
    except OSError as error:
        raise DownloadError(
            f"{destination} could not be written: {error.strerror or error}. Make room or choose another folder, "
            "and start the download again: it goes on where it stopped."
        ) from error
    except DownloadError as error:
        if source.by_hand:
            raise DownloadError(f"{error} By hand: {source.by_hand}") from error
        raise
    pin(destination, found, source, commit)
    return found


def _quiet(done: int, total: int | None) -> None:
    pass


def _files(source: WeightsSource, destination: Path) -> list[tuple[Path, str]]:
    """Where each file goes, and its name at its place. Raises: DownloadError when no program may fetch it."""
    if not fetchable(source):
        if source.by_hand:
            raise DownloadError(
                f"No program may fetch {destination.name}. {source.by_hand} Then import it with drishtiksha weights "
                f"import, or put it at {destination}."
            )
        raise DownloadError(
            f"Nobody publishes {destination.name} for download. If you have it, put it at {destination}."
        )
    if wrong := [url for url in (source.url, *source.mirrors) if url and not url.startswith(("https://", "http://"))]:
        raise DownloadError(f"{wrong[0]} is no web address; wanted one with http:// or https://.")
    if not source.hf_files:
        name = source.hf_file or source.github_file or source.drive_file or source.drive_id or source.url
        assert name
        return [(destination, name)]
    if unwanted := [name for name in source.hf_files if not name.endswith(_PLAIN) or ".." in Path(name).parts]:
        raise DownloadError(f"{', '.join(unwanted)} may hold code; only {', '.join(_PLAIN)} files are fetched.")
    return [(destination / name, name) for name in source.hf_files]


def _addresses(source: WeightsSource) -> tuple[str, ...]:
    """The plain addresses of a file, best first; none on the hub and on Google Drive."""
    if source.github_repo and source.release:
        return (f"{GITHUB}/{source.github_repo}/releases/download/{source.release}/{source.github_file}",)
    if source.github_repo:
        return (f"{GITHUB_RAW}/{source.github_repo}/{source.revision}/{source.github_file}",)
    return (source.url, *source.mirrors) if source.url else ()


def _revision(source: WeightsSource, before: Pin | None) -> str:
    """What to ask a repository for: the commit that is stated, or was fetched from it before, else its branch."""
    if not is_commit(source.revision) and before and before.revision and before.source == origin(source):
        return before.revision
    return source.revision


def _commit(source: WeightsSource, name: str, revision: str) -> str | None:
    """The commit that a repository's revision stands for now; None elsewhere, and where the hub does not say.

    Raises: DownloadError.
    """
    if is_commit(revision):
        return revision
    return hub.ask(source.hf_repo, name, revision).commit if source.hf_repo else None


Fetch = Callable[[bool, Path, DownloadProgress], None]
"""Fetches one file: whether a hash will prove it, the place of what has arrived, who is told."""


def _fetcher(source: WeightsSource, name: str, commit: str | None) -> Fetch:
    """How the file called `name` at its place is fetched."""
    if source.hf_repo:
        repo, revision = source.hf_repo, commit or source.revision
        return lambda _provable, part, progress: hub.fetch(hub.ask(repo, name, revision), part, progress)
    if addresses := _addresses(source):
        return lambda provable, part, progress: plain.fetch(addresses, part, progress, provable=provable)
    return lambda provable, part, progress: drive.fetch(_drive_id(source), part, progress, provable=provable)


def _drive_id(source: WeightsSource) -> str:
    if source.drive_id:
        return source.drive_id
    assert source.drive_folder
    assert source.drive_file
    return drive.find(source.drive_folder, source.drive_file)


def _pull_folder(
    files: list[tuple[Path, str]],
    source: WeightsSource,
    commit: str | None,
    wanted: str | None,
    folder: Path,
    progress: DownloadProgress,
) -> str:
    """Fetch what is missing of a folder; its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, name in files:
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            _pull(_fetcher(source, name, commit), None, None, file, progress)
    found = fingerprint(folder, source)
    if wanted and found != wanted:
        raise WeightsMismatchError(unlike(folder, found, wanted))
    return found


def _pull_member(
    source: WeightsSource, commit: str | None, wanted: str | None, destination: Path, progress: DownloadProgress
) -> str:
    """Fetch the archive beside `destination`, take the member out and delete the archive; the member's SHA-256."""
    assert source.member
    packed, beside = _beside(destination, ".zip"), _beside(destination, ".member")
    if not packed.is_file():
        name = _files(source, destination)[0][1]
        _pull(_fetcher(source, name, commit), _lower(source.sha256), source.md5, packed, progress)
    try:
        archive.take_out(packed, source.member, beside)
        found = fingerprint(beside)
        if wanted and found != wanted:
            raise WeightsMismatchError(_unexpected(destination, found, wanted))
        beside.replace(destination)
    except WeightsMismatchError:
        packed.unlink()  # it would be as wrong the next time
        raise
    finally:
        beside.unlink(missing_ok=True)
    packed.unlink()
    return found


def _lower(sha256: str | None) -> str | None:
    return sha256.lower() if sha256 else None


def _beside(destination: Path, suffix: str) -> Path:
    return destination.with_name(destination.name + suffix)


def _pull(fetch: Fetch, sha256: str | None, md5: str | None, destination: Path, progress: DownloadProgress) -> str:
    """Fetch one file and prove it; its SHA-256."""
    part = _beside(destination, ".part")
    provable = bool(sha256 or md5)
    resumed = any(bytes_of(file) for file in part.parent.glob(f"{glob.escape(part.name)}*"))
    fetch(provable, part, progress)
    found, wrong = _proven(part, sha256, md5, destination)
    if wrong and resumed:
        part.unlink()  # the old beginning may be of another release: once more, from nothing
        fetch(provable, part, progress)
        found, wrong = _proven(part, sha256, md5, destination)
    if wrong:
        part.unlink()
        raise WeightsMismatchError(wrong)
    if is_lfs_pointer(part):
        part.unlink()
        raise DownloadError(
            f"What came for {destination.name} is a pointer of Git LFS, not the weights. Give the address of the file itself."
        )
    if not provable:
        _look(part, destination)
    part.replace(destination)
    _beside(part, ".etag").unlink(missing_ok=True)
    return found


def _look(part: Path, destination: Path) -> None:
    """Of what no hash proves. Raises: DownloadError for what is not the whole of a file."""
    if is_page(part):
        part.unlink()
        raise DownloadError(
            f"What came for {destination.name} is a web page or a message, not the weights. Open the address in a browser and "
            "fetch the file by hand."
        )
    if is_cut(part):
        part.unlink()  # nothing tells whether a later answer would be of the same file
        raise DownloadError(
            f"What came for {destination.name} is cut off: the connection ended early. Start the download again."
        )


def _proven(part: Path, sha256: str | None, md5: str | None, destination: Path) -> tuple[str, str]:
    """The SHA-256 of what came, and what is wrong with it; "" for nothing."""
    found = fingerprint(part)
    if sha256 and found != sha256:
        return found, _unexpected(destination, found, sha256)
    if not sha256 and md5 and (came := md5_of(part)) != md5.lower():
        return found, _unexpected(destination, came, md5, "MD5")
    return found, ""


def _unexpected(destination: Path, found: str, wanted: str, kind: str = "SHA-256") -> str:
    return (
        f"What came for {destination.name} is not the checkpoint expected: its {kind} is {found}, wanted {wanted}. It was "
        "thrown away. The publisher may have replaced the file; ask them, or look for the older release. To accept a newer "
        "one: drishtiksha weights unpin, then pull again."
    )
