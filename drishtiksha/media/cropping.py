"""The part of a stored picture that players show: the clean aperture of MP4, QuickTime and AVIF (ISO/IEC 14496-12, 23008-12), and the
cropping of Matroska (RFC 9559). What H.264 and HEVC crop themselves is left out by their decoders."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from drishtiksha.media.colour import SQUARE, Box, Shown
from drishtiksha.media.container import is_cover, path_of, pixel_aspect
from drishtiksha.media.ebml import SEGMENT, TRACKS, elements
from drishtiksha.media.items import aperture_of_item, boxes, first_box

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

DESCRIPTION = (b"mdia", b"minf", b"stbl", b"stsd")
SIZE_IN_ENTRY, ENTRY_HEAD = 24, 78
"""Of the description of a moving picture: where its width and height stand, and how long it is without boxes."""
CLAP_BYTES = 32
PADDING = 1
"""Pixels by which encoders fill up the sides of stills to even numbers."""

TRACK_ENTRY, TRACK_TYPE, VIDEO = 0xAE, 0x83, 0xE0
PIXEL_SIZE = (0xB0, 0xBA)
CROPS = (0x54CC, 0x54BB, 0x54DD, 0x54AA)
"""Left, top, right, bottom."""
MOVING_PICTURE = 1


MOST_LEFT_OUT = 0.125
"""Of a picture. Cameras and encoders leave out a few rows and columns; where it is more, what browsers show all the same must not be
kept from judgement."""
CROPPED = (
    "It says that {:.1%} of its stored picture, along the edges, is not to be shown. Many players and viewers follow that, and "
    "others, most browsers among them, show all; "
)
NOT_JUDGED, ALL_JUDGED = "what lies there was not judged.", "so that was judged, too."


class Crop(NamedTuple):
    """box: what is to be shown of a stored picture of `size`, px. stretch: by what the pixel aspect that FFmpeg tells is too small."""

    size: tuple[int, int]
    box: Box
    stretch: Fraction = SQUARE

    def shown(self, pixel_aspect: Fraction = SQUARE, *, followed: bool = False) -> Shown:
        """pixel_aspect: by FFmpeg. followed: the picture is cropped already, by its decoder."""
        share = 1 - (self.box.right - self.box.left) * (self.box.bottom - self.box.top) / (self.size[0] * self.size[1])
        followed = followed or share <= MOST_LEFT_OUT
        note = CROPPED.format(share) + (NOT_JUDGED if followed else ALL_JUDGED)
        return Shown(pixel_aspect * self.stretch, self.box if followed else None, note)


def shown(container: InputContainer, stream: VideoStream) -> Callable[[VideoFrame], Shown]:
    """A function that tells how each decoded picture is shown, called before the next is decoded."""
    crop = _crop_of(container, stream)
    if crop is None:
        return lambda _: Shown(pixel_aspect(container, stream))
    cropped = cache(crop.shown)  # by the pixel aspect, which seldom changes

    def of(frame: VideoFrame) -> Shown:
        aspect = pixel_aspect(container, stream)
        return cropped(aspect) if crop.size == (frame.width, frame.height) else Shown(aspect)

    return of


def crop_of_still(path: Path) -> Crop | None:
    """What is shown of an AVIF or HEIC picture, before any turn; None: all of it, but for what its encoder filled in."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = aperture_of_item(content)
    box = None if found is None else _aperture(*found)
    if found is None or box is None:
        return None
    wide, high = found[1]
    padded = wide - (box.right - box.left) <= PADDING and high - (box.bottom - box.top) <= PADDING
    return None if padded else Crop(found[1], box)


def _crop_of(container: InputContainer, stream: VideoStream) -> Crop | None:
    read = {"mov": _of_movie, "matroska": _of_matroska}.get(container.format.name.split(",")[0])
    if read is None:
        return None
    with path_of(container).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return read(content, stream)


