"""SPECTRA-AASIST and SPECTRA-0: a large speech encoder with a graph head or a time-delay head, Apache-2.0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from drishtiksha.detectors.speech_base import EncoderConfig, SpeechDetector

if TYPE_CHECKING:
    from torch import Tensor, nn

PRE_EMPHASIS = 0.97


class SpectraConfig(EncoderConfig):
    head: Literal["aasist", "ecapa_tdnn"] = Field(default="aasist", description="ecapa_tdnn: SPECTRA-0")
    threshold_logit: float = Field(
        default=-1.140625, description="of bona fide, where the authors found as many misses as false alarms"
    )


class SpectraDetector(SpeechDetector):
    """XLS-R 300M, a small perceptron, and AASIST with four branches (SPECTRA-AASIST) or ECAPA-TDNN (SPECTRA-0).

    No paper; lab260, 2026. Checkpoints: `model.safetensors` of lab260/Spectra-AASIST and lab260/spectra_0, the encoder in
    transformers' names. Polarity: logits are [spoof, bona fide]; the margin is how far the second lies below the authors'
    threshold. They publish a threshold and no probability: p_fake is the margin's sigmoid, which is ours. The score that is
    published is that of the first window of a recording; here all windows are scored. Their example takes a random one.
    """

    Config = SpectraConfig

    def build(self) -> nn.Module:
        from drishtiksha.networks.xlsr import Spectra

        config = self.config
        return Spectra(self.encoder(), config.encoder_width, config.head, config.threshold_logit)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.wav2vec import current_names

        return current_names(state_dict, "ssl_encoder.model.", "ssl_encoder.model.")

    def prepare(self, heard: np.ndarray) -> Tensor:
        """float32 (window,), pre-emphasised with its first sample kept; short sound is repeated from its start after that."""
        raised = np.concatenate([heard[:1], heard[1:] - np.float32(PRE_EMPHASIS) * heard[:-1]])
        return super().prepare(raised)
