"""The elements of a Matroska or WebM file (RFC 8794, RFC 9559)."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

SEGMENT, TRACKS = 0x18538067, 0x1654AE6B
MOST = 100_000


class Element(NamedTuple):
    """kind: its ID with the mark of its length. start, stop: of its body, bytes; stop may lie behind the end of the file, and is
    None where the element runs up to there."""

    kind: int
    start: int
    stop: int | None


def elements(content: bytes | mmap.mmap, start: int, end: int) -> Iterator[Element]:
    """Those that lie one behind the other from `start` on, up to one without a stated size, which is the last."""
    for _ in range(MOST):
        if start >= end:
            return
        kind_length = _length(content[start : start + 1])
        at = start + kind_length
        length = _length(content[at : at + 1])
        body = at + length
        size = int.from_bytes(content[at:body], "big") - (1 << 7 * length)
        unknown = size == (1 << 7 * length) - 1
        yield Element(int.from_bytes(content[start:at], "big"), body, None if unknown else body + size)
        if unknown or size < 0:
            return
        start = body + size


def _length(first: bytes) -> int:
    """How many bytes a number or an ID has, by its first: the place of the highest bit that is set."""
    return 9 - first[0].bit_length() if first and first[0] else 8