def _of_movie(content: mmap.mmap, stream: VideoStream) -> Crop | None:
    movie = first_box(content, (0, len(content)), b"moov")
    for track in boxes(content, *movie) if movie else ():
        head = content[slice(*(first_box(content, track[1:], b"tkhd") or (0, 0)))]
        number = head[20:24] if head[:1] == b"\1" else head[12:16]
        if track[0] == b"trak" and int.from_bytes(number, "big") == stream.id:
            return _of_description(content, track[1:], head[-8:])
    return None


def _of_description(content: mmap.mmap, place: tuple[int, int], on_screen: bytes) -> Crop | None:
    """place: of the body of a track. on_screen: width and height that its header states, in 16.16 fixed point."""
    for kind in DESCRIPTION:
        inner = first_box(content, place, kind)
        if inner is None:
            return None
        place = inner
    entry = next(boxes(content, place[0] + 8, place[1]), None)
    if entry is None:
        return None
    _, begin, end = entry
    parts = {name: content[start:stop] for name, start, stop in boxes(content, begin + ENTRY_HEAD, end)}
    at = begin + SIZE_IN_ENTRY
    size = int.from_bytes(content[at : at + 2], "big"), int.from_bytes(content[at + 2 : at + 4], "big")
    box = _aperture(parts[b"clap"], size) if b"clap" in parts else None
    if box is None:
        return None
    stated = int.from_bytes(on_screen[:2], "big"), int.from_bytes(on_screen[4:6], "big")
    if b"pasp" in parts or stated == size or not all(stated):
        return Crop(size, box)
    # FFmpeg takes the size on screen for that of all that is stored.
    return Crop(size, box, Fraction(size[0] * (box.bottom - box.top), size[1] * (box.right - box.left)))


def _aperture(clap: bytes, size: tuple[int, int]) -> Box | None:
    """clap: width, height, and how far the middle lies to the right and below that of all, each as a fraction. None where
    that is all of the picture, or no part of it."""
    if len(clap) < CLAP_BYTES:
        return None
    values = [int.from_bytes(clap[at : at + 4], "big", signed=True) for at in range(0, CLAP_BYTES, 4)]
    if not all(values[1::2]):
        return None
    width, height, right, down = map(Fraction, values[::2], values[1::2])
    left, top = (size[0] - width) / 2 + right, (size[1] - height) / 2 + down
    return _within(Box(*map(round, (left, top, left + width, top + height))), size)


def _of_matroska(content: mmap.mmap, stream: VideoStream) -> Crop | None:
    moving = [one.index for one in stream.container.streams.video if not is_cover(one)]
    described = list(_pictures_of_matroska(content))
    if len(described) != len(moving) or stream.index not in moving:
        return None
    values = described[moving.index(stream.index)]
    width, height = (values.get(kind, 0) for kind in PIXEL_SIZE)
    left, top, right, bottom = (values.get(kind, 0) for kind in CROPS)
    box = _within(Box(left, top, width - right, height - bottom), (width, height))
    return None if box is None else Crop((width, height), box)


def _pictures_of_matroska(content: mmap.mmap) -> Iterator[dict[int, int]]:
    """What is said of the pixels of each moving picture, by the kind of element."""

    def inside(kind: int, start: int, end: int) -> Iterator[tuple[int, int]]:
        for one in elements(content, start, end):
            if one.kind == kind:
                yield one.start, min(one.stop or end, end)

    def numbers(start: int, end: int) -> dict[int, int]:
        found = elements(content, start, end)
        return {
            kind: int.from_bytes(content[begin : min(stop or end, begin + 8)], "big") for kind, begin, stop in found
        }

    segment = next(inside(SEGMENT, 0, len(content)), None)
    tracks = next(inside(TRACKS, *segment), None) if segment else None
    for entry in inside(TRACK_ENTRY, *tracks) if tracks else ():
        if numbers(*entry).get(TRACK_TYPE) == MOVING_PICTURE:
            yield next((numbers(*video) for video in inside(VIDEO, *entry)), {})


def _within(box: Box, size: tuple[int, int]) -> Box | None:
    """None where it is all of a picture of this size, or no part of it."""
    inside = 0 <= box.left < box.right <= size[0] and 0 <= box.top < box.bottom <= size[1]
    return box if inside and box != (0, 0, *size) else None
