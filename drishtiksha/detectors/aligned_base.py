"""What detectors of aligned faces share: the largest face of each frame, and heatmaps turned back into the frame."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field, PositiveInt

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, DetectorConfig, Face, FaceRequest, FramePlan, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.results import Heatmap, MediaInfo, MediaKind, SampleScore


class AlignedFaceConfig(DetectorConfig):
    num_frames: PositiveInt = Field(default=32, description="evenly spaced frames of a video")
    quick_frames: PositiveInt = Field(default=8, description="of them, those of the first answer")
    faces_per_frame: PositiveInt = Field(
        default=1, description="of a video, the largest first; from 2 on the most suspicious person decides"
    )
    faces_per_picture: PositiveInt = Field(default=8, description="the largest first; the most suspicious decides")
    min_face_px: PositiveInt = Field(default=48, description="smaller faces are a gap")
    batch_size: int = Field(default=4, gt=0, description="faces at a time")


class AlignedFaceDetector(Detector):
    """A detector with one score for each face, which it sees turned upright and at one size."""

    Config = AlignedFaceConfig

    @abstractmethod
    def alignment(self, face: Face) -> tuple[np.ndarray, int]:
        """The matrix (2, 3) from the frame to the face's crop, and the crop's side in px."""

    @abstractmethod
    def faces(self) -> FaceRequest:
        """What the crops need of a face, whatever its number."""

    def sampling(self, media: MediaInfo) -> FramePlan:
        picture = media is not None and media.kind is MediaKind.IMAGE
        most = self.config.faces_per_picture if picture else self.config.faces_per_frame
        return self.frames(self.config.num_frames, self.config.quick_frames, replace(self.faces(), most=most))

    def crop(self, sample: Sample, face: Face) -> np.ndarray:
        """uint8 RGB (S, S, 3)."""
        from drishtiksha.faces.align import aligned_crop

        assert sample.frame is not None
        return aligned_crop(sample.frame, *self.alignment(face))

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """The mean over the frames, as published; with several faces a frame, the most suspicious person."""
        p_fakes = [face.p_fake for score in scores for face in score.faces]
        metrics: dict[str, Any] = {"faces_scored": len(p_fakes), "highest_face_p_fake": max(p_fakes, default=None)}
        if p_fakes:
            metrics["median_face_p_fake"] = float(np.median(p_fakes))
        many = self.config.faces_per_frame > 1
        return Aggregate(scoring.highest_person(scores) if many else scoring.mean_p_fake(scores), metrics)

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """Of the most suspicious face, turned back to where it is in the frame; of the whole frame where it is judged so."""
        from drishtiksha.explain.maps import to_heatmap
        from drishtiksha.faces.align import crop_box, turned_back

        if not score.faces:
            return super().explain(sample, score)
        face = max(range(len(score.faces)), key=lambda i: score.faces[i].p_fake)
        tensor = self.preprocess(sample)[face]
        own = self.config.explain == "auto"
        values, method = self.importance(tensor) if own else Detector.importance(self, tensor)
        matrix, side = self.alignment(sample.faces[face])
        values, box = turned_back(values, matrix, side), crop_box(matrix, side)
        return [to_heatmap(values, sample, score, method, face=face, region=box)]
