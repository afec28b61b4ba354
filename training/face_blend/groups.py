"""Who is who: groups look-alikes, so that no person is knowingly on both sides of a split.

No network that knows people is at hand, so two weak measures stand in for one: how alike two aligned faces are pixel by
pixel (finds the same photograph, recut or recompressed), and how alike they are to a network trained on ImageNet.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from drishtiksha.networks.efficientnet_lite import FaceBlendNetwork, preprocess_face
from training.face_blend.data import FaceCache

ALIGNED_PX = 112
SAME_PIXELS = 0.87
SAME_FEATURES = 0.69
SAME_TOGETHER = 1.15
"""Limits on either measure and on their sum, set by looking at the pairs in order of likeness: above them lie nearly all
pairs that are one person, and many that are not, which costs nothing."""
TOO_ALIKE_TO_TEST = 0.53
"""Faces of val and test this alike (by features) to one of another split are left out of them: among such pairs about one in
six was the same person in another photograph."""
_ANCHORS = [33, 133, 362, 263, 1, 61, 291, 152]


def aligned_faces(cache: FaceCache) -> np.ndarray:
    """All faces warped onto the mean face by a similarity. Returns uint8 RGB (N, 112, 112, 3)."""
    anchors = np.ascontiguousarray(cache.meshes[:, _ANCHORS])
    mean = anchors.mean(0)
    low, high = mean.min(0), mean.max(0)
    scale = 0.72 * ALIGNED_PX / (high - low).max()
    goal = (mean - (low + high) / 2) * scale + ALIGNED_PX / 2
    faces = []
    for crop, points in zip(cache.crops, anchors, strict=True):
        matrix, _ = cv2.estimateAffinePartial2D(points, goal.astype(np.float32), method=cv2.LMEDS)
        half = cv2.resize(crop, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        matrix[:, :2] *= 2
        faces.append(cv2.warpAffine(half, matrix, (ALIGNED_PX, ALIGNED_PX), borderMode=cv2.BORDER_REPLICATE))
    return np.stack(faces)


def pixel_likeness(faces: np.ndarray) -> np.ndarray:
    """Correlation of small grey versions, less the mean face, mirrored too. Returns (N, N) in [-1, 1]."""

    def vectors(images: np.ndarray) -> np.ndarray:
        grey = [cv2.resize(cv2.cvtColor(i, cv2.COLOR_RGB2GRAY), (28, 28), interpolation=cv2.INTER_AREA) for i in images]
        flat = np.array(grey, np.float32).reshape(len(grey), -1)
        flat = (flat - flat.mean(1, keepdims=True)) / (flat.std(1, keepdims=True) + 1e-6)
        flat = flat - flat.mean(0)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    plain, mirrored = vectors(faces), vectors(faces[:, :, ::-1])
    return np.maximum(plain @ plain.T, plain @ mirrored.T)


def feature_likeness(faces: np.ndarray, network: FaceBlendNetwork) -> np.ndarray:
    """Cosine of whitened ImageNet features of the aligned faces, averaged with their mirror. Returns (N, N)."""
    features = []
    with torch.inference_mode():
        for start in range(0, len(faces), 32):
            batch = torch.stack([preprocess_face(face) for face in faces[start : start + 32]])
            both = [network.backbone.forward_features(view).mean((2, 3)) for view in (batch, batch.flip(3))]
            features.append((both[0] + both[1]).numpy())
    matrix = np.concatenate(features)
    matrix = matrix - matrix.mean(0)
    left, scales, _ = np.linalg.svd(matrix, full_matrices=False)
    kept = left[:, :128] * np.sqrt(scales[:128])
    kept /= np.linalg.norm(kept, axis=1, keepdims=True)
    return kept @ kept.T


def group(pixels: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Joins faces that are alike by either measure or by both together. Returns a group number for each, (N,)."""
    number = np.arange(len(pixels))
    alike = (pixels > SAME_PIXELS) | (features > SAME_FEATURES) | (pixels + features > SAME_TOGETHER)
    for one, two in np.argwhere(np.triu(alike, 1)):
        number[number == number[two]] = number[one]
    return number


def without_lookalikes(splits: dict[str, list[int]], features: np.ndarray) -> dict[str, list[int]]:
    """Drop from val who resembles someone in train, and from test who resembles someone in train or val."""

    def strangers(members: list[int], known: list[int]) -> list[int]:
        return [member for member in members if features[member, known].max(initial=-1) <= TOO_ALIKE_TO_TEST]

    train, val, test = splits["train"], splits["val"], splits["test"]
    return {"train": train, "val": strangers(val, train), "test": strangers(test, train + val)}
