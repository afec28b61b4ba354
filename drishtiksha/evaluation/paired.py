"""Two models on the same files: is one better than the other, or is it chance?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from drishtiksha.errors import ManifestError
from drishtiksha.evaluation import metrics
from drishtiksha.evaluation.report import Table, number
from drishtiksha.evaluation.scores import Score, read_scores
from drishtiksha.evaluation.summary import MIX, ORDER, STRICT, Measure

NAMES = {
    "auc": "AUC",
    "eer": "EER",
    "ap": "AP",
    "ece": "ECE",
    "ece_balanced": "ECE, balanced",
    "brier": "Brier",
    "recall_at_1": "recall at 1 %",
    "recall_at_01": "recall at 0.1 %",
}
CERTAIN = 0.05
DRAWS = 1000


class Difference(BaseModel):
    """One measure of both models, and the first less the second."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: float
    second: float
    difference: Measure

    @property
    def told(self) -> str:
        """Whether the interval leaves out 0."""
        low, high = self.difference.low, self.difference.high
        if low is None or high is None:
            return "too few sources to say"
        return "differs" if low > 0 or high < 0 else "may be chance"


class Comparison(BaseModel):
    """Two models over the files that both scored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str
    second: str
    group: str = Field(default="", description="empty: all files")
    real: int
    fake: int
    only_first: int = Field(description="files that the first alone scored")
    only_second: int
    differences: dict[str, Difference]
    delong_p: float | None = Field(description="DeLong's test of the AUCs; takes every file as independent")

    def table(self) -> Table:
        title = f"{self.first} against {self.second}" + (f", {self.group}" if self.group else "")
        left_out = f"; {self.only_first} scored by the first alone, {self.only_second} by the second alone"
        rows = tuple(
            (NAMES[name], f"{one.first:.3f}", f"{one.second:.3f}", number(one.difference), one.told)
            for name, one in self.differences.items()
        )
        about = f"{title}: {self.real} real, {self.fake} fake{left_out}"
        p_value = (
            () if self.delong_p is None else (("AUC, DeLong", "", "", f"p = {self.delong_p:.2g}", self._by_delong),)
        )
        return Table(about, ("measure", "first", "second", "difference (95 %)", ""), (*rows, *p_value))

    @property
    def _by_delong(self) -> str:
        return "differs" if self.delong_p is not None and self.delong_p < CERTAIN else "may be chance"


def compare_folders(
    first: Path, second: Path, names: tuple[str, str] | None, seed: int = 0, draws: int | None = None
) -> list[Comparison]:
    """Model by model, over all files and by group. first, second: results of `evaluate`. names: which model of the first and
    which of the second; None: each that both hold, else the only one of each. draws: of the bootstrap; None: `DRAWS`.

    Raises: ManifestError where there are no scores, no such model, no file that both scored, or labels that differ.
    """
    tables = [_scores_of(folder) for folder in (first, second)]
    labels = [folder.name or str(folder) for folder in (first, second)]
    found: list[Comparison] = []
    for one, other in _pairs(tables, labels, names):
        pair = [_scored(table, model) for table, model in zip(tables, (one, other), strict=True)]
        told = (one, other) if one != other else (f"{one} ({labels[0]})", f"{other} ({labels[1]})")
        found += _by_group(told, pair[0], pair[1], seed, draws or DRAWS)
    return found


def _scores_of(folder: Path) -> list[Score]:
    path = folder / "scores.csv" if folder.is_dir() else folder
    try:
        return read_scores(path)
    except OSError as error:
        raise ManifestError(
            f"{path} cannot be read: {error.strerror}. Name a folder that `evaluate --out` wrote."
        ) from error


def _pairs(
    tables: Sequence[Sequence[Score]], labels: Sequence[str], names: tuple[str, str] | None
) -> list[tuple[str, str]]:
    there = [list(dict.fromkeys(score.model for score in table)) for table in tables]
    if names is not None:
        for name, models, label in zip(names, there, labels, strict=True):
            if name not in models:
                raise ManifestError(f"{label} has no scores of {name}. It has: {', '.join(models)}.")
        return [names]
    common = [name for name in there[0] if name in there[1]]
    if common:
        return [(name, name) for name in common]
    if any(len(models) != 1 for models in there):
        told = "; ".join(f"{label}: {', '.join(models) or 'none'}" for label, models in zip(labels, there, strict=True))
        raise ManifestError(
            f"No model was run in both. Say with --models A,B which to set against each other ({told})."
        )
    return [(there[0][0], there[1][0])]


def _scored(table: Iterable[Score], model: str) -> dict[str, Score]:
    """By the content of the file, where it is known: folders may call it differently."""
    return {score.sha256 or score.file: score for score in table if score.model == model and score.scored}


def _by_group(
    names: tuple[str, str], first: dict[str, Score], second: dict[str, Score], seed: int, draws: int
) -> list[Comparison]:
    both = [key for key in first if key in second]
    if not both:
        raise ManifestError(f"{names[0]} and {names[1]} have no file in common that both scored.")
    unlike = [first[key].file for key in both if first[key].label != second[key].label]
    if unlike:
        raise ManifestError(
            f"The lists differ in the labels of {len(unlike)} files, such as {unlike[0]}. Put them right first."
        )
    alone = len(first) - len(both), len(second) - len(both)
    groups = Counter(first[key].group for key in both)
    found = [_comparison(names, "", both, first, second, alone, seed, draws)]
    if len(groups) > 1:
        for group in filter(None, groups):
            keys = [key for key in both if first[key].group == group]
            if len({first[key].fake for key in keys}) < 2:  # as in the report: fakes alone are set against all reals
                keys = list(dict.fromkeys([*keys, *(key for key in both if not first[key].fake)]))
            if len({first[key].fake for key in keys}) == 2:
                found.append(_comparison(names, group, keys, first, second, (0, 0), seed, draws))
    return found


def _comparison(
    names: tuple[str, str],
    group: str,
    keys: Sequence[str],
    first: dict[str, Score],
    second: dict[str, Score],
    alone: tuple[int, int],
    seed: int,
    draws: int,
) -> Comparison:
    labels = np.array([first[key].fake for key in keys], bool)
    p = np.array([[table[key].p_fake for table in (first, second)] for key in keys], np.float64)
    sources = np.array([first[key].source for key in keys], str)
    reals = int((~labels).sum())
    strict = {name: partial(metrics.recall_at, share=share) for name, share in STRICT.items() if reals * share >= 1}
    measures: dict[str, metrics.Statistic] = {**ORDER, **MIX, **strict}
    differences = {}
    for name, measure in measures.items():
        values = [measure(labels, p[:, side]) for side in (0, 1)]
        if values[0] is None or values[1] is None:
            continue
        low, high = metrics.bootstrap(partial(_difference, measure), labels, p, sources, seed, draws) or (None, None)
        difference = Measure(value=values[0] - values[1], low=low, high=high)
        differences[name] = Difference(first=values[0], second=values[1], difference=difference)
    test = metrics.delong(labels, p[:, 0], p[:, 1])
    return Comparison(
        first=names[0],
        second=names[1],
        group=group,
        real=reals,
        fake=int(labels.sum()),
        only_first=alone[0],
        only_second=alone[1],
        differences=differences,
        delong_p=None if test is None else test.p_value,
    )


def _difference(measure: metrics.Statistic, labels: np.ndarray, p: np.ndarray) -> float | None:
    """p: float (N, 2), the scores of both models on the same draw of files."""
    first, second = measure(labels, p[:, 0]), measure(labels, p[:, 1])
    return None if first is None or second is None else first - second
