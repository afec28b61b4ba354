"""ColorCues: an LSTM over chromaticity histograms of one face, as published with the Drishtiksha server."""

from __future__ import annotations

from torch import Tensor, nn

BINS = 32
"""Of the histogram, along red and along green."""
HIDDEN = 64
NECK = 32
DROPOUT = 0.5


class ColorCuesNetwork(nn.Module):
    """The names of its layers are those of the published checkpoint."""

    def __init__(self, bins: int = BINS, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.lstm = nn.LSTM(bins * bins, hidden, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.fc1 = nn.Linear(hidden, NECK)
        self.fc2 = nn.Linear(NECK, 1)

    def forward(self, histograms: Tensor) -> Tensor:
        """Fake logits (B,) of sequences of histograms, float32 (B, L, bins, bins) in [0, 255]."""
        _, (last, _) = self.lstm(histograms.flatten(2))
        neck = self.dropout(self.fc1(self.dropout(last[-1])).relu())
        return self.fc2(neck)[:, 0]
