"""Metrics against values counted by hand, against scikit-learn, and where there is no answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import average_precision_score, roc_auc_score

from drishtiksha.evaluation import metrics

LABELS = np.array([False, False, True, True])
P = np.array([0.1, 0.4, 0.35, 0.8])
ALL_REAL = np.zeros(4, bool)


def many(seed: int, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(count) < 0.3
    return labels, np.round(expit(rng.normal(labels * 1.5, 1.5)), 2)  # rounded, so that there are ties


def test_auc_counts_pairs():
    assert metrics.auc(LABELS, P) == 0.75  # of the four pairs, 0.35 under 0.4 is the wrong one
    assert metrics.auc(LABELS, np.full(4, 0.5)) == 0.5
    assert metrics.auc(LABELS, LABELS.astype(float)) == 1.0


def test_eer_by_hand():
    assert metrics.eer(LABELS, P) == 0.5  # at 0.4 one of two reals and one of two fakes are wrong
    assert metrics.eer(LABELS, LABELS.astype(float)) == 0.0
    assert metrics.eer(LABELS, 1.0 - LABELS) == 1.0
    assert metrics.eer(LABELS, np.full(4, 0.5)) == 0.5


def test_average_precision_by_hand():
    assert metrics.average_precision(LABELS, P) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_same_as_scikit_learn(seed):
    labels, p = many(seed)
    assert metrics.auc(labels, p) == pytest.approx(roc_auc_score(labels, p))
    assert metrics.average_precision(labels, p) == pytest.approx(average_precision_score(labels, p))


def test_roc_names_the_threshold_of_each_point():
    curve = metrics.roc(LABELS, P)
    assert curve is not None
    for threshold, false_alarms, recall in zip(*curve, strict=True):
        assert metrics.share_at_least(P[~LABELS], threshold) == false_alarms
        assert metrics.share_at_least(P[LABELS], threshold) == recall


def test_calibration_error_by_hand():
    labels = np.array([False, True, True, True])
    p = np.array([0.05, 0.05, 0.95, 1.0])  # two bins: half of the first are fake, all of the last
    assert metrics.expected_calibration_error(labels, p) == pytest.approx((0.9 + 0.05) / 4)
    balanced = abs(0.05 / 2 + (0.05 - 1) / 6) + 0.05 / 6
    assert metrics.expected_calibration_error(labels, p, balanced=True) == pytest.approx(balanced)


def test_brier_by_hand():
    assert metrics.brier(LABELS, P) == pytest.approx((0.01 + 0.16 + 0.65**2 + 0.04) / 4)
    assert metrics.brier(LABELS[1:], P[1:], balanced=True) == pytest.approx(0.16 / 2 + (0.65**2 + 0.04) / 4)


@pytest.mark.parametrize("labels", [ALL_REAL, ~ALL_REAL])
def test_one_class_has_no_answer(labels):
    for measure in (
        metrics.auc,
        metrics.eer,
        metrics.average_precision,
        metrics.expected_calibration_error,
        metrics.brier,
        metrics.roc,
    ):
        assert measure(labels, P) is None
    assert metrics.bootstrap(metrics.auc, labels, P, np.arange(4)) is None
    assert metrics.share_at_least(P[:0], 0.5) is None


@pytest.mark.slow
def test_bootstrap_repeats_and_covers():
    labels, p = many(7)
    sources = np.arange(len(p))
    first = metrics.bootstrap(metrics.auc, labels, p, sources, seed=3)
    assert first == metrics.bootstrap(metrics.auc, labels, p, sources, seed=3)
    assert first != metrics.bootstrap(metrics.auc, labels, p, sources, seed=4)
    covered = 0
    truth = roc_auc_score(*many(99, 200_000))
    for seed in range(60):
        labels, p = many(1000 + seed)
        low, high = metrics.bootstrap(metrics.auc, labels, p, sources, draws=200)
        assert low < metrics.auc(labels, p) < high
        covered += low <= truth <= high
    assert covered >= 50


def test_bootstrap_draws_whole_sources():
    rng = np.random.default_rng(0)
    level = rng.random(20).repeat(30)  # thirty files of each person, all alike
    labels, people = np.zeros(600, bool), np.arange(20).repeat(30)

    def width(sources: np.ndarray) -> float:
        low, high = metrics.bootstrap(lambda _, p: metrics.share_at_least(p, 0.5), labels, level, sources)
        return high - low

    assert width(people) > 4 * width(np.arange(600))
    assert metrics.bootstrap(metrics.auc, LABELS, P, np.zeros(4)) is None, "one person says nothing about others"


def test_platt_finds_what_the_scores_were_made_with():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, 40_000)
    labels = rng.random(40_000) < expit(0.7 * logits)
    assert metrics.fit_platt(logits * 2 + 1, labels) == pytest.approx((0.35, -0.35), abs=0.02)
    with pytest.raises(ValueError, match="reals and of fakes"):
        metrics.fit_platt(logits, np.ones(40_000, bool))
    with pytest.raises(ValueError, match="not above"):
        metrics.fit_platt(-logits, labels)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 3), (0.25, 3), (0.5, 1), (0.75, 1), (1.0, 0)])
def test_threshold_for_a_share_of_false_alarms(share, expected):
    p = np.array([0.9, 0.2, 0.9, 0.1])  # a tie: one of the two highest cannot be let through alone
    threshold = metrics.threshold_for(p, share)
    reach = float(np.mean(p >= threshold))
    assert reach <= share
    if threshold:
        assert np.mean(p >= np.nextafter(threshold, 0)) > share


def test_threshold_is_not_misled_by_rounding():
    p = np.arange(100) / 100
    assert np.sum(p >= metrics.threshold_for(p, 0.29)) == 29
    with pytest.raises(ValueError, match="scores of reals"):
        metrics.threshold_for(p[:0], 0.1)
