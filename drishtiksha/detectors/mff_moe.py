"""MFF-MOE-V1: the whole picture, judged by seven networks at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, PositiveInt

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, DetectorConfig, FramePlan, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import WeightsMismatchError
from drishtiksha.results import Heatmap, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

    from drishtiksha.networks.mff_moe import MFFMoENetwork

EXPERTS = (
    "convnextv2_tiny",
    "convnextv2_tiny",
    "tf_efficientnet_b4",
    "tf_efficientnet_b4",
    "tf_efficientnet_b5",
    "tf_efficientnet_b5",
    "tf_efficientnet_b6",
)
"""The timm networks of the published checkpoint, in its order."""


class MFFMoEConfig(DetectorConfig):
    video_frames_to_sample: PositiveInt = Field(default=100, description="evenly spaced frames of a video")
    sparse_frames: PositiveInt = Field(default=8, description="of them, those of the first answer of a long video")
    experts: tuple[str, ...] = Field(default=EXPERTS, min_length=1, description="the timm networks of the checkpoint")
    image_size: PositiveInt = Field(default=512, description="side of the experts' input, px")
    dtype: Literal["float32", "bfloat16"] = Field(
        default="bfloat16", description="bfloat16 moved p_fake by 0.0003; float32 where the processor lacks it"
    )
    batch_size: int = Field(default=1, gt=0, description="pictures at a time; more are no faster on a CPU")


class MFFMoEDetectorV1(Detector):
    """The whole picture, or each of a video's frames by itself: no face is looked for.

    Team JTGroup, first of the Global Multimedia Deepfake Detection, image track (2024); no paper. Checkpoint:
    `weight.pth` of github.com/HighwayWu/DeepFakeDefenders, called `MFF-MoE-v1.pth` by the reference server, and the
    companion `averages` (`ema.state`, `MFF-MoE-v1.state`). Polarity: the second of each expert's two outputs is fake;
    p_fake is the mean of the experts' probabilities. The reference server goes on without the averages when their file
    is missing or does not fit, with other scores: wrong; here they are required. It answers 0.5 when a picture fails:
    wrong; here a gap. It needs CUDA; this does not.
    """

    Config = MFFMoEConfig

    def sampling(self, media: MediaInfo) -> FramePlan:
        return self.frames(self.config.video_frames_to_sample, self.config.sparse_frames)

    def build(self) -> nn.Module:
        from drishtiksha.networks.mff_moe import MFFMoENetwork

        return MFFMoENetwork(self.config.experts)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The authors' file begins with the expert's number, the reference server's with `experts.`."""
        return {key if key.startswith("experts.") else f"experts.{key}": tensor for key, tensor in state_dict.items()}

    def merge(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.mff_moe import with_averages

        try:
            return with_averages(state_dict, self.read_companion("averages"))
        except (ValueError, TypeError, KeyError) as error:
            raise WeightsMismatchError(
                f"The file of averaged weights does not belong to the checkpoint of {self.model_name}: {error}. "
                "Put both files of one release in their place."
            ) from error

    def read_network(self, path: Path) -> nn.Module:
        from drishtiksha.networks.mff_moe import quicken

        return quicken(super().read_network(path))

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, image_size, image_size), RGB, normalised as for ImageNet."""
        from drishtiksha.networks.mff_moe import whole_picture

        assert sample.frame is not None
        return [whole_picture(sample.frame, self.config.image_size)]

    def forward(self, batch: Tensor) -> Tensor:
        return self.detailed(batch)[0]

    def detailed(self, batch: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Fake logits (B,), p_fake of each expert, their standard deviation, and how many are over 0.5."""
        from drishtiksha.networks.mff_moe import together

        opinions = self._experts.opinions(batch)
        each = {f"expert_{number}": p_fake for number, p_fake in enumerate(opinions.unbind(dim=1), start=1)}
        spread = {"expert_spread": opinions.std(dim=1, correction=0)}
        return together(opinions), each | spread | {"experts_over_half": (opinions > 0.5).sum(dim=1)}

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        judged = [score.measures for score in scores if score.p_fake is not None]
        if not judged:
            return Aggregate(None)
        metrics = {name: float(np.mean([measures[name] for measures in judged])) for name in judged[0]}
        shares = np.array([measures["experts_over_half"] for measures in judged]) / len(self.config.experts)
        metrics["expert_agreement"] = float(np.maximum(shares, 1 - shares).mean())
        return Aggregate(scoring.mean_p_fake(scores), metrics)

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """Grad-CAM of the expert that is surest of a fake: of all, it would take as long as the score did."""
        import torch

        from drishtiksha.explain.gradcam import gradcam
        from drishtiksha.explain.maps import to_heatmap

        if self.config.explain != "auto":
            return super().explain(sample, score)
        numbers = range(len(self.config.experts))
        surest = self._experts.experts[max(numbers, key=lambda number: score.measures[f"expert_{number + 1}"])]
        device = self._device()
        batch = self.preprocess(sample)[0][None].to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._dtype == "bfloat16"):
            values = gradcam(surest.features, surest.judge, batch)[0]
        return [to_heatmap(values, sample, score, "gradcam", face=None, region=None)]

    @property
    def _experts(self) -> MFFMoENetwork:
        network: Any = self.network
        return network
