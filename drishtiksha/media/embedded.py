"""Pictures and videos that a file carries along: covers, attached pictures, the video of a moving photo."""

from __future__ import annotations

import io
import mmap
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from drishtiksha.media.bounds import end_of_jpeg
from drishtiksha.media.container import demuxed, is_cover, open_container
from drishtiksha.media.guard import Pulse, guarded_call
from drishtiksha.media.partial import BROKEN_PICTURE
from drishtiksha.results import TrackInfo, TrackKind
from drishtiksha.settings import MediaLimits

if TYPE_CHECKING:
    from av.attachments.stream import AttachmentStream
    from av.container import InputContainer

VIDEO_START = re.compile(rb"\0\0\0[\x10-\x80]ftyp(?!hei|hev|mif|msf|avi|avis|jxl|jp2|jpx|crx)[\w ]{4}")
"""The first box of an MP4, 3GP or QuickTime file, not of a still. Phones write a whole one behind the picture."""

_FILE = rb"\0{0,64}(\xff\xd8\xff|\x89PNG|RIFF....(?:WAVE|AVI |WEBP)|\x1a\x45\xdf\xa3|OggS|fLaC|ID3|PK\x03\x04|%PDF-)"
BEHIND_JPEG = re.compile(_FILE, re.DOTALL)
BEHIND_PNG = re.compile(rb"IEND\xaeB`\x82" + _FILE, re.DOTALL)
"""The beginning of another file, and in PNG the end of the picture before it."""

BEHIND = "{} behind the end of the picture, which viewers pass over"
KINDS = {
    b"\xff\xd8": ("a second picture", "jpg"),
    b"\x89P": ("a second picture", "png"),
    b"WEBP": ("a second picture", "webp"),
    b"WAVE": ("a recording", "wav"),
    b"AVI ": ("a video", "avi"),
    b"\x1a\x45": ("a video", "mkv"),
    b"Og": ("a recording", "ogg"),
    b"fL": ("a recording", "flac"),
    b"ID": ("a recording", "mp3"),
    b"PK": ("an archive (ZIP)", "zip"),
    b"%P": ("a document (PDF)", "pdf"),
}
CONTAINERS = ("zip", "pdf")

VIEW = "another view of the same moment, as cameras with two lenses and for panoramas store it"
MOST_LISTED = 16
LIST, ENTRIES, VIEWS, UNTOLD = b"MPF\0", 0xB002, "Multi-Frame", "Undefined"
"""Of the list of pictures in a JPEG (CIPA DC-007, MPO), by Pillow: parts of a panorama, of a pair for both eyes, or from other sides.
What is said to be no more than a picture is one of those where it is as large as the first, and no gain map."""

PARTS_OF_IT = (b"MPF\0", b"hdrgm", b"GainMap")
"""What a JPEG says that lists those behind it itself: previews, depth, and gain maps, which make it brighter on screens that can."""
HEADER = 1 << 18
"""Bytes in which it does."""

MOST_BOXES = 100_000

EBML = b"\x1a\x45\xdf\xa3"
MEDIA = ("image/", "video/", "audio/")
MOST_SUFFIX = 5

SUFFIXES = {"mjpeg": "jpg", "png": "png", "gif": "gif", "bmp": "bmp", "webp": "webp"}


def video_offset(path: Path) -> int | None:
    """Where in a picture file an embedded video begins, bytes; None without one."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(b"ftyp", 16)
        while place >= 0:
            if VIDEO_START.match(content, place - 4):
                return place - 4
            place = content.find(b"ftyp", place + 4)
    return None


def second_video(path: Path) -> int | None:
    """Where in an MP4 or QuickTime file a second one begins, behind the whole of the first: players pass over it. None without
    one. Fragments, and what is joined of them, are read on as one video."""
    seen: set[bytes] = set()
    place, size = 0, path.stat().st_size
    with path.open("rb") as file:
        for _ in range(MOST_BOXES):
            file.seek(place)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if length == 1:
                length = int.from_bytes(head[8:], "big")
            if kind == b"ftyp" and {b"moov", b"mdat"} <= seen:
                return place
            seen.add(kind)
            place += length
            if length < 8 or place >= size or kind == b"moof":
                return None
    return None


class Carried(NamedTuple):
    """A file within a picture file: where it begins and ends, bytes (None: with the file); what it is, in words; its ending."""

    start: int
    end: int | None
    title: str
    suffix: str


def carried_by_picture(path: Path) -> list[Carried]:
    """What a picture file carries along, in the order of the file."""
    entries = _entries(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        listed = [_Listed.at(content, *entry) for entry in entries]
        found = [Carried(one.start, one.end, VIEW, "jpg") for one in listed if _is_view(content, one)]
        behind = _behind(content, [one.end for one in listed])
    if behind is not None:
        found.append(behind)
    if (behind is None or behind.suffix not in CONTAINERS) and (start := video_offset(path)) is not None:
        found.append(Carried(start, None, "video of a moving photo", "mp4"))
    return found


def _entries(path: Path) -> list[tuple[int, int, str]]:
    """Of each picture behind the first that a JPEG lists: its place behind the beginning of the list, its length, bytes, and Pillow's
    name of its kind; none where it lists none."""
    try:
        with Image.open(path, formats=("JPEG", "MPO")) as picture:
            entries = picture.mpinfo[ENTRIES] if picture.format == "MPO" else []  # type: ignore[attr-defined]
            return [
                (one["DataOffset"], one["Size"], one["Attribute"]["MPType"]) for one in entries[1 : MOST_LISTED + 1]
            ]
    except BROKEN_PICTURE:
        return []


class _Listed(NamedTuple):
    """A picture that a JPEG lists: where it begins and ends, bytes, and Pillow's name of its kind."""

    start: int
    end: int
    kind: str

    @classmethod
    def at(cls, content: mmap.mmap, place: int, length: int, kind: str) -> _Listed:
        """Its own end counts, as far as it has one: lengths may be wrong."""
        start = content.find(LIST, 0, HEADER) + len(LIST) + place
        picture = content[start : start + length]
        return cls(start, start + (end_of_jpeg(picture) or len(picture)), kind)


