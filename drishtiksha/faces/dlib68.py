"""dlib's frontal face finder (Dalal & Triggs, CVPR 2005) with its 68 landmarks (Kazemi & Sullivan, CVPR 2014).

Two checkpoints of the Drishtiksha server were trained on what these find. dlib is an optional extra, and the landmark file
is licensed for non-commercial use only (it was trained on iBUG 300-W), so that each user has to fetch it.
"""

from __future__ import annotations

import importlib.util
import math
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from drishtiksha.contract import Face
from drishtiksha.errors import ConfigError, WeightsMismatchError, WeightsMissingError

UPSAMPLE = 1
"""Doublings of the frame before the search, as for the checkpoints: faces from 40 px are found."""
POINTS = 68
PACKED = b"BZh"
"""How a file begins that bzip2 has packed, as dlib offers it."""
REMEDY = (
    "Fetch http://dlib.net/files/shape_predictor_68_face_landmarks.dat.bz2 (non-commercial use only), unpack it and put "
    "it at {path}."
)


def available(landmarks_file: Path) -> bool:
    """Whether dlib is installed and its landmark file is there; neither is opened."""
    return importlib.util.find_spec("dlib") is not None and landmarks_file.is_file()


def check_landmarks_file(path: Path) -> None:
    """Raises: WeightsMismatchError for a file that is still packed, or that dlib, where it is installed, cannot read."""
    with path.open("rb") as file:
        packed = file.read(len(PACKED)) == PACKED
    if packed:
        raise WeightsMismatchError(f"{path.name} is still packed. Unpack it first (bunzip2 {path.name}).")
    if importlib.util.find_spec("dlib") is not None:
        DlibFinder(path)


class DlibFinder:
    """Finds faces that look at the camera, each with its 68 landmarks. Safe to share between threads."""

    def __init__(self, landmarks_file: Path) -> None:
        """Raises: ConfigError without dlib; WeightsMissingError, WeightsMismatchError for the landmark file."""
        if importlib.util.find_spec("dlib") is None:
            raise ConfigError("dlib is not installed. Install it with: pip install 'drishtiksha[dlib]'.")
        if not landmarks_file.is_file():
            remedy = REMEDY.format(path=landmarks_file)
            raise WeightsMissingError(f"dlib's landmark file {landmarks_file} is missing. {remedy}")
        import dlib

        try:
            self._mark = dlib.shape_predictor(str(landmarks_file))
        except RuntimeError as error:
            remedy = REMEDY.format(path=landmarks_file)
            raise WeightsMismatchError(f"{landmarks_file} is no landmark file of dlib ({error}). {remedy}") from error
        self._local = threading.local()

    def find(self, frame: np.ndarray) -> list[Face]:
        """The faces of a frame, largest first, with `landmarks` (68, 2) float32 px.

        frame: uint8 RGB (H, W, 3). Scores: the margin of the finder's linear classifier, put into [0, 1].
        Raises: WeightsMismatchError when the landmark file marks other points than the 68.
        """
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        boxes, margins, _ = self._finder().run(grey, UPSAMPLE, 0.0)
        height, width = grey.shape
        faces = [self._face(grey, box, margin) for box, margin in zip(boxes, margins, strict=True)]
        within = [face for face in faces if face.box[0] < width and face.box[1] < height and face.size > 0]
        return sorted(within, key=lambda face: face.size, reverse=True)

    def _finder(self) -> Any:
        """dlib's finder keeps a pyramid of the frame, so each thread has its own."""
        if not hasattr(self._local, "finder"):
            import dlib

            self._local.finder = dlib.get_frontal_face_detector()
        return self._local.finder

    def _face(self, grey: np.ndarray, box: Any, margin: float) -> Face:
        parts = self._mark(grey, box).parts()
        if len(parts) != POINTS:
            raise WeightsMismatchError(
                f"The landmark file of dlib marks {len(parts)} points of a face, wanted {POINTS}."
            )
        height, width = grey.shape
        # dlib's right and bottom edges lie on the last px of the box.
        corners = (max(box.left(), 0), max(box.top(), 0), min(box.right() + 1, width), min(box.bottom() + 1, height))
        x0, y0, x1, y1 = map(float, corners)
        landmarks = np.array([(part.x, part.y) for part in parts], np.float32)
        return Face(box=(x0, y0, x1, y1), score=1 / (1 + math.exp(-margin)), landmarks=landmarks)
