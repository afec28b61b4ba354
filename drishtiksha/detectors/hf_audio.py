"""Any Hugging Face sound classifier, on recordings and on the sound of a video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, AudioPlan, Sample
from drishtiksha.detectors.hf_base import HFConfig, HFDetector
from drishtiksha.errors import ConfigError, SkipSample
from drishtiksha.results import GapReason, Heatmap, MediaInfo, SampleScore

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

MIN_S = 1.0
"""Less sound than this fills no window."""


class HFAudioConfig(HFConfig):
    sample_rate: int = Field(default=16_000, gt=0, description="Hz; that of the folder's preprocessor_config.json")
    window_s: float = Field(default=5.0, ge=MIN_S, description="length of one window, and the step to the next")
    speech_only: bool = Field(default=True, description="windows in which nobody speaks are a gap")


class HFAudioClassifier(HFDetector):
    """A published sound classifier, window by window: `AutoModelForAudioClassification` of Hugging Face transformers.

    Paper, training data and quality are those of the checkpoint: see its card. Checkpoint: a folder, see `HFDetector`.
    Polarity: the labels in `fake_labels` are fake. Windows are prepared by the publisher's own feature extractor. A file is
    the mean of its windows; silence, and windows without speech unless asked otherwise, are gaps.
    """

    Config = HFAudioConfig

    def auto_model(self) -> Any:
        from transformers import AutoModelForAudioClassification

        return AutoModelForAudioClassification

    def auto_processor(self) -> Any:
        from transformers import AutoFeatureExtractor

        return AutoFeatureExtractor

    def read_network(self, path: Path) -> nn.Module:
        network = super().read_network(path)
        if self._processor.sampling_rate != self.config.sample_rate:
            raise ConfigError(
                f"{self.model_name}: sample_rate is {self.config.sample_rate}, but {path} takes "
                f"{self._processor.sampling_rate} Hz. Write that in configs/config.yaml."
            )
        return network

    def sampling(self, media: MediaInfo) -> AudioPlan:
        window_s = self.config.window_s
        return AudioPlan(sample_rate=self.config.sample_rate, window_s=window_s, hop_s=window_s, min_s=MIN_S)

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """What the model's own feature extractor makes of the window, float32; short sound is repeated to fill it."""
        from drishtiksha.features.speech import speech_spans

        assert sample.waveform is not None
        heard = sample.heard
        if not heard.any() or (self.config.speech_only and not speech_spans(heard, self.config.sample_rate)):
            raise SkipSample(GapReason.NO_SPEECH)
        return [self._features(np.resize(heard, len(sample.waveform)))]

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        return Aggregate(scoring.mean_p_fake(scores), scoring.tally(scores, "window"))

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """How much the score falls when a piece of the window is muted: over time alone, the same at all frequencies."""
        from drishtiksha.explain.maps import to_sound_heatmap
        from drishtiksha.explain.occlusion import muting

        assert sample.waveform is not None
        heard, whole = sample.heard, len(sample.waveform)

        def score_each(versions: Sequence[np.ndarray]) -> np.ndarray:
            return self.score_each([self._features(np.resize(version, whole)) for version in versions])

        values = muting(score_each, heard)
        begin_s, rate = sample.time_s or 0.0, self.config.sample_rate
        span_s = (begin_s, begin_s + len(heard) / rate)
        return [to_sound_heatmap(values, sample, score, "occlusion", span_s=span_s, top_hz=rate / 2)]

    def _features(self, waveform: np.ndarray) -> Tensor:
        made = self.processor(waveform, sampling_rate=self.config.sample_rate, return_tensors="pt")
        return made[self.network.main_input_name][0].float()
