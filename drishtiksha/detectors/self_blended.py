"""SELF-BLENDED-IMAGES: borders of blending around each face, by the published network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, PositiveInt

from drishtiksha.contract import Aggregate, DetectorConfig, FaceRequest, FramePlan, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.results import FaceBox, FaceScore, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

MARGIN = 8
"""An eighth of the box's width and height is added on each side."""
LEAST_AREA = 0.5
"""Of a frame's largest face; the authors ignore smaller ones beside it."""


class SelfBlendedConfig(DetectorConfig):
    num_frames: PositiveInt = Field(default=32, description="evenly spaced frames of a video")
    quick_frames: PositiveInt = Field(default=8, description="of them, those of the first answer")
    min_face_px: PositiveInt = Field(default=48, description="smaller faces are a gap")
    architecture: str = Field(default="tf_efficientnet_b4", description="the timm network of the checkpoint")
    input_size: PositiveInt = Field(default=380, description="side of the square that the network sees, px")
    batch_size: int = Field(default=4, gt=0, description="faces at a time")


class SelfBlendedImagesDetector(Detector):
    """Statistics that change at the border of something blended into a face.

    Shiohara & Yamasaki, CVPR 2022, arXiv:2204.08376. Checkpoint: `FFraw.tar` or `FFc23.tar` of github.com/mapooon/
    SelfBlendedImages. Polarity: the second of two outputs is fake. The authors' faces come from RetinaFace: here from MTCNN,
    whose boxes reach from forehead to chin as well. Their video script fails without a face: here a gap.
    """

    Config = SelfBlendedConfig
    fold_batch_norms = True

    def sampling(self, media: MediaInfo) -> FramePlan:
        faces = FaceRequest("mtcnn", self.config.min_face_px)
        return self.frames(self.config.num_frames, self.config.quick_frames, faces)

    def build(self) -> nn.Module:
        import timm

        from drishtiksha.networks.build import without_init

        with without_init():
            return timm.create_model(self.config.architecture, pretrained=False, num_classes=2)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.lukemelas import B4_BLOCKS, timm_name

        return {timm_name(key.removeprefix("net."), B4_BLOCKS): tensor for key, tensor in state_dict.items()}

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, input_size, input_size) per face, RGB in [0, 1]; the aspect ratio is not kept, as in training."""
        import cv2
        import torch

        assert sample.frame is not None
        crops = []
        for face in range(len(sample.faces)):
            x0, y0, x1, y1 = self._box(sample, face)
            side = self.config.input_size
            crops.append(cv2.resize(sample.frame[y0:y1, x0:x1], (side, side), interpolation=cv2.INTER_LINEAR))
        return [torch.from_numpy(crop).permute(2, 0, 1).float() / 255 for crop in crops]

    def forward(self, batch: Tensor) -> Tensor:
        network: Any = self.network
        return self._judge(network.forward_features(batch))

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """The mean over the frames of the highest face, small ones beside a large one left out: as the authors do."""
        highest = [max(face.p_fake for face in _main(score.faces)) for score in scores if score.faces]
        metrics: dict[str, Any] = {
            "faces_scored": sum(len(score.faces) for score in scores),
            "highest_face_p_fake": max((face.p_fake for score in scores for face in score.faces), default=None),
        }
        return Aggregate(float(np.mean(highest)) if highest else None, metrics)

    def region(self, sample: Sample, face: int | None) -> FaceBox | None:
        if face is None:
            return None
        x0, y0, x1, y1 = self._box(sample, face)
        return (float(x0), float(y0), float(x1), float(y1))

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        network: Any = self.network
        return self.raised(tensor, network.forward_features, self._judge)

    def _judge(self, maps: Tensor) -> Tensor:
        network: Any = self.network
        real, fake = network.forward_head(maps).float().unbind(dim=1)
        return fake - real

    def _box(self, sample: Sample, face: int) -> tuple[int, int, int, int]:
        assert sample.frame is not None
        height, width = sample.frame.shape[:2]
        x0, y0, x1, y1 = sample.faces[face].box
        add_x, add_y = (x1 - x0) / MARGIN, (y1 - y0) / MARGIN
        left, top = max(int(x0 - add_x), 0), max(int(y0 - add_y), 0)
        return left, top, min(int(x1 + add_x) + 1, width), min(int(y1 + add_y) + 1, height)


def _main(faces: Sequence[FaceScore]) -> list[FaceScore]:
    """Those that are at least half as large as the largest."""

    def area(face: FaceScore) -> float:
        x0, y0, x1, y1 = face.face_box
        return (x1 - x0) * (y1 - y0)

    least = LEAST_AREA * max(map(area, faces))
    return [face for face in faces if area(face) >= least]
