"""A detector that waits where a test tells it to, and notes what it scores: files stand for signals, so that they reach
another process too."""

from __future__ import annotations

from pathlib import Path

GATED = '''
"""Scores brightness; before each sample from `hold_from` on it waits for the file `gate`, and it notes each in `counted`."""

import time
from pathlib import Path

import torch
from torch import nn

from drishtiksha.contract import DetectorConfig, FramePlan
from drishtiksha.detectors.base import Detector


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.gain * 10 * (x.mean(dim=(1, 2, 3)) - 0.5)


class GatedConfig(DetectorConfig):
    gate: str
    counted: str
    hold_from: int = 0
    num_frames: int = 12
    slow_s: float = 0.0
    batch_size: int = 1


class GatedDetector(Detector):
    Config = GatedConfig

    def sampling(self, media):
        return FramePlan(count=self.config.num_frames, sparse=self.config.num_frames)

    def build(self):
        return Network()

    def preprocess(self, sample):
        time.sleep(self.config.slow_s)
        waits = Path(self.config.gate + ".waits")
        while sample.index >= self.config.hold_from and not Path(self.config.gate).exists():
            waits.touch()
            time.sleep(0.01)
        waits.unlink(missing_ok=True)
        with open(self.config.counted, "a") as file:
            file.write(f"{sample.index}\\n")
        return [torch.from_numpy(sample.frame.copy()).permute(2, 0, 1).float() / 255]
'''


def counted(path: Path) -> list[int]:
    """The indices that were scored, in order."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []
