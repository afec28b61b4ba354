"""Helpers for the published detectors of the open shelf: key lists without memory, pictures, and arrays to agree with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import golden
import numpy as np
import torch
from PIL import Image

from drishtiksha.detectors.base import Detector
from drishtiksha.weights import fitted


def unloaded(cls: type[Detector], **fields: Any) -> Detector:
    """`cls` without weights, on the CPU."""
    return cls(cls.Config(class_name=cls.__name__, description="", model_path="none.pth", device="cpu", **fields))


def wrong_keys(detector: Detector, name: str, rename: Callable[[str], str] = str) -> list[str]:
    """What is missing, left over or of another shape when the published key list is read, on the meta device."""
    published = {
        rename(key): torch.empty(shape, device="meta") for key, (shape, _) in golden.load(name)["state_dict"].items()
    }
    with torch.device("meta"):
        wanted = detector.build().state_dict()
    kept = fitted(published, wanted, detector.remap, name)
    return sorted(key for key in kept.keys() | wanted.keys() if _shape(kept.get(key)) != _shape(wanted.get(key)))


def published_network(detector: Detector, state_dict: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """The detector's network with these weights, loaded as from a file."""
    with torch.device("meta" if detector.build_on_meta else "cpu"):
        network = detector.build()
    network.load_state_dict(detector.merge(detector.remap(state_dict)), strict=True, assign=True)
    return network.eval().requires_grad_(False)


def with_network(detector: Detector, network: torch.nn.Module) -> Detector:
    """`detector` as if it had loaded `network`."""
    detector._network = network
    return detector


def noise(shape: list[int], seed: int = 1234) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def picture(path: str) -> np.ndarray:
    """A picture of the shared data, uint8 RGB."""
    return np.array(Image.open(golden._require(golden.SHARED / path)).convert("RGB"))


def preprocessing(name: str) -> dict[str, dict[str, Any]]:
    """The golden cases of a detector's preprocessing, by the name of their array."""
    return {case["array"]: case for case in golden.load(name)["preprocessing"]}


def array_error(made: torch.Tensor | np.ndarray, name: str, array: str) -> float:
    """Mean absolute difference from the stored part of a golden array; the means of the channels are asserted on the way."""
    case = preprocessing(name)[array]
    made = np.asarray(made, np.float32)
    assert list(made.shape) == case.get("shape", list(made.shape))
    assert np.abs(made.mean(axis=(1, 2)) - case["channel_mean"]).max() < 0.01 * max(1, np.abs(made).max() / 4)
    assert np.abs(made.std(axis=(1, 2)) - case["channel_std"]).max() < 0.01 * max(1, np.abs(made).max() / 4)
    kept = golden.arrays(case["npz"].removesuffix(".npz"))[array].astype(np.float32)
    part = made if case["slice"] == "all" else made[_slices(case["slice"])]
    return float(np.abs(part - kept).mean())


def _slices(text: str) -> tuple[slice, ...]:
    """Such a text as [:, ::2, ::2] as slices."""
    steps = [axis.strip() for axis in text.strip("[]").split(",")]
    return tuple(slice(None, None, int(axis.removeprefix("::")) if axis.startswith("::") else None) for axis in steps)


def _shape(tensor: torch.Tensor | None) -> tuple[int, ...] | None:
    return None if tensor is None else tuple(tensor.shape)
