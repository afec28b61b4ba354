"""Numbers drawn from scores. `labels` is bool (N,), True for fake; `p` is float (N,), p_fake in [0, 1] (any real number
will do where only the order counts). What the data cannot answer, such as an AUC without a fake, is None, never 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.stats import binomtest, norm, rankdata

Statistic = Callable[[np.ndarray, np.ndarray], float | None]

INTERVAL = (0.025, 0.975)
"""Quantiles of the bootstrap: a 95 % interval."""


class Roc(NamedTuple):
    """One point per distinct score, from the strictest threshold (infinity) to the laxest; each float (K,)."""

    thresholds: np.ndarray
    false_alarms: np.ndarray
    recall: np.ndarray


def _both(labels: np.ndarray) -> bool:
    return bool(labels.any() and not labels.all())


def _rising_counts(labels: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct scores from the highest to the lowest, and how many fakes and reals reach each."""
    order = np.argsort(-p, kind="stable")
    ranked, fake = p[order], labels[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    fakes = np.cumsum(fake)[last]
    return ranked[last], fakes, last + 1 - fakes


def roc(labels: np.ndarray, p: np.ndarray) -> Roc | None:
    """False alarms and recall of `p >= threshold`; None without both classes."""
    if not _both(labels):
        return None
    scores, fakes, reals = _rising_counts(labels, p)
    start = np.zeros(1)
    return Roc(np.append(np.inf, scores), np.append(start, reals / reals[-1]), np.append(start, fakes / fakes[-1]))


def auc(labels: np.ndarray, p: np.ndarray) -> float | None:
    """Chance that a fake scores higher than a real, ties counting half; None without both classes."""
    curve = roc(labels, p)
    return None if curve is None else float(np.trapezoid(curve.recall, curve.false_alarms))


def auc_within(labels: np.ndarray, p_and_stratum: np.ndarray) -> float | None:
    """AUC over the pairs of a fake and a real that lie in the same stratum, such as of files of like length.

    p_and_stratum: float (N, 2). None where no stratum holds both.
    """
    won = pairs = 0.0
    for stratum in np.unique(p_and_stratum[:, 1]):
        inside = p_and_stratum[:, 1] == stratum
        area = auc(labels[inside], p_and_stratum[inside, 0])
        if area is not None:
            count = float(labels[inside].sum() * (~labels[inside]).sum())
            won, pairs = won + area * count, pairs + count
    return won / pairs if pairs else None


def eer(labels: np.ndarray, p: np.ndarray) -> float | None:
    """Equal error rate in [0, 1], where false alarms and misses meet on the straight-line ROC; None without both classes."""
    curve = roc(labels, p)
    if curve is None:
        return None
    return float(np.interp(0.0, curve.false_alarms + curve.recall - 1, curve.false_alarms))


def recall_at(labels: np.ndarray, p: np.ndarray, share: float) -> float | None:
    """Share of fakes found at the laxest threshold that at most `share` of the reals reach; None without both classes."""
    curve = roc(labels, p)
    return None if curve is None else float(curve.recall[curve.false_alarms <= share + 1e-12].max())


def average_precision(labels: np.ndarray, p: np.ndarray) -> float | None:
    """Mean precision over the fakes, in steps, not interpolated; it depends on the share of fakes. None without both."""
    if not _both(labels):
        return None
    _, fakes, reals = _rising_counts(labels, p)
    return float(np.sum(np.diff(fakes, prepend=0) / fakes[-1] * fakes / (fakes + reals)))


def class_weights(labels: np.ndarray) -> np.ndarray:
    """float (N,), sum 1, so that all reals together weigh as much as all fakes; both classes must be there."""
    return np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())


def _weights(labels: np.ndarray, balanced: bool) -> np.ndarray:
    return class_weights(labels) if balanced else np.full(len(labels), 1 / len(labels))


def expected_calibration_error(
    labels: np.ndarray, p: np.ndarray, bins: int = 10, *, balanced: bool = False
) -> float | None:
    """ECE over equal bins of p_fake (Naeini et al. 2015): |mean p - share of fakes|, averaged over files.

    Every file weighs the same, so that a manifest of mostly fakes asks for mostly high scores. `balanced` gives both
    classes the same total weight instead: what a p_fake promises that was calibrated for as many fakes as reals. None
    without both classes.
    """
    if not _both(labels):
        return None
    inside = np.minimum((p * bins).astype(int), bins - 1)
    gaps = np.bincount(inside, _weights(labels, balanced) * (p - labels), minlength=bins)
    return float(np.abs(gaps).sum())


def brier(labels: np.ndarray, p: np.ndarray, *, balanced: bool = False) -> float | None:
    """Mean of (p - label) squared (Brier 1950), weighed as in `expected_calibration_error`; None without both classes."""
    return float(np.sum(_weights(labels, balanced) * (p - labels) ** 2)) if _both(labels) else None


