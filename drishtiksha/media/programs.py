"""Bounds the programmes that a transport stream announces, before FFmpeg reads them: it compares each with all before it."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path

from drishtiksha.errors import MediaLimitError
from drishtiksha.media.formats import STREAM, format_of

MAX_PROGRAMS = 1_000
"""A whole transponder has some dozens."""

_PACKET, _HEADER = 188, 4
_OF_THE_TABLE = re.compile(rb"G[\0\x20\x40\x60]\0[\x10-\x1f\x30-\x3f]")
"""The header of a packet of the table of programmes (PID 0) that has content."""
_BEGINS, _HAS_FIELD = 0x40, 0x20
_TABLE_HEADER, _ENTRY, _CHECKSUM = 8, 4, 4


def check_programs(path: Path, name: str) -> None:
    """Files that begin as another format pass. Raises: MediaLimitError."""
    if format_of(path) not in (None, STREAM):
        return
    found: set[bytes] = set()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for table in _tables(content):
            entries = table[_TABLE_HEADER:-_CHECKSUM]
            found.update(entries[place : place + 2] for place in range(0, len(entries), _ENTRY))
            if len(found) > MAX_PROGRAMS:
                raise MediaLimitError(
                    f"{name} announces more than {MAX_PROGRAMS:,} programmes, which no broadcast does; reading them would take "
                    "minutes. Save the programme in question as a video of its own."
                )


def _tables(content: mmap.mmap) -> Iterator[bytes]:
    """The sections of the table (ISO 13818-1, 2.4.4.3), but for those that are repeated."""
    section, before = b"", b""
    for packet in _OF_THE_TABLE.finditer(content):
        place = packet.start() + _HEADER
        if content[place - 1] & _HAS_FIELD:
            place += 1 + content[place]
        piece = content[place : packet.start() + _PACKET]
        if content[packet.start() + 1] & _BEGINS:
            if piece == before:
                continue
            before = piece
            section = piece[1 + piece[0] :] if piece else b""
            if section[:1] != b"\0" or section[1:2] < b"\xb0" or section[1:2] > b"\xbf":
                section = b""
        elif section:
            section += piece
        length = 3 + (int.from_bytes(section[1:3], "big") & 0xFFF)
        if section and len(section) >= length:
            yield section[:length]
            section = b""
