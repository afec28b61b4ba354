"""VOICE-SPOOF-LITE-V1: traces of synthesis in speech. Trained here; its checkpoint ships in `models/`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, AudioPlan, DetectorConfig, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import SkipSample
from drishtiksha.results import GapReason, Heatmap, MediaInfo, MediaKind, SampleScore, Thresholds

if TYPE_CHECKING:
    from torch import Tensor, nn

PLAN = AudioPlan(sample_rate=16_000, window_s=4.0, hop_s=2.0, min_s=1.0)
STRETCH, STRETCH_SHARE = 8, 0.1
"""Scored windows in a row that decide together: eight (18 s of unbroken speech), and a tenth of a long recording. A noise
of half a second reaches two windows and cannot decide. The highest of very many short stretches is high by chance: with
five windows, genuine studio speech of 10 minutes was called fake more often than not, at a threshold that one in twenty
short recordings reached."""
MARGIN_S = 0.05
"""Kept before and after the speech, as in training, so that no consonant is cut."""


class VoiceSpoofConfig(DetectorConfig):
    min_speech_s: float = Field(default=1.0, gt=0, le=4, description="windows with less speech are a gap")


class VoiceSpoofDetector(Detector):
    """Fine structure of the spectrogram that vocoders and voice cloning leave in speech.

    A residual network with attentive pooling (He et al., CVPR 2016; Okabe et al., Interspeech 2018), over the stretches of
    sound in which Silero VAD finds speech. Checkpoint: `models/VOICE-SPOOF-LITE-V1.safetensors`, trained by
    `training.voice_spoof`; what it was measured to do stands in the card beside it. Polarity: logit above 0 is
    fake. Who speaks, what is said and genuine speech that was cut together are not looked at.
    """

    Config = VoiceSpoofConfig

    def calibrated(self, media: MediaInfo) -> bool:
        """Calibrated on recordings alone, not on the sound of films."""
        return media.kind is MediaKind.AUDIO and super().calibrated(media)

    def sampling(self, media: MediaInfo) -> AudioPlan:
        return PLAN

    def build(self) -> nn.Module:
        from drishtiksha.networks.voice_spoof import VoiceSpoofNetwork

        return VoiceSpoofNetwork()

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (64000,): the window from its first to its last speech, repeated where that is shorter."""
        from drishtiksha.networks.voice_spoof import preprocess_voice

        assert sample.waveform is not None
        start, stop = self._spoken(sample)
        return [preprocess_voice(sample.waveform[start:stop])]

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """The mean of the most suspicious stretch: a forged passage is not averaged away by genuine speech around it.
        Windows without speech are passed over; of fewer than `STRETCH` windows, the mean of all."""
        heard = [score for score in scores if score.p_fake is not None]
        if not heard:
            return Aggregate(None, scoring.tally(scores, "window"))
        p_fakes = np.array([score.p_fake for score in heard])
        length = min(max(STRETCH, math.ceil(STRETCH_SHARE * len(heard))), len(heard))
        means = np.convolve(p_fakes, np.full(length, 1 / length), mode="valid")
        first = int(means.argmax())
        metrics = scoring.tally(scores, "window") | {
            "seconds_judged": _seconds(heard),
            "mean_window_p_fake": float(p_fakes.mean()),
            "deciding_stretch_from_s": heard[first].time_s,
            "deciding_stretch_until_s": heard[first + length - 1].end_s,
        }
        return Aggregate(min(float(means[first]), 1.0), metrics)

    def thresholds(self, media: MediaInfo) -> Thresholds:
        """Without measured ones it never answers REAL: much synthesis scores as low as people."""
        found = super().thresholds(media)
        return Thresholds(real=0, fake=found.fake) if found == Thresholds() else found

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """One map over times and frequencies, of the first repetition where short speech was repeated."""
        import torch

        from drishtiksha.explain.gradcam import gradcam
        from drishtiksha.explain.maps import Method, to_sound_heatmap
        from drishtiksha.explain.occlusion import occlusion
        from drishtiksha.networks.voice_spoof import SAMPLE_RATE, WINDOW

        network: Any = self.network
        with torch.no_grad():
            spectrogram = network.spectrogram(self.preprocess(sample)[0][None].to(self._device()))
        method: Method = "occlusion" if self.config.explain == "occlusion" else "time-frequency"
        if method == "occlusion":
            values = occlusion(self._score_spectrogram, spectrogram[0], batch_size=self.config.batch_size)
        else:
            values = gradcam(network.features, network.head, spectrogram)[0]
        start, stop = self._spoken(sample)
        columns = round(values.shape[1] * (stop - start) / WINDOW)
        begin_s = sample.time_s or 0.0
        span_s = (begin_s + start / SAMPLE_RATE, begin_s + stop / SAMPLE_RATE)
        shown = self._by_frequency(values[:, :columns])
        return [to_sound_heatmap(shown, sample, score, method, span_s=span_s, top_hz=SAMPLE_RATE / 2)]

    def _by_frequency(self, values: np.ndarray) -> np.ndarray:
        """(rows, frames) of the network's spectrogram to rows of equal height in Hz."""
        return values

    def _score_spectrogram(self, spectrogram: Tensor) -> np.ndarray:
        import torch

        network: Any = self.network
        with torch.inference_mode():
            return network.head(network.features(spectrogram)).sigmoid().cpu().numpy()

    def _spoken(self, sample: Sample) -> tuple[int, int]:
        """First and last sample (exclusive) of the speech in a window, without its zero-padding.

        Raises: SkipSample without speech, or with less than `min_speech_s` of it.
        """
        from drishtiksha.features.speech import speech_spans

        assert sample.waveform is not None
        rate, begin_s = PLAN.sample_rate, sample.time_s or 0.0
        length = len(sample.waveform) if sample.end_s is None else round((sample.end_s - begin_s) * rate)
        spans = speech_spans(sample.waveform[:length], rate)
        if not spans:
            raise SkipSample(GapReason.NO_SPEECH)
        if sum(end - begin for begin, end in spans) < self.config.min_speech_s:
            raise SkipSample(GapReason.TOO_SHORT)
        margin = round(MARGIN_S * rate)
        return max(0, round(spans[0][0] * rate) - margin), min(length, round(spans[-1][1] * rate) + margin)


def _seconds(heard: Sequence[SampleScore]) -> float:
    """How much of the recording the scored windows cover, s; they overlap."""
    total = until = 0.0
    for score in heard:
        begin, end = score.time_s or 0.0, score.end_s or 0.0
        total += end - max(begin, until)
        until = end
    return total
