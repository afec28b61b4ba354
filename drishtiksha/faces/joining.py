"""Which of the tracks that `assign_people` made are probably one person's, seen again in the same shot or place.

No network that recognises people is at hand. Told are only faces that look nearly the same in pose, light and surroundings: a
repeated shot, or the same shot before and after a cut. Whoever comes back in another pose or place stays a person of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from drishtiksha.contract import Face
from drishtiksha.faces.align import BENCH_TEMPLATE, WIDENED, similarity
from drishtiksha.faces.tracks import APPEARANCE_LEVELS

SIDE_PX = 128
EDGE_PX = 8
LIKENESS_PX = 32
"""The face is turned upright at `SIDE_PX`, cut by `EDGE_PX` on each side, and compared at this size."""
BLUR_PX = LIKENESS_PX / 6
"""Brightness that changes more slowly than this over the face is light, not face."""
DARKEST = 8.0
"""Added to brightness before its logarithm, so that noise in the dark counts little."""
LEAST_LIKENESS = 0.8
MOST_LOOKS = 0.3
"""Faces at least so alike (correlation), and no further apart in what surrounds them (`appearance_distance`), are joined.
Measured: of 31,372 pairs of faces from two of thirteen scenes and of 38,503 pairs of portraits none is (of the scenes the
likest have 0.72). In eleven clips of one person in one shot 14 % to 93 % of the pairs half a second or more apart are, and so
both halves of each clip; not those of a clip in which the person walks and turns."""
MOST_SAMPLES = 16
"""Faces of a track that are compared, evenly spread."""
MOST_TRACKS = 256
"""The longest so many tracks are compared with one another."""

_PLACES = (BENCH_TEMPLATE - 0.5) / WIDENED + 0.5
_POINTS = np.array([_PLACES[0], _PLACES[1], _PLACES[3:].mean(axis=0)]) * SIDE_PX


def face_likeness(frame: np.ndarray, face: Face) -> np.ndarray:
    """The pattern of a face turned upright, for `join_tracks`: float32 (1024,) of mean 0 and length 1.

    frame: uint8 RGB (H, W, 3). All 0, like nothing, for a face without keypoints.
    """
    if face.keypoints is None or len(face.keypoints) < 4:
        return np.zeros(LIKENESS_PX**2, np.float32)
    mouth = face.keypoints[3:5].mean(axis=0) if len(face.keypoints) == 5 else face.keypoints[3]
    matrix = similarity(np.stack([face.keypoints[0], face.keypoints[1], mouth]), _POINTS)
    upright = cv2.warpAffine(frame, matrix, (SIDE_PX, SIDE_PX), borderMode=cv2.BORDER_REPLICATE)
    grey = cv2.cvtColor(upright[EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX], cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = np.log(cv2.resize(grey, (LIKENESS_PX,) * 2, interpolation=cv2.INTER_AREA) + DARKEST)
    small -= cv2.GaussianBlur(small, (0, 0), BLUR_PX)
    small -= small.mean()
    return (small / (np.linalg.norm(small) + 1e-3)).ravel().astype(np.float32)


def join_tracks(
    numbers: Sequence[Sequence[int]],
    looks: Sequence[Sequence[np.ndarray]],
    likeness: Sequence[Sequence[np.ndarray]],
    apart: frozenset[int] = frozenset(),
) -> dict[int, int]:
    """Track to person, persons numbered from 1 in the order of their first tracks.

    numbers: of each sample the track of each face, as `assign_people` gives them. looks, likeness: of each face, as
    `face_appearance` and `face_likeness` give them. Tracks that are seen in one sample are never one person's. apart: tracks
    that are joined with one another alone.
    """
    seen: dict[int, list[tuple[int, int]]] = {}
    for sample, tracks in enumerate(numbers):
        for face, track in enumerate(tracks):
            seen.setdefault(track, []).append((sample, face))
    group = {track: {track} for track in seen}
    samples = {track: {sample for sample, _ in places} for track, places in seen.items()}
    for one, other in _alike(seen, looks, likeness):
        mine, theirs = group[one], group[other]
        if mine is theirs or (one in apart) != (other in apart):
            continue
        if set().union(*(samples[t] for t in mine)) & set().union(*(samples[t] for t in theirs)):
            continue
        mine |= theirs
        for track in theirs:
            group[track] = mine
    firsts = sorted({min(tracks) for tracks in group.values()})
    person = {first: number for number, first in enumerate(firsts, start=1)}
    return {track: person[min(tracks)] for track, tracks in group.items()}


def _alike(
    seen: dict[int, list[tuple[int, int]]],
    looks: Sequence[Sequence[np.ndarray]],
    likeness: Sequence[Sequence[np.ndarray]],
) -> list[tuple[int, int]]:
    """Pairs of tracks with a pair of faces that is alike, the likest first."""
    tracks = sorted(sorted(seen, key=lambda track: -len(seen[track]))[:MOST_TRACKS])
    if len(tracks) < 2:
        return []
    shown = {track: _spread(seen[track]) for track in tracks}
    places = [place for track in tracks for place in shown[track]]
    patterns = np.array([likeness[sample][face] for sample, face in places])
    appearance = np.array([looks[sample][face] for sample, face in places])
    begin = np.cumsum([0, *(len(shown[track]) for track in tracks)])
    found: list[tuple[float, int, int]] = []
    for i, one in enumerate(tracks[:-1]):
        own, rest = slice(begin[i], begin[i + 1]), slice(begin[i + 1], None)
        alike = patterns[own] @ patterns[rest].T
        alike[_apart(appearance[own], appearance[rest]) > MOST_LOOKS] = 0.0
        best = np.maximum.reduceat(alike.max(axis=0), begin[i + 1 : -1] - begin[i + 1])
        found += [(-best[j], one, tracks[i + 1 + j]) for j in np.flatnonzero(best >= LEAST_LIKENESS)]
    return [(one, other) for _, one, other in sorted(found)]


def _spread(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    chosen = np.linspace(0, len(places) - 1, min(len(places), MOST_SAMPLES)).astype(int)
    return [places[i] for i in chosen]


def _apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`appearance_distance` of each of (N, 408) with each of (M, 408)."""
    bins = APPEARANCE_LEVELS**3
    colours = np.sqrt(np.clip(1 - one[:, :bins] @ other[:, :bins].T, 0, None))
    return colours + 0.5 * (1 - one[:, bins:] @ other[:, bins:].T)
