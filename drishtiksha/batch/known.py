"""What earlier runs answered, held so small that it stays in memory whatever their size."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

HASH_DIGITS = 16
"""Hex digits of a SHA-256 that are compared: 64 bits tell the versions of one file apart."""
KEY_BYTES = 16
MERGED_AT = 10_000
"""New keys that wait before they are sorted in."""
_END = b"\1"
"""NumPy drops zeros at the end of bytes."""

Key = bytes
Facts = Mapping[str, Any]
"""What a row says of a file beside its bytes, such as its name and label: where that changes, it gets a new row."""


def key_of(facts: Facts, sha256: str, recipe: str, model: str) -> Key:
    """Of a file with these bytes, judged in this way."""
    return _digest("bytes", _text(facts), sha256[:HASH_DIGITS], recipe, model)


def content_key(sha256: str, recipe: str, model: str) -> Key:
    """Of these bytes, judged in this way, whatever the file is called."""
    return _digest("content", sha256, recipe, model)


def version_key(facts: Facts, recipe: str, model: str) -> Key:
    """Of a file whose bytes need not be read, since its version, which changes with them, is among the facts."""
    return _digest("version", _text(facts), recipe, model)


class Known:
    """A set of keys, 17 bytes each; picklable."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = np.sort(np.fromiter((key + _END for key in keys), dtype=f"S{KEY_BYTES + 1}"))
        self._new: set[Key] = set()

    def __contains__(self, key: Key) -> bool:
        if key in self._new:
            return True
        place = int(np.searchsorted(self._keys, key + _END))
        return place < len(self._keys) and self._keys[place] == key + _END

    def __len__(self) -> int:
        return len(self._keys) + len(self._new)

    def add(self, key: Key) -> None:
        if key in self:
            return
        self._new.add(key)
        if len(self._new) >= MERGED_AT:
            new = np.array([one + _END for one in self._new], dtype=self._keys.dtype)
            self._keys, self._new = np.sort(np.concatenate([self._keys, new])), set()


def _text(facts: Facts) -> str:
    return json.dumps(facts, sort_keys=True)


def _digest(*parts: str) -> Key:
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=KEY_BYTES).digest()
