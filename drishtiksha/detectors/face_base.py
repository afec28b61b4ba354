"""What detectors that judge each face by itself share: the most suspicious person decides, and video is judged strictly."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, DetectorConfig
from drishtiksha.detectors.base import Detector
from drishtiksha.results import MediaInfo, MediaKind, SampleScore, Thresholds


class FaceConfig(DetectorConfig):
    num_frames: int = Field(default=32, gt=0, description="evenly spaced frames of a video")
    every_s: float = Field(
        default=0.5,
        gt=0,
        description="as of any detector; closer, so that people who move are followed from frame to frame",
    )
    min_face_px: int = Field(default=80, gt=0, description="smaller faces are a gap")
    video_fake: float = Field(default=0.95, ge=0, le=1, description="FAKE begins here in a video, if not later")


class FaceDetector(Detector):
    """A detector with one score a face, calibrated on pictures. See the cards for what was measured on video."""

    Config = FaceConfig

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """The most suspicious person's score: one altered face among several must not be averaged away."""
        faces = [face for score in scores for face in score.faces]
        people = {face.person for face in faces if face.person is not None}
        highest = max((face.p_fake for face in faces), default=None)
        metrics = {"faces_scored": len(faces), "people": len(people) or len(faces), "highest_face_p_fake": highest}
        return Aggregate(scoring.highest_person(scores), metrics)

    def thresholds(self, media: MediaInfo) -> Thresholds:
        """Stricter for video: the highest of several people decides, over many frames in any light."""
        base = super().thresholds(media)
        if media.kind is not MediaKind.VIDEO:
            return base
        return base.model_copy(update={"fake": max(base.fake, self.config.video_fake)})

    def calibrated(self, media: MediaInfo) -> bool:
        """Calibration data were pictures; genuine film set the threshold for video, and no odds."""
        return media.kind is MediaKind.IMAGE and super().calibrated(media)
