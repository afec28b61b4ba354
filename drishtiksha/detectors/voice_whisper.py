"""VOICE-SPOOF-LITE-V2: traces of synthesis in what Whisper's encoder hears. Trained here; its checkpoint ships in `models/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drishtiksha.contract import Sample
from drishtiksha.detectors.voice_spoof import VoiceSpoofDetector

if TYPE_CHECKING:
    from torch import Tensor, nn


class VoiceWhisperDetector(VoiceSpoofDetector):
    """Traces of synthesis in what a speech recogniser's encoder hears.

    The first two layers of Whisper tiny.en's encoder (Radford et al., 2022, arXiv:2212.04356) as they were published; a
    perceptron judges mean and spread over time of what comes out of each. Windows, speech and the deciding stretch are those of VOICE-SPOOF-LITE-V1.
    Checkpoint: `models/VOICE-SPOOF-LITE-V2.safetensors`, trained by `training.voice_spoof.second`. Polarity: logit above 0 is
    fake.
    """

    def build(self) -> nn.Module:
        from drishtiksha.networks.voice_whisper import VoiceWhisperNetwork

        return VoiceWhisperNetwork()

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (64000,), as for VOICE-SPOOF-LITE-V1, then made coarse."""
        from drishtiksha.networks.voice_whisper import coarse

        return [coarse(window) for window in super().preprocess(sample)]

    def _by_frequency(self, values: np.ndarray) -> np.ndarray:
        """Mel bands are narrow below and wide above: each row of the result is that of the band nearest to it."""
        from drishtiksha.networks.whisper_encoder import band_of_bin

        return values[band_of_bin().numpy()]
