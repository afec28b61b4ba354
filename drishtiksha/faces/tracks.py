"""Which faces of a video's samples are the same person's, so that each person is judged separately.

By place, motion and size from sample to sample, with the best pairing of all faces at once (Hungarian method), as in
SORT (Bewley et al., ICIP 2016, arXiv:1602.00763); a look at the colours around the face ends a track at a scene cut.
It follows faces, it recognises nobody: who leaves and comes back is a new track, which `joining` may join to the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from drishtiksha.contract import Face
from drishtiksha.people import overlap

MAX_GAP_S = 2.0
"""Seconds without a face after which a track ends. Finders lose a turned or covered face for about a second; after
two, somebody else may well stand there. The very next sample may come later than that (32 samples of a long video)."""
MIN_IOU = 0.1
"""Overlap that makes two boxes candidates for one person. Low, since the pairing decides between candidates: a head
turning at three samples a second keeps about 0.3."""
REACH_SIZES = 0.5
REACH_SIZES_PER_S = 5.0
MAX_REACH_SIZES = 2.5
"""How far from where it is expected a face without overlap may be, in face sizes: some jitter, and what walking
across the picture covers (1.2 m/s is about 5 faces of 0.24 m a second), but never so far that any neighbour will do."""
MAX_SIZE_RATIO = 1.7
"""A face further or nearer than this between two samples is another: twice the size means half the distance."""
VELOCITY_MEMORY = 0.5
"""Weight of the older motion against the newest step; evens out the finder's jitter."""
MAX_PREDICTION_S = 1.0
"""A motion is followed no longer than this: people stop and turn."""
MAX_APPEARANCE_DISTANCE = 0.65
MAX_APPEARANCE_DISTANCE_APART = 0.45
"""Looks further apart than this are not one person's: at the same place (a scene cut), and without overlap, where the
place alone says little (see `appearance_distance`). Chosen on two clips so that people are kept apart rather than
kept whole: a person in two pieces is still judged rightly, two people in one are not."""
APPEARANCE_WEIGHT = 4.0
"""Of the difference in looks in a pair's cost, against the distance in face sizes."""
APPEARANCE_LEVELS = 6
"""Levels per colour channel, evenly in the square root, so that dark scenes have more than one."""
APPEARANCE_PX = 8
"""Side of the thumbnail: coarse enough to ride out small turns of the head."""
APPEARANCE_MARGIN = 0.5
"""What the appearance takes in on each side of the box, as a fraction of its side: hair, collar and some background."""
APPEARANCE_SIZE = APPEARANCE_LEVELS**3 + 3 * APPEARANCE_PX**2
_IMPOSSIBLE = 1e6


@dataclass(frozen=True)
class Track:
    """One person followed through a video. `person` counts from 1; `samples` is how many samples show them."""

    person: int
    first_s: float
    last_s: float
    samples: int


@dataclass
class _Following:
    """A person while the samples are gone through; boxes are xyxy px, `velocity` is px a second."""

    person: int
    first_s: float
    last_s: float
    last_index: int
    samples: int
    box: np.ndarray
    velocity: np.ndarray | None
    appearance: np.ndarray | None

    def expected(self, time_s: float) -> np.ndarray:
        """Where the box will be if the motion goes on."""
        if self.velocity is None:
            return self.box
        return self.box + np.tile(self.velocity * min(time_s - self.last_s, MAX_PREDICTION_S), 2)

    def see(self, index: int, time_s: float, box: np.ndarray, appearance: np.ndarray | None) -> None:
        elapsed = time_s - self.last_s
        if elapsed > 0:
            step = (_centre(box) - _centre(self.box)) / elapsed
            older = step if self.velocity is None else self.velocity
            self.velocity = VELOCITY_MEMORY * older + (1 - VELOCITY_MEMORY) * step
        self.box, self.last_s, self.last_index = box, time_s, index
        self.appearance = self.appearance if appearance is None else appearance
        self.samples += 1


def face_appearance(frame: np.ndarray, face: Face) -> np.ndarray:
    """The looks of a face and what is around it, for `assign_people`: its colours, and where they are.

    frame: uint8 RGB (H, W, 3). Returns float32 (408,): the square roots of a colour histogram that sums to 1, then a
    thumbnail of mean 0 and length 1. All 0 for a box outside the frame.
    """
    height, width = frame.shape[:2]
    x0, y0, x1, y1 = face.box
    margin_x, margin_y = APPEARANCE_MARGIN * (x1 - x0), APPEARANCE_MARGIN * (y1 - y0)
    top, bottom = (int(np.clip(y, 0, height)) for y in (y0 - margin_y, y1 + margin_y))
    left, right = (int(np.clip(x, 0, width)) for x in (x0 - margin_x, x1 + margin_x))
    if bottom <= top or right <= left:
        return np.zeros(APPEARANCE_SIZE, np.float32)
    # A thousand pixels tell the colours as well as a million do.
    small = cv2.resize(frame[top:bottom, left:right], (4 * APPEARANCE_PX,) * 2, interpolation=cv2.INTER_AREA)
    levels = (np.sqrt(small.reshape(-1, 3) / 256) * APPEARANCE_LEVELS).astype(np.int64)
    bins = levels @ np.array([APPEARANCE_LEVELS**2, APPEARANCE_LEVELS, 1])
    colours = np.sqrt(np.bincount(bins, minlength=APPEARANCE_LEVELS**3) / len(bins))
    thumbnail = cv2.resize(small, (APPEARANCE_PX,) * 2, interpolation=cv2.INTER_AREA).reshape(-1, 3) / 255
    thumbnail -= thumbnail.mean(axis=0)
    # What has no contrast at all looks like nothing, instead of like its noise.
    thumbnail /= np.linalg.norm(thumbnail) + 1e-3
    return np.concatenate([colours, thumbnail.ravel()]).astype(np.float32)


