"""About how long a detector will take that has not run on such a file here, and which ones are too slow to start unasked."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from drishtiksha.casefile import Seconds
from drishtiksha.contract import AudioPlan, ClipPlan, FramePlan, SamplingPlan
from drishtiksha.errors import DrishtikshaError, ModelRegistryError
from drishtiksha.registry import ModelManager
from drishtiksha.results import MediaInfo, MediaKind
from drishtiksha.services.devices import by_device_elsewhere
from drishtiksha.settings import ROOT
from drishtiksha.weights import bytes_of, parts

MEASURED_PATH = ROOT / "configs" / "detectors.json"
"""Made by `python -m bench.detectors`: seconds of one look of a detector, on one core of the machine that measured them."""
SECONDS_A_BYTE = 2.3e-9
"""Of a look of a detector that nobody measured, by the size of its weights: that of the large ones that were measured."""
LEAST_LOOK_S = 0.02
SURE, UNSURE = 2.0, 4.0
"""By how much a guess may be wrong on either side: from a measured look, and from the size of the weights."""
USUAL_FPS = 25.0
"""Frames a second of a video that does not tell."""
SIDE, SIDE_S = 768, 0.0062
"""A product of two matrices of so many rows and columns, and its seconds on one core of the machine that measured."""
ACCELERATORS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What a GPU looks like on Linux: NVIDIA's, one under Windows, AMD's."""

_measuring = threading.Lock()


def guess(manager: ModelManager, name: str, media: MediaInfo) -> Seconds | None:
    """Between how many seconds a model will take: the measured seconds of one look, as many looks as it plans for the file,
    and how fast this machine multiplies matrices. None on anything but a processor, which nobody measured, and for a name that
    is not configured or has no detector.
    """
    try:
        detector = manager.unloaded(name)
    except ModelRegistryError:
        return None
    config = detector.config
    if not on_processor(config.device):
        return None
    look_s = _measured().get(config.model_name)
    wrong = UNSURE if look_s is None else SURE
    if look_s is None:
        look_s = SECONDS_A_BYTE * sum(bytes_of(part.path, part.source) for part in parts(config))
    seconds = _looks(detector.sampling(media), media) * max(look_s, LEAST_LOOK_S) * _slowness()
    return seconds / wrong, seconds * wrong


def middle(seconds: Seconds) -> float:
    """The middle of a range by its ratio."""
    return math.sqrt(seconds[0] * seconds[1])


def on_processor(device: str) -> bool:
    """Whether a device, as it is configured, is this machine's processor. torch is asked only where there may be a GPU, and not
    in this process."""
    return device == "cpu" or (device == "auto" and _no_accelerator())


@cache
def _no_accelerator() -> bool:
    if sys.platform == "linux" and not any(Path(path).exists() for path in ACCELERATORS):
        return True
    try:
        return any({"auto", "cpu"} <= set(names) for names in by_device_elsewhere(["auto", "cpu"]))
    except DrishtikshaError:
        return True


@cache
def _measured() -> Mapping[str, float]:
    told = json.loads(MEASURED_PATH.read_text(encoding="utf-8"))
    return {name: float(facts["seconds"]) for name, facts in told.items() if "seconds" in facts}


def _slowness() -> float:
    """How many times as long as there this machine takes; below 1 it is faster. Who asks while it is measured waits: side by
    side they would measure one another."""
    with _measuring:
        return _measured_slowness()


@cache
def _measured_slowness() -> float:
    """By the clock, or by the time of its processor where that is less, since other programs are at work."""
    matrix = np.random.default_rng(0).standard_normal((SIDE, SIDE), dtype=np.float32)
    taken = []
    for _ in range(5):
        began, used = time.perf_counter(), time.process_time()
        matrix @ matrix
        taken.append(min(time.perf_counter() - began, time.process_time() - used))
    return min(taken) / SIDE_S


def _looks(plan: SamplingPlan, media: MediaInfo) -> int:
    """How many frames, runs of frames or windows of sound the plan looks at, but for those it adds where it suspects something."""
    from drishtiksha.analysis.plans import (
        clip_starts,
        samples_of,
    )  # here, because a list of models need not wait for it

    if media.kind is MediaKind.IMAGE:
        return 1
    seconds = media.duration_s or 0.0
    if isinstance(plan, AudioPlan):
        windows = 1 + math.ceil(max(seconds - plan.window_s, 0.0) / plan.hop_s)
        return min(windows, plan.count or windows)
    total = max(round(seconds * (media.fps or USUAL_FPS)), 1)
    if isinstance(plan, FramePlan):
        return min(samples_of(plan, seconds) or total, total)
    if isinstance(plan, ClipPlan):
        return len(clip_starts(total, plan))
    return len({frame for frames in plan.choose(total) for frame in frames})
