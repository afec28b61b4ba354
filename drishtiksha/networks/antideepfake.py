"""AntiDeepfake (Ge et al., ASRU 2025, arXiv:2506.21090): wav2vec 2.0, the mean over time, one linear layer."""

from __future__ import annotations

from torch import Tensor, nn

from drishtiksha.networks.wav2vec import SpeechEncoder


class AntiDeepfake(nn.Module):
    """Standardised waveforms (B, n) to fake margins, one for every 20 ms; their mean is that of the whole."""

    def __init__(self, encoder: SpeechEncoder, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.proj_fc = nn.Linear(width, 2)

    def logits(self, waveform: Tensor) -> Tensor:
        """Of every frame, [fake, real]: (B, frames, 2). A linear layer of the mean is the mean of the linear layers."""
        return self.proj_fc(self.encoder(waveform)).float()

    def forward(self, waveform: Tensor) -> Tensor:
        """Margin of every frame, fake minus real: (B, frames)."""
        logits = self.logits(waveform)
        return logits[..., 0] - logits[..., 1]
