"""SIGLIP-LSTM-V1: SigLIP's picture of each frame, followed over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from drishtiksha.detectors.siglip_base import SiglipConfig, SiglipDetector

if TYPE_CHECKING:
    from torch import nn


class SiglipLSTMV1(SiglipDetector):
    """Whole frames over time, with one linear layer as head.

    SigLIP: Zhai et al., ICCV 2023, arXiv:2303.15343. Checkpoint: the reference server's `SigLip-LSTM-v1.pth`; its keys are
    the network's. Polarity: logit above 0 is fake. The reference fails on clips of fewer frames than a sequence has; here
    the first frame stands in for those that are missing. It encodes a frame once for every window; here once.
    """

    Config = SiglipConfig
    deep_heads: ClassVar[bool] = False
    rolling: ClassVar[bool] = False
    """Whether the rolling mean of the windows is told as well."""

    def build(self) -> nn.Module:
        return self.make_network()
