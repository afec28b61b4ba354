"""What happens to a picture on its way to us, and what genuine pictures look like that are as soft as a reconstruction."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from scipy import fft

from drishtiksha.networks.face_synth import TRAINING_PX
from training.face_blend.degrade import h264, jpeg

_KERNELS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
RINGS = 96
MAX_GAIN = 3
SIZES = (0.55, 1.5)
"""By how much a picture is made smaller or larger on its way."""
EDGE_PX = 8
"""Left around the window until the end, so that filters and compression meet no edge in it."""


def as_sharp_as(image: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Filters a picture so that the power in each ring of its spectrum is that of `goal`: sharpness then says nothing.

    Both uint8 RGB (H, W, 3). A filter of rings cannot make the lattice that enlarging leaves, which is what should count.
    """
    height, width = image.shape[:2]
    distance = np.hypot(fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None, :])
    ring = np.minimum((distance * 2 * RINGS).astype(int), RINGS)
    # Faded out towards the edges, where the jump from one side to the other would pass for fine detail.
    faded = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)[..., None]
    spectra = (fft.rfft2((part - part.mean((0, 1))) * faded, axes=(0, 1)) for part in (image, goal))
    powers = [np.bincount(ring.ravel(), (np.abs(spectrum) ** 2).sum(2).ravel()) for spectrum in spectra]
    gain = np.sqrt(powers[1] / np.maximum(powers[0], 1e-6)).clip(0, MAX_GAIN).astype(np.float32)
    gain[0] = 1
    spectrum = fft.rfft2(image.astype(np.float32), axes=(0, 1))
    filtered = fft.irfft2(spectrum * gain[ring][..., None], s=(height, width), axes=(0, 1))
    return np.clip(filtered.round(), 0, 255).astype(np.uint8)


def resampled(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Made smaller and enlarged again by a plain kernel, as phones and web sites do: genuine for all that."""
    factor = 1 / rng.uniform(1.15, 2.0)
    shrunk = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, image.shape[1::-1], interpolation=int(rng.choice(_KERNELS)))


def smoothed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blurred or denoised."""
    kind = int(rng.integers(0, 3))
    if kind == 0:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.0))
    if kind == 1:
        return cv2.bilateralFilter(image, 5, rng.uniform(10, 40), 2)
    return cv2.medianBlur(image, 3)


def sharpened(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unsharp masking."""
    soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.5))
    strength = rng.uniform(0.3, 1.2)
    return cv2.addWeighted(image, 1 + strength, soft, -strength, 0)


def sides(
    real: np.ndarray, fake: np.ndarray, soft: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A genuine picture and its reconstruction in one of their guises, so that sharpness alone tells nothing.

    soft: the real one as sharp as the fake. As they are; both as sharp as the fake, or as the real one; or the real one
    denoised or resampled.
    """
    kind = rng.random()
    if kind < 0.2:
        return real, fake
    if kind < 0.5:
        return soft, fake
    if kind < 0.75:
        return real, as_sharp_as(fake, real)
    if kind < 0.9:
        return smoothed(real, rng), fake
    return resampled(real, rng), fake


def _compressed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kind = rng.random()
    if kind < 0.55:
        return jpeg(image, int(rng.integers(50, 96)), chroma_full=bool(rng.random() < 0.3))
    if kind < 0.68:
        return h264(image, int(rng.integers(18, 30)))
    return image


def _window(image: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    y, x = (int(rng.integers(0, image.shape[0] - side + 1)) for _ in range(2))
    return image[y : y + side, x : x + side]


def delivered(image: np.ndarray, seed: list[int]) -> np.ndarray:
    """The common chain: sharpening or blur, noise, another size, compression, and a window from anywhere.

    image: uint8 RGB (S, S, 3), S at least TRAINING_PX / SIZES[0]. Knows no label and draws nothing from the picture: one
    seed gives real and fake the same steps with the same strengths. Returns uint8 RGB (TRAINING_PX, TRAINING_PX, 3).
    """
    rng = np.random.default_rng(seed)
    steps = rng.random(4)
    factor = float(np.exp(rng.uniform(*np.log(SIZES)))) if steps[0] < 0.5 else 1.0
    side = TRAINING_PX + 2 * EDGE_PX
    image = _window(image, min(math.ceil(side / factor) + 1, image.shape[0]), rng)
    if steps[1] < 0.15:
        image = sharpened(image, rng)
    elif steps[1] < 0.3:
        image = smoothed(image, rng)
    if steps[2] < 0.3:
        shape = (*image.shape[:2], 3 if rng.random() < 0.5 else 1)
        image = np.clip(image + rng.normal(0, rng.uniform(0.5, 5), shape), 0, 255).astype(np.uint8)
    if factor != 1:
        size = max(round(image.shape[0] * factor), TRAINING_PX)
        kernel = cv2.INTER_AREA if factor < 1 and rng.random() < 0.5 else int(rng.choice(_KERNELS))
        image = cv2.resize(image, (size, size), interpolation=kernel)
    image = _window(_compressed(image, rng), TRAINING_PX, rng)
    return np.ascontiguousarray(image[:, ::-1] if steps[3] < 0.5 else image)


def _resized(image: np.ndarray, factor: float, quality: int) -> np.ndarray:
    return jpeg(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), quality)


DELIVERIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "clean": lambda image: image,
    "jpeg_90": partial(jpeg, quality=90),
    "jpeg_70": partial(jpeg, quality=70),
    "resized_0.75_jpeg_80": partial(_resized, factor=0.75, quality=80),
    "h264_crf23": partial(h264, crf=23),
}
"""How pictures arrive when the network is judged."""
