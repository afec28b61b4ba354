"""Finding faces with MTCNN (Zhang et al., 2016, arXiv:1604.02878), for detectors that were trained on its boxes.

Boxes are those of facenet-pytorch within a pixel. Its area resampling is computed here from one summed-area table of
the frame, for every scale of the pyramid and for all candidates at once. Torch is imported when a finder is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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
MOST_REMAPPED = (1 << 15) - 1
"""From this side on `cv2.remap` takes no picture, px."""
STRIP_PX = 1 << 17
"""Pixels that go through the proposal network at a time: bounds the memory, and keeps its layers in the cache."""
CROPS_AT_A_TIME = 64
"""More no longer fit into the cache with the layers made of them."""
FINE_SCALES, FINE_FROM_PX = 2, 1 << 16
"""How many of the finest scales are searched only where the others may have seen a face, and from how many pixels on."""
MAYBE = 0.2
"""Least probability of such a face, by the second network."""
NEAR, NEAR_BELOW = 0.5, 2.5
"""How far around it is searched, as a fraction of its side; and the largest side, as a multiple of the finest scale's faces."""
BLOCK = 16
"""Side of the squares in which this is done, cells."""
MOSTLY = 0.4
"""Share of the blocks from which on all of the scale is searched: they overlap, and so cost more."""


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
        return self._means(tops, bottoms, lefts, rights)

    def blocks(self, size: tuple[int, int], corners: np.ndarray, side: int) -> np.ndarray:
        """Squares of `side` px of the frame resampled to `size`, from their corners (N, 2), yx: (N, side, side, 3)."""
        top, left = corners.T[..., None]
        tops, bottoms = _windows(0, self.height, size[0], top + np.arange(side))
        lefts, rights = _windows(0, self.width, size[1], left + np.arange(side))
        return self._means(tops, bottoms, lefts, rights)

    def crops(self, corners: np.ndarray, size: int) -> np.ndarray:
        """The rectangles `corners` (N, 4), xyxy whole px within the frame, resampled: (N, size, size, 3)."""
        x0, y0, x1, y1 = corners.T[..., None]
        tops, bottoms = _windows(y0, y1, size, np.arange(size))
        lefts, rights = _windows(x0, x1, size, np.arange(size))
        return self._means(tops, bottoms, lefts, rights)

    def _means(self, tops: np.ndarray, bottoms: np.ndarray, lefts: np.ndarray, rights: np.ndarray) -> np.ndarray:
        """(..., h, w, 3) as the networks take them, of windows from `tops` to `bottoms` (..., h) and `lefts` to `rights`
        (..., w)."""
        sums = self._sums_at(bottoms, rights)
        sums -= self._sums_at(tops, rights)
        sums -= self._sums_at(bottoms, lefts)
        sums += self._sums_at(tops, lefts)
        return _normalised(sums, (bottoms - tops)[..., :, None] * (rights - lefts)[..., None, :])

    def _sums_at(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """int32 (..., h, w, 3): the table in rows `y` (..., h) and columns `x` (..., w)."""
        shape = (*y.shape, x.shape[-1])
        if max(self._sums.shape) >= MOST_REMAPPED:
            return self._sums[y[..., :, None], x[..., None, :]]
        places = np.empty((*shape, 2), np.int16)
        places[..., 0], places[..., 1] = x[..., None, :], y[..., :, None]
        # OpenCV copies the nearest point, whatever its bits mean, sooner than numpy's own indexing does.
        places = places.reshape(-1, shape[-1], 2)
        table = self._sums.view(np.float32)
        found = cv2.remap(table, places, None, cv2.INTER_NEAREST)  # type: ignore[call-overload]
        return found.view(np.int32).reshape(*shape, 3)


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


def _scaled(image: _AreaImage, scale: float) -> tuple[int, int]:
    """Height and width of a frame at that scale."""
    return int(image.height * scale + 1), int(image.width * scale + 1)


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


Proposed = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Boxes (N, 4), scores (N,) and shifts (N, 4) of the proposal network."""
NOTHING: Proposed = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 4), np.float32))


class _Proposals:
    """Candidates of several scales, and what the second network says of them.

    boxes (N, 4) and scores (N,): of the proposal network. squares: the boxes corrected by it. scores_then, shifts_then: of
    the second network, NaN where it was not asked. best: indices of those that are most probable where they lie.
    """

    def __init__(self) -> None:
        self.boxes, self.scores, _ = NOTHING
        self.squares = self.boxes
        self.scores_then, self.shifts_then = self.scores, self.boxes
        self.best = np.zeros(0, np.int64)

    def add(self, proposed: Proposed) -> None:
        boxes, scores, shifts = proposed
        squares = _squared(_shifted(boxes, shifts, extra=0))
        new = boxes, scores, squares, np.full_like(scores, np.nan), np.full_like(boxes, np.nan)
        before = self.boxes, self.scores, self.squares, self.scores_then, self.shifts_then
        joined = (np.concatenate(pair) for pair in zip(before, new, strict=True))
        self.boxes, self.scores, self.squares, self.scores_then, self.shifts_then = joined


class MTCNNFinder:
    """Finds faces of `min_face` px and more with the published networks. Safe to share between threads."""

    def __init__(
        self,
        models_dir: Path,
        thresholds: tuple[float, float, float] = THRESHOLDS,
        min_face: float = MIN_FACE_PX,
        factor: float = PYRAMID_FACTOR,
        device: str = "cpu",
        *,
        sparing: bool = False,
    ) -> None:
        """sparing: for callers that want no faces of less than `min_face` / `PYRAMID_FACTOR`. In large frames the finest
        scales are then searched only where the others may have seen a face, which gives such faces the same boxes: all of 112
        in 60 frames of five clips; of 592 portraits with faces of 40 to 60 px, where it matters most, one was lost and one
        moved by 2 px.

        Raises: WeightsMissingError or WeightsMismatchError when `models_dir` does not hold the checkpoint.
        """
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
        self._sparing = sparing

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
            boxes, scores, keypoints = self._decide(image, self._refine(image, min_face))
        faces = [
            Face(box=(float(b[0]), float(b[1]), float(b[2]), float(b[3])), score=float(score), keypoints=points)
            for b, score, points in zip(boxes, scores, keypoints, strict=True)
        ]
        return sorted(faces, key=lambda f: (f.box[2] - f.box[0]) * (f.box[3] - f.box[1]), reverse=True)

    def _refine(self, image: _AreaImage, min_face: float) -> np.ndarray:
        """The candidates (N, 4) of all scales that the second network keeps, corrected by it."""
        scales = list(_scales(image.height, image.width, min_face, self._factor))
        fine = 0
        if self._sparing:
            fine = sum(math.prod(_scaled(image, scale)) >= FINE_FROM_PX for scale in scales[:-1][:FINE_SCALES])
        found = _Proposals()
        for scale in scales[fine:]:
            found.add(self._propose_at(image, scale))
        self._ask(image, found)
        if fine:
            near = found.squares[found.scores_then > MAYBE]
            near = near[near[:, 2] - near[:, 0] <= NEAR_BELOW * PROPOSAL_FIELD / scales[fine - 1]]
            for scale in scales[:fine]:
                found.add(self._propose_near(image, scale, near))
            self._ask(image, found)
        passed = found.best[found.scores_then[found.best] > self._thresholds[1]]
        kept = passed[_nms(found.squares[passed], found.scores_then[passed], NMS_BETWEEN)]
        return _shifted(found.squares[kept], found.shifts_then[kept], extra=1)

    def _ask(self, image: _AreaImage, found: _Proposals) -> None:
        """Have the second network look at the best proposals that it has not seen yet."""
        found.best = _nms(found.boxes, found.scores, NMS_BETWEEN)
        new = found.best[np.isnan(found.scores_then[found.best])]
        said = self._look(image, found.squares[new], self._networks.rnet, REFINE_SIZE, ((), (4,)))
        found.scores_then[new], found.shifts_then[new] = said

    def _propose_at(self, image: _AreaImage, scale: float) -> Proposed:
        """What the proposal network finds at one scale."""
        height, width = _scaled(image, scale)
        margin = PROPOSAL_FIELD - PROPOSAL_STRIDE
        cell_rows = -(-(height - margin) // PROPOSAL_STRIDE)
        step = max(STRIP_PX // (PROPOSAL_STRIDE * width), 1)
        found = []
        for top in range(0, cell_rows, step):
            bottom = min(top + step, cell_rows)
            pixels = image.rows((height, width), PROPOSAL_STRIDE * top, min(PROPOSAL_STRIDE * bottom + margin, height))
            found.append(self._likely(pixels[None], np.array([[top, 0]])))
        return self._proposed(found, scale)

    def _propose_near(self, image: _AreaImage, scale: float, squares: np.ndarray) -> Proposed:
        """The same of the neighbourhood of `squares` (N, 4) alone, in blocks of cells."""
        margin = PROPOSAL_FIELD - PROPOSAL_STRIDE
        size = _scaled(image, scale)
        cells = (np.array(size) - margin) // PROPOSAL_STRIDE
        if (cells < BLOCK).any():
            return self._propose_at(image, scale)
        sides = squares[:, 2:] - squares[:, :2]
        reach = np.concatenate([squares[:, :2] - NEAR * sides, squares[:, 2:] + NEAR * sides], axis=1)
        reach = (reach * scale - PROPOSAL_FIELD / 2) / (PROPOSAL_STRIDE * BLOCK)
        wanted = np.zeros(-(-cells // BLOCK), bool)
        for x0, y0, x1, y1 in np.floor(reach).astype(int).clip(0):
            wanted[y0 : y1 + 1, x0 : x1 + 1] = True
        if wanted.mean() > MOSTLY:
            return self._propose_at(image, scale)
        corners = np.minimum(np.argwhere(wanted) * BLOCK, cells - BLOCK)
        side = PROPOSAL_STRIDE * BLOCK + margin
        step = max(STRIP_PX // side**2, 1)
        parts = [corners[start : start + step] for start in range(0, len(corners), step)]
        found = [self._likely(image.blocks(size, PROPOSAL_STRIDE * part, side), part) for part in parts]
        return self._proposed(found, scale)

    def _likely(self, pixels: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The cells (N, 2), yx, that pass the first threshold, their scores (N,) and shifts (N, 4).

        pixels: pictures (B, h, w, 3) at one scale. corners: the first cell (B, 2) of each.
        """
        p_face, shift = self._networks.pnet(self._tensor(pixels))
        picture, y, x = (p_face >= self._thresholds[0]).nonzero(as_tuple=True)
        scores, shifts = p_face[picture, y, x], shift[picture, :, y, x]
        cells = corners[picture.cpu().numpy()] + np.stack([y.cpu().numpy(), x.cpu().numpy()], axis=1)
        return cells, scores.cpu().numpy(), shifts.cpu().numpy()

    def _proposed(self, found: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], scale: float) -> Proposed:
        """The best of the cells found at one scale."""
        if not found:
            return NOTHING
        cells, scores, shifts = (np.concatenate(part) for part in zip(*found, strict=True))
        corner = PROPOSAL_STRIDE * cells[:, ::-1].astype(np.float32)
        # One pixel more at either end and whole pixels: as the networks were trained.
        boxes = np.floor(np.concatenate([corner + 1, corner + PROPOSAL_FIELD], axis=1) / np.float32(scale))
        kept = _nms(boxes, scores, NMS_WITHIN_SCALE)
        return boxes[kept], scores[kept], shifts[kept]

    def _decide(self, image: _AreaImage, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes (N, 4), scores (N,) and keypoints (N, 5, 2) of the faces that the third network accepts."""
        squares = _squared(candidates)
        said = self._look(image, squares, self._networks.onet, OUTPUT_SIZE, ((), (4,), (10,)))
        passed = said[0] > self._thresholds[2]
        boxes, scores, shifts, points = squares[passed], *(part[passed] for part in said)
        sides = boxes[:, None, 2:] - boxes[:, None, :2] + 1
        keypoints = points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides + boxes[:, None, :2] - 1
        boxes = _shifted(boxes, shifts, extra=1)
        kept = _nms_covered(boxes, scores, NMS_BETWEEN)
        return boxes[kept], scores[kept], keypoints[kept]

    def _look(
        self,
        image: _AreaImage,
        squares: np.ndarray,
        network: torch.nn.Module,
        size: int,
        answers: tuple[tuple[int, ...], ...],
    ) -> list[np.ndarray]:
        """What `network` says of each of the squares (N, 4); zeros of those outside the frame.

        `answers` are the shapes of what it says of one.
        """
        corners = np.trunc(squares).astype(np.int64)
        corners[:, :2] = np.maximum(corners[:, :2], 1) - 1
        corners[:, 2:] = np.minimum(corners[:, 2:], (image.width, image.height))
        inside = np.flatnonzero(np.all(corners[:, 2:] > corners[:, :2], axis=1))
        said = [np.zeros((len(squares), *shape), np.float32) for shape in answers]
        for start in range(0, len(inside), CROPS_AT_A_TIME):
            these = inside[start : start + CROPS_AT_A_TIME]
            for parts, part in zip(said, network(self._tensor(image.crops(corners[these], size))), strict=True):
                parts[these] = part.cpu().numpy()
        return said

    def _tensor(self, pixels: np.ndarray) -> torch.Tensor:
        """(N, H, W, 3) to (N, 3, H, W) on the device; the memory stays channels-last."""
        import torch

        return torch.from_numpy(pixels).permute(0, 3, 1, 2).to(self._device)
