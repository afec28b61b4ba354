"""Clips made of one portrait each: moved, zoomed, turned, in changing light, compressed; no real video is at hand."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np

from training.face_blend.heldout_fakes import Person, plain_swap
from training.face_blend.sequence import flicker

CRFS = (23, 28, 35)
FPS, FRAMES = 25, 25
SIZES = ((480, 640), (640, 480), (544, 720))
"""Width and height of clips, px."""
MOST_FLICKER = 0.6
GRAIN = 2.0
"""Spread of the noise that is new in every frame, of 255."""


def _wave(rng: np.random.Generator, reach: float) -> np.ndarray:
    """A smooth swing (FRAMES,) of at most about `reach`, with a random phase and half a turn to two turns long."""
    phase = rng.uniform(0, 2 * np.pi) + np.linspace(0, rng.uniform(1, 4) * np.pi, FRAMES)
    return reach * np.sin(phase) * rng.uniform(0.3, 1)


def _camera(person: Person, size: tuple[int, int], rng: np.random.Generator) -> list[np.ndarray]:
    """For each frame of the clip the (3, 3) map from the portrait: pan, zoom, roll and a slight turn of the head."""
    x0, y0, x1, y1 = person.box
    face = max(x1 - x0, y1 - y0)
    scale = min(rng.uniform(0.25, 0.45) * min(size) / face, 1.4)
    pan = np.stack([_wave(rng, 0.08 * size[0]), _wave(rng, 0.06 * size[1])], axis=1)
    zoom, roll, squeeze = 1 + _wave(rng, 0.12), _wave(rng, 9), 1 - np.abs(_wave(rng, 0.12))
    maps = []
    for step in range(FRAMES):
        matrix = cv2.getRotationMatrix2D(((x0 + x1) / 2, (y0 + y1) / 2), roll[step], scale * zoom[step])
        matrix[:, 2] += np.array(size) / 2 - ((x0 + x1) / 2, (y0 + y1) / 2) + pan[step]
        narrower = np.array([[squeeze[step], 0, (1 - squeeze[step]) * size[0] / 2], [0, 1, 0], [0, 0, 1]])
        maps.append(narrower @ np.vstack([matrix, [0, 0, 1]]))
    return maps


def _light(size: tuple[int, int], rng: np.random.Generator) -> list[np.ndarray]:
    """For each frame the gain (H, W): drifting exposure, and in every third clip a shadow that passes."""
    exposure = 1 + _wave(rng, 0.15)
    x, y = np.meshgrid(np.linspace(-1, 1, size[0], dtype=np.float32), np.linspace(-1, 1, size[1], dtype=np.float32))
    angle, edge, dark = rng.uniform(0, 2 * np.pi), rng.uniform(3, 30), rng.uniform(0.4, 0.8)
    passing, place = rng.random() < 1 / 3, np.linspace(-0.8, 0.8, FRAMES) * rng.choice([-1, 1])
    gains = []
    for step in range(FRAMES):
        lit = 1 / (1 + np.exp(np.clip(-edge * (x * np.cos(angle) + y * np.sin(angle) - place[step]), -30, 30)))
        gains.append(np.float32(exposure[step]) * (dark + (1 - dark) * lit if passing else np.ones_like(x)))
    return gains


def clip(person: Person, other: Person | None, crf: int, rng: np.random.Generator, path: Path) -> None:
    """Write an H.264 clip of one person; with `other`'s face, flickering, when given. Real and fake that are drawn by
    the same seed move and are lit alike."""
    size = SIZES[int(rng.integers(len(SIZES)))]
    maps, gains = _camera(person, size, rng), _light(size, rng)
    strength = float(rng.uniform(0, MOST_FLICKER))
    layers = None if other is None else plain_swap(person.region, other.region, rng)
    noise = np.random.default_rng(int(rng.integers(2**32)))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"crf": str(crf), "preset": "veryfast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for matrix, gain in zip(maps, gains, strict=True):
            frame = person.frame if layers is None else person.with_face(flicker(layers, strength, rng))
            seen = cv2.warpPerspective(frame, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
            grain = noise.standard_normal((size[1], size[0], 1), np.float32) * GRAIN
            lit = np.clip(seen * gain[..., None] + grain, 0, 255).astype(np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(lit, format="rgb24")))
        out.mux(stream.encode())
