"""Short moving sequences, so that video compression, and fakes that flicker from frame to frame, are known."""

from __future__ import annotations

import io

import av
import cv2
import numpy as np

from training.face_blend.blend import Layers, composite

CLIP_SHARE = 0.25
"""Of the pairs: real and fake are the last frame of a sequence before the common chain."""
CRF = (18, 41)
FRAMES = (2, 5)
SIZES = (128, 257)
PRESETS = ("ultrafast", "veryfast", "faster")


def encode(frames: list[np.ndarray], crf: int, preset: str = "veryfast") -> np.ndarray:
    """The last of the frames (uint8 RGB (H, W, 3), the same size) after H.264. Odd sides are padded and cut again."""
    height, width = frames[0].shape[:2]
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        options = {"crf": str(crf), "preset": preset, "tune": "zerolatency", "threads": "1"}
        stream = out.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        for frame in frames:
            padded = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
            even = np.ascontiguousarray(padded, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        out.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as source:
        last = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)][-1]
    return np.ascontiguousarray(last[:height, :width])


def _moved(image: np.ndarray, shift: np.ndarray, turn: float = 0.0, zoom: float = 1.0) -> np.ndarray:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, zoom)
    matrix[:, 2] += shift
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE))


def flicker(layers: Layers, strength: float, rng: np.random.Generator) -> np.ndarray:
    """The fake as another frame shows it: its source a little moved, turned and coloured, its mask a little moved.

    strength: 0 (steady) to 1 (as bad as a program without smoothing over time).
    """
    size = layers.mask.shape[0]
    jitter = rng.normal(0, 0.008 * size * strength, 2)
    source = _moved(layers.source, jitter, rng.normal(0, 0.8 * strength), 1 + rng.normal(0, 0.01 * strength))
    coloured = np.clip(source + rng.normal(0, 4 * strength, 3), 0, 255).astype(np.uint8)
    mask = _moved(layers.mask, jitter + rng.normal(0, 0.006 * size * strength, 2))
    return composite(layers.target, coloured, mask)


def last_frame(real: np.ndarray, layers: Layers, seed: int | list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Real and fake, uint8 RGB (S, S, 3), each as the last frame of a sequence in the same motion, at the same CRF.

    Both are made smaller alike first. The fake's earlier frames flicker.
    """
    rng = np.random.default_rng(seed)
    size = int(rng.integers(*SIZES))
    frames, crf, preset = int(rng.integers(*FRAMES)), int(rng.integers(*CRF)), str(rng.choice(PRESETS))
    shift, turn, zoom = rng.normal(0, 0.012 * size, 2), rng.normal(0, 0.7), 1 + rng.normal(0, 0.01)
    exposure = rng.normal(0, 2, frames) * (rng.random() < 0.3)
    still, target, source, mask = (
        cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA)
        for part in (real, layers.target, layers.source, layers.mask)
    )
    fine = Layers(target, source, mask)
    strength = float(rng.uniform(0, 1))
    reals: list[np.ndarray] = []
    fakes: list[np.ndarray] = []
    for back in range(frames - 1, -1, -1):
        made = flicker(fine, strength, rng) if back else fine.fake()
        for frame, sequence in ((still, reals), (made, fakes)):
            moved = _moved(frame, shift * back, turn * back, zoom**back) if back else frame
            sequence.append(np.clip(moved + exposure[back], 0, 255).astype(np.uint8) if back else moved)
    return encode(reals, crf, preset), encode(fakes, crf, preset)
