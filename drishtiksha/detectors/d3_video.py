"""D3-RESNET-18 and -XCLIP-16: how evenly a video's frames move; generated ones move too evenly. Nothing was trained for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, PositiveInt

from drishtiksha.contract import Aggregate, ClipPlan, DetectorConfig, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.results import GapReason, Heatmap, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

RATE_HZ = 8
"""Frames that are looked at in a second of film."""
LONG, SHORT = 16, 8
"""Frames of a run, and of one in a clip that is too short for it."""
CUT_FROM = 5.0
"""A step so many times as long as the middle one is a cut: ours, since a cut makes any clip look uneven."""
USUAL_FPS = 25.0


class D3VideoConfig(DetectorConfig):
    runs: PositiveInt = Field(default=5, description="stretches of 2 s, spread over the clip; published is one")
    channels: Literal["bgr", "rgb"] = Field(default="bgr", description="bgr as in the authors' loader")
    batch_size: int = Field(default=1, gt=0, description="runs at a time")
    embedder: Literal["resnet-18", "xclip"] = Field(default="resnet-18", description="what describes each frame")
    width: PositiveInt = Field(default=768, description="of X-CLIP base, as published")
    layers: PositiveInt = Field(default=12)
    heads: PositiveInt = Field(default=12)


class D3VideoDetector(Detector):
    """The standard deviation of how the steps between the embeddings of frames change.

    Zheng et al., ICCV 2025, arXiv:2508.00701. Checkpoint: torchvision's ResNet-18, trained on ImageNet, or `model.safetensors` of
    huggingface.co/microsoft/xclip-base-patch16, which is the authors' default. Polarity: the number is low
    for generated clips, so that its negative is the logit. No threshold and no probability is published: as long as no
    calibration lies beside the checkpoint (`calibration` in its .json), the number is told and nothing is concluded.
    """

    Config = D3VideoConfig

    def sampling(self, media: MediaInfo) -> ClipPlan:
        fps = (media.fps if media is not None else None) or USUAL_FPS
        duration_s = (media.duration_s if media is not None else None) or 0.0
        count = SHORT if SHORT / RATE_HZ <= duration_s < LONG / RATE_HZ else LONG
        offsets = tuple(dict.fromkeys(round(number * fps / RATE_HZ) for number in range(count)))
        return ClipPlan(self.config.runs, offsets[-1] + 1, offsets=offsets)

    def build(self) -> nn.Module:
        from drishtiksha.networks.d3 import FrameEmbedder, GroupEmbedder

        config = self.config
        return (
            FrameEmbedder()
            if config.embedder == "resnet-18"
            else GroupEmbedder(config.width, config.layers, config.heads)
        )

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.d3 import renamed, vision_alone

        return renamed(state_dict) if self.config.embedder == "resnet-18" else vision_alone(state_dict)

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (N, 3, 224, 224): the frames of a run."""
        import torch

        from drishtiksha.networks.d3 import preprocess_frame

        return [torch.stack([preprocess_frame(frame, self.config.channels == "bgr") for frame in sample.frames])]

    def forward(self, batch: Tensor) -> Tensor:
        return self.detailed(batch)[0]

    def detailed(self, batch: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The negative of the unevenness (B,), and the unevenness and the longest step, in middle ones."""
        from drishtiksha.networks.d3 import steps, unevenness

        lengths = steps(self.network(batch.flatten(0, 1)).unflatten(0, batch.shape[:2]))
        number = unevenness(lengths)
        longest = lengths.amax(dim=1) / lengths.median(dim=1).values.clamp_min(1e-6)
        return -number, {"unevenness": number, "longest_step": longest}

    def unjudged(self) -> GapReason | None:
        return None if self._sidecar is not None and self._sidecar.calibration else GapReason.NOT_CALIBRATED

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """The middle one of the runs without a cut."""
        runs = [score for score in scores if "unevenness" in score.measures]
        steady = [score for score in runs if score.measures["longest_step"] < CUT_FROM]
        metrics: dict[str, Any] = {"runs": len(runs), "runs_with_a_cut": len(runs) - len(steady)}
        if steady:
            metrics["unevenness"] = float(np.median([score.measures["unevenness"] for score in steady]))
        note = (
            "A low unevenness speaks for a generated clip, but how low is not published and differs with the kind of film: "
            "compare it with that of genuine clips of the same camera. Still scenes and slides look generated to this measure."
        )
        p_fakes = [score.p_fake for score in steady if score.p_fake is not None]
        return Aggregate(float(np.median(p_fakes)) if p_fakes else None, metrics, (note,) if runs else ())

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """None: the number belongs to a run of frames, to no place in them."""
        return []
