"""Detectors that obey the real contract with tiny networks, dropped in as a user would: one file and one YAML entry."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

import drishtiksha.detectors
from drishtiksha.detectors.base import Detector
from drishtiksha.registry import ModelManager
from drishtiksha.settings import load_settings

BRIGHTNESS = '''
"""Calls bright pictures fake: p_fake grows with the mean brightness."""

import numpy as np
import torch
from torch import nn

from drishtiksha.contract import DetectorConfig, FaceRequest, FramePlan
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import SkipSample


class Network(nn.Module):
    def __init__(self, size=0):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))
        self.ballast = nn.Parameter(torch.zeros(max(size, 1)))

    def forward(self, x):
        return self.gain * 10 * (x.mean(dim=(1, 2, 3)) - 0.5)


class BrightnessConfig(DetectorConfig):
    num_frames: int | None = 16
    sparse: int = 4
    faces: bool = False
    ballast: int = 0
    skip_dark: bool = False


class BrightnessDetector(Detector):
    Config = BrightnessConfig

    def sampling(self, media):
        faces = FaceRequest("blazeface", 40) if self.config.faces else None
        return FramePlan(count=self.config.num_frames, sparse=self.config.sparse, faces=faces)

    def build(self):
        return Network(self.config.ballast)

    def preprocess(self, sample):
        if self.config.skip_dark and sample.frame.mean() < 40:
            raise SkipSample("damaged")
        picture = torch.from_numpy(np.ascontiguousarray(sample.frame[::4, ::4])).permute(2, 0, 1).float() / 255
        picture = torch.nn.functional.interpolate(picture[None], (32, 32), mode="area")[0]
        return [picture] * max(len(sample.faces), 1)
'''

LOUDNESS = '''
"""Calls loud sound fake."""

import torch
from torch import nn

from drishtiksha.contract import AudioPlan, DetectorConfig
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import SkipSample


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.gain * (20 * x.square().mean(dim=1).sqrt() - 3)


class LoudnessDetector(Detector):
    Config = DetectorConfig

    def sampling(self, media):
        return AudioPlan(sample_rate=8000, window_s=1.0, hop_s=0.5, min_s=0.5)

    def build(self):
        return Network()

    def preprocess(self, sample):
        if abs(sample.waveform).max() < 1e-3:
            raise SkipSample("no_speech")
        return [torch.from_numpy(sample.waveform)]
'''

SEQUENCE = '''
"""Calls rising brightness fake: judges three frames in a row, and the whole file at once."""

import torch
from torch import nn

from drishtiksha.contract import Aggregate, DetectorConfig, SequencePlan, Window
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import SkipSample
from drishtiksha.media.sampling import evenly_spaced


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))


class SequenceConfig(DetectorConfig):
    length: int = 3
    skip_dark: bool = False


class SequenceDetector(Detector):
    Config = SequenceConfig

    def sampling(self, media):
        return SequencePlan(lambda total: [evenly_spaced(total, 4), list(range(0, total, 2))])

    def build(self):
        return Network()

    def preprocess(self, sample):
        mean = float(sample.frame.mean()) / 255
        if self.config.skip_dark and mean < 0.3:
            raise SkipSample("damaged")
        sample.measures["brightness"] = mean
        return [torch.full((3, 8, 8), mean)]

    def features(self, batch):
        return batch.mean(dim=(2, 3))

    def windows(self, frames):
        length = self.config.length
        runs = [Window(tuple(range(i, i + length))) for i in range(len(frames) - length + 1)]
        return [Window(tuple(range(len(frames))), whole=True), *runs] if runs else []

    def forward(self, batch):
        return self.network.gain * 20 * (batch[:, -1].mean(dim=1) - batch[:, 0].mean(dim=1))

    def score_alone(self, batch):
        return self.score(self.encode(batch)[:, None])

    def aggregate(self, scores, whole=None):
        judged = [score for score in scores if score.p_fake is not None]
        return Aggregate(whole, {"sequences": len(judged)}, ("Only sequences were looked at.",))
'''

CLIPS = '''
"""Calls clips fake that are louder than they are bright."""

import numpy as np
import torch
from torch import nn

from drishtiksha.contract import ClipPlan, DetectorConfig
from drishtiksha.detectors.base import Detector


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.gain * (x[:, 1] - x[:, 0])


class ClipsConfig(DetectorConfig):
    count: int | None = 4
    length: int = 5


def loudness(waveform):
    whole = waveform[: len(waveform) // 160 * 160].reshape(-1, 160)
    return np.abs(whole).max(axis=1)[None]


class ClipsDetector(Detector):
    Config = ClipsConfig

    def sampling(self, media):
        return ClipPlan(self.config.count, self.config.length, listen=loudness)

    def build(self):
        return Network()

    def preprocess(self, sample):
        sample.measures["columns"] = sample.sound.shape[-1]
        sample.measures["frames"] = len(sample.frames)
        bright = np.mean([frame.mean() for frame in sample.frames]) / 255
        return [torch.tensor([float(bright), float(sample.sound.max())])]

    def detailed(self, batch):
        return self.forward(batch), {"loudness": batch[:, 1]}
'''


@contextmanager
def dropped_in(folder: Path, **files: str) -> Iterator[None]:
    """Makes `folder` hold further detector files, beside those of the package, for as long as the block lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    package = drishtiksha.detectors
    package.__path__.append(str(folder))
    try:
        yield
    finally:
        package.__path__.remove(str(folder))
        for name in files:
            sys.modules.pop(f"{package.__name__}.{name}", None)


