"""STFT-SPECTROGRAM-CNN-V2 and -V3: two spectrograms of each second, seen as one picture."""

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

PLAN = AudioPlan(sample_rate=16_000, window_s=1.0, hop_s=1.0, min_s=0.1)


class STFTConfig(ResampledConfig):
    n_fft_narrow: int = Field(default=2048, gt=0, description="samples of the finer transform; 4096 for V3")
    hidden: int = Field(default=256, gt=0, description="width of the hidden layer; the checkpoint's")


class STFTSpectrogramCNNV1(Detector):
    """Patterns in a broad-band and a narrow-band spectrogram of each second, drawn one above the other.

    No paper is named by its publisher. Checkpoint: the reference server's. Polarity: the network gives two scores, real and
    fake; the logit is fake - real. The reference judges seconds of digital silence like any other: wrong; here they are
    gaps. It resamples without a low-pass filter, so that what lies above 8 kHz folds down: `resampling` offers both, and
    p_fake moves by some 0.02. The last second is filled up with silence, as in the reference.
    """

    Config = STFTConfig

    def sampling(self, media: MediaInfo) -> AudioPlan:
        return replace(PLAN, resampling=self.config.resampling)

    def build(self) -> nn.Module:
        from drishtiksha.networks.stft_cnn import STFTNetwork

        return STFTNetwork(self.config.hidden)

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, 512, 256) RGB in [-1, 1]. Raises: SkipSample for digital silence."""
        import torch

        from drishtiksha.features.stft_picture import stft_picture

        assert sample.waveform is not None
        if not np.abs(sample.waveform).max(initial=0.0) > 0:
            raise SkipSample(GapReason.NO_SPEECH)
        picture = stft_picture(sample.waveform, self.config.n_fft_narrow)
        return [torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1)]

    def forward(self, batch: Tensor) -> Tensor:
        scores = self.network(batch)
        return scores[:, 1] - scores[:, 0]

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """The mean of the seconds."""
        return Aggregate(scoring.mean_p_fake(scores), scoring.tally(scores, "window"))

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        from drishtiksha.explain.gradcam import gradcam

        network: Any = self.network
        return gradcam(network.conv_layers, network.fake_logits, tensor[None].to(self._device()))[0], "time-frequency"

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """One map over times and frequencies, of the narrow-band panel; what the other panel adds is not shown."""
        from drishtiksha.explain.maps import normalise, to_sound_heatmap
        from drishtiksha.features.stft_picture import SAMPLE_RATE, narrow_panel

        assert sample.waveform is not None
        picture = self.preprocess(sample)[0]
        own = self.config.explain == "auto"
        values, method = self.importance(picture) if own else Detector.importance(self, picture)
        begin_s, window_s = sample.time_s or 0.0, len(sample.waveform) / SAMPLE_RATE
        end_s = begin_s + window_s if sample.end_s is None else sample.end_s
        columns = max(1, round(values.shape[1] * (end_s - begin_s) / window_s))
        shown = normalise(narrow_panel(values)[:, :columns])
        return [to_sound_heatmap(shown, sample, score, method, span_s=(begin_s, end_s), top_hz=SAMPLE_RATE / 2)]
