"""The golden files of the reference, where they are there: key lists, stand-in weights, expected outputs."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from drishtiksha.detectors.base import Detector
from drishtiksha.settings import ROOT

SHARED = ROOT.parent / "shared"
GOLDEN = SHARED / "golden"


def _require(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path.name} of the shared data is not on this machine (looked in {path.parent})")
    return path


@cache
def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def load(name: str) -> dict[str, Any]:
    """The golden file of a config name: `state_dict`, `scale`, `cases`."""
    return _read(_require(GOLDEN / f"{name}.json"))


def stand_in(key: str, shape: list[int], dtype: str = "float32") -> torch.Tensor:
    """The stand-in weight of a key; the same key and shape always give the same tensor."""
    spec = importlib.util.spec_from_file_location("stand_in", _require(GOLDEN / "stand_in.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.stand_in(key, shape, getattr(torch, dtype))


def state_dict(name: str) -> dict[str, torch.Tensor]:
    """Stand-in weights under the published keys, scale applied. Buffers of kymatio's filters are left out."""
    facts = load(name)
    scale = facts.get("scale", {})
    return {
        key: stand_in(key, shape, dtype) * scale.get(key, 1) if key in scale else stand_in(key, shape, dtype)
        for key, (shape, dtype) in facts["state_dict"].items()
        if not key.startswith("scattering.")
    }


def settle(network: torch.nn.Module, batch: torch.Tensor) -> None:
    """Give each batch norm the mean and deviation that its input has for this batch, so that activations keep near unit size
    through the whole network: under stand-in weights alone they grow with every block, and rounding decides the logit."""
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # then the running statistics are those of all batches so far: of this one
    with torch.no_grad():
        network.train()(batch)
    network.eval()


def arrays(name: str) -> dict[str, np.ndarray]:
    """The arrays of `audio_preprocessing` or `visual_preprocessing`."""
    with np.load(_require(GOLDEN / f"{name}.npz")) as kept:
        return {key: kept[key] for key in kept.files}


def clip(name: str) -> Path:
    return _require(SHARED / "data" / "clips" / name)


def end_to_end(name: str) -> dict[str, Any]:
    """`clip`, `settings`, `p_fake` and `scores` of the reference on the shared clip."""
    return _read(_require(GOLDEN / "end_to_end.json"))["results"][name]


def checkpoint(
    name: str, folder: Path, wrap: Callable[[dict[str, torch.Tensor]], Any] = dict, suffix: str = ".pth"
) -> Path:
    """A file of the stand-in weights, as `wrap` packs them."""
    path = folder / f"{name}{suffix}"
    torch.save(wrap(state_dict(name)), path)
    return path


def detector(cls: type[Detector], name: str, model_path: Path, **fields: Any) -> Detector:
    """`cls` under its config name with the weights at `model_path`, loaded on the CPU."""
    config = cls.Config(class_name=cls.__name__, description="", model_path=model_path, device="cpu", **fields)
    return cls(config.model_copy(update={"model_name": name})).load()
