"""Broadcast streams, whose tracks may begin and change anywhere: where each begins, found without a decoder."""

from __future__ import annotations

import functools
import mmap
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

SYNC = 0x47
PACKET_SIZES = (188, 192, 204)
"""Of transport streams: plain, with a time in front of each (M2TS), with parity behind it."""

BLOCK, NEAR = 8_000_000, 100_000
MOST_GAPS, MOST_TABLES, MOST_PACKETS = 3_000, 20_000, 1_000_000
"""Of a file that is looked through: places where packets begin anew, tables that change, packets of a programme stream."""

REPEATED = 6
"""Packets of one table, at most: it has 1,024 bytes."""

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

TABLE_OF_PROGRAM, VALID_NOW, STUFFING, CHECKSUM = 2, 1, 0xFF, 4
CODEC_TAGS = b"\x6a\x7a\x7b\x7c\x7f\x81"
"""Descriptors that tell a codec where the type of a stream says "private": AC-3, E-AC-3, DTS, AAC, extensions."""

CHECKSUMS = [
    functools.reduce(lambda v, _: v << 1 & 0xFFFFFFFF ^ (v >> 31) * 0x04C11DB7, range(8), i << 24) for i in range(256)
]


@dataclass
class Part:
    """Bytes of a file, from `start` up to `end`, in which no stream changes to another codec. begins: where the first packet of each
    stream of sound or picture lies, bytes from `start`, by FFmpeg's number of the stream."""

    start: int
    end: int
    begins: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """parts: one behind the other; none of other formats. looked: the share of the file that was looked through."""

    parts: tuple[Part, ...] = ()
    looked: float = 1.0


