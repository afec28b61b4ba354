"""Face landmarks with MediaPipe's 468-point face mesh (Kartynnik et al., 2019), run by OpenCV."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from drishtiksha.contract import Face
from drishtiksha.faces.tflite import TFLiteNetwork

MODEL_FILE = "face_mesh_468.tflite"
INPUT_PX = 192
ROI_SCALE = 1.5
"""The network wants the face box made square and widened by this factor; MediaPipe's own value."""
MIN_PRESENCE = 0.5

# Each of the 68 points of dlib and iBUG 300-W, in their order, as the mesh vertex that lies there. "Left" is the picture's
# left. The brow points are the middle of the brow's upper edge; 31-35 run under the nose.
_JAW = (127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356)
_BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
_NOSE = (168, 197, 5, 4, 75, 97, 2, 326, 305)
_EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
_LIPS_OUTER = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181)
_LIPS_INNER = (78, 82, 13, 312, 308, 317, 14, 87)
MESH_OF_68 = np.array(_JAW + _BROWS + _NOSE + _EYES + _LIPS_OUTER + _LIPS_INNER)


def to_68(mesh: np.ndarray) -> np.ndarray:
    """Pick the 68 points of dlib and iBUG 300-W, in their order, out of a mesh.

    mesh: (468, 2). Returns (68, 2): jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, lips 48-67. The jaw follows the
    visible outline in MediaPipe and the bone in dlib, so its points lie a little further out here.
    """
    return mesh[MESH_OF_68]


def face_roi(face: Face) -> tuple[np.ndarray, float, float]:
    """Centre (2,) px, side px and angle in radians of the upright square around a face that the mesh network sees."""
    x0, y0, x1, y1 = face.box
    angle = 0.0
    if face.keypoints is not None:
        across = face.keypoints[1] - face.keypoints[0]
        angle = float(np.arctan2(across[1], across[0]))
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2]), max(x1 - x0, y1 - y0) * ROI_SCALE, angle


class FaceMesh:
    """468 landmarks of one face. Safe to share between threads."""

    def __init__(self, models_dir: Path) -> None:
        """Raises: WeightsMissingError when the model file is not in `models_dir`."""
        self._network = TFLiteNetwork(Path(models_dir) / MODEL_FILE, "face mesh")

    def landmarks(self, frame: np.ndarray, face: Face) -> np.ndarray | None:
        """The mesh of one face, (468, 2) float32 px in the frame; some points may lie outside a cut face's frame.

        frame: uint8 RGB (H, W, 3). face: as `BlazeFaceFinder.find` gives it; its keypoints turn the crop upright.
        Returns None when the network itself says that there is no face.
        """
        centre, side, angle = face_roi(face)
        scale = INPUT_PX / side
        turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        matrix = np.hstack([turn, (INPUT_PX / 2 - turn @ centre)[:, None]])
        crop = self._upright(frame, matrix, scale)
        by_size = {out.size: out.ravel() for out in self._network.run(crop.astype(np.float32) / 255)}
        if 1 / (1 + np.exp(-float(by_size[1][0]))) <= MIN_PRESENCE:
            return None
        points = by_size[3 * 468].reshape(468, 3)[:, :2].astype(np.float64)
        return cv2.transform(points[None], cv2.invertAffineTransform(matrix))[0].astype(np.float32)

    @staticmethod
    def _upright(frame: np.ndarray, matrix: np.ndarray, scale: float) -> np.ndarray:
        """Warp to the network's square; a large face is halved first, since warping alone would alias."""
        halvings = int(max(np.floor(np.log2(1 / scale)), 0))
        if halvings:
            factor = 2**halvings
            size = (max(frame.shape[1] // factor, 1), max(frame.shape[0] // factor, 1))
            shrink = np.array([frame.shape[1] / size[0], frame.shape[0] / size[1]])
            offset = (shrink - 1) / 2
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
            turn = matrix[:, :2] * shrink
            matrix = np.hstack([turn, (matrix[:, 2] + matrix[:, :2] @ offset)[:, None]])
        return cv2.warpAffine(frame, matrix, (INPUT_PX, INPUT_PX), flags=cv2.INTER_LINEAR)
