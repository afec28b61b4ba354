"""A detector that takes its process down at files that are too bright, and a folder of settings with it; worker processes
find it by `detectors_dir`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from media_factory import striped
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from planted import PLANTED

DEADLY = (
    '"""Above `deadly` it ends its process by SIGKILL, and notes that in `noted`."""\n\nimport os\nimport signal\n'
    + PLANTED
    + """

class DeadlyConfig(DetectorConfig):
    deadly: float = 1.0
    noted: str = ""
    loads: str = ""
    slow_s: float = 0.0


class DeadlyDetector(Planted):
    Config = DeadlyConfig

    def sampling(self, media):
        return FramePlan(count=2, sparse=2)

    def load(self):
        if self.config.loads:
            with open(self.config.loads, "a") as loads:
                loads.write(f"{os.getpid()} {self.model_name}\\n")
        return super().load()

    def before(self, sample):
        level = sample.frame.mean() / 255
        if self.config.noted:
            with open(self.config.noted, "a") as noted:
                noted.write(f"{os.getpid()} {level:.3f}\\n")
        if level > self.config.deadly:
            signal.raise_signal(signal.SIGKILL)
        time.sleep(self.config.slow_s)
"""
)


def written_config(folder: Path, **fields: Any) -> Path:
    """A configuration with BRIGHT and DARK, alike but for their thresholds, and DEADLY, which has `fields`."""
    (folder / "detectors").mkdir(parents=True, exist_ok=True)
    (folder / "detectors" / "deadly.py").write_text(DEADLY)
    weights = folder / "bright.pt"
    torch.save({"gain": torch.ones(1)}, weights)
    whole = {
        "class_name": "DeadlyDetector",
        "description": "for tests",
        "model_path": str(weights),
        "isImage": True,
        "thresholds": {"real": 0.3, "fake": 0.7},
    }
    config = {
        "models": {
            "BRIGHT": whole,
            "DARK": {**whole, "thresholds": {"real": 0.1, "fake": 0.9}},
            "DEADLY": {**whole, **fields},
        },
        "detectors_dir": str(folder / "detectors"),
        "data_dir": str(folder / "data"),
        "device": "cpu",
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def pictures(folder: Path, levels: list[int]) -> Path:
    """A picture a level, named by its place, `000.png`, which is also written in it: no two have the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, level in enumerate(levels):
        own = PngInfo()
        own.add_text("Comment", str(number))
        Image.fromarray(striped(level, 32, 32)).save(folder / f"{number:03}.png", pnginfo=own)
    return folder
