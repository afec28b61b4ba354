"""Fetch a checkpoint: resumed where the server allows, verified, and put in place in one step."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from drishtiksha.contract import WeightsSource
from drishtiksha.errors import DownloadError, WeightsMismatchError
from drishtiksha.weights.files import sha256_of

if TYPE_CHECKING:
    import httpx

Progress = Callable[[int, int | None], None]
"""Gets the bytes that are there, and how many it will be (None: the server does not say)."""

ATTEMPTS = 5
CONNECT_S, READ_S = 15.0, 60.0
_LOGIN_NEEDED = (401, 403)
_PARTIAL, _RANGE_NOT_SATISFIABLE = 206, 416


def pull(source: WeightsSource, destination: Path, progress: Progress | None = None) -> str:
    """Fetch the checkpoint to `destination`, unless it is there already, and return its SHA-256.

    What has arrived is kept in `<name>.part`, so that a later call goes on from there. An exception that `progress`
    raises stops the download and leaves that file. `destination` itself is only ever written whole and verified.

    Raises: DownloadError, with the remedy; WeightsMismatchError when what came has another SHA-256 than the source
    states.
    """
    from filelock import FileLock, Timeout

    if destination.is_file():
        found = sha256_of(destination)
        if source.sha256 is None or found == source.sha256.lower():
            return found
    url = _address(source, destination)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(_beside(destination, ".lock"), timeout=0):
            return _pull(url, source.sha256, destination, progress or _quiet)
    except Timeout as error:
        raise DownloadError(f"{destination.name} is being downloaded already; wait for that to end.") from error
    except OSError as error:
        raise DownloadError(
            f"{destination} could not be written: {error.strerror or error}. Make room or choose another folder, "
            "and start the download again: it goes on where it stopped."
        ) from error


def _quiet(done: int, total: int | None) -> None:
    pass


def _address(source: WeightsSource, destination: Path) -> str:
    if source.url:
        if not source.url.startswith(("https://", "http://")):
            raise DownloadError(f"{source.url} is no web address; wanted one with http:// or https://.")
        return source.url
    if source.hf_repo and source.hf_file:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(source.hf_repo, source.hf_file, revision=source.revision)
    if source.by_hand:
        raise DownloadError(f"No program may fetch {destination.name}. {source.by_hand} Then put it at {destination}.")
    raise DownloadError(f"Nobody publishes {destination.name} for download. If you have it, put it at {destination}.")


def _beside(destination: Path, suffix: str) -> Path:
    return destination.with_name(destination.name + suffix)


def _pull(url: str, sha256: str | None, destination: Path, progress: Progress) -> str:
    part = _beside(destination, ".part")
    resumed = _size(part) > 0
    _fetch_in_attempts(url, sha256, part, progress)
    found = sha256_of(part)
    if sha256 and found != sha256.lower() and resumed:
        part.unlink()  # the old beginning may be of another release: once more, from nothing
        _fetch_in_attempts(url, sha256, part, progress)
        found = sha256_of(part)
    if sha256 and found != sha256.lower():
        part.unlink()
        raise WeightsMismatchError(
            f"What {url} sent is not the checkpoint expected: its SHA-256 is {found}, wanted {sha256.lower()}. "
            "It was thrown away. The publisher may have replaced the file; ask them, or look for the older release."
        )
    part.replace(destination)
    _beside(part, ".etag").unlink(missing_ok=True)
    return found


def _fetch_in_attempts(url: str, sha256: str | None, part: Path, progress: Progress) -> None:
    import httpx

    timeout = httpx.Timeout(READ_S, connect=CONNECT_S)
    with httpx.Client(follow_redirects=True, timeout=timeout) as client:
        for attempt in range(1, ATTEMPTS + 1):
            before = _size(part)
            try:
                _fetch(client, url, sha256, part, progress)
                break
            except (httpx.TransportError, httpx.InvalidURL, httpx.TooManyRedirects) as error:
                if attempt < ATTEMPTS and _size(part) > before:
                    continue
                raise DownloadError(
                    f"{url} could not be fetched ({error or type(error).__name__}); {_size(part)} bytes have arrived. "
                    "Check the connection and start the download again: it goes on where it stopped."
                ) from error


def _fetch(client: httpx.Client, url: str, sha256: str | None, part: Path, progress: Progress) -> None:
    have, etag_file = _size(part), _beside(part, ".etag")
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
    folder = Path(file.name).parent
    free = shutil.disk_usage(folder).free
    if total is not None and total - done > free:
        raise DownloadError(
            f"The disk has {free} bytes free and {folder} needs {total - done} more. Make room, then try again."
        )
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


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
