"""A detector that takes its process down, in the way that a file tells it to; for a folder of detectors, so that worker
processes have it too."""

from __future__ import annotations

FRAGILE = '''
"""Scores brightness. As long as the file `fault` is there it ends or stops its process instead, by the signal named in it,
and notes that in `fault.noted`."""

import signal
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


class FragileConfig(DetectorConfig):
    fault: str = ""
    slow_s: float = 0.0


class FragileDetector(Detector):
    Config = FragileConfig

    def sampling(self, media):
        return FramePlan(count=2, sparse=2)

    def build(self):
        return Network()

    def preprocess(self, sample):
        fault = Path(self.config.fault)
        if self.config.fault and fault.exists():
            number = getattr(signal, fault.read_text())
            with open(self.config.fault + ".noted", "a") as noted:
                noted.write("x")
            signal.raise_signal(number)  # to this thread, which is where a fault in memory arises
        time.sleep(self.config.slow_s)
        return [torch.from_numpy(sample.frame.copy()).permute(2, 0, 1).float() / 255]
'''
