"""A small TensorFlow Lite network run by OpenCV, safe to share between threads."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np

from drishtiksha.errors import WeightsMissingError


class TFLiteNetwork:
    """OpenCV's networks must not be shared between threads, so each thread has its own (a few MB)."""

    def __init__(self, path: Path, what: str) -> None:
        """`what` is the file's name in messages. Raises: WeightsMissingError when `path` does not exist."""
        if not path.is_file():
            raise WeightsMissingError(
                f"The {what} {path} is missing; it comes with Drishtiksha. Restore it from the repository "
                f"(git checkout -- models/{path.name}) or set the models folder in the settings."
            )
        self._path = path
        self._local = threading.local()

    def run(self, picture: np.ndarray) -> list[np.ndarray]:
        """All outputs, with their batch axis of 1, for `picture`: float32 (H, W, 3), scaled as the network wants it."""
        if not hasattr(self._local, "net"):
            self._local.net = cv2.dnn.readNetFromTFLite(str(self._path), cv2.dnn.ENGINE_CLASSIC)
            self._local.outputs = self._local.net.getUnconnectedOutLayersNames()
        self._local.net.setInput(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))
        return list(self._local.net.forward(self._local.outputs))
