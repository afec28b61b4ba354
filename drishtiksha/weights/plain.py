"""Files at plain addresses: resumed where the server allows, and refusals in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from drishtiksha.errors import DownloadError
from drishtiksha.weights.files import bytes_of, require_room

if TYPE_CHECKING:
    import httpx

DownloadProgress = Callable[[int, int | None], None]
"""Gets the bytes that are there, and how many it will be (None: the server does not say)."""

ATTEMPTS = 5
CONNECT_S, READ_S = 15.0, 60.0
PATIENCE_S = 30.0
"""How long a server may ask to wait before the download is given up."""
_LOGIN_NEEDED = (401, 403)
_BUSY = (429, 503)
_PARTIAL, _RANGE_NOT_SATISFIABLE = 206, 416


class _BusyError(Exception):
    """The server asks to come back later, in so many seconds; None: it does not say when."""

    def __init__(self, message: str, after_s: float | None) -> None:
        super().__init__(message)
        self.after_s = after_s


@contextmanager
def proxied() -> Iterator[None]:
    """Raises: DownloadError for a proxy in the environment (HTTPS_PROXY, ALL_PROXY ...) that cannot be used."""
    try:
        yield
    except ImportError as error:
        raise DownloadError(
            "The proxy that the environment names (ALL_PROXY, HTTPS_PROXY) is a SOCKS proxy, and the package for it is missing. "
            "Install it with: pip install 'httpx[socks]'"
        ) from error
    except ValueError as error:
        if "proxy" not in str(error):
            raise
        raise DownloadError(
            f"The proxy that the environment names (ALL_PROXY, HTTPS_PROXY, HTTP_PROXY) cannot be used ({error}). Wanted: "
            "http://host:port or socks5://host:port."
        ) from error


def ask(url: str) -> int | None:
    """The bytes of the file at an address, where its server says. Nothing is fetched."""
    import httpx

    try:
        timeout = httpx.Timeout(CONNECT_S)
        answer = httpx.head(url, follow_redirects=True, timeout=timeout, headers={"Accept-Encoding": "identity"})
    except (httpx.TransportError, httpx.InvalidURL, httpx.TooManyRedirects, ImportError, ValueError):
        return None  # the download itself will say it
    size = answer.headers.get("Content-Length", "") if answer.is_success else ""
    return int(size) if size.isdigit() and int(size) else None


def fetch(addresses: Sequence[str], part: Path, progress: DownloadProgress, *, provable: bool) -> None:
    """Fetch the file to `part` from the first address that gives it, or what is missing there.

    provable: a hash will tell whether a beginning that lies there and the rest are of one file.

    Raises: DownloadError of the first address; whatever `progress` raises, and what had arrived stays.
    """
    refused: DownloadError | None = None
    for url in addresses:
        try:
            _fetch_in_attempts(url, part, progress, provable)
        except DownloadError as error:
            refused = refused or error
        else:
            return
    assert refused is not None
    raise refused


def _fetch_in_attempts(url: str, part: Path, progress: DownloadProgress, provable: bool) -> None:
    import httpx

    with proxied():
        own = httpx.Client(follow_redirects=True, timeout=httpx.Timeout(READ_S, connect=CONNECT_S))
    with own as client:
        for attempt in range(1, ATTEMPTS + 1):
            before = bytes_of(part)
            try:
                _fetch(client, url, part, progress, provable)
                break
            except _BusyError as error:
                if attempt < ATTEMPTS and error.after_s is not None and error.after_s <= PATIENCE_S:
                    _wait(error.after_s, lambda: progress(bytes_of(part), None))
                    continue
                raise DownloadError(str(error)) from error
            except (httpx.TransportError, httpx.InvalidURL, httpx.TooManyRedirects) as error:
                if attempt < ATTEMPTS and bytes_of(part) > before:
                    continue
                raise DownloadError(
                    f"{url} could not be fetched ({error or type(error).__name__}); {bytes_of(part)} bytes have arrived. "
                    "Check the connection and start the download again: it goes on where it stopped."
                ) from error


def _wait(seconds: float, meanwhile: Callable[[], None]) -> None:
    """Wait; `meanwhile` is called every second, and what it raises ends the wait."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        meanwhile()
        time.sleep(min(1.0, left))


def _fetch(client: httpx.Client, url: str, part: Path, progress: DownloadProgress, provable: bool) -> None:
    have, etag_file = bytes_of(part), part.with_name(part.name + ".etag")
    headers = {"Accept-Encoding": "identity"}
    # Without a hash to prove the seam, only an ETag tells that the rest belongs to this beginning.
    if have and (provable or etag_file.is_file()):
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
    _fetch(client, url, part, progress, provable)


def _receive(response: httpx.Response, file: BinaryIO, done: int, progress: DownloadProgress) -> None:
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
    if status in _BUSY:
        stated = response.headers.get("Retry-After", "")
        when = f"in {stated} s" if stated.isdigit() else "later"
        told = f"{url} is asked too often or too busy (status {status}). Start the download again {when}: it goes on where it stopped."
        raise _BusyError(told, float(stated) if stated.isdigit() else None)
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
