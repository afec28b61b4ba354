"""CROSS-EFFICIENT-VIT-GAN and -IMG: each face by itself, with convolutions and attention at two scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, DetectorConfig, FaceRequest, FramePlan, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.results import MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

OVER = 0.65
"""The reference's bound: its answer is the first score above it."""
RELEASED_THRESHOLDS = (0.85, 0.95, 0.95)
"""The authors', of MTCNN's three networks. They search every frame at half size."""


class CrossEfficientViTConfig(DetectorConfig):
    frames: int = Field(default=30, gt=0, description="evenly spaced frames of a video; the paper's number")
    min_face_px: int = Field(default=40, gt=0, description="smaller faces are a gap; the authors' code finds none")
    preprocessing: Literal["reference", "released"] = Field(
        default="reference",
        description="what the checkpoint was made for: the reference server's crops (RGB, ImageNet's mean), or those of "
        "the authors' released code (square, BGR, 0 to 255), for their own cross_efficient_vit.pth",
    )
    aggregation: Literal["mean_of_highest", "first_over"] = Field(
        default="mean_of_highest",
        description="mean of each frame's highest face; or as the reference: the first face over 0.65, else the mean",
    )
    rounds: int = Field(default=4, gt=0, description="rounds of encoders and cross attention")
    small_width: int = Field(default=192, gt=0, description="of the tokens of the branch with small patches")
    large_width: int = Field(default=384, gt=0, description="of the tokens of the branch with large patches")
    hidden_width: int = Field(default=2048, gt=0, description="of the feed-forward layers")


class CrossEfficientViTDetector(Detector):
    """Texture and larger structure of each face, frame by frame.

    Coccomini et al., ICIAP 2022, arXiv:2107.02612. Checkpoint: `cross_efficient_vit.pth` of the authors' README, or one
    of the reference server's. Polarity: logit above 0 is fake. The reference server rescales crops that are already
    standardised, which wraps around: wrong; here the box is cut out of the frame. It answers REAL 0.99 without a face:
    wrong; here a gap. Its answer for several faces depends on their order; here it does not, unless asked for.
    """

    Config = CrossEfficientViTConfig
    fold_batch_norms = True

    def sampling(self, media: MediaInfo) -> FramePlan:
        request = FaceRequest("mtcnn", self.config.min_face_px)
        if self.config.preprocessing == "released":
            request = FaceRequest("mtcnn", self.config.min_face_px, thresholds=RELEASED_THRESHOLDS, halve_from=1)
        return self.frames(self.config.frames, faces=request)

    def build(self) -> nn.Module:
        from drishtiksha.networks.cross_efficient_vit import CrossEfficientViT

        config = self.config
        return CrossEfficientViT(config.rounds, config.small_width, config.large_width, config.hidden_width)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.cross_efficient_vit import renamed

        return renamed(state_dict)

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, 224, 224) per face."""
        from drishtiksha.networks.cross_efficient_vit import reference_crop, released_crop

        assert sample.frame is not None
        crop = released_crop if self.config.preprocessing == "released" else reference_crop
        return [crop(sample.frame, face.box) for face in sample.faces]

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        faces = [face.p_fake for score in scores for face in score.faces]
        metrics: dict[str, float | int | str | None] = {
            "faces_found": len(faces),
            "frames_with_a_face": sum(bool(score.faces) for score in scores),
            "highest_face_p_fake": max(faces, default=None),
        }
        if not faces or self.config.aggregation == "mean_of_highest":
            return Aggregate(scoring.mean_p_fake(scores), metrics)
        return Aggregate(next((p_fake for p_fake in faces if p_fake > OVER), float(np.mean(faces))), metrics)

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        """Over the last feature map of the branch with small patches: Grad-CAM without its mean over space (Draelos &
        Carin 2020, arXiv:2011.08891), since that map is one patch to the network: each place has weights of its own."""
        import torch
        from torch.nn.functional import interpolate

        from drishtiksha.explain.maps import normalise

        network: Any = self.network
        batch = tensor[None].to(self._device())
        with torch.no_grad():
            small, large = network.small.maps(batch), network.large.maps(batch)
        with torch.enable_grad():
            small = small.detach().requires_grad_(True)
            (gradients,) = torch.autograd.grad(network.judge(small, large).sum(), small)
        cam = (gradients * small.detach()).sum(dim=1, keepdim=True).clamp_min(0)
        cam = interpolate(cam, size=tensor.shape[-2:], mode="bilinear", align_corners=False)
        return normalise(cam[0, 0].cpu().numpy()), "gradcam"
