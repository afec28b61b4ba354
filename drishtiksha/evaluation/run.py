"""Every labelled file through the models, end to end, by an engine of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from drishtiksha.batch.items import Item
from drishtiksha.batch.judge import Content, Engine, Here, Job, Told
from drishtiksha.batch.known import HASH_DIGITS, Key, Known, key_of
from drishtiksha.batch.rows import TRIED_AGAIN, UNREADABLE, Row, facts_of
from drishtiksha.evaluation.scores import DECIMALS, Score, ScoreFile
from drishtiksha.registry import ModelManager
from drishtiksha.results import GapReason

__all__ = ["UNREADABLE", "ScoreNote", "score_files", "score_of"]

ScoreNote = Callable[[int, int, str], None]
"""Told how many scores are known, of how many, and which was the last."""


@dataclass(frozen=True)
class Scored:
    """failures: a sentence for each failure of a model. checkpoints: the SHA-256 of each model's weights, as whoever judged
    told it."""

    scores: list[Score]
    failures: list[str]
    checkpoints: dict[str, str | None]


def score_files(
    items: Sequence[Item],
    names: Sequence[str],
    manager: ModelManager,
    note: ScoreNote,
    kept: ScoreFile | None = None,
    engine: Engine | None = None,
) -> Scored:
    """One score per model and item, model by model in the order of the items. What `kept` knows of the same bytes is not done
    again, unless the model failed. engine: None: this process.

    Raises: ModelRegistryError; WeightsError.
    """
    names = list(dict.fromkeys(names))
    by_name = {item.name: item for item in items}
    scoring = _Scoring(by_name, note, kept, total=len(names) * len(items))
    job = Job(manager.settings, tuple(names), Known(_keys(kept, by_name) if kept else ()))
    (engine or Here(manager)).run(job, items, scoring.take)
    scoring.tell_waiting()
    places = {(item.name, name): (names.index(name), number) for name in names for number, item in enumerate(items)}
    ordered = sorted(scoring.scores, key=lambda score: places[score.file, score.model])
    checkpoints = {name: scoring.checkpoints.get(name) for name in names}
    return Scored(ordered, sorted(scoring.failures) if engine else scoring.failures, checkpoints)


def _keys(kept: ScoreFile, items: Mapping[str, Item]) -> Iterator[Key]:
    """Of the scores that need not be made again."""
    for score in kept:
        if score.reason not in TRIED_AGAIN and score.file in items:
            yield key_of(facts_of(items[score.file]), score.sha256, score.recipe, score.model)


class _Scoring:
    """What is scored so far. A score is kept as soon as it is known."""

    def __init__(self, items: Mapping[str, Item], note: ScoreNote, kept: ScoreFile | None, total: int) -> None:
        self._items, self._note, self._kept, self._total = items, note, kept, total
        self.scores: list[Score] = []
        self.failures: list[str] = []
        self.checkpoints: dict[str, str | None] = {}
        self._by_content: dict[tuple[Content, str], Score] = {}
        self._waiting: list[Told] = []

    def take(self, told: Told) -> None:
        item = self._items[told.item.name]
        self.checkpoints[told.model] = told.checkpoint_sha256
        if told.row is not None:
            score = score_of(told.row)
            if told.row.error_kind in TRIED_AGAIN:
                self.failures.append(f"{item.name}: {told.row.error}")
            if told.content is not None:
                self._by_content[told.content, told.model] = score
        elif told.same_as is not None:
            like = self._by_content.get((told.same_as, told.model))
            if like is None:
                self._waiting.append(told)
                return
            score = _of_item(like, item)
        else:
            old = self._kept.of(item.name, told.model) if self._kept else None
            assert old is not None
            score = _of_item(old, item)
        if self._kept and (told.row is not None or told.same_as is not None):
            self._kept.add(score)
        self.scores.append(score)
        self._note(len(self.scores), self._total, f"{score.model}: {score.file}")

    def tell_waiting(self) -> None:
        """An engine of several machines may tell of a file before it tells of the one with the same bytes."""
        waiting, self._waiting = self._waiting, []
        for told in waiting:
            self.take(told)
        assert not self._waiting


def _of_item(score: Score, item: Item) -> Score:
    """A score of the same bytes, for this item."""
    return replace(score, file=item.name, label=item.label or "", group=item.group, source=item.source)


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
