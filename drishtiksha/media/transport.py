"""Broadcast streams, whose tracks may begin and change anywhere: where each begins, found without a decoder."""

from __future__ import annotations

import functools
import mmap
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SYNC = 0x47
PACKET_SIZES = (188, 192, 204)
"""Of transport streams: plain, with a time in front of each (M2TS), with parity behind it."""

BLOCK, NEAR = 8_000_000, 100_000
MOST_GAPS, MOST_TABLES, MOST_PACKETS = 1_000, 20_000, 1_000_000
"""Of a file that is looked through: places where packets begin anew, tables that change, packets of a programme stream."""

HEAD_PACKETS = 64
PAYLOAD = 4
PES = re.compile(rb"\0\0\x01[\xbd\xc0-\xef\xfd]")
"""Of a packet of sound or picture."""

PACK = b"\0\0\1\xba"
PRIVATE, LEAST_PACKETS = 0xBD, 3
PS_ID = 0x100
"""What FFmpeg adds to the number of a stream of a programme stream, but for those within a private one."""

PRIVATE_SOUND = 0x80, 0xC0
"""Within private streams: AC-3, DTS, plain samples."""

TABLE_OF_PROGRAM = 2
CODEC_TAGS = b"\x6a\x7a\x7b\x7c\x7f\x81"
"""Descriptors that tell a codec where the type of a stream says "private": AC-3, E-AC-3, DTS, AAC, extensions."""


@dataclass
class Layout:
    """begins: where the first packet of each stream of sound or picture lies, bytes, by FFmpeg's number of the stream. changed: where
    a stream changes to another codec; None: nowhere."""

    begins: dict[int, int] = field(default_factory=dict)
    changed: int | None = None


