"""What happens to a picture on its way to us. Real and fake go through the very same chain, drawn by the same seed."""

from __future__ import annotations

import cv2
import numpy as np

from training.face_blend.blend import colour_shift, unsharp
from training.face_blend.sequence import encode

_RESIZERS = [cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4]


def jpeg(image: np.ndarray, quality: int, chroma_full: bool = False) -> np.ndarray:
    """Through JPEG and back. image: uint8 RGB (H, W, 3). quality: 1-100. chroma_full: 4:4:4 instead of 4:2:0."""
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if chroma_full else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, data = cv2.imencode(".jpg", image[..., ::-1], flags)
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1])


def h264(image: np.ndarray, crf: int, frames: int = 1, step: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Through H.264 and back, as the last of `frames` pictures that move by `step` px each.

    image: uint8 RGB (H, W, 3). crf: 0-51.
    """
    size = (image.shape[1], image.shape[0])
    moves = [np.array([[1, 0, step[0] * back], [0, 1, step[1] * back]]) for back in range(frames - 1, 0, -1)]
    moved = [np.asarray(cv2.warpAffine(image, move, size, borderMode=cv2.BORDER_REPLICATE), np.uint8) for move in moves]
    return encode([*moved, image], crf)


def resize(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """To (size, size) by a random kernel; area is used only to shrink."""
    kernels = _RESIZERS if size < image.shape[0] else _RESIZERS[1:]
    return cv2.resize(image, (size, size), interpolation=int(rng.choice(kernels)))


def _light(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A lamp from one side: brightness falls linearly across the picture; or another gamma."""
    if rng.random() < 0.5:
        table = 255 * (np.arange(256) / 255) ** np.exp(rng.uniform(-0.5, 0.6))
        return cv2.LUT(image, table.astype(np.uint8))
    size = image.shape[0]
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.5)
    lamp = 1 + depth * (x * np.cos(angle) + y * np.sin(angle))
    return np.clip(image * lamp[..., None].astype(np.float32), 0, 255).astype(np.uint8)


def _whole_filter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What cameras, phones and editors do to whole pictures without faking anything."""
    kind = int(rng.integers(0, 8))
    if kind == 0:
        return unsharp(image, rng)
    if kind == 1:
        return cv2.bilateralFilter(image, 5, rng.uniform(15, 45), 3)
    if kind == 7:
        return cv2.bilateralFilter(image, 7, rng.uniform(40, 90), 5)
    if kind == 2:
        return cv2.medianBlur(image, int(rng.choice([3, 3, 5])))
    if kind == 3:
        return colour_shift(image, rng)
    if kind == 4:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
        kept = rng.choice([0.0, rng.uniform(0, 0.6)])
        return np.clip(grey + (image - grey) * kept, 0, 255).astype(np.uint8)
    return _light(image, rng)


def _blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.6:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 2.0))
    length = int(rng.integers(3, 14))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), rng.uniform(0, 180), 1)
    turned = np.asarray(cv2.warpAffine(kernel, turn, (length, length)), np.float32)
    return cv2.filter2D(image, -1, turned / np.float32(max(turned.sum(), 1e-6)))


def _noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    channels = 3 if rng.random() < 0.5 else 1
    grain = rng.normal(0, rng.uniform(1.5, 9), (*image.shape[:2], channels)).astype(np.float32)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def _compress(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kind = rng.random()
    if kind < 0.7:
        image = jpeg(image, int(rng.integers(30, 96)), chroma_full=bool(rng.random() < 0.3))
    if 0.6 < kind < 0.82:
        step = (float(rng.uniform(-4, 4)), float(rng.uniform(-4, 4)))
        image = h264(image, int(rng.integers(18, 41)), int(rng.integers(1, 5)), step)
    return image


def degrade(image: np.ndarray, size: int, seed: int | list[int]) -> np.ndarray:
    """The common chain: filters, blur, noise, another size, compression (twice for some), and the network's size.

    image: uint8 RGB (S, S, 3). Knows no label, and draws nothing from the picture: one seed gives real and fake
    the same steps with the same strengths. Returns uint8 RGB (size, size, 3).
    """
    rng = np.random.default_rng(seed)
    steps = rng.random(6)
    if steps[0] < 0.3:
        image = _whole_filter(image, rng)
    if steps[1] < 0.25:
        image = _blur(image, rng)
    if steps[2] < 0.15:
        image = _noise(image, rng)
    if steps[3] < 0.6:
        image = resize(image, round(float(np.exp(rng.uniform(np.log(64), np.log(320))))), rng)
    image = _compress(image, rng)
    if steps[4] < 0.15:
        image = _noise(image, rng)
    cut = rng.integers(0, max(image.shape[0] // 20, 1) + 1, 4)
    image = image[cut[0] : image.shape[0] - cut[1], cut[2] : image.shape[1] - cut[3]]
    image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if image.shape[0] > size else cv2.INTER_CUBIC)
    if steps[5] < 0.15:
        image = jpeg(image, int(rng.integers(60, 96)))
    return image
