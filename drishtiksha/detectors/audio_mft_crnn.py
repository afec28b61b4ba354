"""AUDIO-MFT-CRNN-V1: several descriptions of each second at once, followed over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, AudioPlan, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.detectors.resampled_base import ResampledConfig
from drishtiksha.errors import SkipSample
from drishtiksha.results import GapReason, Heatmap, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

PLAN = AudioPlan(sample_rate=16_000, window_s=1.0, hop_s=0.5, min_s=1.0)


class MFTConfig(ResampledConfig):
    lstm_width: int = Field(default=128, gt=0, description="width of the recurrent network; the checkpoint's")


class AudioMFTCRNNV1(Detector):
    """Mel and plain spectrograms, cepstrum, chroma and contrast of a second of sound every half second.

    No paper is named by its publisher. Checkpoint: the reference server's. Polarity: the network's logit is that of fake;
    p_fake is the mean over the windows. What is left at the end, under half a second, is not looked at, as in the
    reference. The reference judges seconds of digital silence like any other: wrong; here they are gaps.
    """

    Config = MFTConfig

    def sampling(self, media: MediaInfo) -> AudioPlan:
        return replace(PLAN, resampling=self.config.resampling)

    def build(self) -> nn.Module:
        from drishtiksha.networks.mft_crnn import MFTNetwork

        return MFTNetwork(lstm_width=self.config.lstm_width)

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (1, 1619, 32). Raises: SkipSample for digital silence."""
        import torch

        from drishtiksha.features.mft import stacked_features

        assert sample.waveform is not None
        if not np.abs(sample.waveform).max(initial=0.0) > 0:
            raise SkipSample(GapReason.NO_SPEECH)
        return [torch.from_numpy(stacked_features(sample.waveform))[None]]

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """The mean of the windows."""
        return Aggregate(scoring.mean_p_fake(scores), scoring.tally(scores, "window"))

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        import torch

        from drishtiksha.explain.gradcam import gradcam

        network: Any = self.network
        with torch.backends.cudnn.flags(enabled=False):  # cuDNN gives no gradients of an LSTM that is not in training
            values = gradcam(network.cnn_extractor, network.judge, tensor[None].to(self._device()))[0]
        return values, "time-frequency"

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """One map over times and frequencies, of the finer plain spectrogram; what the other features add is not shown."""
        from drishtiksha.explain.maps import normalise, to_sound_heatmap
        from drishtiksha.features.mft import LINEAR_ROWS

        assert sample.waveform is not None
        assert sample.end_s is not None
        features = self.preprocess(sample)[0]
        own = self.config.explain == "auto"
        values, method = self.importance(features) if own else Detector.importance(self, features)
        span_s = (sample.time_s or 0.0, sample.end_s)
        shown = normalise(values[LINEAR_ROWS])
        return [to_sound_heatmap(shown, sample, score, method, span_s=span_s, top_hz=PLAN.sample_rate / 2)]
