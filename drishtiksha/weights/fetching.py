"""Fetch a checkpoint: resumed where the server allows, verified, and put in place in one step.

Plain addresses are fetched here, what lies on the Hugging Face Hub by `weights.hub`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from drishtiksha.contract import WeightsSource
from drishtiksha.errors import DownloadError, WeightsMismatchError
from drishtiksha.weights import hub
from drishtiksha.weights.files import bytes_of, fetchable, files_of, require_room, unlike
from drishtiksha.weights.lock import fingerprint, pin, pinned

if TYPE_CHECKING:
    import httpx

Progress = Callable[[int, int | None], None]
"""Gets the bytes that are there, and how many it will be (None: the server does not say)."""

ATTEMPTS = 5
CONNECT_S, READ_S = 15.0, 60.0
_LOGIN_NEEDED = (401, 403)
_PARTIAL, _RANGE_NOT_SATISFIABLE = 206, 416
_COMMIT = re.compile("[0-9a-f]{40}")
_PLAIN = (".safetensors", ".json", ".txt", ".model")
"""What may be fetched into a model folder: nothing that could run code when it is read."""


@dataclass(frozen=True)
class Announced:
    """What a server says of a download before it starts. bytes: None where it does not say."""

    bytes: int | None
    revision: str | None = None


def announced(source: WeightsSource, destination: Path) -> Announced:
    """How large the download will be, and the commit that it will be of. Nothing is fetched.

    Raises: DownloadError when no program may fetch it.
    """
    if source.hf_repo:
        return _announced_by_hub(source, _files(source, destination))
    _files(source, destination)
    assert source.url
    return Announced(_ask(source.url))


def _announced_by_hub(source: WeightsSource, files: list[tuple[Path, str]]) -> Announced:
    assert source.hf_repo
    try:
        asked = [hub.ask(source.hf_repo, name, source.revision) for _, name in files]
    except DownloadError:  # the download itself will say it
        return Announced(None)
    sizes = [file.bytes for file in asked]
    return Announced(sum(size or 0 for size in sizes) if all(sizes) else None, asked[0].commit)


def pull(source: WeightsSource, destination: Path, progress: Progress | None = None) -> str:
    """Fetch the checkpoint to `destination`, unless it is there already, pin it and return its SHA-256.

    What has arrived is kept in `<name>.part`, so that a later call goes on from there. An exception that `progress`
    raises stops the download and leaves that file. A file is only ever written whole; a single one is verified before.
    A folder is fetched file by file, all of one commit; `progress` is told of one after the other.

    Raises: DownloadError, with the remedy; WeightsMismatchError when what came has another SHA-256 than the source
    states, or than was pinned before.
    """
    from filelock import FileLock, Timeout

    before = pinned(destination)
    wanted = source.sha256.lower() if source.sha256 else before.sha256 if before else None
    there = all(file.is_file() for file in files_of(destination, source)) and bytes_of(destination, source) > 0
    if there and (found := fingerprint(destination, source)) and wanted in (None, found):
        return found
    files = _files(source, destination)
    commit = _commit(source, files[0][1])
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(_beside(destination, ".lock"), timeout=0):
            if source.hf_files:
                found = _pull_folder(files, source, commit, wanted, destination, progress or _quiet)
            else:
                found = _pull(_fetcher(source, files[0][1], commit), wanted, destination, progress or _quiet)
    except Timeout as error:
        raise DownloadError(f"{destination.name} is being downloaded already; wait for that to end.") from error
    except OSError as error:
        raise DownloadError(
            f"{destination} could not be written: {error.strerror or error}. Make room or choose another folder, "
            "and start the download again: it goes on where it stopped."
        ) from error
    pin(destination, found, source, commit)
    return found


def _quiet(done: int, total: int | None) -> None:
    pass


def _files(source: WeightsSource, destination: Path) -> list[tuple[Path, str]]:
    """Where each file goes, and its address or its name in the repository. Raises: DownloadError when no program may
    fetch it."""
    if not fetchable(source):
        if source.by_hand:
            raise DownloadError(
                f"No program may fetch {destination.name}. {source.by_hand} Then import it with drishtiksha weights "
                f"import, or put it at {destination}."
            )
        raise DownloadError(
            f"Nobody publishes {destination.name} for download. If you have it, put it at {destination}."
        )
    if source.url:
        if not source.url.startswith(("https://", "http://")):
            raise DownloadError(f"{source.url} is no web address; wanted one with http:// or https://.")
        return [(destination, source.url)]
    if source.hf_file:
        return [(destination, source.hf_file)]
    if unwanted := [name for name in source.hf_files if not name.endswith(_PLAIN) or ".." in Path(name).parts]:
        raise DownloadError(f"{', '.join(unwanted)} may hold code; only {', '.join(_PLAIN)} files are fetched.")
    return [(destination / name, name) for name in source.hf_files]


def _ask(url: str) -> int | None:
    """The bytes of a plain address, where its server says."""
    import httpx

    try:
        timeout = httpx.Timeout(CONNECT_S)
        answer = httpx.head(url, follow_redirects=True, timeout=timeout, headers={"Accept-Encoding": "identity"})
    except (httpx.TransportError, httpx.InvalidURL, httpx.TooManyRedirects):
        return None
    size = answer.headers.get("Content-Length", "") if answer.is_success else ""
    return int(size) if size.isdigit() and int(size) else None


def _commit(source: WeightsSource, name: str) -> str | None:
    """The commit that a repository's revision stands for now; None for a plain address, and where the hub does not say.

    Raises: DownloadError.
    """
    if not source.hf_repo:
        return None
    return (
        source.revision if _COMMIT.fullmatch(source.revision) else hub.ask(source.hf_repo, name, source.revision).commit
    )


Fetch = Callable[[str | None, Path, Progress], None]
"""Fetches one file: its SHA-256 where it is known, the place of what has arrived, who is told."""


def _fetcher(source: WeightsSource, place: str, commit: str | None) -> Fetch:
    """`place`: an address, or a name in the repository."""
    if not source.hf_repo:
        return lambda wanted, part, progress: _fetch_in_attempts(place, wanted, part, progress)
    repo, revision = source.hf_repo, commit or source.revision
    return lambda _wanted, part, progress: hub.fetch(hub.ask(repo, place, revision), part, progress)


def _pull_folder(
    files: list[tuple[Path, str]],
    source: WeightsSource,
    commit: str | None,
    wanted: str | None,
    folder: Path,
    progress: Progress,
) -> str:
    """Fetch what is missing of a folder; its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, name in files:
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            _pull(_fetcher(source, name, commit), None, file, progress)
    found = fingerprint(folder, source)
    if wanted and found != wanted:
        raise WeightsMismatchError(unlike(folder, found, wanted))
    return found


