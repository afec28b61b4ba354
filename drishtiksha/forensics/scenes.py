"""Where the scenes of a video begin: frames that look unlike the ones before them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from drishtiksha.contract import Face
from drishtiksha.faces.tracks import appearance_distance, face_appearance
from drishtiksha.media.decode import Frame
from drishtiksha.media.frameindex import FrameIndex
from drishtiksha.media.reader import Reader

CUT = 0.4
"""From this `appearance_distance` between neighbouring frames on a new scene begins. Measured on whole frames: at most 0.29
within scenes (a stage with a moving camera, a street, moved portraits), 0.59 to 1.08 at seven cuts."""
LEAST_CHANGE = 6.0
"""Grey levels that neighbouring frames differ by on average, at a cut. Of a plain slide, whose one colour lies between two
levels of the histogram, the colours alone would flicker."""
SMALL = (16, 16)
MOST_COMPARED = 400
"""Frames that are compared in the first pass, evenly over the file; between two that differ all are."""
MOST_SCENES = 24
BUDGET_S = 20.0


@dataclass(frozen=True)
class Scene:
    """The first frame of a scene. strength: how unlike the frame before it, 0 to 2; 0 of the very first one."""

    frame_index: int
    time_s: float
    strength: float


@dataclass(frozen=True)
class Scenes:
    """scenes: in the order of time, at most `MOST_SCENES`, the strongest. until_s: how far was looked. step_s: what is shorter
    may have been missed; 0 where every frame was compared. found: how many there were."""

    scenes: tuple[Scene, ...]
    found: int
    until_s: float
    step_s: float


@dataclass(frozen=True)
class _Looks:
    """The colours of a whole frame, and where they are; and the frame, very small, float32."""

    appearance: np.ndarray
    small: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray) -> _Looks:
        height, width = image.shape[:2]
        appearance = face_appearance(image, Face((0.0, 0.0, float(width), float(height)), 1.0))
        return cls(appearance, cv2.resize(image, SMALL, interpolation=cv2.INTER_AREA).astype(np.float32))

    def distance(self, other: _Looks) -> float:
        """`appearance_distance`; 0 where hardly a pixel changed."""
        change = float(np.abs(self.small - other.small).mean())
        return appearance_distance(self.appearance, other.appearance) if change >= LEAST_CHANGE else 0.0


def find_scenes(reader: Reader, budget_s: float = BUDGET_S) -> Scenes:
    """The beginnings of the scenes. Where the time is up, as far as it got.

    Raises: MediaError and its kinds, WrongMediaKindError without a moving picture.
    """
    index, ends_at = reader.index(), time.monotonic() + budget_s
    step = -(-len(index) // MOST_COMPARED) or 1
    first, coarse, last = _compared(reader, index, range(0, len(index), step), ends_at)
    until_s = last.time_s if last is not None else 0.0
    cuts = [scene for _, scene in coarse] if step == 1 else _refined(reader, index, coarse, ends_at)
    kept = sorted(cuts, key=lambda scene: scene.strength, reverse=True)[: MOST_SCENES - 1]
    head = [] if first is None else [Scene(first.index, first.time_s, 0.0)]
    return Scenes(
        scenes=(*head, *sorted(kept, key=lambda scene: scene.frame_index)),
        found=len(head) + len(cuts),
        until_s=until_s,
        step_s=step * index.frame_s if step > 1 else 0.0,
    )


def _refined(reader: Reader, index: FrameIndex, coarse: Sequence[tuple[int, Scene]], ends_at: float) -> list[Scene]:
    """The cuts between each two frames that differ; a slow change, or a moving camera, has none."""
    cuts: list[Scene] = []
    for before, scene in sorted(coarse, key=lambda pair: pair[1].strength, reverse=True)[:MOST_SCENES]:
        _, found, _ = _compared(reader, index, range(before, scene.frame_index + 1), ends_at)
        cuts += [one for _, one in found]
    return cuts


def _compared(
    reader: Reader, index: FrameIndex, wanted: Sequence[int], ends_at: float
) -> tuple[Frame | None, list[tuple[int, Scene]], Frame | None]:
    """The first frame, those that look unlike the wanted one before (with its index), and the last that was looked at."""
    first = last = None
    found: list[tuple[int, Scene]] = []
    before: _Looks | None = None
    with reader.frames(wanted, index=index) as frames:
        for frame in _until(frames, ends_at):
            looks = _Looks.of(frame.image)
            if before is not None and last is not None:
                strength = looks.distance(before)
                if strength >= CUT:
                    found.append((last.index, Scene(frame.index, frame.time_s, strength)))
            first, last, before = first or frame, frame, looks
    return first, found, last


def _until(frames: Iterator[Frame], ends_at: float) -> Iterator[Frame]:
    for frame in frames:
        yield frame
        if time.monotonic() > ends_at:
            return
