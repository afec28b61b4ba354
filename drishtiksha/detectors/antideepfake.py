"""ANTIDEEPFAKE-W2V-SMALL, -W2V-LARGE, -MMS-300M: synthetic speech in any of a hundred languages, and where in a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from drishtiksha.contract import CURVE, Aggregate, AudioPlan
from drishtiksha.detectors.speech_base import MARGIN, MIN_S, SAMPLE_RATE, EncoderConfig, SpeechDetector
from drishtiksha.results import MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

CURVE_STEP_S = 0.2
"""What one value of the curve stands for: ten frames of the network."""
PASSAGE_S = 2.0
"""A passage is told when the curve's mean over so long is suspicious; ours, nothing is published."""


class AntiDeepfakeConfig(EncoderConfig):
    window_s: float = Field(
        default=12.0, ge=4, le=13, description="the network was trained on up to 13 s; 10 to 13 s err least"
    )
    batch_size: int = Field(default=2, gt=0)


class AntiDeepfakeDetector(SpeechDetector):
    """A wav2vec 2.0 encoder that went on learning from 74,000 h of genuine and altered speech; mean over time, one layer.

    Paper: Ge, Wang, Liu & Yamagishi, ASRU 2025, arXiv:2506.21090. Checkpoint: `model.safetensors` of
    nii-yamagishilab/<name>-anti-deepfake, in fairseq's names; what it carries for training alone is left out. Polarity:
    logits are [fake, real], the margin is their difference. A window is scored at its own length, never padded. Since the
    mean over time and a linear layer may be exchanged, each moment's share in the margin is exact: the curve of a window.
    """

    Config = AntiDeepfakeConfig

    @property
    def window(self) -> int:
        return 0

    def sampling(self, media: MediaInfo) -> AudioPlan:
        window_s = self.config.window_s
        return AudioPlan(SAMPLE_RATE, window_s, window_s, MIN_S, last="shifted")

    def build(self) -> nn.Module:
        from drishtiksha.networks.antideepfake import AntiDeepfake

        return AntiDeepfake(self.encoder(), self.config.encoder_width)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.wav2vec import current_names

        return current_names(state_dict, "m_ssl.model.", "encoder.model.")

    def prepare(self, heard: np.ndarray) -> Tensor:
        """The waveform float32 (n,) at mean 0 and variance 1 over itself."""
        import torch

        waveform = torch.from_numpy(np.array(heard, dtype=np.float32))
        return torch.nn.functional.layer_norm(waveform, waveform.shape)

    def forward(self, batch: Tensor) -> Tensor:
        return self.network(batch).mean(dim=1)

    def detailed(self, batch: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        from torch.nn.functional import adaptive_avg_pool1d

        margins = self.network(batch)
        steps = max(1, round(batch.shape[1] / SAMPLE_RATE / CURVE_STEP_S))
        whole = margins.mean(dim=1)
        return whole, {MARGIN: whole, CURVE: adaptive_avg_pool1d(margins, steps)}

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """As all speech detectors; and the passage of `PASSAGE_S` with the highest mean, wherever it is."""
        found = super().aggregate(scores, whole)
        passages = [one for score in scores if (one := _passage(score)) is not None]
        if not passages:
            return found
        p_fake, begin_s = max(passages)
        end_s = begin_s + PASSAGE_S
        told = {"highest_passage_p_fake": p_fake, "highest_passage_from_s": begin_s, "highest_passage_until_s": end_s}
        return Aggregate(found.p_fake, {**found.metrics, **told}, found.notes)

    def moments(self, tensor: Tensor) -> np.ndarray:
        margins: Any = self._work(self.network, tensor[None])
        return margins[0].float().cpu().numpy()


def _passage(score: SampleScore) -> tuple[float, float] | None:
    """The highest mean of the curve over `PASSAGE_S`, and where that begins, s; None for shorter windows."""
    length = round(PASSAGE_S / CURVE_STEP_S)
    if len(score.curve) < length:
        return None
    means = np.convolve(score.curve, np.full(length, 1 / length), mode="valid")
    first = int(means.argmax())
    step_s = ((score.end_s or 0.0) - (score.time_s or 0.0)) / len(score.curve)
    return float(means[first]), round((score.time_s or 0.0) + first * step_s, 3)
