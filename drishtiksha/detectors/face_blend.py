"""FACE-BLEND-LITE-V1: traces of blending in each face. Trained here; its checkpoint ships in `models/`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from drishtiksha.contract import FaceRequest, FramePlan, Sample
from drishtiksha.detectors.face_base import FaceConfig, FaceDetector
from drishtiksha.results import FaceBox, MediaInfo

if TYPE_CHECKING:
    from torch import Tensor, nn


FACES = FaceRequest("blazeface", min_size=80, facing=True)
"""Kept-out portraits with faces of 60 to 80 px gave twice the false alarms of larger ones, and it was trained on
posed portraits, which look at the camera: both are left as gaps. See the card."""


class FaceBlendConfig(FaceConfig):
    min_face_px: int = Field(default=FACES.min_size, gt=0, description="smaller faces are a gap")
    video_fake: float = Field(default=0.9, ge=0, le=1, description="FAKE begins here in a video, if not later")


class FaceBlendDetector(FaceDetector):
    """Texture and seams of a face that was blended into its picture: self-blended images.

    Paper: Shiohara & Yamasaki, CVPR 2022, arXiv:2204.08376. Checkpoint: `models/FACE-BLEND-LITE-V1.safetensors`, trained
    by `training.face_blend`; what it was measured to do stands in the card beside it. Polarity: logit above 0
    is fake. Faces that were generated whole carry no blending and are not seen.
    """

    Config = FaceBlendConfig

    def sampling(self, media: MediaInfo) -> FramePlan:
        return self.frames(self.config.num_frames, faces=replace(FACES, min_size=self.config.min_face_px))

    def build(self) -> nn.Module:
        from drishtiksha.networks.efficientnet_lite import FaceBlendNetwork

        return FaceBlendNetwork()

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, 268, 268) in [-1, 1] per face."""
        from drishtiksha.faces.crop import face_crop
        from drishtiksha.networks.efficientnet_lite import WIDE_MARGIN, WIDE_SIZE, preprocess_face

        assert sample.frame is not None
        crops = [face_crop(sample.frame, face.box, WIDE_SIZE, WIDE_MARGIN) for face in sample.faces]
        return [preprocess_face(crop, WIDE_SIZE) for crop in crops]

    def forward(self, batch: Tensor) -> Tensor:
        """Fake logits (B,), the mean of two looks at each face."""
        network: Any = self.network
        return network.two_looks(batch)

    def region(self, sample: Sample, face: int | None) -> FaceBox | None:
        from drishtiksha.faces.crop import square_around
        from drishtiksha.networks.efficientnet_lite import WIDE_MARGIN

        return None if face is None else square_around(sample.faces[face].box, WIDE_MARGIN)

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        from drishtiksha.explain.gradcam import gradcam

        backbone: Any = self.network.backbone
        batch = tensor[None].to(self._device())
        return gradcam(backbone.forward_features, lambda maps: backbone.forward_head(maps)[:, 0], batch)[0], "gradcam"
