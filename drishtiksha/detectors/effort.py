"""EFFORT: aligned faces or whole pictures, by CLIP, of whose attention only one direction per layer was tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, PositiveInt

from drishtiksha.contract import Face, FaceRequest, FramePlan, Sample
from drishtiksha.detectors.aligned_base import AlignedFaceConfig, AlignedFaceDetector
from drishtiksha.results import MediaInfo

if TYPE_CHECKING:
    from torch import Tensor, nn

SIDE_PX = 224


class EffortConfig(AlignedFaceConfig):
    input: Literal["face", "picture"] = Field(default="face", description="what the checkpoint learned from")
    width: PositiveInt = Field(default=1024, description="of CLIP ViT-L/14, as published")
    layers: PositiveInt = Field(default=24)
    heads: PositiveInt = Field(default=16)


class EffortDetector(AlignedFaceDetector):
    """Traces of manipulation in a face, or of a generator in a picture, beside what CLIP knows of its contents.

    Yan et al., ICML 2025, arXiv:2411.15633. Checkpoint: `effort_clip_L14_trainOn_FaceForensic.pth` for faces, or the authors'
    files for GenImage or Chameleon with `input: picture`. Polarity: the second of two outputs is fake. Faces are aligned as by
    DeepfakeBench, with a face mesh in the place of dlib's 81 points.
    """

    Config = EffortConfig

    def faces(self) -> FaceRequest:
        return FaceRequest("blazeface", self.config.min_face_px, landmarks=True)

    def sampling(self, media: MediaInfo) -> FramePlan:
        plan = super().sampling(media)
        return plan if self.config.input == "face" else replace(plan, faces=None)

    def alignment(self, face: Face) -> tuple[np.ndarray, int]:
        from drishtiksha.faces.align import BENCH_POINTS, bench_alignment

        assert face.landmarks is not None
        return bench_alignment(face.landmarks[list(BENCH_POINTS)], SIDE_PX), SIDE_PX

    def build(self) -> nn.Module:
        from drishtiksha.networks.effort import EffortNetwork

        return EffortNetwork(self.config.width, self.config.layers, self.config.heads)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.effort import plain

        return plain(state_dict)

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, 224, 224) per face, or of the whole picture, RGB, normalised as for CLIP."""
        from drishtiksha.networks.effort import whole_picture
        from drishtiksha.networks.pixels import CLIP, scaled

        if self.config.input == "picture":
            assert sample.frame is not None
            return [whole_picture(sample.frame)]
        return [scaled(self.crop(sample, face), CLIP) for face in sample.faces]

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        return self.attended(tensor)
