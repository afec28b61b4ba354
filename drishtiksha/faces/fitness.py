"""Which faces a detector can judge: large enough, and turned towards the camera where it was trained on such faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drishtiksha.contract import Face, FaceRequest
from drishtiksha.results import GapReason

MAX_TURN = 0.45
"""How far the nose may lie beside the middle of the eyes, in distances between the eyes."""
NOD_RANGE = (0.40, 0.66)
"""How far down from the eyes to the mouth the nose may lie: below, the face looks up; above, it looks down.
Both bounds hold some 96 % of the 835 portraits in the shared data, which are posed."""


def turn_and_nod(keypoints: np.ndarray) -> tuple[float, float]:
    """Sideways place of the nose in eye distances (0: facing us), and its height between eyes (0) and mouth (1).

    keypoints: (6, 2) of BlazeFace (eyes, nose, mouth, ears) or (5, 2) of MTCNN (eyes, nose, corners of the mouth), px.
    A face seen from the very side, whose eyes coincide, gives infinity.
    """
    mouth_at = keypoints[3:5].mean(axis=0) if len(keypoints) == 5 else keypoints[3]
    across = keypoints[1] - keypoints[0]
    distance = float(np.linalg.norm(across))
    middle = keypoints[:2].mean(axis=0)
    if distance == 0:
        return np.inf, np.inf
    along = across / distance
    down = np.array([-along[1], along[0]])
    drop = float((mouth_at - middle) @ down)
    return float((keypoints[2] - middle) @ along) / distance, float(
        (keypoints[2] - middle) @ down
    ) / drop if drop else np.inf


def faces_us(face: Face) -> bool:
    """Whether a face is turned towards the camera; True where the finder gave no keypoints."""
    if face.keypoints is None:
        return True
    turn, nod = turn_and_nod(face.keypoints)
    return abs(turn) <= MAX_TURN and NOD_RANGE[0] <= nod <= NOD_RANGE[1]


def usable_faces(found: Sequence[Face], request: FaceRequest) -> tuple[tuple[Face, ...], GapReason | None]:
    """The faces that meet the request, in order; when there are none, why."""
    large = [face for face in found if face.size >= request.min_size]
    usable = tuple(face for face in large if not request.facing or faces_us(face))
    if usable:
        return usable, None
    if large:
        return (), GapReason.FACE_TURNED
    return (), GapReason.FACE_TOO_SMALL if found else GapReason.NO_FACE
