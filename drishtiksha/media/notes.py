"""Bounds on the notes of a recording or video (titles, comments, chapters, covers), counted before FFmpeg reads them.

FFmpeg compares the name of each note with those of all before it: half a megabyte of 40,000 notes keeps it busy for nine
seconds, and five megabytes for a quarter of an hour, in which it cannot be stopped.
"""

from __future__ import annotations

import itertools
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from drishtiksha.errors import MediaLimitError
from drishtiksha.media.bounds import FIRST_BOXES, MAX_METADATA, boxes_of_facts

MAX_NOTES = 3_000
"""Programs write some dozens, long audio books some hundred for their chapters."""

_VORBIS_COMMENT = re.compile(rb"\0\0[ -<>-~]{1,99}=")
"""The upper half of the length of a comment, and its name (Ogg, FLAC)."""
_ID3 = re.compile(rb"ID3([\2-\4]).(.)([\0-\x7f]{4})", re.DOTALL)
"""Version, flags and size of a tag."""
_ID3_FRAME = re.compile(rb"[A-Z][A-Z0-9]{2,3}\0")
"""The name of a frame, and the first byte of its size."""
_ID3_HEADER, _ID3_EXTENDED = 10, 0x40
_ID3_PACKED = {3: 0x80, 4: 0x08}
"""By version, the flag of a frame that unfolds to as many bytes as stand in its first four."""
_INFO = re.compile(rb"LIST(.{4})INFO", re.DOTALL)
_MATROSKA = re.compile(rb"\x45\xa3(?:[\x81-\xbf]|\x40.|\x20\0.|\x10\0\0.)[ -~]|\xb6.{1,8}\x73\xc4", re.DOTALL)
"""The name of a note, and a chapter with its number."""
_MP4_VALUE = re.compile(rb"data\0\0\0[\0-\x1f]\0{4}")
_MP4_NAMES = re.compile(rb"keys\0{4}(.{4})", re.DOTALL)
_ASF_LISTS = re.compile(
    rb"(?:\x40\xa4\xd0\xd2\x07\xe3\xd2\x11\x97\xf0\x00\xa0\xc9\x5e\xa8\x50"  # extended content description
    rb"|\xea\xcb\xf8\xc5\xaf\x5b\x77\x48\x84\x67\xaa\x8c\x44\xfa\x4c\xca"  # metadata
    rb"|\x94\x1c\x23\x44\x98\x94\xd1\x49\xa1\x41\x1d\x13\x4e\x45\x70\x54)"  # metadata library
    rb".{8}(.{2})",
    re.DOTALL,
)
_FLV_SCRIPT = re.compile(rb"\x12(.{3}).{7}\x02\0\x0a(?:onMetaData|onCuePoint)", re.DOTALL)
_FLV_TAG = 11
_FLV_NAME = re.compile(rb"\0[\1-\x7f][!-~]+[\0-\2]")
"""A name, and the kind of its value: a number, yes or no, a text."""
_MXF_SET = re.compile(rb"\x06\x0e\x2b\x34\x02\x53\x01\x01\x0d\x01\x01\x01\x01\x01")
"""Of what is said of tracks and sources."""
_APE = re.compile(rb"APETAGEX.{8}(.{4})", re.DOTALL)
"""At either end of APE, WavPack, TTA, Musepack and MP3."""
_CAF_HEADER = 8
_CAF_INFO = re.compile(rb"info.{8}(.{4})", re.DOTALL)