def layout_of(path: Path, form: str) -> Layout:
    """form: FFmpeg's name of the format; of others than mpegts and mpeg nothing is told."""
    facts = path.stat()
    return _layout(path, form, facts.st_size, facts.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _layout(path: Path, form: str, size: int, modified: int) -> Layout:  # noqa: ARG001
    if form == "mpegts":
        with path.open("rb") as file:
            return _Transport(file, size).read()
    if form == "mpeg":
        return _program(path)
    return Layout()


class Sections:
    """Puts the tables of one number of packets together (2.4.4)."""

    def __init__(self) -> None:
        self._begun = b""

    def add(self, payload: bytes, *, begins: bool) -> list[bytes]:
        """The tables that end in this packet. begins: whether one begins in it."""
        if not begins:
            self._begun += payload if self._begun else b""
            return self._whole()
        first = 1 + payload[0] if payload else 0
        self._begun += payload[1:first] if self._begun else b""
        before = self._whole()
        self._begun = payload[first:]
        return before + self._whole()

    def _whole(self) -> list[bytes]:
        found: list[bytes] = []
        while len(self._begun) > 2 and self._begun[0] != STUFFING:
            length = 3 + (_number(self._begun, 1) & 0xFFF)
            if len(self._begun) < length:
                return found
            found.append(self._begun[:length])
            self._begun = self._begun[length:]
        if self._begun[:1] == bytes([STUFFING]):
            self._begun = b""
        return found


class _Transport:
    """One pass over a transport stream (ISO/IEC 13818-1, 2.4)."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self._parts: list[Part] = []
        self._seen: set[int] = set()
        self._programs: set[int] = set()
        self._sections: defaultdict[int, Sections] = defaultdict(Sections)
        self._kinds: dict[int, bytes] = {}
        self._gaps = self._tables = 0

    def read(self) -> Layout:
        step, place = self._step()
        if not step:
            return Layout()
        size = self._size
        self._parts.append(Part(0, size))
        while place + step <= size:
            if self._gaps > MOST_GAPS or self._tables > MOST_TABLES:
                return Layout(tuple(self._parts), place / size)
            count = (min(size, place + BLOCK) - place) // step
            block = self._read(place, count * step).reshape(count, step)
            synced = block[:, 0] == SYNC
            whole = count if synced.all() else int(np.argmin(synced))
            self._look(block[:whole], place, step)
            place += whole * step
            if whole < count:
                self._gaps += 1
                place = self._next(place + 1, step)
        return Layout(tuple(self._parts))

    def _read(self, place: int, size: int) -> np.ndarray:
        self._file.seek(place)
        return np.frombuffer(self._file.read(size), np.uint8)

    def _step(self) -> tuple[int, int]:
        """Size of a packet, and where the first lies; 0 where neither is found."""
        head = self._read(0, HEAD_PACKETS * max(PACKET_SIZES))
        for step in PACKET_SIZES:
            count = min(len(head) // step, HEAD_PACKETS)
            if count >= LEAST_PACKETS:
                hits = (head[: count * step].reshape(count, step) == SYNC).sum(axis=0)
                if hits.max() >= 0.8 * count:
                    return step, int(np.argmax(hits))
        return 0, 0

    def _next(self, place: int, step: int) -> int:
        """Where packets begin again."""
        while place + 2 * step < self._size:
            synced = self._read(place, NEAR + 2 * step) == SYNC
            good = np.flatnonzero(synced[: -2 * step] & synced[step:-step] & synced[2 * step :])
            if len(good):
                return place + int(good[0])
            place += NEAR
        return self._size

    def _look(self, block: np.ndarray, place: int, step: int) -> None:
        pids = (block[:, 1].astype(np.int32) & 0x1F) << 8 | block[:, 2]
        lists = np.flatnonzero(pids == 0)
        for _, table in self._tables_in(block, 0, lists):
            self._programs |= set(_programs_in(table))
        tables = [
            found
            for pid in self._programs.intersection(np.unique(pids).tolist())
            for found in self._tables_in(block, pid, np.flatnonzero(pids == pid))
        ]
        done = 0
        for row, table in sorted(tables):
            if self._changes(table):
                # A reader that begins here needs the table of programmes, too.
                before = lists[(done <= lists) & (lists <= row)]
                cut = int(before[-1]) if len(before) else row
                self._begin(block, pids, done, cut, place, step)
                self._parts[-1].end = place + cut * step
                self._parts.append(Part(place + cut * step, self._size))
                self._seen.clear()
                done = cut
        self._begin(block, pids, done, len(block), place, step)

    def _begin(self, block: np.ndarray, pids: np.ndarray, first: int, last: int, place: int, step: int) -> None:
        """Note the streams that begin in these rows."""
        rows = first + np.flatnonzero(block[first:last, 1] & 0x40)
        for pid, at in zip(*np.unique(pids[rows], return_index=True), strict=True):
            if pid not in self._seen:
                self._seen.add(int(pid))
                row = int(rows[at])
                if PES.match(_payload(block[row])):
                    self._parts[-1].begins[int(pid)] = place + row * step - self._parts[-1].start

    def _tables_in(self, block: np.ndarray, pid: int, rows: np.ndarray) -> Iterator[tuple[int, bytes]]:
        """Each table, but for those that are repeated, and the row in which it begins."""
        said = block[rows, PAYLOAD : PACKET_SIZES[0]]
        begins = block[rows, 1] & 0x40 != 0
        new = np.ones(len(rows), bool)
        for apart in range(1, REPEATED + 1):
            new[apart:] &= (said[apart:] != said[:-apart]).any(axis=1)
        group = np.cumsum(begins)
        row = int(rows[0]) if len(rows) else 0
        for at in np.flatnonzero(np.isin(group, group[new])):
            row = int(rows[at]) if begins[at] else row
            self._tables += 1
            if self._tables > MOST_TABLES:
                return
            for table in self._sections[pid].add(_payload(block[rows[at]]), begins=bool(begins[at])):
                if not _checksum(table):
                    yield row, table

    def _changes(self, table: bytes) -> bool:
        """Whether a stream has another codec than it had."""
        kinds = dict(_streams_in(table))
        changed = any(self._kinds.get(pid, kind) != kind for pid, kind in kinds.items())
        self._kinds |= kinds
        return changed


def _payload(packet: np.ndarray) -> bytes:
    control = int(packet[3]) >> 4 & 3
    if not control & 1:
        return b""
    return packet[PAYLOAD + (1 + int(packet[PAYLOAD]) if control == 3 else 0) : PACKET_SIZES[0]].tobytes()


def _checksum(table: bytes) -> int:
    """CRC-32/MPEG-2 of a table with its own: 0 where it is whole."""
    value = 0xFFFFFFFF
    for byte in table:
        value = value << 8 & 0xFFFFFFFF ^ CHECKSUMS[value >> 24 ^ byte]
    return value


def _number(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 2], "big")


def _programs_in(table: bytes) -> Iterator[int]:
    """The numbers of the packets in which the tables of programs lie."""
    for place in range(8, len(table) - CHECKSUM - 3, 4):
        if _number(table, place):
            yield _number(table, place + 2) & 0x1FFF


def _streams_in(table: bytes) -> Iterator[tuple[int, bytes]]:
    """Number of each stream of a program, and what tells its codec."""
    if len(table) < 12 + CHECKSUM or table[0] != TABLE_OF_PROGRAM or not table[5] & VALID_NOW:
        return
    table = table[:-CHECKSUM]
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
        size, place = len(content), content.find(PACK)
        for _ in range(MOST_PACKETS):
            head = content[place : place + 14]
            if place < 0 or len(head) < 14:
                place = size
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
    begins = {number: at for number, at in begins.items() if count[number] >= LEAST_PACKETS}
    return Layout((Part(0, size, begins),), min(place / size, 1.0))


def _number_of(content: mmap.mmap, place: int) -> int | None:
    """FFmpeg's number of the stream of sound or picture whose packet lies there; None of others."""
    kind = content[place + 3]
    if kind != PRIVATE:
        return PS_ID + kind if 0xC0 <= kind <= 0xEF else None
    inside = place + 9 + content[place + 8]
    number = content[inside] if inside < len(content) else 0
    return number if PRIVATE_SOUND[0] <= number < PRIVATE_SOUND[1] else None
