"""Every labelled file through the models, end to end, by the services that the app uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from drishtiksha.analysis.recipe import recipe_of
from drishtiksha.casefile import Outcome
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
from drishtiksha.services.runs import Answers, run_models
from drishtiksha.weights import sha256_of

ScoreNote = Callable[[int, int, str], None]
"""Told how many scores are known, of how many, and which was the last."""

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
    items: Sequence[Item], names: Sequence[str], manager: ModelManager, note: ScoreNote, kept: ScoreFile | None = None
) -> tuple[list[Score], list[str]]:
    """One score per model and item, model by model in the order of the items, and a sentence for each failure of a model.
    What `kept` knows of the same bytes is not done again, unless the model failed.

    A file is decoded once for all models, as long as all of them fit into memory at once; else model by model, since loading
    a large one again for every file costs more than decoding.

    Raises: ModelRegistryError; WeightsError.
    """
    names = list(dict.fromkeys(names))
    manager.preload(names)
    together = all(manager.is_model_loaded(name) for name in names)
    scoring = _Scoring(manager, note, kept, total=len(names) * len(items))
    for group in [names] if together else [[name] for name in names]:
        recipes = {name: _recipe(manager, name) for name in group}
        for item in items:
            scoring.score(item, recipes)
    places = {(item.name, name): (names.index(name), number) for name in names for number, item in enumerate(items)}
    ordered = sorted(scoring.scores, key=lambda score: places[score.file, score.model])
    return ordered, scoring.failures


def _recipe(manager: ModelManager, name: str) -> str:
    with manager.use(name) as detector:
        return recipe_of(detector)


class _Scoring:
    """What is scored so far. A score is kept as soon as it is known."""

    def __init__(self, manager: ModelManager, note: ScoreNote, kept: ScoreFile | None, total: int) -> None:
        self._manager, self._note, self._kept, self._total = manager, note, kept, total
        self.scores: list[Score] = []
        self.failures: list[str] = []

    def score(self, item: Item, recipes: Mapping[str, str]) -> None:
        """By the models that `recipes` names."""
        digest = sha256_of(item.path)[:HASH_DIGITS]
        left: dict[str, Score] = {}
        for name, recipe in recipes.items():
            blank = Score(item.name, item.label, item.group, item.source, name, sha256=digest, recipe=recipe)
            old = self._kept.same(blank) if self._kept else None
            if old is None or old.reason == MODEL_FAILED:
                left[name] = blank
            else:
                self._done(replace(old, label=item.label, group=item.group, source=item.source))
        if not left:
            return
        sink = _Sink(left, self._made, self.failures)
        try:
            evidence = Evidence.open(item.path, self._manager.settings.limits)
        except MediaError as error:
            for name in left:
                sink.failed(name, error)
            return
        run_models(evidence, list(left), self._manager, sink, explain=False)

    def _made(self, score: Score) -> None:
        if self._kept:
            self._kept.add(score)
        self._done(score)

    def _done(self, score: Score) -> None:
        self.scores.append(score)
        self._note(len(self.scores), self._total, f"{score.model}: {score.file}")


class _Sink(Answers):
    """Makes a score of each answer, and of each failure."""

    def __init__(self, blanks: Mapping[str, Score], take: Callable[[Score], None], failures: list[str]) -> None:
        super().__init__()
        self._blanks, self._take, self._failures = blanks, take, failures

    def answered(self, name: str, answer: Outcome) -> None:
        assert isinstance(answer, AnalysisResult)
        self._take(_scored(self._blanks[name], answer))

    def failed(self, name: str, error: DrishtikshaError) -> None:
        blank = self._blanks[name]
        if isinstance(error, MediaError):
            self._take(replace(blank, reason=REASONS.get(type(error), UNREADABLE)))
            return
        self._failures.append(f"{blank.file}: {error}")
        self._take(replace(blank, reason=MODEL_FAILED))


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
