"""From scores to numbers with intervals: overall and by group, for each model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from drishtiksha.evaluation import metrics
from drishtiksha.evaluation.scores import Score
from drishtiksha.results import Prediction

OVERALL = ""
"""The group of rows that name none."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measure(_Frozen):
    """A number and its 95 % interval; without one where fewer than two sources were scored."""

    value: float
    low: float | None = None
    high: float | None = None


class Summary(_Frozen):
    """What a model did with one set of files. A measure is None where the files cannot answer it.

    Shares are of the scored files: `n_real` and `n_fake` count all, `scored_real` and `scored_fake` those with a score.
    """

    n_real: int
    n_fake: int
    scored_real: int
    scored_fake: int
    sources: int = Field(description="people, speakers or files that were scored")
    gaps: dict[str, int] = Field(default={}, description="files without a score, by reason")
    against: str | None = Field(default=None, description="fakes only: which reals AUC and EER set them against")
    auc: Measure | None = None
    auc_alike: Measure | None = Field(
        default=None, description="AUC over pairs of a fake and a real of like length, where lengths are known"
    )
    eer: Measure | None = None
    ap: Measure | None = Field(default=None, description="average precision: depends on the share of fakes")
    ece: Measure | None = Field(default=None, description="calibration error, every file weighing the same")
    ece_balanced: Measure | None = Field(default=None, description="the same, both classes weighing the same")
    brier: Measure | None = Field(
        default=None, description="mean squared error of p_fake, every file weighing the same"
    )
    false_alarms: Measure | None = Field(default=None, description="share of reals called FAKE")
    recall: Measure | None = Field(default=None, description="share of fakes called FAKE")
    recall_at_1: Measure | None = Field(
        default=None, description="share of fakes found where 1 % of the reals are called so; asks for 100 reals"
    )
    recall_at_01: Measure | None = Field(default=None, description="the same at 0.1 %; asks for 1000 reals")
    real_called_real: Measure | None = None
    fake_called_real: Measure | None = None


class Floor(_Frozen):
    """How well the scores tell two groups of genuine files apart: so much comes of the channel alone."""

    groups: tuple[str, str]
    files: tuple[int, int]
    auc: Measure = Field(description="at least 0.5: whichever way round")


def ece_balanced(labels: np.ndarray, p: np.ndarray) -> float | None:
    return metrics.expected_calibration_error(labels, p, balanced=True)


ORDER: dict[str, metrics.Statistic] = {"auc": metrics.auc, "eer": metrics.eer}
"""What compares fakes with any reals."""
MIX: dict[str, metrics.Statistic] = {
    "ap": metrics.average_precision,
    "ece": metrics.expected_calibration_error,
    "ece_balanced": ece_balanced,
    "brier": metrics.brier,
}
"""What also depends on the mix of fakes and reals, so that only files listed together answer it."""


STRICT = {"recall_at_1": 0.01, "recall_at_01": 0.001}
"""Shares of the reals that may be called fake: with fewer reals than one in such a share, nothing can be said."""


LIKE_LENGTH = 1.25
"""Files of like length: those of one stratum differ by at most this factor."""
LEAST = 5
"""Files of each side that a floor, and a comparison of like lengths, take."""


class Summaries(NamedTuple):
    """`groups` as the rows name them. `merged`: of groups named `what/how`, all of one kind (`swap/*`) and all that
    arrived in one way (`*/jpeg_70`), where that puts several groups together."""

    overall: Summary
    merged: dict[str, Summary]
    groups: dict[str, Summary]


def summarize(scores: Sequence[Score], seed: int, draws: int) -> Summaries:
    """All measures of these scores of one model; rows that name no group count in `overall` only."""
    groups: dict[str, list[Score]] = {}
    parts: dict[str, dict[str, None]] = {}
    for score in scores:
        groups.setdefault(score.group, []).append(score)
        what, slash, how = score.group.rpartition("/")
        if slash:
            for part in (f"{what}/*", f"*/{how}"):
                parts.setdefault(part, {})[score.group] = None
    groups.pop(OVERALL, None)
    merged = {part: [s for s in scores if s.group in names] for part, names in parts.items() if len(names) > 1}

    def all_of(lists: dict[str, list[Score]]) -> dict[str, Summary]:
        return {name: _summary(rows, *_reals_for(name, rows, scores), seed, draws) for name, rows in lists.items()}

    return Summaries(_summary(scores, [], None, seed, draws), all_of(dict(sorted(merged.items()))), all_of(groups))


