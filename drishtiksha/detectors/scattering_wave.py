"""SCATTERING-WAVE-V1: wavelet scattering of the mel spectrogram of the first two seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from drishtiksha.contract import Aggregate, AudioPlan
from drishtiksha.detectors.mel_base import MelDetector
from drishtiksha.results import MediaInfo, SampleScore

PLAN = AudioPlan(sample_rate=16_000, window_s=2.0, hop_s=2.0, min_s=0.5, count=1)


class ScatteringWaveV1(MelDetector):
    """Texture of the mel spectrogram of the first two seconds, at four scales and eight angles.

    Scattering: Bruna & Mallat, PAMI 2013, arXiv:1203.1513; no paper on this detector. Checkpoint: `Scattering-Wave-v1.pth`
    of the Drishtiksha server, with or without kymatio's filters in it. Polarity: the network's logit is that of REAL and is
    turned round. The reference judges digital silence and any sound however short: wrong; here silence is a gap and under
    half a second is too short.
    """

    grey = "before the resize"

    def sampling(self, media: MediaInfo) -> AudioPlan:
        return replace(PLAN, resampling=self.config.resampling)

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        note = f"Only the first {PLAN.window_s:g} seconds of the sound were looked at."
        return replace(super().aggregate(scores, whole), notes=(note,))
