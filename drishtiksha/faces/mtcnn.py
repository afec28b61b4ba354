"""Finding faces with MTCNN (Zhang et al., 2016, arXiv:1604.02878), for detectors that were trained on its boxes.

Boxes are those of facenet-pytorch within a pixel. Its area resampling is computed here from one summed-area table of
the frame, for every scale of the pyramid and for all candidates at once. Torch is imported when a finder is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drishtiksha.contract import Face
from drishtiksha.faces.tight import find_filling, share_inside
from drishtiksha.weights import load_into, load_state_dict, read_sidecar, verify

if TYPE_CHECKING:
    import torch

MODEL_FILE = "mtcnn.safetensors"
THRESHOLDS = (0.6, 0.7, 0.7)
"""Least probability of a face after each network; facenet-pytorch's defaults."""
MIN_FACE_PX = 20
PYRAMID_FACTOR = 0.709
"""Each scale of the pyramid has about half the pixels of the one before."""
NMS_WITHIN_SCALE, NMS_BETWEEN = 0.5, 0.7
"""Overlaps above which the less probable of two candidates is dropped: at one scale, and everywhere after."""
PROPOSAL_FIELD, PROPOSAL_STRIDE = 12, 2
"""One cell of the proposal network's answer looks at a square of 12 px; the next cell's square lies 2 px further."""
REFINE_SIZE, OUTPUT_SIZE = 24, 48
"""Sides of the crops that the second and the third network look at, px."""
PIXEL_MIDDLE, PIXEL_RANGE = np.float32(127.5), np.float32(128)
FILLING_FROM_PX = 40.0
"""Where the second look begins: of 128 px, a face that nearly fills the picture has more."""
LEAST_INSIDE = 0.75
"""A largest face of which less lies within the frame is looked at again: without room around it its box is far off."""
STRIP_PX = 1 << 17
"""Pixels that go through the proposal network at a time: bounds the memory, and keeps its layers in the cache."""
CROPS_AT_A_TIME = 64
"""More no longer fit into the cache with the layers made of them."""


class _AreaImage:
    """Means over rectangles of a frame, from its summed-area table."""

    def __init__(self, frame: np.ndarray) -> None:
        # Sums of large frames wrap around in 32 bits; their differences are right all the same.
        self._sums = cv2.integral(frame, sdepth=cv2.CV_32S)
        self.height, self.width = frame.shape[:2]

    def rows(self, size: tuple[int, int], first: int, last: int) -> np.ndarray:
        """Rows `first` to `last` (exclusive) of the frame resampled to `size` (height, width): (rows, width, 3)."""
        tops, bottoms = _windows(0, self.height, size[0], np.arange(first, last))
        lefts, rights = _windows(0, self.width, size[1], np.arange(size[1]))
        sums = (self._sums[bottoms] - self._sums[tops]).reshape(last - first, -1)
        # Each channel has its own index: numpy gathers single numbers faster than runs of three.
        starts, ends = ((x[:, None] * 3 + np.arange(3)).ravel() for x in (lefts, rights))
        sums = (np.take(sums, ends, axis=1) - np.take(sums, starts, axis=1)).reshape(last - first, -1, 3)
        return _normalised(sums, (bottoms - tops)[:, None] * (rights - lefts))

    def crops(self, corners: np.ndarray, size: int) -> np.ndarray:
        """The rectangles `corners` (N, 4), xyxy whole px within the frame, resampled: (N, size, size, 3)."""
        x0, y0, x1, y1 = corners.T[..., None]
        tops, bottoms = _windows(y0, y1, size, np.arange(size))
        lefts, rights = _windows(x0, x1, size, np.arange(size))
        table, stride = self._sums.reshape(-1, 3), self.width + 1

        def sums_at(y: np.ndarray, x: np.ndarray) -> np.ndarray:
            return np.take(table, y[:, :, None] * stride + x[:, None, :], axis=0)

        sums = sums_at(bottoms, rights) - sums_at(tops, rights) - sums_at(bottoms, lefts) + sums_at(tops, lefts)
        return _normalised(sums, (bottoms - tops)[:, :, None] * (rights - lefts)[:, None, :])


