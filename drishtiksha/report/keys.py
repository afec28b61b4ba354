"""The key that signs this machine's bundles. It never leaves the machine; only its public half goes into a bundle."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from drishtiksha.errors import ReportError

FILE_NAME = "signing.pem"


def signing_key(data_dir: Path) -> Ed25519PrivateKey:
    """The Ed25519 key in `data_dir/keys/signing.pem`, made at its first use and readable by its owner alone.

    Raises: ReportError when the file is not such a key, is a link, can be read by others, or cannot be made.
    """
    path = data_dir / "keys" / FILE_NAME
    try:
        if not path.exists():
            _create(path)
        return _read(path)
    except OSError as error:
        raise ReportError(f"The signing key {path} cannot be used: {error.strerror}.") from error


def known_fingerprint(data_dir: Path) -> str | None:
    """The fingerprint of this machine's key; None while it has none. Makes nothing. Raises: ReportError."""
    path = data_dir / "keys" / FILE_NAME
    return fingerprint(_read(path).public_key()) if path.exists() else None


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the 32 bytes of the key, as 64 hexadecimal digits."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def grouped(digits: str) -> str:
    """A fingerprint in groups of four, to be read out over the telephone."""
    return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))


def same_fingerprint(one: str, other: str) -> bool:
    """Whether two fingerprints are the same, however they are spaced or capitalised."""
    plain = ("".join(c for c in text.lower() if c.isalnum()) for text in (one, other))
    return secrets.compare_digest(*(text.encode() for text in plain))


def _create(path: Path) -> None:
    """Write the whole key beside its place and link it there, so that nobody ever reads half a key and the first of
    several processes wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{FILE_NAME}.{secrets.token_hex(8)}")
    content = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()


def _read(path: Path) -> Ed25519PrivateKey:
    if path.is_symlink():
        raise ReportError(f"The signing key {path} is a link. Put the key itself there.")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ReportError(f"Others can read the signing key {path}. Make it yours alone: chmod 600 '{path}'.")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise ReportError(f"{path} is not a signing key. Move it away, and a new one is made.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ReportError(f"{path} is not an Ed25519 key. Move it away, and a new one is made.")
    return key
