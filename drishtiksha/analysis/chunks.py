"""What is finished of an analysis, as bytes to keep, so that an interrupted run goes on where it stopped.

A chunk is the fingerprint of its run, a SHA-256 of what follows, and an npz archive of plain arrays (never pickle): `head`
holds UTF-8 JSON, the others numbers. The fingerprint binds it to the model, its checkpoint and configuration, the file, the
device and the versions; a chunk of anything else is passed over, and so is a damaged one.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from drishtiksha import __version__
from drishtiksha.contract import Detector
from drishtiksha.results import MediaInfo, SampleScore

FORMAT = 2
LIBRARIES = ("torch", "timm", "transformers", "numpy", "opencv-python-headless", "av", "pillow", "soxr")
"""Those whose version can change a score."""
DIGEST = 32
"""Bytes of a SHA-256."""
EVERY_S = 2.0
"""Chunks come no closer than this, apart from those at the end of a pass."""
FEATURE_BYTES = 64_000_000
"""What an encoder made of the frames of one run is kept up to this; what comes after it is made again."""


@dataclass(frozen=True)
class KeptFrame:
    """An encoded frame of a sequence detector. features: float32, as `Detector.encode` gave them."""

    index: int
    frame_index: int
    time_s: float
    measures: Mapping[str, float]
    face_box: tuple[float, float, float, float] | None
    features: np.ndarray


@dataclass
class Piece:
    """What was finished since the last chunk.

    scores: by sample index; of a sequence detector its gaps. looks: by sample index, one float32 (1432,) a face. windows:
    p_fake by the sample indices of a sequence. seconds, stages: since the run began, interruptions left out.
    """

    scores: dict[int, SampleScore] = field(default_factory=dict)
    looks: dict[int, tuple[np.ndarray, ...]] = field(default_factory=dict)
    frames: list[KeptFrame] = field(default_factory=list)
    windows: dict[tuple[int, ...], float] = field(default_factory=dict)
    started_utc: str = ""
    seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.scores or self.frames or self.windows)


class Log:
    """Writes the chunks of one run. Without a listener it does nothing."""

    def __init__(self, fingerprint: bytes, on_chunk: Callable[[bytes], None] | None, before: Piece) -> None:
        self._fingerprint, self._on_chunk = fingerprint, on_chunk
        self._last = time.monotonic()
        self._feature_bytes = sum(frame.features.nbytes for frame in before.frames)
        self.piece = Piece()

    def add_frame(self, frame: KeptFrame) -> None:
        """Keep an encoded frame for the next chunk, as long as there is room for its features."""
        if self._on_chunk is not None and self._feature_bytes + frame.features.nbytes <= FEATURE_BYTES:
            self._feature_bytes += frame.features.nbytes
            self.piece.frames.append(frame)

    def due(self) -> bool:
        """Whether a chunk may be written before the pass has ended."""
        return self._on_chunk is not None and time.monotonic() - self._last >= EVERY_S

    def flush(self, started_utc: str, seconds: float, stages: Mapping[str, float]) -> None:
        """Hand over what has gathered; nothing when there is nothing."""
        piece, self.piece = self.piece, Piece()
        if self._on_chunk is None or not piece:
            return
        piece.started_utc, piece.seconds, piece.stages = started_utc, seconds, dict(stages)
        self._on_chunk(pack(piece, self._fingerprint))
        self._last = time.monotonic()


def continued(
    detector: Detector,
    media: MediaInfo,
    resume: Sequence[bytes],
    on_chunk: Callable[[bytes], None] | None,
    part: str = "",
) -> tuple[Log, Piece]:
    """Where this run writes to, and what earlier ones had finished. part: of the file; empty for all of it."""
    own = fingerprint(detector, media, part) if resume or on_chunk else b""
    before = restored(resume, own)
    return Log(own, on_chunk, before), before


def fingerprint(detector: Detector, media: MediaInfo, part: str = "") -> bytes:
    """SHA-256 of all that a score depends on."""
    facts = {
        "format": FORMAT,
        "model": detector.model_name,
        "media": media.sha256,
        "recipe": detector.recipe(),
        "versions": library_versions(),
    }
    if part:
        facts["part"] = part
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).digest()


@cache
def library_versions() -> dict[str, str]:
    """Name to version, of the tool, Python and every library here that is installed."""
    versions = {"drishtiksha": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def pack(piece: Piece, fingerprint: bytes) -> bytes:
    looks = [(index, look) for index, own in piece.looks.items() for look in own]
    head = {
        "started_utc": piece.started_utc,
        "seconds": piece.seconds,
        "stages": piece.stages,
        "scores": [score.model_dump(mode="json") for score in piece.scores.values()],
        "looks": [index for index, _ in looks],
        "frames": [[f.index, f.frame_index, f.time_s, dict(f.measures), f.face_box] for f in piece.frames],
        "windows": [[list(members), p_fake] for members, p_fake in piece.windows.items()],
    }
    arrays: dict[str, Any] = {"head": np.frombuffer(json.dumps(head).encode(), np.uint8)}
    if looks:
        arrays["looks"] = np.stack([look for _, look in looks])
    if piece.frames:
        arrays["features"] = np.stack([frame.features for frame in piece.frames])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    payload = buffer.getvalue()
    return fingerprint + hashlib.sha256(payload).digest() + payload


def unpack(chunk: bytes, fingerprint: bytes) -> Piece | None:
    """What `pack` was given; None for bytes that are damaged, or of another run."""
    owner, digest, payload = chunk[:DIGEST], chunk[DIGEST : 2 * DIGEST], chunk[2 * DIGEST :]
    if owner != fingerprint or digest != hashlib.sha256(payload).digest():
        return None
    with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
        return _piece(json.loads(arrays["head"].tobytes()), arrays)


def _piece(head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Piece:
    looks: dict[int, tuple[np.ndarray, ...]] = {}
    rows = arrays["looks"] if head["looks"] else ()
    for index, row in zip(head["looks"], rows, strict=True):
        looks[index] = (*looks.get(index, ()), row)
    features = arrays["features"] if head["frames"] else ()
    return Piece(
        scores={score.index: score for score in map(SampleScore.model_validate, head["scores"])},
        looks=looks,
        frames=[
            KeptFrame(index, frame_index, time_s, measures, None if box is None else tuple(box), own)
            for (index, frame_index, time_s, measures, box), own in zip(head["frames"], features, strict=True)
        ],
        windows={tuple(members): p_fake for members, p_fake in head["windows"]},
        started_utc=head["started_utc"],
        seconds=float(head["seconds"]),
        stages=head["stages"],
    )


def restored(chunks: Sequence[bytes], fingerprint: bytes) -> Piece:
    """All pieces of a run as one."""
    whole = Piece()
    for chunk in chunks:
        piece = unpack(chunk, fingerprint)
        if piece is None:
            continue
        whole.scores |= piece.scores
        whole.looks |= piece.looks
        whole.frames += piece.frames
        whole.windows |= piece.windows
        whole.started_utc = whole.started_utc or piece.started_utc
        if piece.seconds >= whole.seconds:
            whole.seconds, whole.stages = piece.seconds, piece.stages
    return whole
