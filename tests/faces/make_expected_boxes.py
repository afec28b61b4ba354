"""Writes `data/expected_boxes.json`: what facenet-pytorch finds on the pictures of `test_mtcnn.py`.

    pip install --no-deps --target SCRATCH facenet-pytorch==2.6.0
    PYTHONPATH=SCRATCH python tests/faces/make_expected_boxes.py /work/shared

That package pins an old torch, so it must not get into the project's own environment.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image

DATA = Path(__file__).parent / "data"
EXPECTED = DATA / "expected_boxes.json"
THRESHOLDS = {"default": (0.6, 0.7, 0.7), "strict": (0.7, 0.8, 0.8)}
CLIPS = {"street_faces_1080p": (0, 50, 90), "stage_360p": (0, 50, 80, 130, 240)}
PORTRAIT_STEP = 42
"""Every so manieth portrait, which makes twenty."""


def own_picture() -> tuple[str, np.ndarray]:
    """The one picture that comes with the repository, and its name."""
    return "astronaut_512.jpg", _read(DATA / "astronaut_512.jpg")


def shared_pictures(shared: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Name and pixels, uint8 RGB (H, W, 3), of frames and portraits of the shared material."""
    for clip, wanted in CLIPS.items():
        with av.open(str(shared / "data/clips" / f"{clip}.mp4")) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index in wanted:
                    yield f"{clip}:{index}", frame.to_ndarray(format="rgb24")
    for path in sorted((shared / "data/portraits").glob("*.jpg"))[::PORTRAIT_STEP]:
        yield path.name, _read(path)


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


def _rounded(values: object) -> list:
    return np.round(np.asarray(values, dtype=np.float64), 3).tolist()


def main(shared: Path) -> None:
    from facenet_pytorch import MTCNN

    expected: dict[str, dict[str, list]] = {}
    for setting, thresholds in THRESHOLDS.items():
        finder = MTCNN(keep_all=True, thresholds=list(thresholds))
        expected[setting] = {}
        for name, picture in [own_picture(), *shared_pictures(shared)]:
            boxes, scores, points = finder.detect(picture, landmarks=True)
            found = [] if boxes is None else list(zip(boxes, scores, points, strict=True))
            expected[setting][name] = [
                {"box": _rounded(box), "score": round(float(score), 5), "keypoints": _rounded(keypoints)}
                for box, score, keypoints in found
            ]
    EXPECTED.write_text(json.dumps(expected, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
