"""Who may use the server: API keys and users of the page. No key and no password is kept, only what proves one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import time
from dataclasses import dataclass
from functools import cache

from sqlalchemy import delete, func, or_, select, update

from drishtiksha.casefile import Role, Viewer
from drishtiksha.errors import AccountError
from drishtiksha.store.db import Store
from drishtiksha.store.tables import KeyRow, UserRow
from drishtiksha.store.values import utc, utc_or_none

MIN_PASSWORD = 12
"""Characters of a password."""

MAX_PASSWORD = 1024

SCRYPT = {"n": 2**15, "r": 8, "p": 1}
"""32 MB and about 0.1 s a guess; RFC 7914, the parameters of OWASP's cheat sheet with one step less memory."""

_MEMORY = 64 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_KEY = re.compile(r"dk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_DUMMY = "0" * 64


@dataclass(frozen=True)
class KeyInfo:
    """What is known of a key; never the key itself. Whoever shows it owns the cases of `name`."""

    key_id: str
    name: str
    reviewer: bool
    created_utc: str
    revoked_utc: str | None


@dataclass(frozen=True)
class UserInfo:
    name: str
    reviewer: bool
    created_utc: str


class Accounts:
    """The keys and users of one database. A key and a user of one name own the same cases."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._unknown = _of_nobody()

    def add_key(self, name: str, *, reviewer: bool = False) -> str:
        """Make a key; this is the only time that it is known. Several keys of one name may be valid at once.

        Raises: AccountError for a name that cannot be one.
        """
        key_id = secrets.token_hex(8)
        key = f"dk_{key_id}_{secrets.token_urlsafe(32)}"
        row = KeyRow(
            id=key_id, name=_name(name), digest=_digest(key), reviewer=reviewer, created=time.time(), revoked=None
        )
        with self.store.write() as session:
            session.add(row)
        return key

    def list_keys(self) -> list[KeyInfo]:
        """All keys, revoked ones too, oldest first."""
        with self.store.read() as session:
            return [_key_info(row) for row in session.scalars(select(KeyRow).order_by(KeyRow.created, KeyRow.id))]

    def revoke_key(self, name_or_id: str) -> int:
        """Revoke one key by its id, or all keys of a name; how many. Raises: AccountError when none is valid."""
        which = (or_(KeyRow.id == name_or_id, KeyRow.name == name_or_id), KeyRow.revoked.is_(None))
        with self.store.write() as session:
            gone = session.scalars(update(KeyRow).where(*which).values(revoked=time.time()).returning(KeyRow.id)).all()
        if not gone:
            raise AccountError(f"No valid key is called {name_or_id!r}. See `drishtiksha keys list`.")
        return len(gone)

    def key_holder(self, key: str) -> KeyInfo | None:
        """Whose key it is; None for one that is unknown, revoked or no key at all. Takes as long either way."""
        form = _KEY.fullmatch(key)
        with self.store.read() as session:
            row = session.get(KeyRow, form.group(1) if form else "")
            fits = hmac.compare_digest(row.digest if row else _DUMMY, _digest(key))
            return _key_info(row) if row is not None and fits and row.revoked is None else None

    def add_user(self, name: str, password: str, *, reviewer: bool = False) -> None:
        """Add a user, or set the password and role of an existing one. Raises: AccountError."""
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise AccountError(f"A password must have {MIN_PASSWORD} to {MAX_PASSWORD} characters.")
        hashed = hash_password(password)
        with self.store.write() as session:
            row = session.get(UserRow, _name(name))
            if row is None:
                session.add(UserRow(name=name, password=hashed, reviewer=reviewer, created=time.time()))
            else:
                row.password, row.reviewer = hashed, reviewer

    def list_users(self) -> list[UserInfo]:
        with self.store.read() as session:
            rows = session.scalars(select(UserRow).order_by(UserRow.name))
            return [UserInfo(row.name, row.reviewer, utc(row.created)) for row in rows]

    def count_users(self) -> int:
        with self.store.read() as session:
            return session.scalar(select(func.count()).select_from(UserRow)) or 0

    def remove_user(self, name: str) -> None:
        """The cases of the name stay, for reviewers, until their time is over. Raises: AccountError."""
        with self.store.write() as session:
            if session.scalar(delete(UserRow).where(UserRow.name == name).returning(UserRow.name)) is None:
                raise AccountError(f"No user is called {name!r}. See `drishtiksha users list`.")

    def authenticate(self, name: str, password: str) -> bool:
        """Whether it is this user's password; an unknown name takes as long as a wrong password."""
        with self.store.read() as session:
            row = session.get(UserRow, name) if _NAME.fullmatch(name) else None
            kept = row.password if row else self._unknown
        return verify_password(password[:MAX_PASSWORD], kept) and row is not None

    def viewer(self, name: str) -> Viewer:
        """Who a logged-in user is; one that was removed meanwhile sees what was theirs and nothing else."""
        with self.store.read() as session:
            row = session.get(UserRow, name)
            return Viewer(name=name, role=Role.REVIEWER if row is not None and row.reviewer else Role.MEMBER)


def hash_password(password: str) -> str:
    """`scrypt$n$r$p$salt$hash`, with a new salt."""
    salt = os.urandom(16)
    numbers = "$".join(str(SCRYPT[letter]) for letter in "nrp")
    return f"scrypt${numbers}${_base64(salt)}${_base64(_scrypt(password, salt, **SCRYPT))}"


@cache
def _of_nobody() -> str:
    """What the password of an unknown name is held against, so that it takes as long as any; made once a process."""
    return hash_password(secrets.token_urlsafe())


def verify_password(password: str, kept: str) -> bool:
    """In constant time for one set of parameters."""
    _, n, r, p, salt, expected = kept.split("$")
    found = _scrypt(password, base64.b64decode(salt), n=int(n), r=int(r), p=int(p))
    return hmac.compare_digest(found, base64.b64decode(expected))


def _scrypt(password: str, salt: bytes, *, n: int, r: int, p: int) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _name(name: str) -> str:
    """Owners are shown and filtered by; a name must not look like another one, or like nothing."""
    if not _NAME.fullmatch(name):
        raise AccountError("A name has 1 to 64 letters, digits or . _ @ - and begins with a letter or digit.")
    return name


def _key_info(row: KeyRow) -> KeyInfo:
    return KeyInfo(row.id, row.name, row.reviewer, utc(row.created), utc_or_none(row.revoked))