def layout_of(path: Path, form: str) -> Layout:
    """form: FFmpeg's name of the format; of others than mpegts and mpeg nothing is told."""
    facts = path.stat()
    return _layout(path, form, facts.st_size, facts.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _layout(path: Path, form: str, size: int, modified: int) -> Layout:  # noqa: ARG001
    if form == "mpegts":
        return _Transport(path).read()
    if form == "mpeg":
        return _program(path)
    return Layout()


class _Transport:
    """One pass over a transport stream (ISO/IEC 13818-1, 2.4)."""

    def __init__(self, path: Path) -> None:
        self._bytes = np.memmap(path, np.uint8, "r")
        self._found = Layout()
        self._seen: set[int] = set()
        self._programs: set[int] = set()
        self._kinds: dict[int, bytes] = {}
        self._gaps = self._tables = 0

    def read(self) -> Layout:
        step, place = self._step()
        while step and place + step <= len(self._bytes) and self._found.changed is None and self._gaps < MOST_GAPS:
            count = (min(len(self._bytes), place + BLOCK) - place) // step
            block = self._bytes[place : place + count * step].reshape(count, step)
            synced = block[:, 0] == SYNC
            whole = count if synced.all() else int(np.argmin(synced))
            self._look(block[:whole], place, step)
            place += whole * step
            if whole < count:
                self._gaps += 1
                place = self._next(place + 1, step)
        return self._found

    def _step(self) -> tuple[int, int]:
        """Size of a packet, and where the first lies; 0 where neither is found."""
        for step in PACKET_SIZES:
            count = min(len(self._bytes) // step, HEAD_PACKETS)
            if count >= LEAST_PACKETS:
                hits = (self._bytes[: count * step].reshape(count, step) == SYNC).sum(axis=0)
                if hits.max() >= 0.8 * count:
                    return step, int(np.argmax(hits))
        return 0, 0

    def _next(self, place: int, step: int) -> int:
        """Where packets begin again."""
        while place + 2 * step < len(self._bytes):
            near = np.flatnonzero(self._bytes[place : place + NEAR] == SYNC) + place
            near = near[near + 2 * step < len(self._bytes)]
            good = near[(self._bytes[near + step] == SYNC) & (self._bytes[near + 2 * step] == SYNC)]
            if len(good):
                return int(good[0])
            place += NEAR
        return len(self._bytes)

    def _look(self, block: np.ndarray, place: int, step: int) -> None:
        begins = np.flatnonzero(block[:, 1] & 0x40)
        pids = (block[begins, 1].astype(np.int32) & 0x1F) << 8 | block[begins, 2]
        for pid, first in zip(*np.unique(pids, return_index=True), strict=True):
            if pid not in self._seen:
                self._seen.add(int(pid))
                row = int(begins[first])
                if PES.match(_payload(block[row])):
                    self._found.begins[int(pid)] = place + row * step
        lists = begins[pids == 0]
        for row in self._changing(block, lists):
            self._programs |= set(_programs_in(_payload(block[row])))
        for pid in self._programs.intersection(pids.tolist()):
            for row in self._changing(block, begins[pids == pid]):
                if self._found.changed is None and self._is_new(_payload(block[row])):
                    before = lists[lists <= row]
                    self._found.changed = place + int(before[-1] if len(before) else row) * step

    def _changing(self, block: np.ndarray, rows: np.ndarray) -> Iterator[int]:
        """Those rows that say something else than the one before, and the first."""
        said = block[rows, PAYLOAD:].astype(np.int16)
        for row in rows[np.diff(said, axis=0, prepend=-1).any(axis=1)]:
            self._tables += 1
            if self._tables > MOST_TABLES:
                return
            yield int(row)

    def _is_new(self, table: bytes) -> bool:
        """Whether a stream has another codec than it had."""
        return any(self._kinds.setdefault(pid, kind) != kind for pid, kind in _streams_in(table))


def _payload(packet: np.ndarray) -> bytes:
    control = int(packet[3]) >> 4 & 3
    if not control & 1:
        return b""
    return packet[PAYLOAD + (1 + int(packet[PAYLOAD]) if control == 3 else 0) : PACKET_SIZES[0]].tobytes()


def _section(payload: bytes) -> bytes:
    """The table that begins in a packet, as far as it lies there, without its sum."""
    table = payload[1 + payload[0] :] if payload else b""
    return table[: 3 + (_number(table, 1) & 0xFFF) - 4] if len(table) > 3 else b""


def _number(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 2], "big")


def _programs_in(payload: bytes) -> Iterator[int]:
    """The numbers of the packets in which the tables of programs lie."""
    table = _section(payload)
    for place in range(8, len(table) - 3, 4):
        if _number(table, place):
            yield _number(table, place + 2) & 0x1FFF


def _streams_in(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Number of each stream of a program, and what tells its codec."""
    table = _section(payload)
    if len(table) < 12 or table[0] != TABLE_OF_PROGRAM:
        return
    place = 12 + (_number(table, 10) & 0xFFF)
    while place + 5 <= len(table):
        length = _number(table, place + 3) & 0xFFF
        told = table[place + 5 : place + 5 + length]
        tags = bytes(sorted(tag for tag in _tags(told) if tag in CODEC_TAGS))
        yield _number(table, place + 1) & 0x1FFF, table[place : place + 1] + tags
        place += 5 + length


def _tags(descriptors: bytes) -> Iterator[int]:
    place = 0
    while place + 2 <= len(descriptors):
        yield descriptors[place]
        place += 2 + descriptors[place + 1]


def _program(path: Path) -> Layout:
    """Of a programme stream (ISO/IEC 13818-1, 2.5)."""
    begins: dict[int, int] = {}
    count: Counter[int] = Counter()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(PACK)
        for _ in range(MOST_PACKETS):
            head = content[place : place + 14]
            if place < 0 or len(head) < 14:
                break
            kind, length = head[3], 6 + _number(head, 4)
            if head[:3] != PACK[:3] or kind < PACK[3]:
                place = content.find(PACK, place + 1)
                continue
            if kind == PACK[3]:
                # MPEG-1 has a shorter one.
                length = 14 + (head[13] & 7) if head[4] >> 6 == 1 else 12
            elif (number := _number_of(content, place)) is not None:
                count[number] += 1
                begins.setdefault(number, place)
            place += length
    return Layout({number: place for number, place in begins.items() if count[number] >= LEAST_PACKETS})


def _number_of(content: mmap.mmap, place: int) -> int | None:
    """FFmpeg's number of the stream of sound or picture whose packet lies there; None of others."""
    kind = content[place + 3]
    if kind != PRIVATE:
        return PS_ID + kind if 0xC0 <= kind <= 0xEF else None
    inside = place + 9 + content[place + 8]
    number = content[inside] if inside < len(content) else 0
    return number if PRIVATE_SOUND[0] <= number < PRIVATE_SOUND[1] else None
