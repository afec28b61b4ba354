"""SIGLIP-LSTM-V4: SigLIP's picture of each frame, followed over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from drishtiksha.detectors.siglip_base import SiglipConfig, SiglipDetector

if TYPE_CHECKING:
    from torch import nn


class SiglipLSTMV4(SiglipDetector):
    """Whole frames over time, with a deeper head, and a rolling mean of the windows.

    SigLIP: Zhai et al., ICCV 2023, arXiv:2303.15343. Checkpoint: the reference server's `SigLip-LSTM-v4.pth`; its keys are
    the network's. Polarity: logit above 0 is fake. The reference fails on clips of fewer frames than a sequence has; here
    the first frame stands in for those that are missing. It encodes a frame once for every window; here once.
    """

    Config = SiglipConfig
    deep_heads: ClassVar[bool] = True
    rolling: ClassVar[bool] = True
    """Whether the rolling mean of the windows is told as well."""

    def build(self) -> nn.Module:
        return self.make_network()
