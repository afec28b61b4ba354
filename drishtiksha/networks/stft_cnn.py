"""Four convolution blocks over a picture of two spectrograms. Keys are those of the published checkpoints."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

CHANNELS = (3, 16, 32, 64, 128)
POOLED = (32, 16)
"""Height and width of the last feature map, for pictures of 512 x 256 px."""
DROPOUT = 0.5


class STFTNetwork(nn.Module):
    """Pictures float32 (B, 3, 512, 256) in [-1, 1] RGB to two scores (B, 2): real, fake."""

    def __init__(self, hidden: int = 256) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for before, after in pairwise(CHANNELS):
            blocks += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(after), nn.MaxPool2d(2)]
        self.conv_layers = nn.Sequential(*blocks)
        flat = CHANNELS[-1] * POOLED[0] * POOLED[1]
        self.fc_layers = nn.Sequential(
            nn.Flatten(), nn.Linear(flat, hidden), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(hidden, 2)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        return self.fc_layers(self.conv_layers(pictures))

    def fake_logits(self, maps: Tensor) -> Tensor:
        """Last feature maps (B, 128, 32, 16) to fake logits (B,)."""
        scores = self.fc_layers(maps)
        return scores[:, 1] - scores[:, 0]