def _beside(destination: Path, suffix: str) -> Path:
    return destination.with_name(destination.name + suffix)


def _pull(fetch: Fetch, wanted: str | None, destination: Path, progress: Progress) -> str:
    part = _beside(destination, ".part")
    resumed = bytes_of(part) > 0
    fetch(wanted, part, progress)
    found = fingerprint(part)
    if wanted and found != wanted and resumed:
        part.unlink()  # the old beginning may be of another release: once more, from nothing
        fetch(wanted, part, progress)
        found = fingerprint(part)
    if wanted and found != wanted:
        part.unlink()
        raise WeightsMismatchError(
            f"What came for {destination.name} is not the checkpoint expected: its SHA-256 is {found}, wanted {wanted}. It was thrown away. "
            "The publisher may have replaced the file; ask them, or look for the older release. To accept a newer one: "
            "drishtiksha weights unpin, then pull again."
        )
    part.replace(destination)
    _beside(part, ".etag").unlink(missing_ok=True)
    return found


def _fetch_in_attempts(url: str, sha256: str | None, part: Path, progress: Progress) -> None:
    import httpx

    timeout = httpx.Timeout(READ_S, connect=CONNECT_S)
    with httpx.Client(follow_redirects=True, timeout=timeout) as client:
        for attempt in range(1, ATTEMPTS + 1):
            before = bytes_of(part)
            try:
                _fetch(client, url, sha256, part, progress)
                break
            except (httpx.TransportError, httpx.InvalidURL, httpx.TooManyRedirects) as error:
                if attempt < ATTEMPTS and bytes_of(part) > before:
                    continue
                raise DownloadError(
                    f"{url} could not be fetched ({error or type(error).__name__}); {bytes_of(part)} bytes have arrived. "
                    "Check the connection and start the download again: it goes on where it stopped."
                ) from error


def _fetch(client: httpx.Client, url: str, sha256: str | None, part: Path, progress: Progress) -> None:
    have, etag_file = bytes_of(part), _beside(part, ".etag")
    headers = {"Accept-Encoding": "identity"}
    # Without a hash to prove the seam, only an ETag tells that the rest belongs to this beginning.
    if have and (sha256 or etag_file.is_file()):
        headers["Range"] = f"bytes={have}-"
        if etag_file.is_file():
            headers["If-Range"] = etag_file.read_text()
    with client.stream("GET", url, headers=headers) as response:
        status, place = response.status_code, response.headers.get("Content-Range", "")
        if have and status == _RANGE_NOT_SATISFIABLE and place == f"bytes */{have}":
            return  # everything had arrived before
        unusable = status == _RANGE_NOT_SATISFIABLE or (status == _PARTIAL and not place.startswith(f"bytes {have}-"))
        if not (have and unusable):
            _refuse_errors(response, url)
            _remember_etag(response, etag_file)
            resuming = status == _PARTIAL
            with part.open("ab" if resuming else "wb") as file:
                _receive(response, file, have if resuming else 0, progress)
            return
    part.unlink()  # the server does not have this beginning
    _fetch(client, url, sha256, part, progress)


def _receive(response: httpx.Response, file: BinaryIO, done: int, progress: Progress) -> None:
    length = response.headers.get("Content-Length")
    total = done + int(length) if length else None
    if total is not None:
        require_room(Path(file.name).parent, total - done)
    progress(done, total)
    for chunk in response.iter_raw():
        file.write(chunk)
        done += len(chunk)
        progress(done, total)


def _refuse_errors(response: httpx.Response, url: str) -> None:
    status = response.status_code
    if status in _LOGIN_NEEDED:
        raise DownloadError(f"{url} asks for a login (status {status}). Fetch it in a browser, by hand.")
    if response.is_error:
        raise DownloadError(f"{url} answered with status {status} ({response.reason_phrase}). The link may have moved.")
    if "text/html" in response.headers.get("Content-Type", ""):
        raise DownloadError(
            f"{url} sent a web page instead of a checkpoint. Open it in a browser and fetch it by hand."
        )


def _remember_etag(response: httpx.Response, etag_file: Path) -> None:
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        etag_file.write_text(etag)
    else:
        etag_file.unlink(missing_ok=True)
