"""SONICS-ALPHA-120S and -5S: songs made by machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from drishtiksha.contract import Aggregate, AudioPlan, Sample
from drishtiksha.detectors.speech_base import MARGIN, SAMPLE_RATE, SpeechConfig, SpeechDetector
from drishtiksha.errors import SkipSample
from drishtiksha.results import GapReason, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

FRONT_END = "ft_extractor."
"""The window and filters of the spectrogram, which checkpoints carry; they are computed here."""
SHORT_S = 60.0
"""Under so much music the model for 5 s suits better."""
SONGS_ALONE = "Made for songs: of speech, and where nobody sings or plays, its score means nothing."
MOSTLY_SILENCE = (
    "The recording is shorter than what this model listens to at once, and was filled up with silence; another entry, "
    "SONICS-ALPHA-5S, is for short ones."
)


class SonicsConfig(SpeechConfig):
    window_s: float = Field(default=120.0, ge=5, description="seconds that the network listens to at once")
    hop_s: float = Field(default=60.0, gt=0, description="seconds between the beginnings of two windows")
    frames: int = Field(default=3744, gt=0, description="columns of the spectrogram; 128 for 5 s")
    published_window: bool = Field(
        default=True, description="the verdict is that of one window, three quarters of the way, as published"
    )
    batch_size: int = Field(default=2, gt=0)
    width: int = Field(default=384, gt=0, description="of the published network, as are the next two")
    layers: int = Field(default=12, gt=0)
    heads: int = Field(default=6, gt=0)


class SonicsDetector(SpeechDetector):
    """A song's mel spectrogram as tokens over time and over pitch, in a small transformer (SpecTTTra-alpha).

    Paper: Rahman et al., ICLR 2025, arXiv:2408.14080. Checkpoints: `pytorch_model.bin` of
    awsaf49/sonics-spectttra-alpha-120s and -5s (MIT). Polarity: the network's logit is that of fake. The published score is that
    of one window which begins three quarters of the way to the last one possible; further windows are for the time line,
    which is ours, as is the mean over windows of 5 s. Silence is a gap.
    """

    Config = SonicsConfig

    @property
    def window(self) -> int:
        return round(self.config.window_s * SAMPLE_RATE)

    def sampling(self, media: MediaInfo) -> AudioPlan:
        config = self.config
        further = self._published_start if config.published_window else None
        least_s = config.window_s / 4  # a window that is mostly filled up is none that it learned from
        return AudioPlan(SAMPLE_RATE, config.window_s, config.hop_s, least_s, last="shifted", further=further)

    def build(self) -> nn.Module:
        from drishtiksha.networks.sonics import SpecTTTra

        return SpecTTTra(self.config.frames, self.config.width, self.config.layers, self.config.heads)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {key: tensor for key, tensor in state_dict.items() if not key.startswith(FRONT_END)}

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (128, frames). Raises: SkipSample for digital silence."""
        if not sample.heard.any():
            raise SkipSample(GapReason.SILENT)
        return [self.prepare(sample.heard)]

    def prepare(self, heard: np.ndarray) -> Tensor:
        """The spectrogram, float32 (128, frames), of sound filled up with silence and divided by its standard deviation."""
        import torch

        from drishtiksha.networks.sonics import spectrogram

        whole = np.pad(heard[: self.window], (0, max(self.window - len(heard), 0)))
        scaled = whole / max(float(whole.std()), 1e-12)
        return spectrogram(torch.from_numpy(scaled.astype(np.float32)), self.config.frames)

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        found = super().aggregate(scores, whole)
        judged = [score for score in scores if score.p_fake is not None]
        if not judged:
            return found
        notes: tuple[str, ...] = (SONGS_ALONE,)
        end_s = max(score.end_s or 0.0 for score in scores)
        if end_s < min(self.config.window_s, SHORT_S):
            notes += (MOSTLY_SILENCE,)
        if not self.config.published_window:
            return Aggregate(found.p_fake, found.metrics, notes)
        start_s = self._published_start(round(end_s * SAMPLE_RATE)) / SAMPLE_RATE
        chosen = min(judged, key=lambda score: abs((score.time_s or 0.0) - start_s))
        metrics = {**found.metrics, "deciding_window_from_s": chosen.time_s, "mean_margin": chosen.measures[MARGIN]}
        return Aggregate(chosen.p_fake, metrics, notes)

    def moments(self, tensor: Tensor) -> np.ndarray:
        """Of the tokens over time; those over pitch are not shown."""
        from drishtiksha.networks.sonics import CLIP_FRAMES

        return super().moments(tensor)[: self.config.frames // CLIP_FRAMES]

    def _published_start(self, samples: int) -> int:
        return max(0, int((samples - self.window) / 4 * 3))
