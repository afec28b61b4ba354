"""DFB-XCEPTION, -EFFICIENTNET-B4, -UCF and -SPSL: aligned faces, by the networks of DeepfakeBench."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from drishtiksha.contract import Face, FaceRequest, Sample
from drishtiksha.detectors.aligned_base import AlignedFaceConfig, AlignedFaceDetector

if TYPE_CHECKING:
    from torch import Tensor, nn

SIDE_PX = 256


class DeepfakeBenchConfig(AlignedFaceConfig):
    architecture: Literal["xception", "efficientnet-b4", "ucf", "spsl"] = Field(
        default="xception", description="the network of the checkpoint"
    )
    batch_size: int = Field(default=8, gt=0, description="faces at a time")


class DeepfakeBenchDetector(AlignedFaceDetector):
    """Texture of the largest face of each frame, as four published networks learned it from the same data.

    Yan et al., NeurIPS 2023, arXiv:2307.01426. Checkpoint: `xception_best.pth`, `effnb4_best.pth`, `ucf_best.pth` or
    `SPSL_best.pth` of github.com/SCLBD/DeepfakeBench, release v1.0.1. Polarity: the second of two outputs is fake. The
    authors' points come from dlib's 81-point model: here from a face mesh, mapped to the same ones. They drop faces that
    dlib does not find again in the crop; here none is dropped.
    """

    Config = DeepfakeBenchConfig

    def faces(self) -> FaceRequest:
        return FaceRequest("blazeface", self.config.min_face_px, landmarks=True)

    def alignment(self, face: Face) -> tuple[np.ndarray, int]:
        from drishtiksha.faces.align import BENCH_POINTS, bench_alignment

        assert face.landmarks is not None
        return bench_alignment(face.landmarks[list(BENCH_POINTS)], SIDE_PX), SIDE_PX

    def build(self) -> nn.Module:
        from drishtiksha.networks.deepfake_bench import bench_network

        return bench_network(self.config.architecture)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.deepfake_bench import renamed

        return renamed(state_dict, self.config.architecture)

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, 256, 256) per face, RGB in [-1, 1]."""
        from drishtiksha.networks.pixels import HALVES, scaled

        return [scaled(self.crop(sample, face), HALVES) for face in sample.faces]

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        network: Any = self.network
        return self.raised(tensor, network.maps, network.judge)
