"""XLSR-SLS-V1: all layers of a large speech encoder, each weighed by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from drishtiksha.detectors.speech_base import EncoderConfig, SpeechDetector

if TYPE_CHECKING:
    from torch import Tensor, nn


class XLSRSLSConfig(EncoderConfig):
    hidden: int = Field(default=1024, gt=0, description="width of the hidden layer; the checkpoint's")


class XLSRSLSDetector(SpeechDetector):
    """XLS-R 300M, its 24 layers gated one by one and summed, then two linear layers.

    Paper: Zhang, Wen & Hu, ACM Multimedia 2024. Checkpoint: `MMpaper_model.pth` of
    SpeechAntiSpoofingBenchmarks/XLSR-SLS, in fairseq's names; what it carries for training alone is left out. Polarity: the
    network gives log-probabilities of [fake, bona fide], the margin is their difference. The waveform goes in as it is. The
    published code runs the encoder twice a window; once is enough.
    """

    Config = XLSRSLSConfig

    def build(self) -> nn.Module:
        from drishtiksha.networks.xlsr import XLSRSLS

        return XLSRSLS(self.encoder(), self.config.encoder_width, self.config.hidden)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.wav2vec import current_names

        return current_names(state_dict, "ssl_model.model.", "encoder.model.")