def _windows(
    start: np.ndarray | int, end: np.ndarray | int, count: int, i: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where windows `i` of `count` between `start` and `end` begin and end; neighbours share a pixel that both touch."""
    length = end - start
    return start + i * length // count, start - (-(i + 1) * length // count)


def _normalised(sums: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Means as the networks take them, about [-1, 1] float32, of sums (..., 3) over `areas` (...) pixels."""
    pixels = sums.astype(np.float32)
    pixels *= (1 / areas).astype(np.float32)[..., None]
    pixels -= PIXEL_MIDDLE
    pixels /= PIXEL_RANGE
    return pixels


def _scales(height: int, width: int, min_face: float, factor: float) -> Iterator[float]:
    """The pyramid, largest picture first: from faces of `min_face` px to those that fill the frame."""
    scale = PROPOSAL_FIELD / min_face
    shorter = min(height, width) * scale
    while shorter >= PROPOSAL_FIELD:
        yield scale
        scale, shorter = scale * factor, shorter * factor


def first_face_px(wanted: float) -> float:
    """The `min_face` with which a finder still sees all faces of `wanted` px, and them alike.

    The scales stay those of the whole pyramid, so that the boxes do; left out are those whose faces are less than about
    0.7 of `wanted`. Of 1477 faces of 40 px and more in 444 pictures none was lost so, one was added, and one moved by 3 px.
    """
    px: float = MIN_FACE_PX
    while px / PYRAMID_FACTOR**2 <= wanted:
        px /= PYRAMID_FACTOR
    return px


def _nms(boxes: np.ndarray, scores: np.ndarray, iou: float) -> np.ndarray:
    """Indices of the boxes (N, 4) that stay, most probable first."""
    if not len(boxes):
        return np.zeros(0, dtype=np.int64)
    sized = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return np.asarray(cv2.dnn.NMSBoxes(sized.tolist(), scores.tolist(), 0.0, iou), dtype=np.int64)


def _nms_covered(boxes: np.ndarray, scores: np.ndarray, share: float) -> np.ndarray:
    """The same by the share of the smaller box that is covered, so that a face within a face goes too.

    Sides count the pixels at both ends, as in the original.
    """
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1)
    left, kept = np.argsort(-scores, kind="stable"), []
    while left.size:
        best, rest = left[0], left[1:]
        kept.append(int(best))
        sides = np.minimum(boxes[best, 2:], boxes[rest, 2:]) - np.maximum(boxes[best, :2], boxes[rest, :2]) + 1
        common = np.prod(np.clip(sides, 0, None), axis=1)
        left = rest[common / np.minimum(areas[best], areas[rest]) <= share]
    return np.array(kept, dtype=np.int64)


def _shifted(boxes: np.ndarray, shifts: np.ndarray, extra: int) -> np.ndarray:
    """Boxes with each corner moved by `shifts` (N, 4) times the side plus `extra` px."""
    sides = boxes[:, 2:4] - boxes[:, :2] + extra
    return boxes + shifts * np.tile(sides, 2)


