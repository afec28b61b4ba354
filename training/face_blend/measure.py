"""What weights do on pictures and on moving video of people who had no part in them, and the thresholds that follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from drishtiksha.evaluation.metrics import auc, expected_calibration_error, fit_platt, share_interval, threshold_for
from drishtiksha.scoring import calibrate
from training.face_blend.calibrate import KEPT_UNSEEN, MAX_CALLED_REAL, MAX_FALSE_ALARMS, MAX_FALSE_ALARMS_A_GROUP
from training.face_blend.film_scores import FilmFaces
from training.face_blend.pictures import Pictures

GENUINE = "film_genuine"
MAX_CLIP_ALARMS = 0.0
"""Of the genuine clips of the people who choose the threshold: clips of one person score alike, so that one person more among
eleven is many clips at once. Somebody left out then reaches it less often than in the 5 % of clips that are allowed."""


@dataclass(frozen=True)
class Measured:
    """Shares in [0, 1]. clips, pictures: of each kind of fake the recall; alarms with [share, low, high, n, people]."""

    scale: float
    offset: float
    thresholds: dict[str, float]
    picture_alarms: list[float]
    picture_recall: dict[str, float]
    picture_auc: dict[str, float]
    ece: float
    clip_alarms: list[float]
    clip_recall: dict[str, float]
    clip_auc: dict[str, float]
    clip_recall_at_old: dict[str, float]
    by_person: dict[str, list[float]]


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


def measure(
    film: FilmFaces,
    film_logits: np.ndarray,
    pictures: Mapping[str, Pictures],
    logits: Mapping[str, np.ndarray],
    clip_scores: Callable[[np.ndarray, FilmFaces, float, float], np.ndarray],
) -> Measured:
    """Calibration and the thresholds for pictures on `val`, pictures on `test`, clips with each person left out."""
    val, test = pictures["val"], pictures["test"]
    used = ~np.char.startswith(val.kind, KEPT_UNSEEN)
    scale, offset = fit_platt(logits["val"][used], val.fake[used])
    p = calibrate(logits["val"][used], scale, offset)
    fake, kind = val.fake[used], val.kind[used]
    limits = [threshold_for(p[(kind == name) & ~fake], MAX_FALSE_ALARMS_A_GROUP) for name in np.unique(kind[~fake])]
    picture = max([threshold_for(p[~fake], MAX_FALSE_ALARMS), 0.5, float(np.median(limits))])
    tested = calibrate(logits["test"], scale, offset)
    kinds = np.array([one.split("/")[0] for one in test.kind])
    clips = clip_scores(film_logits, film, scale, offset)
    genuine = (film.kind == GENUINE) & ~np.isnan(clips)
    video = clip_threshold(clips[genuine])
    fakes = [name for name in np.unique(film.kind) if name != GENUINE]
    own = {name: clips[(film.kind == name) & ~np.isnan(clips)] for name in fakes}
    return Measured(
        scale=scale,
        offset=offset,
        thresholds={"real": min(0.5, float(np.quantile(p[fake], MAX_CALLED_REAL))), "fake": picture, "video": video},
        picture_alarms=share(tested[~test.fake] >= picture, test.person[~test.fake]),
        picture_recall={name: float((tested[kinds == name] >= picture).mean()) for name in np.unique(kinds[test.fake])},
        picture_auc={
            name: float(auc(test.fake[chosen], tested[chosen]) or 0)
            for name in np.unique(kinds[test.fake])
            for chosen in [~test.fake | (kinds == name)]
        },
        ece=expected_calibration_error(test.fake, tested, balanced=True) or 0.0,
        clip_alarms=share(left_out_alarms(clips[genuine], film.person[genuine]), film.person[genuine]),
        clip_recall={name: float((own[name] >= video).mean()) for name in fakes},
        clip_auc={
            name: float(
                auc(
                    np.r_[np.zeros(genuine.sum(), bool), np.ones(len(own[name]), bool)],
                    np.r_[clips[genuine], own[name]],
                )
                or 0
            )
            for name in fakes
        },
        clip_recall_at_old={name: float((own[name] >= 0.9).mean()) for name in [*fakes]}
        | {GENUINE: float((clips[genuine] >= 0.9).mean())},
        by_person={
            one: [round(float(v), 3) for v in clips[genuine & (film.person == one)]]
            for one in np.unique(film.person[genuine])
        },
    )
