"""FACE-SYNTH-LITE-V1: traces of a generator's enlarging steps in each face. Trained here; its checkpoint ships in `models/`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, DetectorConfig, FaceRequest, FramePlan, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.results import FaceBox, MediaInfo, MediaKind, SampleScore, Thresholds

if TYPE_CHECKING:
    from torch import Tensor, nn

MIN_FACE_PX = 80
"""Smaller faces fill too little of the window; the network was trained on faces from this size."""


class FaceSynthesisConfig(DetectorConfig):
    num_frames: int = Field(default=32, gt=0, description="evenly spaced frames of a video")
    min_face_px: int = Field(default=MIN_FACE_PX, gt=0, description="smaller faces are a gap")
    video_fake: float = Field(default=0.95, ge=0, le=1, description="FAKE begins here in a video, if not later")


class FaceSynthesisDetector(Detector):
    """The lattice that a generator leaves when it enlarges step by step: how neighbouring pixels differ.

    Paper: Tan et al., CVPR 2024, arXiv:2312.10461. Checkpoint: `models/FACE-SYNTH-LITE-V1.safetensors`, trained by
    `drishtiksha.training.face_synth` on portraits against their reconstructions by small autoencoders; what it was
    measured to do stands in the card beside it. Polarity: logit above 0 is fake. It looks at a window of the picture's own
    pixels around the middle of each face: whatever resampled the picture afterwards weakens what it looks for.
    """

    Config = FaceSynthesisConfig

    def sampling(self, media: MediaInfo) -> FramePlan:
        return FramePlan(count=self.config.num_frames, faces=FaceRequest("blazeface", self.config.min_face_px))

    def build(self) -> nn.Module:
        from drishtiksha.networks.face_synth import FaceSynthesisNetwork

        return FaceSynthesisNetwork()

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, 192, 192) in [-1, 1] per face."""
        from drishtiksha.networks.face_synth import native_window, to_input

        assert sample.frame is not None
        return [to_input(native_window(sample.frame, face.box)) for face in sample.faces]

    def aggregate(self, scores: Sequence[SampleScore]) -> Aggregate:
        """The most suspicious person's mean: one generated face among several must not be averaged away."""
        faces = [face for score in scores for face in score.faces]
        people = {face.person for face in faces if face.person is not None}
        highest = max((face.p_fake for face in faces), default=None)
        metrics = {"faces_scored": len(faces), "people": len(people) or len(faces), "highest_face_p_fake": highest}
        return Aggregate(scoring.highest_person(scores), metrics)

    def thresholds(self, media: MediaInfo) -> Thresholds:
        """Stricter for video: the highest of several people decides, and a genuine street clip reached 0.91. See the card."""
        base = super().thresholds(media)
        if media.kind is not MediaKind.VIDEO:
            return base
        return Thresholds(real=base.real, fake=max(base.fake, self.config.video_fake))

    def calibrated(self, media: MediaInfo) -> bool:
        """Calibration data were pictures."""
        return media.kind is MediaKind.IMAGE and super().calibrated(media)

    def region(self, sample: Sample, face: int | None) -> FaceBox | None:
        from drishtiksha.networks.face_synth import window_box

        return None if face is None else window_box(sample.faces[face].box)

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        from drishtiksha.explain.gradcam import gradcam

        network: Any = self.network
        batch = tensor[None].to(self._device())
        return gradcam(network.forward_features, network.forward_head, batch)[0], "gradcam"
