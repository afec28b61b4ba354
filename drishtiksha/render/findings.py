"""The most suspicious moments as pictures: the frame with its faces, the face enlarged, and its heatmap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from drishtiksha.render import words
from drishtiksha.render.heatmap import blend
from drishtiksha.render.overlay import crop_around, draw_faces, legend, most_suspicious_face
from drishtiksha.results import AnalysisResult, Heatmap, SampleScore

HEIGHT = 480
"""px of a composed picture: enough for a screen, small enough to send at once."""
FACE_MARGIN = 0.25
"""How much of its size a face box is widened by on each side, to show what surrounds it."""
MARGIN = 4
"""px between the parts of a composed picture."""


@dataclass(frozen=True)
class Finding:
    """One suspicious sample that can be shown: a frame of a video, the picture itself, or a stretch of sound."""

    score: SampleScore
    heatmap: Heatmap | None

    @property
    def frame_index(self) -> int:
        return self.score.frame_index or 0

    @property
    def is_sound(self) -> bool:
        return self.score.time_s is not None and self.score.frame_index is None

    def title(self) -> str:
        """ "00:03.2, Person 1, score 0.91"; of sound "00:04.0-00:08.0, score 0.91" """
        face = most_suspicious_face(self.score)
        parts = [] if self.score.time_s is None else [words.place(self.score)]
        if face is not None and face.person is not None:
            parts.append(f"Person {face.person}")
        value = self.score.p_fake if face is None else face.p_fake
        listed = legend(self.score.faces)
        return ", ".join([*parts, f"score {value:.2f}"]) + (f"; faces {listed}" if listed else "")


def findings(result: AnalysisResult, count: int = 4) -> list[Finding]:
    """The `count` samples with the highest scores, those with a heatmap first among equals. Who was seen in too few samples
    to be judged is left out."""
    counted = {None, *(row.person for row in result.seen_enough)}
    maps: dict[int, Heatmap] = {}
    for heatmap in result.heatmaps:
        if heatmap.person not in counted:
            continue
        best = maps.get(heatmap.sample_index)
        if best is None or heatmap.p_fake > best.p_fake:
            maps[heatmap.sample_index] = heatmap
    scored = [one for score in result.scores if score.p_fake is not None and (one := _of(score, counted))]
    scored.sort(key=lambda score: (score.p_fake, score.index in maps), reverse=True)
    return [Finding(score, maps.get(score.index)) for score in scored[:count]]


def _of(score: SampleScore, counted: set[int | None]) -> SampleScore | None:
    """The score of those of its people that count; None where there are none."""
    faces = tuple(face for face in score.faces if face.person in counted)
    if len(faces) == len(score.faces):
        return score
    return score.model_copy(update={"faces": faces, "p_fake": max(face.p_fake for face in faces)}) if faces else None


def compose(image: np.ndarray, finding: Finding, result: AnalysisResult) -> np.ndarray:
    """One picture (RGB uint8, `HEIGHT` px high): the frame with boxes; to its right the enlarged face above its heatmap."""
    boxed = _to_height(draw_faces(image, finding.score.faces, result.thresholds), HEIGHT)
    if finding.heatmap is None:
        face = most_suspicious_face(finding.score)
        return boxed if face is None else _beside(boxed, [crop_around(image, face.face_box, FACE_MARGIN)])
    warm = blend(image, finding.heatmap)
    region = finding.heatmap.face_box
    if region is None:
        return np.hstack([boxed, _bar(HEIGHT, MARGIN), _to_height(warm, HEIGHT)])
    return _beside(boxed, [crop_around(image, region, 0.0), crop_around(warm, region, 0.0)])


def _beside(main: np.ndarray, parts: Sequence[np.ndarray]) -> np.ndarray:
    """One or two `parts` in a column of equal cells to the right of `main`; empty space is dark."""
    cell = (HEIGHT - MARGIN) // 2
    column = _bar(HEIGHT, cell)
    first = (HEIGHT - len(parts) * (cell + MARGIN) + MARGIN) // 2
    for row, part in enumerate(parts):
        fitted = _fit(part, cell)
        top = first + row * (cell + MARGIN) + (cell - fitted.shape[0]) // 2
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
