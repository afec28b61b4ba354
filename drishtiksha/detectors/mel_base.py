"""What the detectors of mel spectrogram pictures share: the picture, the scattering network, the heatmap."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.detectors.resampled_base import ResampledConfig
from drishtiksha.errors import SkipSample
from drishtiksha.results import GapReason, Heatmap, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

    from drishtiksha.features.mel import GreyFirst

FILTER = re.compile(r"scattering\.tensor\d+")
"""kymatio's own filters, which checkpoints may carry; the network computes them."""


class MelConfig(ResampledConfig):
    hidden: tuple[int, int, int] = Field(default=(1024, 512, 128), description="widths of the hidden layers")


class MelDetector(Detector):
    """Wavelet scattering of a grey mel spectrogram picture. The networks say how real a window is."""

    Config = MelConfig
    grey: ClassVar[GreyFirst]
    """Which the pictures were that the network was trained on."""

    def build(self) -> nn.Module:
        from drishtiksha.networks.scattering import ScatteringClassifier

        return ScatteringClassifier(self.config.hidden)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {key: tensor for key, tensor in state_dict.items() if not FILTER.fullmatch(key)}

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (1, 256, 256) in [0, 1]. Raises: SkipSample where there is nothing but silence."""
        import torch

        from drishtiksha.features.mel import mel_picture

        assert sample.waveform is not None
        picture = mel_picture(sample.waveform, self.grey)
        if picture.min() == picture.max():
            raise SkipSample(GapReason.NO_SPEECH)
        return [torch.from_numpy(picture.astype(np.float32) / 255)[None]]

    def forward(self, batch: Tensor) -> Tensor:
        """Fake logits (B,); the network gives those of real."""
        return -self.network(batch)

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """The mean of the windows."""
        return Aggregate(scoring.mean_p_fake(scores), scoring.tally(scores, "window"))

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """One map over the times of the window, without its zero-padding, and frequencies."""
        from drishtiksha.explain.maps import to_sound_heatmap
        from drishtiksha.features.mel import SAMPLE_RATE, to_linear_hz

        assert sample.waveform is not None
        picture = self.preprocess(sample)[0]
        own = self.config.explain == "auto"
        values, method = self.importance(picture) if own else Detector.importance(self, picture)
        begin_s, window_s = sample.time_s or 0.0, len(sample.waveform) / SAMPLE_RATE
        end_s = begin_s + window_s if sample.end_s is None else sample.end_s
        columns = round(values.shape[1] * (end_s - begin_s) / window_s)
        shown = to_linear_hz(values)[:, :columns]
        return [to_sound_heatmap(shown, sample, score, method, span_s=(begin_s, end_s), top_hz=SAMPLE_RATE / 2)]

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        """By the scattering coefficients. Low frequencies at the bottom."""
        import torch

        from drishtiksha.explain.gradcam import hirescam
        from drishtiksha.explain.maps import normalise

        network: Any = self.network
        raised = hirescam(network.scattering, lambda maps: -network.classifier(maps), tensor.to(self._device()))[
            :, None
        ]
        drawn = torch.nn.functional.interpolate(raised, tensor.shape[-2:], mode="bilinear", align_corners=False)
        return normalise(drawn[0, 0].cpu().numpy()), "time-frequency"
