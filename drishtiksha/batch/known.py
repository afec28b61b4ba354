"""What earlier runs answered, held so small that every worker has all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

HASH_DIGITS = 16
"""Hex digits of a SHA-256 that are compared: 64 bits tell the versions of one file apart."""
KEY_BYTES = 16
_END = b"\1"
"""NumPy drops zeros at the end of bytes."""

Key = bytes


def key_of(name: str, sha256: str, recipe: str, model: str) -> Key:
    """Of a file with these bytes, judged in this way."""
    return _digest("bytes", name, sha256[:HASH_DIGITS], recipe, model)


def version_key(name: str, version: str, recipe: str, model: str) -> Key:
    """Of a file whose bytes need not be read, since what changes with them is known."""
    return _digest("version", name, version, recipe, model)


class Known:
    """A set of keys, 17 bytes each; picklable."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = np.sort(np.fromiter((key + _END for key in keys), dtype=f"S{KEY_BYTES + 1}"))

    def __contains__(self, key: Key) -> bool:
        place = int(np.searchsorted(self._keys, key + _END))
        return place < len(self._keys) and self._keys[place] == key + _END

    def __len__(self) -> int:
        return len(self._keys)


def _digest(*parts: str) -> Key:
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=KEY_BYTES).digest()
