"""What the published detectors of synthetic speech share: windows with speech in them, the margin, the verdict, the map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, AudioPlan, DetectorConfig, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import SkipSample
from drishtiksha.results import GapReason, Heatmap, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor

    from drishtiksha.networks.wav2vec import SpeechEncoder

SAMPLE_RATE = 16_000
"""Hz, of all of them."""
WINDOW = 64_600
"""Samples: what most of them were trained on, 4.0375 s."""
MIN_S = 1.0
MARGIN = "margin"
"""Name of the measure: the fake logit as the network gives it. It saturates less than p_fake."""


class SpeechConfig(DetectorConfig):
    batch_size: int = Field(default=4, gt=0)
    hop_s: float = Field(
        default=WINDOW / SAMPLE_RATE / 2, gt=0, description="seconds between the beginnings of two windows"
    )
    min_speech_s: float = Field(default=1.0, gt=0, description="windows with less speech are a gap")


class EncoderConfig(SpeechConfig):
    """Sizes of the wav2vec 2.0 encoder: those of the checkpoint. The defaults are XLS-R's and MMS's of 300 M."""

    encoder_width: int = Field(default=1024, gt=0)
    encoder_layers: int = Field(default=24, gt=0)
    encoder_heads: int = Field(default=16, gt=0)
    encoder_hidden: int = Field(default=4096, gt=0)
    encoder_conv_width: int = Field(default=512, gt=0)
    encoder_norm: Literal["layer", "group"] = Field(default="layer", description="group: wav2vec 2.0 base")


class SpeechDetector(Detector):
    """Scores windows of a recording that hold speech. Networks of subclasses have `features` (B, n) -> (B, ..., time) and
    `judge`, from there to the fake margin (B,)."""

    Config = SpeechConfig

    @property
    def window(self) -> int:
        """Samples of the network's input; 0 where it takes any number."""
        return WINDOW

    def sampling(self, media: MediaInfo) -> AudioPlan:
        return AudioPlan(SAMPLE_RATE, self.window / SAMPLE_RATE, self.config.hop_s, MIN_S, last="shifted")

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """What `prepare` makes of the window. Raises: SkipSample without speech, or with less than `min_speech_s` of it."""
        from drishtiksha.features.speech import speech_spans

        spans = speech_spans(sample.heard, SAMPLE_RATE) if sample.heard.any() else []
        if not spans:
            raise SkipSample(GapReason.NO_SPEECH)
        if sum(end - begin for begin, end in spans) < self.config.min_speech_s:
            raise SkipSample(GapReason.TOO_SHORT)
        return [self.prepare(sample.heard)]

    def prepare(self, heard: np.ndarray) -> Tensor:
        """The network's input of a waveform: float32 (window,), neither standardised nor filtered; short sound is repeated
        from its start, as in training."""
        import torch

        return torch.from_numpy(np.resize(heard, self.window).astype(np.float32))

    def detailed(self, batch: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        margins = self.forward(batch)
        return margins, {MARGIN: margins}

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """p_fake of the mean margin of windows that do not overlap; the last one counts where it holds further sound."""
        judged = [score for score in scores if score.p_fake is not None]
        if not judged:
            return Aggregate(None, scoring.tally(scores, "window"))
        mean = float(np.mean([score.measures[MARGIN] for score in _apart(judged)]))
        metrics = scoring.tally(scores, "window") | {
            "mean_margin": mean,
            "share_of_windows_above_half": float(np.mean([(score.p_fake or 0.0) > 0.5 for score in judged])),
        }
        return Aggregate(float(self.p_fake_of(np.array(mean))), metrics)

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """One map over the times of the window, the same at all pitches; of the first time where short sound was repeated."""
        from drishtiksha.explain.maps import Method, normalise, to_sound_heatmap
        from drishtiksha.explain.occlusion import muting

        heard = sample.heard
        method: Method = "occlusion" if self.config.explain == "occlusion" else "time-frequency"
        if method == "occlusion":
            values = muting(lambda versions: self.score_each([self.prepare(one) for one in versions]), heard)
        else:
            columns = self.moments(self.prepare(heard))
            share = len(heard) / max(len(heard), self.window)
            values = normalise(columns[: max(1, round(len(columns) * share))][None])
        begin_s = sample.time_s or 0.0
        span_s = (begin_s, begin_s + len(heard) / SAMPLE_RATE)
        return [to_sound_heatmap(values, sample, score, method, span_s=span_s, top_hz=SAMPLE_RATE / 2)]

    def moments(self, tensor: Tensor) -> np.ndarray:
        """How much each moment of the network's input raises its margin, float32 (steps,), not scaled."""
        from drishtiksha.explain.gradcam import hirescam

        network: Any = self.network
        raised = hirescam(network.features, network.judge, tensor[None].to(self._device()))[0]
        return raised.flatten(0, -2).sum(dim=0).cpu().numpy() if raised.ndim > 1 else raised.cpu().numpy()

    def encoder(self) -> SpeechEncoder:
        """The encoder of an `EncoderConfig`, without weights."""
        from drishtiksha.networks.build import without_init
        from drishtiksha.networks.wav2vec import SpeechEncoder

        config = self.config
        with without_init():
            return SpeechEncoder(
                config.encoder_width,
                config.encoder_layers,
                config.encoder_heads,
                config.encoder_hidden,
                config.encoder_conv_width,
                config.encoder_norm,
            )


def _apart(judged: Sequence[SampleScore]) -> list[SampleScore]:
    """Windows in order of time that do not overlap, and the last one where it goes beyond them."""
    chosen: list[SampleScore] = []
    for score in judged:
        reached = chosen[-1].end_s or 0.0 if chosen else -1.0
        last = score is judged[-1] and (score.end_s or 0.0) > reached + 1e-6
        if (score.time_s or 0.0) > reached - 1e-6 or last:
            chosen.append(score)
    return chosen
