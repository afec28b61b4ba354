"""Pictures of a case for a person to examine: one frame through a filter, and the first frames of its scenes.

They lie in the case's folder for derived copies and go with it. How many are kept, and how many are made at a time, is
bounded: whoever has a link may ask for them.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from pydantic import Field, ValidationError

from drishtiksha.errors import QueueFullError, UnreadableMediaError, WrongMediaKindError
from drishtiksha.forensics import Filter
from drishtiksha.forensics.filters import filtered
from drishtiksha.forensics.frames import frame_at
from drishtiksha.forensics.scenes import find_scenes
from drishtiksha.media.evidence import Evidence
from drishtiksha.report.files import once
from drishtiksha.results import Frozen, MediaKind
from drishtiksha.settings import MediaLimits

AT_ONCE = 2
WAIT_S = 20.0
"""How long somebody waits for others' pictures to be made."""
MOST_LOOKS = 48
MOST_BYTES = 300_000_000
"""Of all looks of a case; the newest one stays in any case."""
KEY_SIDE = 1600
"""px of the longer side of a key frame: what reverse image searches take."""
KEY_QUALITY = 90
BUSY = "Other pictures are being made. Try again in a moment."


class Look(Frozen):
    """A frame through a filter, as a PNG of the frame's own size."""

    filter: Filter
    time_s: float | None = Field(description="when the frame begins; None of a picture")
    frame_index: int
    width: int
    height: int
    path: Path


class KeyFrame(Frozen):
    """The first frame of a scene, as a JPEG."""

    time_s: float
    frame_index: int
    file: str = Field(description="its name in the folder for derived copies")


class KeyFrames(Frozen):
    """The scenes of a video."""

    frames: tuple[KeyFrame, ...]
    found: int = Field(description="how many scenes there are; the most marked of them are kept")
    until_s: float = Field(description="how far was looked before the time was up")
    step_s: float = Field(description="scenes shorter than this may have been missed; 0: every frame was looked at")


class Looks:
    """Makes them. One for a process, safe to share between threads."""

    def __init__(self, limits: MediaLimits) -> None:
        self._limits = limits
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def look(self, evidence: Evidence, folder: Path, through: Filter, time_s: float) -> Look:
        """Raises: WrongMediaKindError for sound; MediaError; QueueFullError where others wait already."""
        with self._in_turn():
            frame = frame_at(evidence, time_s, self._limits)
            path = once(folder / f"look-{frame.index}-{through.value}.png", partial(_write_png, frame.image, through))
            with contextlib.suppress(FileNotFoundError):
                os.utime(path)  # the looks that nobody asked for longest go first
            _forget(folder)
        height, width = frame.image.shape[:2]
        still = evidence.media.kind is MediaKind.IMAGE
        return Look(
            filter=through,
            time_s=None if still else frame.time_s,
            frame_index=frame.index,
            width=width,
            height=height,
            path=path,
        )

    def key_frames(self, evidence: Evidence, folder: Path) -> KeyFrames:
        """Found once for a case. Raises: WrongMediaKindError for what is no video; MediaError; QueueFullError."""
        media = evidence.media
        if media.kind is not MediaKind.VIDEO:
            raise WrongMediaKindError(f"{media.name} is no video, so that it has no scenes. Choose a video.")
        if (known := _known(folder)) is not None:
            return known
        with self._in_turn():
            if (known := _known(folder)) is not None:
                return known
            made = self._made(evidence, folder)
        once(_list_of(folder), lambda target: target.write_text(made.model_dump_json(), encoding="utf-8"))
        return made

    def _made(self, evidence: Evidence, folder: Path) -> KeyFrames:
        reader = evidence.reader(self._limits)
        found = find_scenes(reader)
        if not found.scenes:
            raise UnreadableMediaError(f"No frame of {evidence.media.name} can be decoded. Ask for another copy of it.")
        keys = []
        with reader.frames_at([scene.frame_index for scene in found.scenes]) as frames:
            for frame in frames:
                name = f"key-{frame.index}.jpg"
                once(folder / name, partial(_write_key, frame.image))
                keys.append(KeyFrame(time_s=frame.time_s, frame_index=frame.index, file=name))
        return KeyFrames(frames=tuple(keys), found=found.found, until_s=found.until_s, step_s=found.step_s)

    @contextlib.contextmanager
    def _in_turn(self) -> Iterator[None]:
        if not self._room.acquire(timeout=WAIT_S):
            raise QueueFullError(BUSY)
        try:
            yield
        finally:
            self._room.release()


def _write_png(image: np.ndarray, through: Filter, target: Path) -> None:
    """Every value as it is."""
    picture = filtered(image, through)
    target.write_bytes(cv2.imencode(".png", picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())


def _write_key(image: np.ndarray, target: Path) -> None:
    share = min(1.0, KEY_SIDE / max(image.shape[:2]))
    small = image if share == 1 else cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    packed = cv2.imencode(".jpg", np.asarray(small)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, KEY_QUALITY])[1]
    target.write_bytes(packed.tobytes())


def _list_of(folder: Path) -> Path:
    return folder / "key-frames.json"


def _known(folder: Path) -> KeyFrames | None:
    """None where they were not looked for yet, or by a version that kept other facts."""
    try:
        return KeyFrames.model_validate_json(_list_of(folder).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        _list_of(folder).unlink(missing_ok=True)
        return None


def _forget(folder: Path) -> None:
    """Delete the oldest looks beyond what a case may keep."""
    kept = held = 0
    for path in sorted(folder.glob("look-*.png"), key=_used, reverse=True):
        kept, held = kept + 1, held + _size(path)
        if kept > 1 and (kept > MOST_LOOKS or held > MOST_BYTES):
            path.unlink(missing_ok=True)


def _used(path: Path) -> float:
    """When somebody last asked for it; 0 for what is gone."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
