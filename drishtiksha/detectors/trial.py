"""One forward pass of a detector on an example that ships with the program: whether its weights compute anything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drishtiksha.contract import AudioPlan, ClipPlan, DetectorConfig, FramePlan, SamplingPlan, SequencePlan
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import MediaError, ModelFailedError, WeightsMismatchError
from drishtiksha.settings import ROOT

if TYPE_CHECKING:
    from torch import Tensor

ASSETS = ROOT / "assets"
WINDOWS = 3
"""How many windows of sound are listened to, at most: the first may hold no voice."""


def try_out(detector: Detector) -> None:
    """Let a detector, whose network is loaded, judge a small part of an example. What it answers does not matter.

    Raises: WeightsMismatchError when it computes no number or fails.
    """
    shortened(detector)
    try:
        detector.analyze(_example(detector.config), explain=False)
    except MediaError:  # the example does not suit it: nothing is known
        return
    except (ModelFailedError, RuntimeError, ValueError, TypeError, IndexError) as error:
        raise WeightsMismatchError(
            f"The weights fit {detector.model_name} by their names and shapes, but it cannot compute with them: {error} "
            "Nothing was changed."
        ) from error
    finally:
        del detector.sampling


def inputs_of_examples(detector: Detector, work: Callable[[Tensor], Any]) -> list[Tensor]:
    """Single samples that `work` of a loaded detector is given when it judges a part of each example."""
    seen: list[Tensor] = []
    own = detector._work_at_once

    def noting(given: Callable[[Tensor], Any], batch: Tensor) -> Any:
        if given == work:
            seen.extend(batch)
        return own(given, batch)

    detector._work_at_once = noting  # type: ignore[method-assign, assignment]
    shortened(detector)
    try:
        with suppress(MediaError):
            detector.analyze(_example(detector.config), explain=False)
    finally:
        del detector.sampling, detector._work_at_once
    return seen


def shortened(detector: Detector) -> Detector:
    """It, looking at little of a file, until its `sampling` is deleted again."""
    own = detector.sampling
    detector.sampling = lambda media: _short(own(media))  # type: ignore[method-assign]
    return detector


def _example(config: DetectorConfig) -> Path:
    if config.isImage:
        return ASSETS / "portrait.jpg"
    return ASSETS / ("clip_with_sound.mp4" if config.isAudio or config.isMultiModal else "clip_silent.mp4")


def _short(plan: SamplingPlan) -> SamplingPlan:
    if isinstance(plan, FramePlan | ClipPlan):
        return replace(plan, count=1, sparse=1)
    if isinstance(plan, AudioPlan):
        return replace(plan, count=min(plan.count or WINDOWS, WINDOWS))
    assert isinstance(plan, SequencePlan)
    choose = plan.choose
    return replace(plan, choose=lambda total: choose(total)[:1])
