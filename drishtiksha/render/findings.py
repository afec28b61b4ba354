"""The most suspicious moments as pictures: the frame with its faces, the face enlarged, and its heatmap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from drishtiksha.render import words
from drishtiksha.render.heatmap import blend
from drishtiksha.render.overlay import crop_around, draw_faces, most_suspicious_face
from drishtiksha.results import AnalysisResult, FaceBox, Heatmap, MediaKind, SampleScore

HEIGHT = 480
"""px of a composed picture: enough for a screen, small enough to send at once."""
MARGIN = 4
"""px between the parts of a composed picture."""


@dataclass(frozen=True)
class Finding:
    """One suspicious sample that can be shown: a frame of a video or the picture itself."""

    score: SampleScore
    heatmap: Heatmap | None

    @property
    def frame_index(self) -> int:
        return self.score.frame_index or 0

    def title(self) -> str:
        """ "00:03.2, Person 1, score 0.91" """
        face = most_suspicious_face(self.score)
        parts = [] if self.score.time_s is None else [words.fine_clock(self.score.time_s)]
        if face is not None and face.person is not None:
            parts.append(f"Person {face.person}")
        value = self.score.p_fake if face is None else face.p_fake
        return ", ".join([*parts, f"score {value:.2f}"])


def findings(result: AnalysisResult, count: int = 6) -> list[Finding]:
    """The `count` samples with the highest scores, those with a heatmap first among equals; only what has pixels."""
    maps: dict[int, Heatmap] = {}
    for heatmap in result.heatmaps:
        best = maps.get(heatmap.sample_index)
        if best is None or heatmap.p_fake > best.p_fake:
            maps[heatmap.sample_index] = heatmap
    picture = result.media.kind is MediaKind.IMAGE
    scored = [s for s in result.scores if s.p_fake is not None and (picture or s.frame_index is not None)]
    scored.sort(key=lambda score: (score.p_fake, score.index in maps), reverse=True)
    return [Finding(score, maps.get(score.index)) for score in scored[:count]]


def compose(image: np.ndarray, finding: Finding, result: AnalysisResult) -> np.ndarray:
    """One picture (RGB uint8, `HEIGHT` px high): the frame with boxes; to its right the enlarged face above its heatmap."""
    boxed = _to_height(draw_faces(image, finding.score.faces, result.thresholds), HEIGHT)
    region = _explained_region(finding)
    if region is None and finding.heatmap is None:
        return boxed
    plain = image
    warm = blend(image, finding.heatmap) if finding.heatmap is not None else None
    if region is not None:
        plain = crop_around(image, region)
        warm = crop_around(warm, region) if warm is not None else None
    parts = [part for part in ((plain if region is not None else None), warm) if part is not None]
    return _beside(boxed, parts)


def _explained_region(finding: Finding) -> FaceBox | None:
    if finding.heatmap is not None:
        return finding.heatmap.face_box
    face = most_suspicious_face(finding.score)
    return face.face_box if face is not None else None


def _beside(main: np.ndarray, parts: Sequence[np.ndarray]) -> np.ndarray:
    """`parts` stacked in a column of equal cells to the right of `main`; empty space is dark."""
    cell = (HEIGHT - MARGIN) // 2
    if len(parts) == 1 and parts[0].shape[1] > parts[0].shape[0] * 1.2:
        return np.hstack([main, _bar(HEIGHT, MARGIN), _to_height(parts[0], HEIGHT)])
    column = _bar(HEIGHT, cell)
    for row, part in enumerate(parts):
        fitted = _fit(part, cell)
        top = row * (cell + MARGIN) + (cell - fitted.shape[0]) // 2
        left = (cell - fitted.shape[1]) // 2
        column[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return np.hstack([main, _bar(HEIGHT, MARGIN), column])


def _bar(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 16, np.uint8)


def _to_height(image: np.ndarray, height: int) -> np.ndarray:
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    return _resize(image, width, height)


def _fit(image: np.ndarray, side: int) -> np.ndarray:
    scale = side / max(image.shape[:2])
    return _resize(image, max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    shrinking = width < image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC)
