"""Every labelled file through a model, end to end, by the services that the app uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from drishtiksha.analysis.recipe import recipe_of
from drishtiksha.errors import (
    DecodeStalledError,
    DrishtikshaError,
    MediaError,
    MediaLimitError,
    UnreadableMediaError,
    WrongMediaKindError,
)
from drishtiksha.evaluation.manifest import Item
from drishtiksha.evaluation.scores import DECIMALS, HASH_DIGITS, Score, ScoreFile
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult, GapReason, MediaInfo, MediaKind
from drishtiksha.services.runs import examine
from drishtiksha.weights import sha256_of

Note = Callable[[int, int, str], None]
"""Told how many files a model has done, of how many, and which was the last."""

UNREADABLE, MODEL_FAILED = "unreadable", "model_failed"
REASONS: dict[type[MediaError], str] = {
    UnreadableMediaError: UNREADABLE,
    MediaLimitError: "over_limits",
    DecodeStalledError: "decoder_stalled",
    WrongMediaKindError: "other_kind_of_media",
}
"""Why a file could not be examined at all; what was examined without a score has a `GapReason`, and a file at which the
model failed, `MODEL_FAILED`."""


def score_files(
    items: list[Item], name: str, manager: ModelManager, note: Note, kept: ScoreFile | None = None
) -> tuple[list[Score], list[str]]:
    """One score per item by the model `name`, in order, and a sentence for each at which it failed. What `kept` knows of
    the same bytes is not done again, unless the model failed.

    Raises: ModelRegistryError; WeightsError.
    """
    scores: list[Score] = []
    failures: list[str] = []
    with manager.use(name) as detector:
        recipe = recipe_of(detector)
        for item in items:
            digest = sha256_of(item.path)[:HASH_DIGITS]
            blank = Score(item.name, item.label, item.group, item.source, name, sha256=digest, recipe=recipe)
            old = kept.same(blank) if kept else None
            if old is not None and old.reason != MODEL_FAILED:
                score = replace(old, label=item.label, group=item.group, source=item.source)
            else:
                score = _score(item, blank, manager, failures)
                if kept:
                    kept.add(score)
            scores.append(score)
            note(len(scores), len(items), f"{name}: {item.name}")
    return scores, failures


def _score(item: Item, blank: Score, manager: ModelManager, failures: list[str]) -> Score:
    try:
        evidence = Evidence.open(item.path, manager.settings.limits)
        (result,) = examine(evidence, [blank.model], manager, explain=False).required().results
    except MediaError as error:
        return replace(blank, reason=REASONS.get(type(error), UNREADABLE))
    except DrishtikshaError as error:
        failures.append(f"{item.name}: {error}")
        return replace(blank, reason=MODEL_FAILED)
    return _scored(blank, result)


def _scored(blank: Score, result: AnalysisResult) -> Score:
    """Too little coverage for a verdict is no score, whatever number the few samples gave."""
    judged = result.p_fake is not None and result.gap is not GapReason.LOW_COVERAGE
    return replace(
        blank,
        kind=result.media.kind.value,
        p_fake=round(result.p_fake, DECIMALS) if judged and result.p_fake is not None else None,
        prediction=result.prediction.value,
        coverage=round(result.coverage, DECIMALS),
        reason=result.gap.value if result.gap else "",
        threshold_real=round(result.thresholds.real, DECIMALS),
        threshold_fake=round(result.thresholds.fake, DECIMALS),
        seconds=round(result.processing_time, DECIMALS),
        container=result.media.container,
        size_bytes=float(result.media.size_bytes),
        duration_s=None if result.media.duration_s is None else round(result.media.duration_s, DECIMALS),
        rate=_rate(result.media),
    )


def _rate(media: MediaInfo) -> float | None:
    rate = media.fps if media.kind is MediaKind.VIDEO else media.sample_rate
    return None if rate is None else round(rate, DECIMALS)
