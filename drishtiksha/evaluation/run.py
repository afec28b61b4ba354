"""Every labelled file through the models, end to end, by an engine of batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from drishtiksha.batch.items import Item
from drishtiksha.batch.judge import Engine, Here, Job, Told
from drishtiksha.batch.known import HASH_DIGITS, Known
from drishtiksha.batch.rows import TRIED_AGAIN, UNREADABLE, Row
from drishtiksha.evaluation.scores import DECIMALS, Score, ScoreFile
from drishtiksha.registry import ModelManager
from drishtiksha.results import GapReason

__all__ = ["UNREADABLE", "ScoreNote", "score_files", "score_of"]

ScoreNote = Callable[[int, int, str], None]
"""Told how many scores are known, of how many, and which was the last."""


def score_files(
    items: Sequence[Item],
    names: Sequence[str],
    manager: ModelManager,
    note: ScoreNote,
    kept: ScoreFile | None = None,
    engine: Engine | None = None,
) -> tuple[list[Score], list[str]]:
    """One score per model and item, model by model in the order of the items, and a sentence for each failure of a model.
    What `kept` knows of the same bytes is not done again, unless the model failed. engine: None: this process.

    A file is decoded once for all models, as long as all of them fit into memory at once; else, in this process, model by
    model, since loading a large one again for every file costs more than decoding.

    Raises: ModelRegistryError; WeightsError.
    """
    names = list(dict.fromkeys(names))
    scoring = _Scoring({item.name: item for item in items}, note, kept, total=len(names) * len(items))
    known = Known(kept.keys(but=TRIED_AGAIN) if kept else ())
    groups = [names]
    if engine is None:
        manager.preload(names)
        groups = [names] if all(manager.is_model_loaded(name) for name in names) else [[name] for name in names]
    for group in groups:
        job = Job(manager.settings, tuple(group), known)
        (engine or Here(manager)).run(job, items, scoring.take)
    places = {(item.name, name): (names.index(name), number) for name in names for number, item in enumerate(items)}
    ordered = sorted(scoring.scores, key=lambda score: places[score.file, score.model])
    return ordered, sorted(scoring.failures) if engine else scoring.failures


class _Scoring:
    """What is scored so far. A score is kept as soon as it is known."""

    def __init__(self, items: Mapping[str, Item], note: ScoreNote, kept: ScoreFile | None, total: int) -> None:
        self._items, self._note, self._kept, self._total = items, note, kept, total
        self.scores: list[Score] = []
        self.failures: list[str] = []

    def take(self, told: Told) -> None:
        item = self._items[told.item.name]
        if told.row is not None:
            score = score_of(told.row)
            if told.row.error_kind in TRIED_AGAIN:
                self.failures.append(f"{item.name}: {told.row.error}")
            if self._kept:
                self._kept.add(score)
        else:
            old = self._kept.of(item.name, told.model) if self._kept else None
            assert old is not None
            score = replace(old, label=item.label or "", group=item.group, source=item.source)
        self.scores.append(score)
        self._note(len(self.scores), self._total, f"{score.model}: {score.file}")


def score_of(row: Row) -> Score:
    """A row of a batch as a score. Too little coverage for a verdict is no score, whatever number the few samples gave."""
    blank = Score(
        row.name,
        row.label or "",
        row.groups.get("group", ""),
        row.groups.get("source") or row.name,
        row.model,
        sha256=(row.sha256 or "")[:HASH_DIGITS],
        recipe=row.recipe,
    )
    if row.error_kind is not None:
        return replace(blank, reason=row.error_kind)
    return replace(
        blank,
        kind=row.kind,
        p_fake=_rounded(row.p_fake) if row.gap != GapReason.LOW_COVERAGE else None,
        prediction=row.prediction,
        coverage=_rounded(row.coverage),
        reason=row.gap or "",
        threshold_real=_rounded(row.threshold_real),
        threshold_fake=_rounded(row.threshold_fake),
        seconds=_rounded(row.seconds),
        container=row.container or "",
        size_bytes=None if row.size_bytes is None else float(row.size_bytes),
        duration_s=_rounded(row.duration_s),
        rate=_rounded(row.rate),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)
