"""The threshold for clips of moving video, and what it does to people who had no part in choosing it."""

from __future__ import annotations

import numpy as np

from drishtiksha.evaluation.metrics import share_interval, threshold_for

GENUINE = "film_genuine"
MAX_CLIP_ALARMS = 0.0
"""Share of the genuine clips of the people who choose the threshold that may reach it. None, since clips of one person score
alike: one person more among eleven is many clips at once. Set after the scores had been seen."""


def clip_threshold(p: np.ndarray) -> float:
    """The least threshold, at least 0.5, that no more than `MAX_CLIP_ALARMS` of these genuine clips reach."""
    return max(threshold_for(p, MAX_CLIP_ALARMS), 0.5)


def left_out_alarms(p: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Which genuine clips, bool, reach the threshold that the clips of all other people set."""
    hits = np.zeros(len(p), bool)
    for one in np.unique(person):
        mine = person == one
        hits[mine] = p[mine] >= clip_threshold(p[~mine])
    return hits


def share(hits: np.ndarray, person: np.ndarray) -> list[float]:
    """The share of hits, its 95 % interval over people, and how many files and people there are."""
    low, high = share_interval(hits, person) or (0.0, 1.0)
    return [float(hits.mean()), low, high, len(hits), len(np.unique(person))]
