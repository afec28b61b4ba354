"""DISTIL-DIRE-V1: a picture beside the noise that a diffusion model finds in it."""

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

    from drishtiksha.networks.distil_dire import DistilDIRENetwork

SIDE = 256
"""Of the network's input, px."""


class DistilDIREConfig(DetectorConfig):
    noise_channels: PositiveInt = Field(default=256, description="of the first level of the noise predictor")
    noise_head_channels: PositiveInt = Field(default=64, description="of each of its attention heads")
    batch_size: int = Field(default=1, gt=0, description="pictures at a time; each needs 1 GB")


class DistilDIREDetectorV1(Detector):
    """Whether a diffusion model finds a picture as easy to explain as one that a generator made.

    Lim et al. 2024, arXiv:2406.00856. Checkpoint: `celebahq-distil-dire-34e.pth` or `imagenet-distil-dire-11e.pth` of
    huggingface.co/yevvonlim/distildire, or the reference server's `DistilDIRE-v1.pth`; the companion `noise_predictor` is
    OpenAI's `256x256_diffusion_uncond.pt`. Polarity: logit above 0 is fake. The reference server calls the mean of a
    feature map a heatmap: wrong; here Grad-CAM. It says nothing of what it cuts off or enlarges; here notes do.
    """

    Config = DistilDIREConfig

    def sampling(self, media: MediaInfo) -> FramePlan:
        return FramePlan(count=1)

    def build(self) -> nn.Module:
        from drishtiksha.networks.distil_dire import DistilDIRENetwork

        return DistilDIRENetwork(self.config.noise_channels, self.config.noise_head_channels)

    def merge(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.distil_dire import copied

        noise_predictor = self.read_companion("noise_predictor")
        return dict(state_dict) | {f"noise_predictor.{key}": copied(tensor) for key, tensor in noise_predictor.items()}

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, 256, 256), RGB, in [-1, 1]."""
        from drishtiksha.networks.distil_dire import centre_square

        assert sample.frame is not None
        height, width = sample.frame.shape[:2]
        sample.measures["shorter_side_px"] = min(height, width)
        sample.measures["share_looked_at"] = min(height, width) / max(height, width)
        return [centre_square(sample.frame)]

    def detailed(self, batch: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Fake logits (B,), and the root mean square of the noise, which is 1 in pure noise."""
        noise = self._parts.noise(batch)
        logits = self._parts.judge(self._parts.features(batch, noise))
        return logits, {"noise_rms": noise.square().mean(dim=(1, 2, 3)).sqrt()}

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        measures: Mapping[str, float] = scores[0].measures if scores else {}
        notes = []
        if (side := int(measures.get("shorter_side_px", SIDE))) < SIDE:
            notes.append(
                f"The picture's shorter side has {side} px and was enlarged to {SIDE}. Enlarging leaves traces of its own, "
                "and this detector was made for larger pictures: give its score little weight."
            )
        if (share := measures.get("share_looked_at", 1.0)) < 1:
            notes.append(f"Only the middle square was looked at, {share:.0%} of the picture.")
        return Aggregate(scoring.mean_p_fake(scores), dict(measures), tuple(notes))

    def region(self, sample: Sample, face: int | None) -> FaceBox | None:
        """The middle square."""
        assert sample.frame is not None
        height, width = sample.frame.shape[:2]
        side = min(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        return (left, top, left + side, top + side)

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        """Of the ResNet alone, the noise being given."""
        import torch

        from drishtiksha.explain.gradcam import gradcam

        device = self._device()
        batch = tensor[None].to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._dtype == "bfloat16"):
            with torch.no_grad():
                noise = self._parts.noise(batch)
            return gradcam(lambda picture: self._parts.features(picture, noise), self._parts.judge, batch)[0], "gradcam"

    @property
    def _parts(self) -> DistilDIRENetwork:
        network: Any = self.network
        return network
