"""WAVEREP: traces of a video generator in whole frames at their own size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, PositiveInt

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, DetectorConfig, FramePlan, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.results import FaceBox, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn


class WaveRepConfig(DetectorConfig):
    architecture: str = Field(default="vit_base_patch14_reg4_dinov2", description="the timm network of the checkpoint")
    crop_px: PositiveInt = Field(default=504, description="side of the square that the network sees")
    num_frames: PositiveInt = Field(default=8, description="evenly spaced frames of a video; 5 s each on one core")
    depth: PositiveInt | None = Field(default=None, description="fewer layers than the architecture's, for tests")
    batch_size: int = Field(default=2, gt=0, description="frames at a time")


class WaveRepDetector(Detector):
    """The middle of each frame, pixel by pixel: generators leave traces in the fine detail that resizing would wipe out.

    Corvi et al., NeurIPS 2025, arXiv:2506.16802. Checkpoint: `weights_dinov2_G4.ckpt` of the authors (a Lightning file).
    Polarity: logit above 0 is fake. Published is the mean of the logits of every frame; here of a few, spread over the
    clip, so that each of several shots has its say.
    """

    Config = WaveRepConfig

    def sampling(self, media: MediaInfo) -> FramePlan:
        return self.frames(self.config.num_frames)

    def build(self) -> nn.Module:
        from drishtiksha.networks.picture_transformer import PictureTransformer

        return PictureTransformer(self.config.architecture, self.config.crop_px, self.config.depth)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Of a Lightning file, only what is under `model.`: the rest belongs to its training."""
        from drishtiksha.networks.picture_transformer import under_vit

        inside = {key: tensor for key, tensor in state_dict.items() if key.startswith("model.")}
        return under_vit(inside or state_dict, "model.", "vit.")

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, crop_px, crop_px), RGB, never resized, normalised as for ImageNet; smaller frames amid black."""
        from drishtiksha.networks.pixels import IMAGENET, middle, scaled

        assert sample.frame is not None
        height, width = sample.frame.shape[:2]
        sample.measures["shorter_side_px"] = min(height, width)
        return [scaled(middle(sample.frame, self.config.crop_px), IMAGENET)]

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """The mean of the frames' logits, as published."""
        side = self.config.crop_px
        least = min((score.measures["shorter_side_px"] for score in scores if score.p_fake is not None), default=side)
        note = (
            f"The picture's shorter side has {least:.0f} px, and this detector looks at {side}: the rest was filled with black, "
            "which was no part of its training. Give its score little weight."
        )
        told = (note,) if least < side else ()
        return Aggregate(scoring.mean_logit_p_fake(scores), scoring.tally(scores, "frame"), told)

    def region(self, sample: Sample, face: int | None) -> FaceBox | None:
        from drishtiksha.networks.pixels import middle_box

        assert sample.frame is not None
        height, width = sample.frame.shape[:2]
        return middle_box(height, width, self.config.crop_px)

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        return self.attended(tensor)
