"""One piece of evidence: its bytes, hashed and kept unaltered, and its facts."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from drishtiksha.errors import MediaError, MediaLimitError, UnreadableMediaError
from drishtiksha.media.channels import MIXTURE, SoundPart
from drishtiksha.media.guard import no_check
from drishtiksha.media.probe import header_facts, probe
from drishtiksha.media.reader import Reader
from drishtiksha.results import MediaInfo, TrackKind, TrackScore
from drishtiksha.settings import MediaLimits

CHUNK = 1 << 20

MAX_NAME = 120
"""Characters of a display name."""

SUFFIXES = frozenset(
    [
        "3gp",
        "aac",
        "aif",
        "aiff",
        "amr",
        "avi",
        "avif",
        "bmp",
        "caf",
        "flac",
        "flv",
        "gif",
        "heic",
        "heif",
        "jp2",
        "jpeg",
        "jpg",
        "m4a",
        "m4v",
        "mkv",
        "mov",
        "mp3",
        "mp4",
        "mpeg",
        "mpg",
        "mts",
        "m2ts",
        "mxf",
        "oga",
        "ogg",
        "ogv",
        "opus",
        "png",
        "tif",
        "tiff",
        "ts",
        "wav",
        "weba",
        "webm",
        "webp",
        "wma",
        "wmv",
    ]
)
"""File endings that a copy may keep: players go by them, nothing here does."""


@dataclass(frozen=True)
class Evidence:
    """`path` holds the untouched bytes. `case_dir` is the folder made for them, None for a file examined in place. `track`:
    number of the only track to examine; None: all."""

    path: Path
    media: MediaInfo
    case_dir: Path | None = None
    track: int | None = None

    @classmethod
    def open(cls, path: Path, limits: MediaLimits, name: str | None = None, *, decodable: bool = True) -> Evidence:
        """Hash and probe a file where it lies; it is only read. decodable: refuse one whose pixels or sound cannot be decoded.

        Raises: UnreadableMediaError, MediaLimitError, DecodeStalledError.
        """
        name = display_name(name or path.name)
        with _open_regular(path, name, limits) as source:
            sha256 = _read_through(source, None, name, limits)
        try:
            return cls(path, probe(path, name, sha256, limits))
        except UnreadableMediaError:
            if decodable:
                raise
            return cls(path, header_facts(path, name, sha256, limits))

    @classmethod
    def take(cls, path: Path, cases_dir: Path, limits: MediaLimits, original_name: str | None = None) -> Evidence:
        """Copy and hash in one pass into `cases_dir/<random>/original.<suffix>`, read-only, and probe the copy.

        Of `original_name` only an allowed ending reaches the file system. Nothing is left behind on failure.

        Raises: UnreadableMediaError, MediaLimitError, DecodeStalledError.
        """
        name = display_name(original_name or path.name)
        with _open_regular(path, name, limits) as source:
            case_dir = cases_dir / secrets.token_hex(16)
            case_dir.mkdir(mode=0o700, parents=True)
            try:
                copy = case_dir / f"original{_safe_suffix(name)}"
                with copy.open("xb") as target:
                    sha256 = _read_through(source, target, name, limits)
                copy.chmod(stat.S_IRUSR)
                return cls(copy, probe(copy, name, sha256, limits), case_dir)
            except BaseException:
                shutil.rmtree(case_dir)
                raise

    def reader(self, limits: MediaLimits, check: Callable[[], None] = no_check, of: TrackScore | None = None) -> Reader:
        """What decodes this file. check: called several times a second meanwhile; raises to stop. of: the track or channels
        to decode, in place of the main or chosen ones."""
        number, weights = (self.track, None) if of is None else (of.track or self.track, of.weights)
        sound = weights is not None or self.is_sound(number)
        track = None if number is None else number - 1
        part = SoundPart(track, weights) if sound else MIXTURE
        return Reader(self.path, self.media.name, limits, check, None if sound else track, part)

    def is_sound(self, track: int | None) -> bool:
        """Whether the track of that number is a sound track."""
        return self.media.is_sound(track)

    def only(self, track: int) -> Evidence:
        """The same file, of which only that sound or picture track is examined. Raises: UnreadableMediaError without one."""
        shown = [one for one in self.media.tracks if one.kind in (TrackKind.SOUND, TrackKind.PICTURE)]
        if all(one.number != track for one in shown):
            numbers = ", ".join(str(one.number) for one in shown)
            there = f"its tracks are {numbers}" if shown else "it has not several to choose from"
            raise UnreadableMediaError(f"{self.media.name} has no sound or picture track {track}: {there}.")
        return replace(self, track=track)

    def verify(self) -> None:
        """Hash the bytes again.

        Raises: MediaError when they are no longer those that were taken in.
        """
        with self.path.open("rb") as source:
            sha256 = hashlib.file_digest(source, "sha256").hexdigest()
        if sha256 != self.media.sha256:
            raise MediaError(
                f"{self.media.name} is no longer the file that was taken in: its SHA-256 was {self.media.sha256} and is "
                f"now {sha256}. Do not rely on results of this case; start again from the original."
            )


def display_name(name: str) -> str:
    """The bare file name, fit to be shown: no folder, no control or direction-turning characters, limited in length."""
    bare = re.split(r"[/\\]", name)[-1]
    visible = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in bare)
    tidy = " ".join(visible.split())
    if tidy.strip(".") == "":
        return "unnamed"
    if len(tidy) <= MAX_NAME:
        return tidy
    stem, dot, suffix = tidy.rpartition(".")
    ending = dot + suffix if stem and len(suffix) <= 8 else ""
    return tidy[: MAX_NAME - 1 - len(ending)] + "…" + ending


def _safe_suffix(name: str) -> str:
    suffix = name.rpartition(".")[2].lower()
    return f".{suffix}" if suffix in SUFFIXES else ".bin"


def _open_regular(path: Path, name: str, limits: MediaLimits) -> BinaryIO:
    try:
        # Non-blocking, so that a pipe is seen for what it is instead of being waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UnreadableMediaError(f"{name} cannot be opened: {error.strerror}. Choose another file.") from error
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise UnreadableMediaError(f"{name} is not a file that can be examined. Choose a video, picture or recording.")
    if facts.st_size > limits.max_bytes:
        os.close(descriptor)
        raise too_big(name, limits)
    return os.fdopen(descriptor, "rb")


def _read_through(source: BinaryIO, target: BinaryIO | None, name: str, limits: MediaLimits) -> str:
    """Hash all of `source`, copying it to `target` on the way; the size is bounded again, as the file may be growing."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK):
        size += len(chunk)
        if size > limits.max_bytes:
            raise too_big(name, limits)
        digest.update(chunk)
        if target is not None:
            target.write(chunk)
    return digest.hexdigest()


def too_big(name: str, limits: MediaLimits) -> MediaLimitError:
    """Of a file of more than `limits.max_bytes`."""
    return MediaLimitError(
        f"{name} is larger than {limits.max_bytes / 1e6:g} MB, the most that is taken. Cut out the part in question."
    )
