"""ONNX Runtime against torch, in one process and in turn: why an engine is kept for some networks and not for others."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn

from bench.measure import alone
from drishtiksha.contract import DetectorConfig, FramePlan
from drishtiksha.detectors import engine
from drishtiksha.detectors.base import Detector
from drishtiksha.detectors.trial import inputs_of_examples
from drishtiksha.registry import ModelManager
from drishtiksha.settings import load_settings

EMBEDDED = ("FACE-BLEND-LITE-V1", "VOICE-SPOOF-LITE-V1", "VOICE-SPOOF-LITE-V2")
BARE = {"EfficientNet-B7, 380 px": ("tf_efficientnet_b7", 380), "ViT-L/14, 224 px": ("vit_large_patch14_clip_224", 224)}
"""Networks of detectors whose weights do not ship, with random weights: timm's name and the side of a picture."""
THREADS = (1, 2)
HEAD = """| network, batch | threads | torch, wall / CPU s | ONNX Runtime, wall / CPU s | gain, wall / CPU | kept | largest difference | export s |
|---|---|---|---|---|---|---|---|"""


class _Bare(Detector):
    """A network alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(DetectorConfig(class_name="", description="", model_path=Path(), device="cpu"))
        self._network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def sampling(self, media: Any) -> FramePlan:
        return FramePlan(1)

    def build(self) -> nn.Module:
        return self.network

    def preprocess(self, sample: Any) -> list[Tensor]:
        return []

    def forward(self, batch: Tensor) -> Tensor:
        return self.network(batch)[:, 0]


def networks() -> Iterator[tuple[str, Detector, Tensor]]:
    """Name, detector and a batch of each that is measured."""
    manager = ModelManager(load_settings(device="cpu", engine="torch"))
    for name in EMBEDDED:
        detector = manager.load_model(name)
        sample = inputs_of_examples(detector, detector.detailed)[0]
        yield name, detector, sample.expand(4, *sample.shape).clone()
    for name, (made_as, size) in BARE.items():
        torch.manual_seed(0)
        yield name, _Bare(timm.create_model(made_as, num_classes=1)), torch.randn(2, 3, size, size)


def seconds(detector: Detector, works: tuple[Any, Any], batch: Tensor, repeats: int) -> np.ndarray:
    """(2, 2): wall and CPU s of each, the least of `repeats` in turn after one that does not count."""
    least = np.full((2, 2), np.inf)
    for number in range(repeats + 1):
        for place, work in enumerate(works):
            wall, cpu = time.perf_counter(), time.process_time()
            detector._work_at_once(work, batch)
            taken = time.perf_counter() - wall, time.process_time() - cpu
            least[place] = np.minimum(least[place], taken) if number else least[place]
    return least


def table(repeats: int) -> str:
    rows, threads = [HEAD], torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        for name, detector, batch in networks():
            path, work = Path(folder) / "network.onnx", detector.detailed
            started = time.perf_counter()
            engine._export(detector, work, batch, path)
            exported_s = time.perf_counter() - started
            expected = detector._work_at_once(work, batch)[0]
            for count in THREADS:
                torch.set_num_threads(count)
                finding = engine.Finding(names=(), shape=tuple(batch.shape[1:]))
                quick = partial(engine.OnnxEngine(path, finding), work)
                off = float((detector._work_at_once(quick, batch)[0] - expected).abs().max())
                (torch_s, torch_cpu), (onnx_s, onnx_cpu) = seconds(detector, (work, quick), batch, repeats)
                gains = torch_s / onnx_s, torch_cpu / onnx_cpu
                kept = "yes" if min(gains) >= engine.LEAST_GAIN else "no"
                rows.append(
                    f"| {name}, {len(batch)} | {count} | {torch_s:.3f} / {torch_cpu:.3f} | {onnx_s:.3f} / {onnx_cpu:.3f} "
                    f"| {gains[0]:.2f} / {gains[1]:.2f} | {kept} | {off:.0e} | {exported_s:.0f} |"
                )
            torch.set_num_threads(threads)
    return "\n".join(rows)


if __name__ == "__main__":
    alone(table, __doc__)