def check_notes(path: Path, name: str) -> None:
    """Files of other formats pass. Raises: MediaLimitError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = itertools.islice(itertools.chain(_id3(content), _ape(content), _of_format(content)), MAX_NOTES + 1)
        if sum(1 for _ in found) > MAX_NOTES:
            raise MediaLimitError(
                f"{name} holds more than {MAX_NOTES:,} notes (titles, comments, chapters) beside its picture or sound; no program "
                "writes so many, and reading them would take minutes. Save it anew in a sound or video program."
            )
        if (unfolded := _unfolded(content)) > MAX_METADATA:
            raise MediaLimitError(
                f"The notes of {name} are said to unfold to {unfolded / 1e6:,.0f} MB; no program writes such. Save it anew in a "
                "sound program."
            )


def _of_format(content: mmap.mmap) -> Iterator[object]:
    """Something for each note of a file of this format."""
    match content[:4]:
        case b"fLaC" | b"OggS":
            yield from _VORBIS_COMMENT.finditer(content)
        case b"RIFF" | b"RIFX" | b"RF64":
            for info in _INFO.finditer(content):
                yield from _chunks(content, info.end(), info.start() + 8 + int.from_bytes(info[1], "little"))
        case b"\x1a\x45\xdf\xa3":
            yield from _MATROSKA.finditer(content)
        case b"\x30\x26\xb2\x75":
            yield from _claimed(_ASF_LISTS, content, 0, len(content), "little")
        case b"FLV\1":
            yield from _flv(content)
        case b"\x06\x0e\x2b\x34":
            yield from _MXF_SET.finditer(content)
        case b"caff":
            yield from _caf(content)
        case _ if content[4:8] in FIRST_BOXES:
            for start, end in boxes_of_facts(content):
                yield from _MP4_VALUE.finditer(content, start, end)
                yield from _claimed(_MP4_NAMES, content, start, end, "big")


def _id3(content: mmap.mmap) -> Iterator[object]:
    """Frames of ID3 tags, which stand before MP3 and AAC and within WAV and AIFF."""
    for tag in _ID3.finditer(content):
        yield from _ID3_FRAME.finditer(content, tag.end(), tag.end() + _of_seven_bits(tag[3]))


def _unfolded(content: mmap.mmap) -> int:
    """Bytes that packed frames of ID3 tags are said to unfold to; FFmpeg keeps all of them."""
    size = 0
    for tag in _ID3.finditer(content):
        version, place, end = tag[1][0], tag.end(), tag.end() + _of_seven_bits(tag[3])
        if version not in _ID3_PACKED:
            continue
        number = _of_seven_bits if version == 4 else _of_eight_bits
        if tag[2][0] & _ID3_EXTENDED:
            place += number(content[place : place + 4]) + (4 if version == 3 else 0)
        while place + _ID3_HEADER < min(end, len(content)) and content[place]:
            head = content[place : place + _ID3_HEADER + 4]
            size += number(head[_ID3_HEADER:]) if head[9] & _ID3_PACKED[version] else 0
            place += _ID3_HEADER + number(head[4:8])
    return size


def _of_seven_bits(digits: bytes) -> int:
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(digits)))


def _of_eight_bits(digits: bytes) -> int:
    return int.from_bytes(digits, "big")


def _ape(content: mmap.mmap) -> Iterator[object]:
    return _claimed(_APE, content, 0, len(content), "little")


def _chunks(content: mmap.mmap, place: int, end: int) -> Iterator[int]:
    """Where the chunks begin that lie one behind the other between these places."""
    while place + 8 <= min(end, len(content)):
        yield place
        size = int.from_bytes(content[place + 4 : place + 8], "little")
        place += 8 + size + size % 2


def _flv(content: mmap.mmap) -> Iterator[object]:
    """Names within the script tags."""
    for tag in _FLV_SCRIPT.finditer(content):
        yield from _FLV_NAME.finditer(content, tag.end(), tag.start() + _FLV_TAG + int.from_bytes(tag[1], "big"))


def _caf(content: mmap.mmap) -> Iterator[object]:
    place = _CAF_HEADER
    while place + 12 <= len(content):
        yield from _claimed(_CAF_INFO, content, place, place + 16, "big")
        place += 12 + int.from_bytes(content[place + 4 : place + 12], "big")


def _claimed(
    lists: re.Pattern[bytes], content: mmap.mmap, start: int, end: int, order: Literal["little", "big"]
) -> Iterator[object]:
    """As many as the lists between these places say that they hold; their first group is that number."""
    for found in lists.finditer(content, start, end):
        yield from itertools.repeat(found, int.from_bytes(found[1], order))