def entry(
    class_name: str = "BrightnessDetector", model_path: Path | str = "models/none.pt", **fields: Any
) -> dict[str, Any]:
    kinds = {
        "LoudnessDetector": {"isAudio": True},
        "SequenceDetector": {"isVideo": True},
        "ClipsDetector": {"isMultiModal": True},
    }.get(class_name, {"isImage": True, "isVideo": True})
    return {"class_name": class_name, "description": "for tests", "model_path": str(model_path), **kinds, **fields}


def manager_of(models: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: Any, **settings: Any) -> ModelManager:
    """A manager whose YAML file holds exactly these entries."""
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"models": models, "data_dir": str(tmp_path / "data"), "device": "cpu"}))
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(config))
    return ModelManager(load_settings(**settings))


ENCODER = {
    "encoder_width": 32,
    "encoder_layers": 2,
    "encoder_heads": 2,
    "encoder_hidden": 32,
    "encoder_conv_width": 16,
}
"""A wav2vec 2.0 encoder of 0.1 M parameters."""
SMALL: dict[str, dict[str, Any]] = {
    "AASISTDetector": {"channels": 8, "first_channels": 2},
    "AntiDeepfakeDetector": ENCODER,
    "SpectraDetector": ENCODER,
    "SyncNetDetector": {"stretches": 2, "stretch_s": 1, "min_face_px": 40, "channels": (4, 8, 8), "embedding": 16},
    "XLSRAASISTDetector": ENCODER,
    "XLSRSLSDetector": {**ENCODER, "hidden": 8},
    "AudioMFTCRNNV1": {"lstm_width": 8},
    "BFreeDetector": {"window_px": 70, "depth": 1},
    "CommunityForensicsDetector": {
        "architecture": "test_vit",
        "input_size": 64,
        "shorter_side": 74,
        "num_frames": 4,
    },
    "CrossEfficientViTDetector": {"frames": 4, "rounds": 1, "hidden_width": 64},
    "D3VideoDetector": {"runs": 2},
    "DeepfakeBenchDetector": {"num_frames": 4},
    "EffortDetector": {"width": 64, "layers": 2, "heads": 4, "num_frames": 4},
    "EfficientNetB7Detector": {"architecture": "tf_efficientnet_b0", "input_size": 96, "frames": 6},
    "EyeblinkDetectorV1": {"sequence_length": 3, "min_face_px": 30},
    "GenDDetector": {"width": 64, "layers": 2, "heads": 4, "num_frames": 4},
    "LipFDetectorV1": {
        "num_windows": 3,
        "clip_width": 64,
        "clip_layers": 2,
        "clip_heads": 4,
        "resnet_layers": (1, 1, 1, 1),
    },
    "MelSpectrogramCNNV2": {"hidden": (8, 8, 4)},
    "MelSpectrogramCNNV3": {"hidden": (8, 8, 4)},
    "STFTSpectrogramCNNV1": {"hidden": 8},
    "NPRDetector": {"most_px": 256},
    "ScatteringWaveV1": {"hidden": (8, 8, 4)},
    "SelfBlendedImagesDetector": {"architecture": "tf_efficientnet_b0", "input_size": 96, "num_frames": 4},
    "TruForDetector": {"depths": (1, 1, 1, 1), "decoder_width": 16, "tile_px": 64},
    "WaveRepDetector": {"crop_px": 98, "depth": 1, "num_frames": 3},
    "SonicsDetector": {
        "window_s": 5,
        "hop_s": 5,
        "frames": 128,
        "width": 12,
        "layers": 2,
        "heads": 2,
    },
    **{
        f"SiglipLSTMV{version}": {
            "num_frames": 4,
            "num_windows": 6,
            "vision_width": 32,
            "vision_layers": 2,
            "vision_heads": 2,
            "lstm_width": 16,
            "head_width": 16,
        }
        for version in (1, 3, 4)
    },
}
"""Fields that make a large detector small enough to be tried on every machine."""


def configured(detector_class: type[Detector]) -> dict[str, bool]:
    """What configs/config.yaml says this class takes, over all of its entries."""
    entries = [e for e in load_settings().models.values() if e.get("class_name") == detector_class.__name__]
    assert entries, f"{detector_class.__name__} has no entry in configs/config.yaml"
    flags = ("isImage", "isVideo", "isAudio", "isMultiModal")
    return {flag: any(entry.get(flag, False) for entry in entries) for flag in flags}


def stand_in_weights(detector_class: type[Detector], path: Path, **fields: Any) -> Path:
    """Random weights for any detector, written as a checkpoint under its network's own keys."""
    config = detector_class.Config(class_name=detector_class.__name__, description="", model_path=path, **fields)
    torch.manual_seed(0)
    network: nn.Module = detector_class(config).build()
    torch.save(network.state_dict(), path)
    return path


def plain_weights(path: Path, ballast: int = 1) -> Path:
    """A checkpoint of the brightness network."""
    torch.save({"gain": torch.ones(1), "ballast": torch.zeros(ballast)}, path)
    return path
