"""The faces that a plan asks for: found by the right finder, with landmarks where these are wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import islice

import cv2
import numpy as np

from drishtiksha.contract import Face, FaceRequest
from drishtiksha.faces.fitness import usable_faces
from drishtiksha.faces.landmarks import FaceMesh
from drishtiksha.results import GapReason
from drishtiksha.settings import EMBEDDED_DIR

Finder = Callable[[np.ndarray], list[Face]]


def find_faces(frame: np.ndarray, request: FaceRequest) -> tuple[tuple[Face, ...], GapReason | None]:
    """The faces of an RGB frame that meet the request, largest first; when there are none, why."""
    find = _finder(request.finder, request.thresholds)
    halved = request.halve_from is not None and max(frame.shape[:2]) >= request.halve_from
    faces, reason = usable_faces(_at_half_size(find, frame) if halved else find(frame), request)
    if not request.landmarks or not faces:
        return faces[: request.most], reason
    marked = (face for face in (_with_landmarks(frame, face) for face in faces) if face.landmarks is not None)
    kept = tuple(islice(marked, request.most))
    return kept, None if kept else GapReason.NO_FACE


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


@cache
def _finder(name: str, thresholds: tuple[float, float, float] | None) -> Finder:
    """The face finders are safe to share between threads and take long to build."""
    if name == "mtcnn":
        from drishtiksha.faces.mtcnn import THRESHOLDS, MTCNNFinder

        return MTCNNFinder(EMBEDDED_DIR, thresholds or THRESHOLDS).find
    if name == "dlib":
        from drishtiksha.faces.dlib68 import LANDMARKS_FILE, DlibFinder

        return DlibFinder(EMBEDDED_DIR / LANDMARKS_FILE).find
    from drishtiksha.faces.detect import BlazeFaceFinder

    return BlazeFaceFinder(EMBEDDED_DIR).find