def appearance_distance(one: np.ndarray, other: np.ndarray) -> float:
    """0 for the same looks; 2 at most: up to 1 for the colours (Hellinger distance), up to 1 for where they are.

    Measured on faces of street_faces_1080p.mp4 and stage_360p.mp4 in samples 0.32 s apart: 0.18 in the middle and
    0.58 at the 99th percentile for one person, 0.57 in the middle for neighbours.
    """
    bins = APPEARANCE_LEVELS**3
    colours = float(np.sqrt(max(1 - float(one[:bins] @ other[:bins]), 0)))
    return colours + 0.5 * (1 - float(one[bins:] @ other[bins:]))


def assign_people(
    times: Sequence[float],
    faces: Sequence[Sequence[Face]],
    appearance: Sequence[Sequence[np.ndarray]] | None = None,
) -> tuple[list[tuple[int, ...]], list[Track]]:
    """Number the people of a video from 1 in the order in which they appear, at one time the larger face first.

    times: seconds of each sample, ascending. faces: those of each sample, any number. appearance: the looks of
    each face (`face_appearance`); without it, a face at the same place after a scene cut counts as the same person.
    Returns for each sample the person of each of its faces, and the people.
    Raises: ValueError when the lengths differ or the times go backwards.
    """
    _check(times, faces, appearance)
    people: list[_Following] = []
    numbers: list[tuple[int, ...]] = []
    for index, (time_s, found) in enumerate(zip(times, faces, strict=True)):
        boxes = np.array([face.box for face in found], dtype=np.float64).reshape(-1, 4)
        looks = list(appearance[index]) if appearance is not None else [None] * len(found)
        active = [p for p in people if time_s - p.last_s <= MAX_GAP_S or p.last_index == index - 1]
        owner: dict[int, _Following] = {}
        for person, face in _pairs(active, time_s, boxes, looks):
            active[person].see(index, time_s, boxes[face], looks[face])
            owner[face] = active[person]
        for face in sorted(set(range(len(found))) - set(owner), key=lambda f: -_size(boxes[f])):
            owner[face] = _Following(
                len(people) + 1, time_s, time_s, index, 1, boxes[face], velocity=None, appearance=looks[face]
            )
            people.append(owner[face])
        numbers.append(tuple(owner[face].person for face in range(len(found))))
    return numbers, [Track(p.person, p.first_s, p.last_s, p.samples) for p in people]


def _check(
    times: Sequence[float], faces: Sequence[Sequence[Face]], appearance: Sequence[Sequence[np.ndarray]] | None
) -> None:
    if len(times) != len(faces):
        raise ValueError(f"{len(times)} times for {len(faces)} samples; wanted one each")
    if any(later < earlier for earlier, later in pairwise(times)):
        raise ValueError("the samples must be in the order of their times")
    if appearance is not None and [len(looks) for looks in appearance] != [len(found) for found in faces]:
        raise ValueError("wanted one appearance for each face of each sample")


def _pairs(
    active: list[_Following], time_s: float, boxes: np.ndarray, looks: Sequence[np.ndarray | None]
) -> list[tuple[int, int]]:
    """The cheapest pairing of people and faces, as indices, without the impossible pairs."""
    if not active or not len(boxes):
        return []
    from scipy.optimize import linear_sum_assignment  # here, because the first page need not wait for it

    costs = np.array([[_cost(p, time_s, box, look) for box, look in zip(boxes, looks, strict=True)] for p in active])
    rows, columns = linear_sum_assignment(costs)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if costs[r, c] < _IMPOSSIBLE]


def _cost(person: _Following, time_s: float, box: np.ndarray, look: np.ndarray | None) -> float:
    """How badly a face fits a person: from -1 (the very place expected); `_IMPOSSIBLE` when it cannot be them."""
    sizes = _size(person.box), _size(box)
    if min(sizes) <= 0 or max(sizes) / min(sizes) > MAX_SIZE_RATIO:
        return _IMPOSSIBLE
    expected, gap_s = person.expected(time_s), time_s - person.last_s
    iou, distance = (
        float(overlap(expected, box)),
        float(np.linalg.norm(_centre(expected) - _centre(box))) / float(np.mean(sizes)),
    )
    # Motion is a guess: a face that stayed where it was fits as well.
    overlaps = max(iou, float(overlap(person.box, box))) >= MIN_IOU
    reach = min(REACH_SIZES + REACH_SIZES_PER_S * gap_s, MAX_REACH_SIZES) if gap_s <= MAX_GAP_S else 0.0
    if not overlaps and distance > reach:
        return _IMPOSSIBLE
    looks = 0.0
    if person.appearance is not None and look is not None:
        looks = appearance_distance(person.appearance, look)
        if looks > (MAX_APPEARANCE_DISTANCE if overlaps else MAX_APPEARANCE_DISTANCE_APART):
            return _IMPOSSIBLE
    return distance + abs(np.log2(sizes[0] / sizes[1])) + APPEARANCE_WEIGHT * looks - iou


def _centre(box: np.ndarray) -> np.ndarray:
    return (box[:2] + box[2:]) / 2


def _size(box: np.ndarray) -> float:
    """Side of the square with the same area, px."""
    return float(np.sqrt(np.prod(np.clip(box[2:] - box[:2], 0, None))))
