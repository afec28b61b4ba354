"""The evidence of all cases at an address that fsspec opens, such as `s3://bucket/cases`, for servers that have no folder in
common. What lies in the folders of their cases is a copy of it."""

from __future__ import annotations

import errno
import logging
import secrets
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import fsspec

from drishtiksha.errors import CaseGoneError, ConfigError, MediaError, StoreError
from drishtiksha.weights import sha256_of

AWAY = (
    "The store for what is examined cannot be reached, or refuses this server. Try again later, and tell whoever runs this "
    "server."
)
GONE = "The file of this case is no longer there. Upload it again."
ALTERED = "The file of this case is no longer the one that was taken in. Start again from the original."

log = logging.getLogger(__name__)


class SharedEvidence:
    """A folder a case below one address. Safe to share between threads."""

    def __init__(self, address: str) -> None:
        """Raises: ConfigError for an address that cannot be opened here. Nothing is asked of the store yet."""
        protocol = address.partition("://")[0]
        if protocol == address or protocol in ("file", "local", "http", "https"):
            raise ConfigError(f"evidence_url: {address} is no store. Wanted: an address such as s3://bucket/cases.")
        try:
            self._system, root = fsspec.core.url_to_fs(address, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                f"evidence_url: {protocol}:// cannot be opened here. {str(error).rstrip('.')}."
            ) from error
        self._root = root.rstrip("/")

    def put(self, case_id: str, file: Path) -> None:
        """Copy a file there. Raises: StoreError."""
        with _told():
            self._system.put_file(str(file), self._place(case_id, file.name))

    def get(self, case_id: str, file: Path, sha256: str) -> None:
        """Copy it to `file`, where it is as a whole or not at all.

        Raises: CaseGoneError; MediaError for other bytes; StoreError; OSError where it cannot be written.
        """
        draft = file.with_name(f".{secrets.token_hex(8)}")
        try:
            with _told():
                self._system.get_file(self._place(case_id, file.name), str(draft))
            if sha256_of(draft) != sha256:
                raise MediaError(ALTERED)
            draft.chmod(stat.S_IRUSR)
            draft.replace(file)
        except StoreError as error:
            if _is_absent(error):
                raise CaseGoneError(GONE) from error
            raise
        finally:
            draft.unlink(missing_ok=True)

    def remove(self, case_id: str) -> None:
        """Remove all of a case; nothing happens where nothing is there. Raises: StoreError."""
        try:
            with _told():
                for name in self._system.find(self._place(case_id)):
                    self._system.rm_file(name)
        except StoreError as error:
            if not _is_absent(error):
                raise

    def strays(self, known: Collection[str], before: float) -> list[str]:
        """The cases that are not among the known ones, and lie there since before that time. before: seconds since 1970.

        Raises: StoreError.
        """
        with _told():
            names = [name for name in self._system.find(self._root) if self._case_of(name) not in known]
            return sorted({self._case_of(name) for name in names if self._system.modified(name).timestamp() < before})

    def _place(self, *parts: str) -> str:
        return "/".join((self._root, *parts))

    def _case_of(self, name: str) -> str:
        return name.removeprefix(self._root).lstrip("/").partition("/")[0]


@cache
def evidence_at(address: str) -> SharedEvidence:
    """One for each address. Raises: ConfigError."""
    return SharedEvidence(address)


@contextmanager
def _told() -> Iterator[None]:
    """Stores and their libraries raise anything: what they say is for the log."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        log.warning("The store for what is examined: %s: %s", type(error).__name__, error)
        raise StoreError(AWAY) from error


def _is_absent(error: StoreError) -> bool:
    return isinstance(error.__cause__, FileNotFoundError)
