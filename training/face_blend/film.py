"""Genuine moving video, cut into stretches and delivered as streaming services and messengers do.

The clips stay on the machine that measures with them: no frame of them goes into the repository.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from training.face_blend.scene import beautify

STRETCH_S = 3.0
"""Length of a stretch; what is left at the end of a clip and shorter than half of it belongs to no stretch."""
MOST_STRETCHES = 2
"""Of one clip: its neighbours are alike."""


@dataclass(frozen=True)
class Encoding:
    """One pass through a video codec. kbit_s: its rate for a picture of half a megapixel, in proportion for others."""

    codec: str
    kbit_s: int
    scale: float = 1.0
    options: dict[str, str] = field(default_factory=dict)

    def write(self, frames: Sequence[np.ndarray], fps: float, path: Path) -> None:
        """Encode uint8 RGB frames (H, W, 3), the same size, on one thread."""
        height, width = (max(2 * round(side * self.scale / 2), 2) for side in frames[0].shape[:2])
        with av.open(str(path), "w") as out:
            stream = out.add_stream(self.codec, rate=round(fps), options={"threads": "1", **self.options})
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.bit_rate = max(int(self.kbit_s * 1000 * width * height / 500_000), 40_000)
            for frame in frames:
                small = np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(small, format="rgb24")))
            out.mux(stream.encode())


_X264 = {"preset": "veryfast"}
_X265 = {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:frame-threads=1"}
_VP9 = {"deadline": "realtime", "cpu-used": "8"}
_AV1 = {"preset": "12", "svtav1-params": "lp=1"}
DELIVERIES: dict[str, tuple[Encoding, ...]] = {
    "h264": (Encoding("libx264", 900, options=_X264),),
    "h264_low": (Encoding("libx264", 300, options=_X264),),
    "hevc": (Encoding("libx265", 500, options=_X265),),
    "vp9": (Encoding("libvpx-vp9", 500, options=_VP9),),
    "av1": (Encoding("libsvtav1", 350, options=_AV1),),
    "twice": (Encoding("libx264", 700, options=_X264), Encoding("libvpx-vp9", 400, 0.8, _VP9)),
    "smoothed": (Encoding("libx264", 700, options=_X264),),
}
"""How a stretch arrives. `twice`: downloaded, made smaller and sent on; `smoothed`: with a phone's beautifying."""
SMOOTHED = "smoothed"


def read_film(path: Path) -> tuple[list[np.ndarray], float]:
    """Frames (uint8 RGB) and frames per second of a video file."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        stream.thread_type = "NONE"
        return [frame.to_ndarray(format="rgb24") for frame in source.decode(stream)], float(stream.average_rate or 25)


def stretches(n_frames: int, fps: float) -> list[slice]:
    """Frames of at most `MOST_STRETCHES` stretches, evenly over the clip."""
    length = round(STRETCH_S * fps)
    count = max(1, min(MOST_STRETCHES, int(n_frames / length + 0.5)))
    starts = np.linspace(0, max(n_frames - length, 0), count).round().astype(int)
    return [slice(int(start), int(start) + length) for start in starts]


def deliver(frames: Sequence[np.ndarray], fps: float, delivery: str, path: Path) -> None:
    """Write frames to `path` (.mkv) as `delivery` says; what passes through two codecs is decoded between them."""
    *before, last = DELIVERIES[delivery]
    for encoding in before:
        between = path.with_suffix(".part.mkv")
        encoding.write(frames, fps, between)
        frames, _ = read_film(between)
        between.unlink()
    last.write(frames, fps, path)


def smoothed(frames: Sequence[np.ndarray], meshes: Iterable[np.ndarray | None], seed: int) -> list[np.ndarray]:
    """Frames with the skin smoothed and brightened as phones do, the same in each. meshes: (468, 2) px, None for no face."""
    made = []
    for frame, mesh in zip(frames, meshes, strict=True):
        if mesh is None:
            made.append(frame)
            continue
        made.append(_on_square(frame, mesh, seed))
    return made


def _on_square(frame: np.ndarray, mesh: np.ndarray, seed: int) -> np.ndarray:
    """`beautify` on the square around a face: it measures everything by the side of a square picture."""
    low, high = mesh.min(0), mesh.max(0)
    half = float((high - low).max()) * 0.8
    x, y = (low + high) / 2
    x0, y0 = max(int(x - half), 0), max(int(y - half), 0)
    x1, y1 = min(int(x + half), frame.shape[1]), min(int(y + half), frame.shape[0])
    part = np.ascontiguousarray(frame[y0:y1, x0:x1])
    side = max(part.shape[:2])
    square = cv2.copyMakeBorder(part, 0, side - part.shape[0], 0, side - part.shape[1], cv2.BORDER_REPLICATE)
    rng = np.random.default_rng(seed)
    made = beautify(square, mesh - np.array([x0, y0], np.float32), rng)
    out = frame.copy()
    out[y0:y1, x0:x1] = made[: part.shape[0], : part.shape[1]]
    return out
