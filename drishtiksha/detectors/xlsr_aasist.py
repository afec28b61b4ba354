"""XLSR-AASIST-V1: AASIST's graphs over what a large speech encoder hears."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from drishtiksha.detectors.speech_base import EncoderConfig, SpeechDetector

if TYPE_CHECKING:
    from torch import Tensor, nn


class XLSRAASISTDetector(SpeechDetector):
    """XLS-R 300M whose last output becomes spectral and temporal nodes of AASIST's graphs.

    Paper: Tak et al., Odyssey 2022, arXiv:2202.12233. Checkpoint: `LA_model.pth` of
    SpeechAntiSpoofingBenchmarks/W2V2-AASIST, the encoder in fairseq's names; what it carries for training alone is left out.
    Polarity: logits are [fake, bona fide], the margin is their difference. The waveform goes in as it is. It learned from
    attacks of 2019 alone and misses much modern synthesis: it never clears a file (`thresholds` in the configuration).
    """

    Config = EncoderConfig

    def build(self) -> nn.Module:
        from drishtiksha.networks.xlsr import XLSRAASIST

        return XLSRAASIST(self.encoder(), self.config.encoder_width)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.wav2vec import current_names

        return current_names(state_dict, "ssl_model.model.", "ssl_model.model.")
