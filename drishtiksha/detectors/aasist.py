"""AASIST-V1 and AASIST-L-V1: small graph networks on the raw waveform; a yardstick more than a witness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from drishtiksha.detectors.speech_base import SpeechConfig, SpeechDetector

if TYPE_CHECKING:
    from torch import nn


class AASISTConfig(SpeechConfig):
    channels: int = Field(default=64, gt=0, description="of the encoder: 64 for AASIST, 24 for AASIST-L")
    first_channels: int = Field(default=32, gt=0, description="of its first two blocks; the checkpoint's")
    pool_shares: tuple[float, float, float] = Field(
        default=(0.5, 0.7, 0.5), description="nodes kept: spectral, temporal, later; (0.4, 0.5, 0.7) for AASIST-L"
    )


class AASISTDetector(SpeechDetector):
    """What four seconds of sound look like in 70 bands, as two graphs of spectral and temporal nodes.

    Paper: Jung et al., ICASSP 2022, arXiv:2110.01200. Checkpoints: `AASIST.pth` and `AASIST-L.pth` of clovaai/aasist (MIT), in
    the network's own names. Polarity: index 0 is fake; the authors' score is the logit of index 1. The waveform goes in as it
    is, so that its level and how it was resampled change the score. Outside of the data that it learned from it is close to
    chance: it never clears a file (`thresholds` in the configuration) and is experimental.
    """

    Config = AASISTConfig

    def build(self) -> nn.Module:
        from drishtiksha.networks.aasist import AASIST

        return AASIST(self.config.channels, self.config.pool_shares, self.config.first_channels)