def _is_view(content: mmap.mmap, listed: _Listed) -> bool:
    picture = content[listed.start : listed.end]
    if listed.kind == UNTOLD and not any(picture.find(one, 0, HEADER) >= 0 for one in PARTS_OF_IT):
        return _size(picture) == _size(content[:HEADER]) is not None
    return listed.kind.startswith(VIEWS)


def _size(picture: bytes) -> tuple[int, int] | None:
    """Width and height in px of the JPEG that begins here."""
    try:
        with Image.open(io.BytesIO(picture), formats=("JPEG",)) as opened:
            return opened.size
    except BROKEN_PICTURE:
        return None


def _behind(content: mmap.mmap, ends: Sequence[int]) -> Carried | None:
    """The file behind the end of a picture. ends: of the pictures that it lists itself, bytes."""
    jpeg = content[:2] == b"\xff\xd8"
    if jpeg:
        # A thumbnail within it has an end of its own.
        found = BEHIND_JPEG.match(content, max([end_of_jpeg(content) or len(content), *ends]))
    else:
        found = BEHIND_PNG.search(content)
    if found is None:
        return None
    mark = found[1]
    title, suffix = KINDS[mark[8:] if mark[:4] == b"RIFF" else mark[:2]]
    if jpeg and suffix == "jpg" and not ends and any(content.find(one, 0, HEADER) >= 0 for one in PARTS_OF_IT):
        return None
    return Carried(found.start(1), None, BEHIND.format(title), suffix)


def embedded_tracks(path: Path) -> tuple[TrackInfo, ...]:
    """The files that a picture file carries along."""
    return tuple(
        TrackInfo(number=number, kind=TrackKind.EMBEDDED, title=carried.title)
        for number, carried in enumerate(carried_by_picture(path), 1)
    )


def embedded_files(path: Path, name: str, limits: MediaLimits) -> list[tuple[str, bytes]]:
    """A file name and the bytes of each picture or video that is carried along, to be examined as evidence of its own, and of an
    archive or a document.

    Raises: UnreadableMediaError, DecodeStalledError for recordings that cannot be opened.
    """
    stem = Path(name).stem
    with path.open("rb") as file:
        head = file.read(64)
    if VIDEO_START.match(head):
        start = second_video(path)
        found = [] if start is None else [Carried(start, None, "", "mp4")]
    else:
        found = [] if head.startswith(EBML) else carried_by_picture(path)
    if found:
        content = path.read_bytes()
        return [
            (f"{stem}-embedded{number if number > 1 else ''}.{one.suffix}", content[one.start : one.end])
            for number, one in enumerate(found, 1)
        ]

    def work(pulse: Pulse) -> list[tuple[str, bytes]]:
        return [
            (f"{stem}-track{number}.{suffix}", content)
            for number, suffix, content in _covers(path, name, limits, pulse)
        ]

    return guarded_call(work, path, name=name, stall_s=limits.stall_s)


def attached(container: InputContainer) -> list[AttachmentStream]:
    """Pictures, videos and recordings that a Matroska file carries as files; FFmpeg takes most pictures for covers."""
    found = [stream for stream in container.streams if stream.type == "attachment"]
    return [one for one in found if (one.mimetype or "").startswith(MEDIA)]  # type: ignore[attr-defined]


def _covers(path: Path, name: str, limits: MediaLimits, pulse: Pulse) -> Iterator[tuple[int, str, bytes]]:
    with open_container(path, name, limits) as container:
        for one in attached(container):
            yield one.index + 1, _suffix(one.name), one.data
        covers = [stream for stream in container.streams.video if is_cover(stream)]
        seen: set[int] = set()
        for packet in demuxed(container, covers, name, limits, pulse):
            if packet.size and packet.stream.index not in seen:
                seen.add(packet.stream.index)
                codec = packet.stream.codec_context.name if packet.stream.codec_context is not None else ""
                yield packet.stream.index + 1, SUFFIXES.get(codec, "bin"), bytes(packet)
            if len(seen) == len(covers):
                return


def _suffix(name: str | None) -> str:
    """Of an attached file, as far as it is a plain one."""
    suffix = Path(name or "").suffix[1:].lower()
    return suffix if suffix.isascii() and suffix.isalnum() and len(suffix) <= MOST_SUFFIX else "bin"
