"""Bounds the programmes that a transport stream announces, before FFmpeg reads them: it compares each with all before it."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path

from drishtiksha.errors import MediaLimitError
from drishtiksha.media.formats import STREAM, format_of
from drishtiksha.media.transport import Sections

MAX_PROGRAMS = 1_000
"""A whole transponder has some dozens."""

_PACKET, _HEADER = 188, 4
_OF_THE_TABLE = re.compile(rb"G[\0\x20\x40\x60]\0[\x10-\x1f\x30-\x3f]")
"""The header of a packet of the table of programmes (PID 0) that has content."""
_BEGINS, _HAS_FIELD, _OF_SECTIONS = 0x40, 0x20, 0xB0
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
    """The sections of the table, but for those that are repeated."""
    sections, before = Sections(), b""
    for packet in _OF_THE_TABLE.finditer(content):
        place = packet.start() + _HEADER
        if content[place - 1] & _HAS_FIELD:
            place += 1 + content[place]
        piece = content[place : packet.start() + _PACKET]
        begins = bool(content[packet.start() + 1] & _BEGINS)
        if begins and piece == before:
            continue
        before = piece if begins else before
        for table in sections.add(piece, begins=begins):
            if table[0] == 0 and table[1] & 0xF0 == _OF_SECTIONS:
                yield table