def _squared(boxes: np.ndarray) -> np.ndarray:
    """Squares around the same centres with the longer sides."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + sides * np.float32(0.5) - longer * np.float32(0.5)
    return np.concatenate([corner, corner + longer], axis=1)


class MTCNNFinder:
    """Finds faces of `min_face` px and more with the published networks. Safe to share between threads."""

    def __init__(
        self,
        models_dir: Path,
        thresholds: tuple[float, float, float] = THRESHOLDS,
        min_face: float = MIN_FACE_PX,
        factor: float = PYRAMID_FACTOR,
        device: str = "cpu",
    ) -> None:
        """Raises: WeightsMissingError or WeightsMismatchError when `models_dir` does not hold the checkpoint."""
        import torch

        from drishtiksha.networks.mtcnn import MTCNN

        path = Path(models_dir) / MODEL_FILE
        how_to_get = (
            f"It comes with Drishtiksha: restore it from the repository (git checkout -- models/{MODEL_FILE}) "
            "or set the models folder in the settings."
        )
        state_dict = load_state_dict(path, how_to_get)
        if sidecar := read_sidecar(path):
            verify(path, sidecar.sha256)
        with torch.device("meta"):
            networks = MTCNN()
        load_into(networks, state_dict, "MTCNN")
        self._device = torch.device(device)
        self._networks = networks.requires_grad_(False).eval()
        self._networks.to(device=self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._thresholds, self._min_face, self._factor = thresholds, min_face, factor

    def find(self, frame: np.ndarray) -> list[Face]:
        """The faces of a frame, largest first.

        frame: uint8 RGB (H, W, 3), upright. Boxes are xyxy px from the forehead to the chin; as in facenet-pytorch they
        may reach a little beyond the frame. A face that fills the frame is found as by `find_filling`. Keypoints (5, 2) px: the eye at the picture's left, the other eye, nose
        tip, and the mouth's corner at the left and the right.
        Raises: ValueError when the frame is not such a picture.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
            raise ValueError(f"a frame must be uint8 (H, W, 3), not {frame.dtype} {frame.shape}")
        found = self._search(frame, self._min_face)
        if found and share_inside(found[0], frame) >= LEAST_INSIDE:
            return found
        return find_filling(frame, lambda picture: self._search(picture, FILLING_FROM_PX)) or found

    def _search(self, frame: np.ndarray, min_face: float) -> list[Face]:
        import torch

        image = _AreaImage(frame)
        with torch.inference_mode():
            boxes, scores, keypoints = self._decide(image, self._refine(image, self._propose(image, min_face)))
        faces = [
            Face(box=(float(b[0]), float(b[1]), float(b[2]), float(b[3])), score=float(score), keypoints=points)
            for b, score, points in zip(boxes, scores, keypoints, strict=True)
        ]
        return sorted(faces, key=lambda f: (f.box[2] - f.box[0]) * (f.box[3] - f.box[1]), reverse=True)

    def _propose(self, image: _AreaImage, min_face: float) -> np.ndarray:
        """Candidates (N, 4) from the proposal network at every scale."""
        found = [(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 4), np.float32))]
        for scale in _scales(image.height, image.width, min_face, self._factor):
            boxes, scores, shifts = self._propose_at(image, scale)
            kept = _nms(boxes, scores, NMS_WITHIN_SCALE)
            found.append((boxes[kept], scores[kept], shifts[kept]))
        candidates, probability, moves = (np.concatenate(parts) for parts in zip(*found, strict=True))
        kept = _nms(candidates, probability, NMS_BETWEEN)
        return _shifted(candidates[kept], moves[kept], extra=0)

    def _propose_at(self, image: _AreaImage, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes (N, 4), scores (N,) and shifts (N, 4) of the cells that pass the first threshold at one scale."""
        height, width = int(image.height * scale + 1), int(image.width * scale + 1)
        margin = PROPOSAL_FIELD - PROPOSAL_STRIDE
        cell_rows = -(-(height - margin) // PROPOSAL_STRIDE)
        step = max(STRIP_PX // (PROPOSAL_STRIDE * width), 1)
        cells, scores, shifts = [], [], []
        for top in range(0, cell_rows, step):
            bottom = min(top + step, cell_rows)
            pixels = image.rows((height, width), PROPOSAL_STRIDE * top, min(PROPOSAL_STRIDE * bottom + margin, height))
            p_face, shift = self._networks.pnet(self._tensor(pixels[None]))
            y, x = (p_face[0] >= self._thresholds[0]).nonzero(as_tuple=True)
            cells.append(np.stack([x.cpu().numpy(), y.cpu().numpy() + top], axis=1))
            scores.append(p_face[0, y, x].cpu().numpy())
            shifts.append(shift[0, :, y, x].T.cpu().numpy())
        corner = PROPOSAL_STRIDE * np.concatenate(cells).astype(np.float32)
        # One pixel more at either end and whole pixels: as the networks were trained.
        boxes = np.floor(np.concatenate([corner + 1, corner + PROPOSAL_FIELD], axis=1) / np.float32(scale))
        return boxes, np.concatenate(scores), np.concatenate(shifts)

    def _refine(self, image: _AreaImage, candidates: np.ndarray) -> np.ndarray:
        """The candidates (N, 4) that the second network keeps, corrected by it."""
        boxes, (scores, shifts) = self._look(image, candidates, self._networks.rnet, REFINE_SIZE, ((), (4,)))
        passed = scores > self._thresholds[1]
        boxes, scores, shifts = boxes[passed], scores[passed], shifts[passed]
        kept = _nms(boxes, scores, NMS_BETWEEN)
        return _shifted(boxes[kept], shifts[kept], extra=1)

    def _decide(self, image: _AreaImage, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes (N, 4), scores (N,) and keypoints (N, 5, 2) of the faces that the third network accepts."""
        boxes, found = self._look(image, candidates, self._networks.onet, OUTPUT_SIZE, ((), (4,), (10,)))
        passed = found[0] > self._thresholds[2]
        boxes, scores, shifts, points = boxes[passed], *(part[passed] for part in found)
        sides = boxes[:, None, 2:] - boxes[:, None, :2] + 1
        keypoints = points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides + boxes[:, None, :2] - 1
        boxes = _shifted(boxes, shifts, extra=1)
        kept = _nms_covered(boxes, scores, NMS_BETWEEN)
        return boxes[kept], scores[kept], keypoints[kept]

    def _look(
        self,
        image: _AreaImage,
        candidates: np.ndarray,
        network: torch.nn.Module,
        size: int,
        answers: tuple[tuple[int, ...], ...],
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """The candidates as squares, without those outside the frame, and what `network` says of each.

        `answers` are the shapes of what it says of one candidate.
        """
        squares = _squared(candidates)
        corners = np.trunc(squares).astype(np.int64)
        corners[:, :2] = np.maximum(corners[:, :2], 1) - 1
        corners[:, 2:] = np.minimum(corners[:, 2:], (image.width, image.height))
        inside = np.all(corners[:, 2:] > corners[:, :2], axis=1)
        squares, corners = squares[inside], corners[inside]
        said: list[list[np.ndarray]] = [[np.zeros((0, *shape), np.float32)] for shape in answers]
        for start in range(0, len(corners), CROPS_AT_A_TIME):
            crops = image.crops(corners[start : start + CROPS_AT_A_TIME], size)
            for parts, part in zip(said, network(self._tensor(crops)), strict=True):
                parts.append(part.cpu().numpy())
        return squares, [np.concatenate(parts) for parts in said]

    def _tensor(self, pixels: np.ndarray) -> torch.Tensor:
        """(N, H, W, 3) to (N, 3, H, W) on the device; the memory stays channels-last."""
        import torch

        return torch.from_numpy(pixels).permute(0, 3, 1, 2).to(self._device)