class DeLong(NamedTuple):
    """The AUC of two models on the same files, and how likely a difference this large is by chance.

    p_value: two-sided, for files that err independently of one another; None where the difference does not vary.
    """

    first: float
    second: float
    p_value: float | None


def delong(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> DeLong | None:
    """DeLong et al. (1988) for two correlated AUCs, by the midranks of Sun and Xu (2014); None without two files of each
    class. first, second: float (N,), the scores of two models."""
    fakes, reals = int(labels.sum()), int((~labels).sum())
    if min(fakes, reals) < 2:
        return None
    areas, of_fakes, of_reals = [], [], []
    for p in (first, second):
        among = rankdata(np.concatenate([p[labels], p[~labels]]))
        areas.append((among[:fakes].sum() - fakes * (fakes + 1) / 2) / (fakes * reals))
        of_fakes.append((among[:fakes] - rankdata(p[labels])) / reals)
        of_reals.append(1 - (among[fakes:] - rankdata(p[~labels])) / fakes)
    covariance = np.cov(of_fakes) / fakes + np.cov(of_reals) / reals
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    difference = areas[0] - areas[1]
    p_value = float(2 * norm.sf(abs(difference) / np.sqrt(variance))) if variance > 1e-15 else None
    return DeLong(float(areas[0]), float(areas[1]), p_value)


def share_at_least(p: np.ndarray, threshold: float) -> float | None:
    """Share of scores that reach `threshold`; None of no scores."""
    return float(np.mean(p >= threshold)) if len(p) else None


def bootstrap(
    statistic: Statistic, labels: np.ndarray, p: np.ndarray, sources: np.ndarray, seed: int = 0, draws: int = 1000
) -> tuple[float, float] | None:
    """95 % interval of `statistic(labels, p)`, where p may have further columns, when whole sources (people, speakers; (N,)) are drawn again with repetition.

    Draws that lack what the statistic needs are left out. None when the statistic is, and for fewer than two sources.
    """
    names, place = np.unique(sources, return_inverse=True)
    if len(names) < 2 or statistic(labels, p) is None:
        return None
    rows = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        drawn = np.concatenate([rows[one] for one in rng.integers(0, len(names), len(names))])
        value = statistic(labels[drawn], p[drawn])
        if value is not None:
            values.append(value)
    if not values:
        return None
    low, high = np.quantile(values, INTERVAL)
    return float(low), float(high)


def share_interval(
    hits: np.ndarray, sources: np.ndarray, seed: int = 0, draws: int = 1000
) -> tuple[float, float] | None:
    """95 % interval of the share of hits (bool (N,)), by drawing whole sources again; None for fewer than two.

    Where all are hits, or none is, every draw is alike and would promise certainty: then the exact binomial interval
    (Clopper and Pearson 1934) of as many trials as there are sources is given.
    """
    names, place = np.unique(sources, return_inverse=True)
    if len(names) < 2:
        return None
    if hits.all() or not hits.any():
        exact = binomtest(len(names) * int(hits.all()), len(names)).proportion_ci(INTERVAL[1] - INTERVAL[0])
        return float(exact.low), float(exact.high)
    hit, count = np.bincount(place, hits), np.bincount(place)
    drawn = np.random.default_rng(seed).integers(0, len(names), (draws, len(names)))
    low, high = np.quantile(hit[drawn].sum(axis=1) / count[drawn].sum(axis=1), INTERVAL)
    return float(low), float(high)


def fit_platt(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """scale (above 0) and offset so that sigmoid(scale * logit + offset) is the share of fakes; both classes weigh alike.

    Platt (1999), with his smoothed targets. Raises: ValueError without both classes, or when the logits of fakes are
    not above those of reals.
    """
    if not _both(labels):
        raise ValueError("calibration needs scores of reals and of fakes")
    goal = np.where(labels, (labels.sum() + 1) / (labels.sum() + 2), 1 / ((~labels).sum() + 2))
    weight = class_weights(labels)

    def loss(parameters: np.ndarray) -> float:
        z = parameters[0] * logits + parameters[1]
        return float(np.sum(weight * (np.logaddexp(0, z) - goal * z)))

    scale, offset = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    if scale <= 0:
        raise ValueError(f"the logits of fakes are not above those of reals (scale {scale:.3g}): nothing to calibrate")
    return float(scale), float(offset)


def threshold_for(real_p: np.ndarray, share: float) -> float:
    """The smallest threshold that at most `share` of the real scores reach; above 1 where too many of them are 1.

    Raises: ValueError of no scores.
    """
    if not len(real_p):
        raise ValueError("a threshold needs scores of reals")
    allowed = int(share * len(real_p) + 1e-9)  # 0.29 * 100 is 28.999...
    if allowed >= len(real_p):
        return 0.0
    return float(np.nextafter(np.sort(real_p)[::-1][allowed], np.inf))
