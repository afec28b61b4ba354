"""What detectors that tests plant in other processes share: they score brightness, after `before` has done its worst."""

from __future__ import annotations

PLANTED = """
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


class Planted(Detector):
    def build(self):
        return Network()

    def preprocess(self, sample):
        self.before(sample)
        return [torch.from_numpy(sample.frame.copy()).permute(2, 0, 1).float() / 255]
"""