def real_floor(scores: Sequence[Score], seed: int, draws: int) -> Floor | None:
    """The two groups of genuine files that the scores of one model tell apart best; None without two groups of `LEAST` files.

    A detector that looks at content alone has about 0.5. The interval is that of the pair found, so it lies high: it is
    the worst of all pairs.
    """
    groups: dict[str, list[Score]] = {}
    for score in scores:
        if score.scored and not score.fake and score.group != OVERALL:
            groups.setdefault(score.group, []).append(score)
    known = {name: rows for name, rows in groups.items() if len(rows) >= LEAST}
    best: tuple[float, str, str] | None = None
    for first, second in combinations(known, 2):
        area = metrics.auc(*_against(known[first], known[second])[:2]) or 0.5
        higher, lower = (second, first) if area >= 0.5 else (first, second)
        if best is None or max(area, 1 - area) > best[0]:
            best = max(area, 1 - area), lower, higher
    if best is None:
        return None
    area, lower, higher = best
    low, high = metrics.bootstrap(metrics.auc, *_against(known[lower], known[higher]), seed, draws) or (None, None)
    return Floor(
        groups=(lower, higher),
        files=(len(known[lower]), len(known[higher])),
        auc=Measure(value=area, low=low, high=high),
    )


def _against(lower: Sequence[Score], higher: Sequence[Score]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `arrays`, with the second group in the place of the fakes."""
    _, p, sources = arrays([*lower, *higher])
    return np.arange(len(p)) >= len(lower), p, sources


def _alike_in_length(rows: Sequence[Score], seed: int, draws: int) -> Measure | None:
    known = [row for row in rows if row.duration_s]
    labels, p, sources = arrays(known)
    if min(labels.sum(), (~labels).sum()) < LEAST:
        return None
    stratum = np.floor(np.log([row.duration_s or 1.0 for row in known]) / np.log(LIKE_LENGTH))
    both = np.column_stack([p, stratum])
    value = metrics.auc_within(labels, both)
    if value is None:
        return None
    low, high = metrics.bootstrap(metrics.auc_within, labels, both, sources, seed, draws) or (None, None)
    return Measure(value=value, low=low, high=high)


def _reals_for(name: str, rows: Sequence[Score], scores: Sequence[Score]) -> tuple[list[Score], str | None]:
    """The reals to set a group of fakes alone against, and which they are: those that arrived in the same way (the part
    after the last slash), else all."""
    if not all(row.fake for row in rows):
        return [], None
    reals = [score for score in scores if not score.fake]
    same = [score for score in reals if "/" in name and score.group.rpartition("/")[1:] == name.rpartition("/")[1:]]
    if same:
        return same, ", ".join(dict.fromkeys(score.group for score in same))
    return reals, "all reals" if reals else None


def _summary(rows: Sequence[Score], reals: Sequence[Score], against: str | None, seed: int, draws: int) -> Summary:
    scored = [row for row in rows if row.scored]
    real, fake = ([row for row in scored if row.fake is side] for side in (False, True))
    compared = [*scored, *(row for row in reals if row.scored)]
    measures = {name: _bootstrapped(measure, compared, seed, draws) for name, measure in ORDER.items()}
    measures |= {name: _bootstrapped(measure, scored, seed, draws) for name, measure in MIX.items()}
    reals_compared = sum(not row.fake for row in compared)
    measures |= {
        name: _bootstrapped(partial(metrics.recall_at, share=share), compared, seed, draws)
        for name, share in STRICT.items()
        if reals_compared * share >= 1
    }
    return Summary(
        n_real=sum(not row.fake for row in rows),
        n_fake=sum(row.fake for row in rows),
        scored_real=len(real),
        scored_fake=len(fake),
        sources=len({row.source for row in scored}),
        gaps=dict(Counter(row.reason for row in rows if not row.scored).most_common()),
        against=against if measures["auc"] else None,
        **measures,
        auc_alike=_alike_in_length(compared, seed, draws),
        false_alarms=_share_called(Prediction.FAKE, real, seed, draws),
        recall=_share_called(Prediction.FAKE, fake, seed, draws),
        real_called_real=_share_called(Prediction.REAL, real, seed, draws),
        fake_called_real=_share_called(Prediction.REAL, fake, seed, draws),
    )


def arrays(rows: Sequence[Score]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """labels bool (N,), p_fake float64 (N,) and sources str (N,) of scored rows."""
    labels = np.array([row.fake for row in rows], bool)
    return labels, np.array([row.p_fake for row in rows], np.float64), np.array([row.source for row in rows], str)


def _bootstrapped(statistic: metrics.Statistic, rows: Sequence[Score], seed: int, draws: int) -> Measure | None:
    labels, p, sources = arrays(rows)
    value = statistic(labels, p) if rows else None
    if value is None:
        return None
    low, high = metrics.bootstrap(statistic, labels, p, sources, seed, draws) or (None, None)
    return Measure(value=value, low=low, high=high)


def _share_called(called: Prediction, rows: Sequence[Score], seed: int, draws: int) -> Measure | None:
    if not rows:
        return None
    hits = np.array([row.called is called for row in rows])
    sources = np.array([row.source for row in rows], str)
    low, high = metrics.share_interval(hits, sources, seed, draws) or (None, None)
    return Measure(value=float(hits.mean()), low=low, high=high)
