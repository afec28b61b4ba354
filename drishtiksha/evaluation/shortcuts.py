"""Whether something of the files other than their content tells fakes from reals: then a good score may mean nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from drishtiksha.evaluation import metrics
from drishtiksha.evaluation.scores import Score

Fact = Literal["container", "size", "duration", "rate"]

SEPARATES = 0.8
"""AUC of a fact alone from which on it is told."""
LEAST = 5
"""Files of each class that it takes."""

FACTS: dict[Fact, Callable[[Score], float | None]] = {
    "size": lambda score: score.size_bytes,
    "duration": lambda score: score.duration_s,
    "rate": lambda score: score.rate,
}
UNITS: dict[Fact, tuple[str, float]] = {"size": ("MB", 1e-6), "duration": ("s", 1.0), "rate": ("a second", 1.0)}


class Shortcut(BaseModel):
    """A fact of the files that tells the labels apart by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fact: Fact
    auc: float = Field(description="of this fact alone, whichever way round")
    sentence: str


def shortcuts(scores: Sequence[Score], seed: int, draws: int) -> tuple[Shortcut, ...]:
    """The facts that separate fakes from reals, the worst first. scores: of one model; each file counts once, whether it was
    scored or not."""
    found = [_by_container(scores), *(_by_number(fact, scores) for fact in FACTS)]
    told = [
        shortcut
        for shortcut, labels, values, sources in filter(None, found)
        if shortcut.auc >= SEPARATES and _holds(labels, values, sources, seed, draws)
    ]
    return tuple(sorted(told, key=lambda shortcut: -shortcut.auc))


_Found = tuple[Shortcut, np.ndarray, np.ndarray, np.ndarray]


def _holds(labels: np.ndarray, values: np.ndarray, sources: np.ndarray, seed: int, draws: int) -> bool:
    """Whether it is more than chance, by drawing whole sources again."""
    interval = metrics.bootstrap(metrics.auc, labels, values, sources, seed, draws)
    return interval is None or interval[0] > 0.5


def _by_number(fact: Fact, scores: Sequence[Score]) -> _Found | None:
    known = [(score, value) for score in scores if (value := FACTS[fact](score)) is not None]
    labels = np.array([score.fake for score, _ in known], bool)
    if min(labels.sum(), (~labels).sum()) < LEAST:
        return None
    values = np.array([value for _, value in known])
    area = metrics.auc(labels, values) or 0.0
    turned = values if area >= 0.5 else -values
    unit, scale = UNITS[fact]
    fakes, reals = (float(np.median(values[side])) * scale for side in (labels, ~labels))
    sentence = (
        f"The {fact} of the files alone tells fakes from reals (AUC {max(area, 1 - area):.2f}): in the median {fakes:.4g} {unit} "
        f"for fakes, {reals:.4g} for reals. A model may do well for that reason. Choose fakes and reals that agree in it."
    )
    sources = np.array([score.source for score, _ in known], str)
    return Shortcut(fact=fact, auc=max(area, 1 - area), sentence=sentence), labels, turned, sources


def _by_container(scores: Sequence[Score]) -> _Found | None:
    known = [score for score in scores if score.container]
    labels = np.array([score.fake for score in known], bool)
    names = np.array([score.container for score in known], str)
    if min(labels.sum(), (~labels).sum()) < LEAST or len(set(names)) < 2:
        return None
    shares = {name: float(labels[names == name].mean()) for name in set(names)}
    values = np.array([shares[name] for name in names])
    area = metrics.auc(labels, values) or 0.0
    most = [max(set(names[side]), key=list(names[side]).count) for side in (labels, ~labels)]
    sentence = (
        f"The container of the files alone tells fakes from reals (AUC {area:.2f}): most fakes are {most[0]}, most reals "
        f"{most[1]}. A model may do well for that reason. Store all files in the same way."
    )
    return (
        Shortcut(fact="container", auc=area, sentence=sentence),
        labels,
        values,
        np.array([s.source for s in known], str),
    )
