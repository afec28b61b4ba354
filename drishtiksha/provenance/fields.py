"""What a file says of itself, as text that is safe to keep and to show: bounded, without control characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

MAX_VALUE = 500
"""Characters of one value that are kept; a prompt may be long, a note of a camera is not."""
MAX_NAME = 80
MAX_FIELDS = 250
"""Fields of one file that are kept; the rest is counted."""
PLAIN_SHARE = 0.9
"""Bytes are shown as text when so much of them can be printed."""


class Fields:
    """Named values of one file in the order in which they were found. A name that comes again gets a number."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._left_out = 0

    def add(self, name: str, value: object) -> None:
        """Keep `value` as text; empty ones are passed over, all beyond `MAX_FIELDS` counted."""
        if len(self._values) >= MAX_FIELDS:
            # Before anything is read: a file may hold a million of them.
            self._left_out += 1
            return
        text = clean(value)
        if not text:
            return
        label = clean(name, MAX_NAME) or "unnamed"
        number, unique = 1, label
        while unique in self._values:
            if self._values[unique] == text:
                return
            number += 1
            unique = f"{label} ({number})"
        self._values[unique] = text

    def merge(self, other: Fields) -> None:
        """Add the values of another one, and what it left out."""
        for name, value in other._values.items():
            self.add(name, value)
        self._left_out += other._left_out

    def items(self) -> Iterator[tuple[str, str]]:
        yield from self._values.items()

    def get(self, *names: str) -> str | None:
        """The value of the first of `names` that is there."""
        return next((self._values[name] for name in names if name in self._values), None)

    def matching(self, *patterns: str) -> Iterator[tuple[str, str]]:
        """(name, value) where a regular expression matches the whole name, whatever its case."""
        compiled = [re.compile(pattern, re.IGNORECASE) for pattern in patterns]
        for name, value in self._values.items():
            if any(pattern.fullmatch(name) for pattern in compiled):
                yield name, value

    def as_dict(self) -> dict[str, str]:
        """All of them; a last entry says how many more there were."""
        more = {"Further fields": f"{self._left_out} left out"} if self._left_out else {}
        return self._values | more

    def __len__(self) -> int:
        return len(self._values)


def clean(value: object, length: int = MAX_VALUE) -> str:
    """One line of visible text: no control, direction-turning, private or broken characters, at most `length` long."""
    text = _text(value, length)
    # Cutting first keeps a value of many megabytes from being looked at letter by letter.
    text = text[: 4 * length]
    visible = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    line = " ".join(visible.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _text(value: object, length: int) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray | memoryview):
        return _of_bytes(bytes(value), length)
    if isinstance(value, tuple | list):
        return ", ".join(_text(one, length) for one in value[:length])
    return str(value)


def _of_bytes(data: bytes, length: int) -> str:
    """Text where it is text, else how many bytes there are."""
    bare = data.rstrip(b"\0 ")
    if not bare:
        return ""
    text = bare[: 4 * length].decode("utf-8", errors="replace")
    plain = sum(c.isprintable() and c != "\ufffd" for c in text)
    return text if plain >= PLAIN_SHARE * len(text) else f"({len(data)} bytes)"
