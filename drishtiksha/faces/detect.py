"""Finding faces with BlazeFace's full-range model (Bazarevsky et al., 2019), run by OpenCV."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from drishtiksha.contract import Face
from drishtiksha.faces.tflite import TFLiteNetwork
from drishtiksha.faces.tight import find_filling

MODEL_FILE = "blazeface_full_range.tflite"
INPUT_PX = 192
STRIDE_PX = 4
MIN_SCORE = 0.5
"""Faces below this score are dropped; MediaPipe's own value."""
NMS_IOU = 0.3
TILING_FROM_PX = 900
"""Frames with a longer side than this get a second look in tiles when the first saw no large face."""
TILING_BELOW = 0.12
"""A face with a side under this fraction of the longer side counts as small."""
TILE_PX = 640
TILE_OVERLAP = 0.25
MAX_TILES_A_SIDE = 4
EDGE_PX = 3
"""A tile's box this close to an inner edge of the tile is a cut face; the neighbouring tile has it whole."""


def _anchors() -> np.ndarray:
    """Centres of the 48x48 cells, (2304, 2) xy in [0, 1]: one anchor a cell, size fixed at 1."""
    cells = INPUT_PX // STRIDE_PX
    centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
    x, y = np.meshgrid(centres, centres)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _overlaps(box: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intersection over union, and over the smaller box, of one xyxy box with (N, 4) others."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = np.prod(np.clip(sides, 0, None), axis=1)
    area, areas = np.prod(box[2:] - box[:2]), np.prod(others[:, 2:] - others[:, :2], axis=1)
    return common / np.maximum(area + areas - common, 1e-9), common / np.maximum(np.minimum(area, areas), 1e-9)


def weighted_nms(rows: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merge overlapping detections into their score-weighted mean, as BlazeFace does, which steadies the boxes.

    rows: (N, 16) box xyxy and six keypoints. scores: (N,). Returns the same for the merged faces, best first.
    """
    merged, best = [], []
    left = np.argsort(-scores)
    while left.size:
        iou, _ = _overlaps(rows[left[0], :4], rows[left, :4])
        same = left[iou > NMS_IOU] if iou[0] > NMS_IOU else left[:1]
        merged.append(np.average(rows[same], axis=0, weights=scores[same]))
        best.append(scores[left[0]])
        left = left[~np.isin(left, same)]
    return np.array(merged).reshape(-1, 16), np.array(best)


def _keep_whole(rows: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Plain NMS over passes: of detections that share most of the smaller box, the highest score stays."""
    kept: list[int] = []
    for index in np.argsort(-scores):
        iou, covered = _overlaps(rows[index, :4], rows[kept, :4])
        if not np.any((iou > NMS_IOU) | (covered > 0.6)):
            kept.append(int(index))
    return rows[kept], scores[kept]


def _tile_starts(length: int, tile: int) -> list[int]:
    if length <= tile:
        return [0]
    count = int(np.ceil((length - tile) / (tile * (1 - TILE_OVERLAP)))) + 1
    return [round(start) for start in np.linspace(0, length - tile, count)]


class BlazeFaceFinder:
    """Finds frontal and turned faces from about 6 % of a frame's longer side, also those that fill it; smaller ones by
    tiles in large frames.

    Safe to share between threads.
    """

    def __init__(self, models_dir: Path) -> None:
        """Raises: WeightsMissingError when the model file is not in `models_dir`."""
        self._network = TFLiteNetwork(Path(models_dir) / MODEL_FILE, "face finder")
        self._anchors = _anchors()

    def _one_pass(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Detections of one look at a picture: (N, 16) xy pairs in its px (box corners, six keypoints), and scores."""
        height, width = frame.shape[:2]
        side = max(height, width)
        scale = INPUT_PX / side
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        left, top = (INPUT_PX - size[0]) // 2, (INPUT_PX - size[1]) // 2
        padded = np.zeros((INPUT_PX, INPUT_PX, 3), np.float32)
        padded[top : top + size[1], left : left + size[0]] = small / np.float32(127.5) - 1
        by_width = {out.shape[-1]: out[0] for out in self._network.run(padded)}
        logits, raw = by_width[1][:, 0], by_width[16]
        chosen = logits > np.log(MIN_SCORE / (1 - MIN_SCORE))
        points = raw[chosen].reshape(-1, 8, 2).astype(np.float64) / INPUT_PX
        anchors = self._anchors[chosen]
        centre, half = points[:, 0] + anchors, points[:, 1] / 2
        points[:, 2:] += anchors[:, None]
        points[:, 0], points[:, 1] = centre - half, centre + half
        points = (points * INPUT_PX - (left, top)) / (size[0] / width, size[1] / height)
        valid = np.all(points[:, 1] > points[:, 0], axis=1)
        scores = 1 / (1 + np.exp(-np.clip(logits[chosen].astype(np.float64), -80, 80)))
        return weighted_nms(points[valid].reshape(-1, 16), scores[valid])

    def _tiled(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        height, width = frame.shape[:2]
        tile = max(TILE_PX, int(np.ceil(max(height, width) / MAX_TILES_A_SIDE)))
        all_rows, all_scores = [], []
        for y in _tile_starts(height, tile):
            for x in _tile_starts(width, tile):
                part = frame[y : y + tile, x : x + tile]
                rows, scores = self._one_pass(part)
                rows = rows + np.tile((x, y), 8)
                right, bottom = x + part.shape[1], y + part.shape[0]
                cut = (x > 0) & (rows[:, 0] < x + EDGE_PX) | (y > 0) & (rows[:, 1] < y + EDGE_PX)
                cut |= (right < width) & (rows[:, 2] > right - EDGE_PX)
                cut |= (bottom < height) & (rows[:, 3] > bottom - EDGE_PX)
                all_rows.append(rows[~cut])
                all_scores.append(scores[~cut])
        return np.concatenate(all_rows), np.concatenate(all_scores)

    def find(self, frame: np.ndarray) -> list[Face]:
        """The faces of a frame, largest first.

        frame: uint8 RGB (H, W, 3), upright. Boxes are xyxy px within the frame and go from the brows to the chin;
        keypoints (6, 2) px: the eye at the picture's left, the other eye, nose tip, mouth, and the two ears.
        Raises: ValueError when the frame is not such a picture.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
            raise ValueError(f"a frame must be uint8 (H, W, 3), not {frame.dtype} {frame.shape}")
        return self._search(frame) or find_filling(frame, self._search)

    def _search(self, frame: np.ndarray) -> list[Face]:
        height, width = frame.shape[:2]
        rows, scores = self._one_pass(frame)
        longest = max(height, width)
        largest = (rows[:, 2:4] - rows[:, :2]).max(initial=0)
        if longest >= TILING_FROM_PX and largest < TILING_BELOW * longest:
            more, more_scores = self._tiled(frame)
            rows, scores = _keep_whole(np.concatenate([rows, more]), np.concatenate([scores, more_scores]))
        faces = [self._face(row, score, width, height) for row, score in zip(rows, scores, strict=True)]
        kept = [face for face in faces if face.size > 0]
        return sorted(kept, key=lambda f: (f.box[2] - f.box[0]) * (f.box[3] - f.box[1]), reverse=True)

    @staticmethod
    def _face(row: np.ndarray, score: float, width: int, height: int) -> Face:
        corners = np.clip(row[:4], 0, (width, height, width, height))
        box = (float(corners[0]), float(corners[1]), float(corners[2]), float(corners[3]))
        return Face(box=box, score=float(score), keypoints=row[4:].reshape(6, 2).astype(np.float32))
