"""What a file is, from its content: kind, sizes, times, codecs. Limits are checked here, before anything is decoded."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from drishtiksha.errors import MediaLimitError, UnreadableMediaError
from drishtiksha.media.bounds import check_movie
from drishtiksha.media.embedded import embedded_tracks
from drishtiksha.media.faults import BY_PIXELS, Fault
from drishtiksha.media.formats import format_of, refuse_others
from drishtiksha.media.guard import Pulse, guarded_call
from drishtiksha.media.image import ORIENTATION, exif_of, fault_of, load_pixels, open_picture, shown_of
from drishtiksha.media.joined import check_joined
from drishtiksha.media.notes import check_notes
from drishtiksha.media.partial import BROKEN_PICTURE
from drishtiksha.media.programs import check_programs
from drishtiksha.media.stillcolour import EXIF_IFD
from drishtiksha.media.tracks import fact, track_facts
from drishtiksha.results import MediaInfo, MediaKind
from drishtiksha.settings import MediaLimits

TURNS = {3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270}
"""EXIF orientation to the clockwise turn that it asks for; 2, 4, 5 and 7 are mirrored left-right before it."""

NO_END = "Its end is missing, as after a transfer that broke off; all of the picture is there."
OUT_OF_STEP = "Its data are damaged: parts of the picture are shifted, of wrong colour, or not what was stored."
CUT_OFF = "It is cut off or damaged: {:.0%} of the picture or of its detail could be decoded; the rest was not judged."

EXIF_SOFTWARE, EXIF_DATE_TIME, EXIF_TAKEN = 0x0131, 0x0132, 0x9003


def probe(path: Path, name: str, sha256: str, limits: MediaLimits) -> MediaInfo:
    """Facts of the file at `path`; `name` and `sha256` are passed on.

    The kind follows the content, never the file ending. Animated GIF, WebP, PNG and AVIF are pictures: the first one is
    examined, and `frame_count` above 1 tells that there are more. A song with cover art is a recording.

    Raises: UnreadableMediaError, MediaLimitError, DecodeStalledError.
    """
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise UnreadableMediaError(f"{name} is not a file that can be examined. Choose a video, picture or recording.")
    if facts.st_size == 0:
        raise UnreadableMediaError(
            f"{name} is empty (0 bytes). Get the original file again; the transfer may have failed."
        )
    if facts.st_size > limits.max_bytes:
        raise MediaLimitError(f"{name} is larger than {limits.max_bytes / 1e6:g} MB, the most that is taken.")
    known: dict[str, Any] = {"name": name, "sha256": sha256, "size_bytes": facts.st_size}

    def work(pulse: Pulse) -> MediaInfo:
        try:
            facts, form, share, decoded = _of_pixels(path, name, limits)
            pulse.beat()
            left = _what_is_left(fault_of(path, form, share, decoded))
            notes = (*facts.pop("notes"), *left.pop("notes", ()))
            return MediaInfo(**known, **facts, **left, notes=notes, tracks=embedded_tracks(path))
        except UnidentifiedImageError:
            refuse_others(path, name)
            check_movie(path, name)
            check_notes(path, name)
            check_joined(path, name)
            check_programs(path, name)
            return MediaInfo(**known, **track_facts(path, name, limits, pulse))

    return guarded_call(work, path, name=name, stall_s=limits.stall_s)


def _of_pixels(
    path: Path, name: str, limits: MediaLimits
) -> tuple[dict[str, Any], str, float | None, Image.Image | None]:
    """Facts of a picture, Pillow's name of its format, what `load_pixels` says of its pixels, and these, where faults show in them;
    others are let go before they are decoded once more."""
    with open_picture(path, name, limits) as picture:
        decoded, share = load_pixels(picture, path, name)
        form = str(picture.format)
        return _picture_facts(picture, path), form, share, decoded if form in BY_PIXELS else None


def header_facts(path: Path, name: str, sha256: str, limits: MediaLimits) -> MediaInfo:
    """What the beginning of a file tells, where `probe` refuses it since its pixels or sound cannot be decoded.

    Raises: UnreadableMediaError when not even its format is known; MediaLimitError.
    """
    known: dict[str, Any] = {"name": name, "sha256": sha256, "size_bytes": path.stat().st_size}

    def work(_: Pulse) -> MediaInfo:
        with open_picture(path, name, limits) as picture:
            return MediaInfo(**known, **_picture_facts(picture, path))

    try:
        return guarded_call(work, path, name=name, stall_s=limits.stall_s)
    except UnreadableMediaError:
        form = format_of(path)
        if form is None:
            raise
        return MediaInfo(**known, kind=form.kind, container=form.container)


def _picture_facts(picture: Image.Image, path: Path) -> dict[str, Any]:
    exif = exif_of(picture)
    orientation = exif.get(ORIENTATION, 1)
    on_screen, stored = shown_of(picture, path)
    size = on_screen.size(*picture.size)
    width, height = size if orientation not in (5, 6, 7, 8) else size[::-1]
    pages = _pages(picture)
    return {
        "kind": MediaKind.IMAGE,
        "container": "jpeg" if picture.format == "MPO" else str(picture.format).lower(),
        "width": width,
        "height": height,
        "stored_size": None if on_screen.box is None else stored,
        "shown_box": on_screen.box,
        "notes": (on_screen.note,) if on_screen.note else (),
        "frame_count": pages,
        "rotation_deg": TURNS.get(orientation, 0),
        "pixel_format": picture.mode,
        "encoder": fact(exif.get(EXIF_SOFTWARE)),
        "created": fact(exif.get_ifd(EXIF_IFD).get(EXIF_TAKEN) or exif.get(EXIF_DATE_TIME)),
    }


def _what_is_left(fault: Fault | None) -> dict[str, Any]:
    if fault is None:
        return {}
    if fault.share == 1:
        return {"damaged": fault.damaged, "notes": (OUT_OF_STEP if fault.damaged else NO_END,)}
    return {"decoded_share": fault.share, "damaged": fault.damaged, "notes": (CUT_OFF.format(fault.share),)}


def _pages(picture: Image.Image) -> int:
    """Pictures of an animation, or pages; 1 also where the file is damaged beyond the first."""
    try:
        return getattr(picture, "n_frames", 1) if picture.format != "MPO" else 1
    except BROKEN_PICTURE:
        return 1
