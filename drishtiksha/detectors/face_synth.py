"""FACE-SYNTH-LITE-V1: traces of a generator's enlarging steps in each face. Trained here; its checkpoint ships in `models/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from drishtiksha.contract import FaceRequest, FramePlan, Sample
from drishtiksha.detectors.face_base import FaceConfig, FaceDetector
from drishtiksha.results import FaceBox, MediaInfo

if TYPE_CHECKING:
    from torch import Tensor, nn

MIN_FACE_PX = 80
"""Smaller faces fill too little of the window; the network was trained on faces from this size."""


class FaceSynthesisConfig(FaceConfig):
    min_face_px: int = Field(default=MIN_FACE_PX, gt=0, description="smaller faces are a gap")


class FaceSynthesisDetector(FaceDetector):
    """The lattice that a generator leaves when it enlarges step by step: how neighbouring pixels differ.

    Paper: Tan et al., CVPR 2024, arXiv:2312.10461. Checkpoint: `models/FACE-SYNTH-LITE-V1.safetensors`, trained by
    `training.face_synth` on portraits against their reconstructions by small autoencoders; what it was
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

    def region(self, sample: Sample, face: int | None) -> FaceBox | None:
        from drishtiksha.networks.face_synth import window_box

        return None if face is None else window_box(sample.faces[face].box)

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        from drishtiksha.explain.gradcam import gradcam

        network: Any = self.network
        batch = tensor[None].to(self._device())
        return gradcam(network.forward_features, network.forward_head, batch)[0], "gradcam"
