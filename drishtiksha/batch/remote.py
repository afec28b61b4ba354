"""Files at addresses that fsspec opens (`s3://`, `hf://`, `https://`): listed folder by folder, and fetched one at a time.

An address is opened only where somebody named it on the command line; page and REST API take no addresses.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import fsspec
from fsspec.registry import known_implementations
from fsspec.utils import get_protocol

from drishtiksha.batch.folders import decoded
from drishtiksha.batch.sources import WEB, file_name, lies_beside, shown
from drishtiksha.errors import ConfigError, DrishtikshaError, ManifestError, NotFetchedError
from drishtiksha.media.evidence import display_name, too_big
from drishtiksha.settings import MediaLimits

T = TypeVar("T")

CHUNK = 1 << 20
ATTEMPTS = 3
PAUSE_S = 0.5
"""Before the second attempt; twice that before the third."""
CONNECT_S = 30.0
MAX_DEPTH = 32
"""Folders within folders: a server may list them without an end."""
MAX_TEXT = 1 << 28
"""Bytes of a protocol or list of a data set."""
EXTRAS = {"http": "remote", "https": "remote", "s3": "s3"}
"""Of this program, by what they open."""
REFUSED = ("data", "file", "local", "reference")
"""What names no address of another machine; `file://` is made a path before it comes here."""
VERSIONS = ("ETag", "etag", "checksum", "md5Hash", "content_md5", "blob_id", "created")
"""Under which names stores tell what changes with the content."""


@dataclass(frozen=True)
class Found:
    """version: what changes with the content, as far as the store tells it; else empty."""

    address: str
    version: str = ""


def files_at(address: str) -> Iterator[Found]:
    """The file at an address; of one that is a folder (on the web: that ends with a slash) all files below, folder by folder;
    of a pattern (`*`, `[...]`) what it matches. Hidden files, and those that are never media, are left out of folders.

    Raises: ConfigError for an address that cannot be opened here; NotFetchedError.
    """
    store = _Store.of(address)
    if _is_pattern(address, store.protocol):
        found = store.ask(lambda: store.system.glob(store.inner, detail=True))
        facts: list[Mapping[str, Any]] = [found[name] for name in sorted(found)]
        named = (
            fact for fact in facts if fact.get("type") != "directory" and not _is_hidden(fact["name"], store.inner)
        )
        yield from map(store.found, named)
    elif store.is_folder():
        for fact in store.walk(store.inner):
            if not lies_beside(_last(fact["name"])):
                yield store.found(fact)
    else:
        yield Found(address)


def read_list(address: str) -> bytes:
    """The bytes of a list or table at an address. Raises: ConfigError; NotFetchedError."""
    store = _Store.of(address)
    return store.ask(lambda: store.read(store.inner))


@contextmanager
def spooled(address: str, limits: MediaLimits) -> Iterator[Path]:
    """What lies at an address as a temporary file, of its own name, that is deleted at the end of the block.

    Raises: MediaLimitError for more than `limits.max_bytes`, by the length that is told and while it is read;
    NotFetchedError; ConfigError; OSError where the file cannot be written here.
    """
    store = _Store.of(address, limits)
    name = display_name(file_name(address))
    with tempfile.TemporaryDirectory(prefix="drishtiksha-") as folder:
        path = Path(folder, name if len(name.encode()) < 200 else f"file{Path(name).suffix}")

        def fetch() -> None:
            with path.open("wb") as target:
                target.writelines(store.chunks(name, limits))

        _retried(fetch)
        yield path


class RemoteFolder:
    """A data set at an address: a `folders.Folder`."""

    def __init__(self, address: str) -> None:
        """Raises: ConfigError."""
        self._store = _Store.of(address.rstrip("/") + "/")
        self._root = self._store.inner.rstrip("/")
        self.name = shown(address)

    def path_of(self, name: str) -> str:
        return self._store.address_of(f"{self._root}/{quote(name) if self._store.protocol in WEB else name}")

    def files(self, below: str = "") -> Iterator[str]:
        folder = f"{self._root}/{below}".rstrip("/")
        return (self._plain(fact["name"].removeprefix(self._root + "/")) for fact in self._store.walk(folder))

    def folders(self) -> list[str]:
        facts = self._store.listed(self._root)
        names = (self._plain(_last(fact["name"])) for fact in facts if fact["type"] == "directory")
        return [name for name in names if not name.startswith(".")]

    def text(self, name: str) -> str:
        try:
            data = self._store.ask(lambda: self._store.read(f"{self._root}/{name}"))
        except NotFetchedError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise FileNotFoundError(name) from None
            raise ManifestError(str(error)) from error
        return decoded(data, f"{self.name}: {name}")

    def _plain(self, name: str) -> str:
        return unquote(name) if self._store.protocol in WEB else name


@dataclass(frozen=True)
class _Store:
    """A file system of fsspec, and the path in it. Its errors come out as those of this program."""

    address: str
    protocol: str
    system: Any
    inner: str

    @classmethod
    def of(cls, address: str, limits: MediaLimits | None = None) -> _Store:
        """Raises: ConfigError for addresses that no installed package opens."""
        protocol = get_protocol(address).lower()
        if "::" in address:
            raise ConfigError(f"{shown(address)}: addresses within addresses are not taken. Unpack the archive first.")
        if protocol in REFUSED or not (known := known_implementations.get(protocol)):
            raise ConfigError(
                f"{shown(address)}: {protocol}:// is not known. Wanted: a path, s3://, hf:// or https://."
            )
        try:
            system = fsspec.filesystem(protocol, **_options(protocol, limits or MediaLimits()))
        except ImportError as error:
            extra = EXTRAS.get(protocol)
            hint = f"Install the extra [{extra}] of this program" if extra else known.get("err", str(error))
            raise ConfigError(f"{shown(address)} cannot be opened here. {hint.rstrip('.')}.") from error
        return cls(address, protocol, system, system._strip_protocol(address))

    def is_folder(self) -> bool:
        if self.protocol in WEB:
            return self.address.endswith("/")
        return bool(self.ask(lambda: self.system.info(self.inner))["type"] == "directory")

    def listed(self, folder: str) -> list[Mapping[str, Any]]:
        """What lies in a folder, in order; empty where there is none. Nothing outside of it, whatever the store lists."""
        asked = folder + "/" if self.protocol in WEB else folder
        try:
            facts = self.ask(lambda: self.system.ls(asked, detail=True))
        except NotFetchedError as error:
            if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                return []
            raise
        finally:
            self.system.invalidate_cache(folder)  # else all that was ever listed stays in memory
        inside = (fact for fact in facts if _is_inside(fact["name"], folder))
        return sorted(inside, key=lambda fact: str(fact["name"]))

    def walk(self, folder: str, depth: int = 0) -> Iterator[Mapping[str, Any]]:
        """All files below a folder that are not hidden; one folder's list is in memory at a time, and those above it."""
        facts = [fact for fact in self.listed(folder) if not _last(fact["name"]).startswith(".")]
        yield from (fact for fact in facts if fact["type"] != "directory")
        if depth < MAX_DEPTH:
            for fact in facts:
                if fact["type"] == "directory":
                    yield from self.walk(fact["name"].rstrip("/"), depth + 1)

    def found(self, fact: Mapping[str, Any]) -> Found:
        version = next((str(fact[name]) for name in VERSIONS if fact.get(name)), "")
        return Found(self.address_of(fact["name"]), version)

    def address_of(self, inner: str) -> str:
        return inner if self.protocol in WEB else f"{self.protocol}://{inner.lstrip('/')}"

    def chunks(self, name: str, limits: MediaLimits) -> Iterator[bytes]:
        """Raises: MediaLimitError; NotFetchedError."""
        taken = 0
        with self.told(), self.opened(self.inner) as source:
            if (getattr(source, "size", None) or 0) > limits.max_bytes:
                raise too_big(name, limits)
            while chunk := source.read(CHUNK):
                taken += len(chunk)
                if taken > limits.max_bytes:
                    raise too_big(name, limits)
                yield chunk

    def read(self, inner: str) -> bytes:
        """At most `MAX_TEXT` of it."""
        with self.opened(inner) as source:
            data: bytes = source.read(MAX_TEXT)
        return data

    def opened(self, inner: str) -> Any:
        """As a stream where that is possible: asking for ranges costs a request each."""
        streamed = {"block_size": 0} if self.protocol in (*WEB, "hf") else {}
        return self.system.open(inner, "rb", **streamed)

    def ask(self, work: Callable[[], T]) -> T:
        """What `work()` returns. Raises: NotFetchedError."""

        def asked() -> T:
            with self.told():
                return work()

        return _retried(asked)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Stores and their libraries raise anything; what they raise is the cause of a NotFetchedError."""
        try:
            yield
        except DrishtikshaError:
            raise
        except Exception as error:
            reason = _reason(error).replace(self.address, shown(self.address))
            raise NotFetchedError(f"{shown(self.address)} could not be fetched: {reason}") from error


def _retried(work: Callable[[], T]) -> T:
    """What `work()` returns, at the first, second or third attempt. Raises: NotFetchedError."""
    for attempt in range(ATTEMPTS - 1):
        try:
            return work()
        except NotFetchedError as error:
            if _is_final(error.__cause__):
                raise
        time.sleep(PAUSE_S * 2**attempt)
    return work()


def _is_final(error: BaseException | None) -> bool:
    """Whether another attempt would find the same: there is nothing, or nothing for this person."""
    status = _status(error)
    if status is not None:
        return 400 <= status < 500 and status not in (408, 429)
    return _is_denied(error) or isinstance(
        error, FileNotFoundError | NotADirectoryError | IsADirectoryError | ValueError
    )


def _status(error: BaseException | None) -> int | None:
    """Of HTTP, as aiohttp and the clients of the hub tell it. fsspec makes "not found" of any status that is no 200."""
    while error is not None:
        found = getattr(error, "status", None) or getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(found, int):
            return found
        error = error.__cause__
    return None


def _is_denied(error: BaseException | None) -> bool:
    """Also where credentials are wanted and there are none, which the client of S3 notices by itself."""
    return isinstance(error, PermissionError) or "Credentials" in type(error).__name__


def _reason(error: Exception) -> str:
    status = _status(error)
    if status == 404 or (isinstance(error, FileNotFoundError) and status is None):
        return "there is nothing at this address. Check its spelling."
    if _is_denied(error) or status in (401, 403):
        return "access is denied. Give the credentials that the store asks for, as its own tools take them."
    if isinstance(error, TimeoutError):
        return "it did not answer in time. Try again later."
    if status is not None:
        return f"the server answers {status}. Try again later."
    first = str(error).partition("\n")[0][:200].rstrip(".")
    told = f"{type(error).__name__}: {first}." if first else f"{type(error).__name__}."
    return told if _is_final(error) else f"{told} Try again later."


def _options(protocol: str, limits: MediaLimits) -> dict[str, Any]:
    """Raises: ImportError."""
    if protocol not in WEB:
        return {}
    from aiohttp import ClientTimeout

    return {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=limits.stall_s)}}


def _is_pattern(address: str, protocol: str) -> bool:
    return any(sign in address for sign in ("*[" if protocol in WEB else "*?["))


def _is_hidden(name: str, pattern: str) -> bool:
    """Whether a file, or a folder above it, is hidden that the pattern does not name."""
    return any(part.startswith(".") and part not in pattern.split("/") for part in name.split("/"))


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def _is_inside(name: str, folder: str) -> bool:
    """Pages of the web link to anything, by `..` or absolutely, and to themselves in another order (`?C=N`)."""
    above = folder.rstrip("/") + "/"
    rest = name.rstrip("/").removeprefix(above)
    plain = not set(rest) & set("?#") if "://" in folder else True
    return name.startswith(above) and bool(rest) and ".." not in unquote(rest).split("/") and plain
