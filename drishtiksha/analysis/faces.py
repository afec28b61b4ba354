"""The faces that a plan asks for, with landmarks where these are wanted, and which of them belong to one person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np

from drishtiksha.contract import Face, FaceRequest, Sample
from drishtiksha.faces.fitness import usable_faces
from drishtiksha.faces.joining import face_likeness, join_tracks
from drishtiksha.faces.landmarks import FaceMesh
from drishtiksha.faces.tracks import APPEARANCE_SIZE, assign_people, face_appearance
from drishtiksha.results import GapReason, SampleScore
from drishtiksha.scoring import middle_mean
from drishtiksha.settings import EMBEDDED_DIR

STEADY = 5
"""Samples in which a track must be suspicious to be told by itself: in a few a genuine face may be, by its pose or light."""

Finder = Callable[[np.ndarray], list[Face]]


def find_faces(frame: np.ndarray, request: FaceRequest) -> tuple[tuple[Face, ...], GapReason | None]:
    """The faces of an RGB frame that meet the request, largest first; when there are none, why."""
    return FaceMemo().find(frame, request, None)


class FaceMemo:
    """Faces and landmarks of the frames of one file, found once for every request that the same finder serves."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], list[Face]] = {}
        self._marked: dict[tuple[object, ...], Face] = {}

    def find(
        self, frame: np.ndarray, request: FaceRequest, frame_index: int | None
    ) -> tuple[tuple[Face, ...], GapReason | None]:
        """As `find_faces`, for the frame `frame_index` of the file (None: its one picture)."""
        halved = request.halve_from is not None and max(frame.shape[:2]) >= request.halve_from
        least = _least_px(request, halved)
        key = (frame_index, request.finder, request.thresholds, request.landmarks_file, halved, least)
        if key not in self._found:
            find = _finder(request.finder, request.thresholds, request.landmarks_file, least)
            self._found[key] = _at_half_size(find, frame) if halved else find(frame)
        faces, reason = usable_faces(self._found[key], request)
        if not request.landmarks or not faces:
            return faces[: request.most], reason
        marked = (face for face in (self._mark(frame, face, key) for face in faces) if face.landmarks is not None)
        kept = tuple(islice(marked, request.most))
        return kept, None if kept else GapReason.NO_FACE

    def _mark(self, frame: np.ndarray, face: Face, key: tuple[object, ...]) -> Face:
        own = (*key, face.box)
        if own not in self._marked:
            self._marked[own] = _with_landmarks(frame, face)
        return self._marked[own]


def _at_half_size(find: Finder, frame: np.ndarray) -> list[Face]:
    height, width = frame.shape[:2]
    small = cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    scale = np.array([width / small.shape[1], height / small.shape[0]])
    found = []
    for face in find(small):
        x0, y0, x1, y1 = (float(value) for value in (np.reshape(face.box, (2, 2)) * scale).ravel())
        points = None if face.keypoints is None else face.keypoints * scale
        found.append(replace(face, box=(x0, y0, x1, y1), keypoints=points))
    return found


def _with_landmarks(frame: np.ndarray, face: Face) -> Face:
    """Landmarks of the mesh, for finders that bring none of their own."""
    if face.landmarks is not None:
        return face
    from drishtiksha.faces.landmarks import to_68

    mesh = _mesh().landmarks(frame, face)
    return face if mesh is None else replace(face, landmarks=to_68(mesh))


@cache
def _mesh() -> FaceMesh:
    return FaceMesh(EMBEDDED_DIR)


def _least_px(request: FaceRequest, halved: bool) -> float:
    """Where the search may begin: smaller faces are of no use. 0: the finder looks for all sizes at once."""
    if request.finder != "mtcnn":
        return 0
    from drishtiksha.faces.mtcnn import first_face_px

    return first_face_px(request.min_size / (2 if halved else 1))


@cache
def _finder(
    name: str, thresholds: tuple[float, float, float] | None, landmarks_file: Path | None, least: float
) -> Finder:
    """The face finders are safe to share between threads and take long to build."""
    if name == "mtcnn":
        from drishtiksha.faces.mtcnn import MIN_FACE_PX, THRESHOLDS, MTCNNFinder

        return MTCNNFinder(EMBEDDED_DIR, thresholds or THRESHOLDS, least, sparing=least > MIN_FACE_PX).find
    if name == "dlib":
        from drishtiksha.faces.dlib68 import DlibFinder

        assert landmarks_file is not None
        return DlibFinder(landmarks_file).find
    from drishtiksha.faces.detect import BlazeFaceFinder

    return BlazeFaceFinder(EMBEDDED_DIR).find


def looks(sample: Sample) -> tuple[np.ndarray, ...]:
    """One float32 (1432,) per face, for `number_people`: its appearance, then its likeness."""
    assert sample.frame is not None
    frame = sample.frame
    return tuple(np.concatenate([face_appearance(frame, face), face_likeness(frame, face)]) for face in sample.faces)


def lost_faces(scores: Sequence[SampleScore]) -> list[int]:
    """Indices of the samples after which a face was lost while another appeared in the next, which may be the same one moved
    on: once for each pair of people who are never seen together. scores: numbered, in time order."""
    last = {face.track: place for place, score in enumerate(scores) for face in score.faces}
    together = {frozenset((a.person, b.person)) for score in scores for a in score.faces for b in score.faces}
    begun: set[int | None] = set()
    found: list[int] = []
    for place, (score, after) in enumerate(pairwise(scores)):
        begun.update(face.track for face in score.faces)
        gone = {face.person for face in score.faces if last[face.track] == place}
        new = {face.person for face in after.faces if face.track not in begun}
        pairs = {frozenset((one, other)) for one in gone for other in new if one != other} - together
        if pairs:
            together |= pairs
            found.append(score.index)
    return found


def number_people(
    scores: Sequence[SampleScore], looks_of: Mapping[int, tuple[np.ndarray, ...]], suspicious: float
) -> list[SampleScore]:
    """The same scores, with a person and a track on every face. looks_of: by sample index. suspicious: p_fake from which a
    track of `STEADY` samples is joined with such ones alone, so that a forged shot is not lost among genuine ones."""
    faces = [[Face(face.face_box, 1.0) for face in score.faces] for score in scores]
    both = [looks_of.get(score.index, ()) for score in scores]
    appearance = [[one[:APPEARANCE_SIZE] for one in of] for of in both]
    likeness = [[one[APPEARANCE_SIZE:] for one in of] for of in both]
    tracks, _ = assign_people([score.time_s or 0.0 for score in scores], faces, appearance)
    p_fakes: dict[int, list[float]] = defaultdict(list)
    for score, own in zip(scores, tracks, strict=True):
        for face, track in zip(score.faces, own, strict=True):
            p_fakes[track].append(face.p_fake)
    apart = {track for track, p in p_fakes.items() if len(p) >= STEADY and middle_mean(p) >= suspicious}
    person = join_tracks(tracks, appearance, likeness, frozenset(apart))
    return [
        score.model_copy(
            update={
                "faces": tuple(
                    face.model_copy(update={"person": person[track], "track": track})
                    for face, track in zip(score.faces, own, strict=True)
                )
            }
        )
        for score, own in zip(scores, tracks, strict=True)
    ]
