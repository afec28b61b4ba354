"""Scores of the pictures kept out, and the numbers drawn from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from drishtiksha.networks.efficientnet_lite import FaceBlendNetwork, preprocess_face
from drishtiksha.training.face_blend.heldout import DELIVERIES, FAKES, HeldOut

CALIBRATION_DELIVERIES = ("clean", "jpeg_70", "jpeg_50", "h264_crf28", "resized_0.5_jpeg_70")
FAKE_DELIVERIES = ("clean", "jpeg_70", "jpeg_30", "h264_crf28", "h264_crf40", "resized_0.5")
"""How fakes arrive in the test; reals arrive in every way."""
MAX_FALSE_ALARMS = 0.02
MAX_CALLED_REAL = 0.10
BOOTSTRAPS = 1000


@dataclass(frozen=True)
class Crops:
    """crops uint8 (N, S, S, 3); person (N,); kind (N,) "real" or a kind of fake; delivery (N,)."""

    crops: np.ndarray
    person: np.ndarray
    kind: np.ndarray
    delivery: np.ndarray

    @property
    def fake(self) -> np.ndarray:
        """bool (N,)."""
        return self.kind != "real"


def make_crops(heldout: HeldOut, deliveries: tuple[str, ...], self_blends: int, original: bool, store: Path) -> Crops:
    """All kinds of pictures in all deliveries, made once and kept in `store`: they do not depend on the network."""
    if store.exists():
        kept = np.load(store)
        return Crops(kept["crops"], kept["person"], kept["kind"], kept["delivery"])
    rows: list[tuple[np.ndarray, int, str, str]] = []
    for person in range(len(heldout.names)):
        frames = [("real", heldout.frames[person])]
        for kind in FAKES:
            draws = self_blends if kind == "self_blend" else 1
            frames += [(kind, heldout.fake(person, kind, draw)) for draw in range(draws)]
        arrived = [
            (kind, name, DELIVERIES[name](frame))
            for kind, frame in frames
            for name in deliveries
            if kind == "real" or not original or name in FAKE_DELIVERIES
        ]
        if original:
            arrived.append(("real", "original", heldout.originals[person]))
        for kind, name, frame in arrived:
            crop = heldout.crop(frame)
            if crop is not None:
                rows.append((crop, person, kind, name))
    crops, person_of, kind_of, delivery_of = zip(*rows, strict=True)
    made = Crops(np.stack(crops), np.array(person_of), np.array(kind_of), np.array(delivery_of))
    np.savez(store, crops=made.crops, person=made.person, kind=made.kind, delivery=made.delivery)
    return made


def logits_of(network: FaceBlendNetwork, crops: np.ndarray, batch: int = 32) -> np.ndarray:
    """float64 (N,) of uint8 crops (N, S, S, 3), in float32 on the CPU."""
    out = []
    with torch.inference_mode():
        for start in range(0, len(crops), batch):
            out.append(network(torch.stack([preprocess_face(c) for c in crops[start : start + batch]])).numpy())
    return np.concatenate(out).astype(np.float64)


def fit_platt(logits: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
    """scale and offset so that sigmoid(scale * logit + offset) is the share of fakes; both sides weigh the same.

    Platt (1999), with his smoothed targets.
    """
    goal = np.where(fake, (fake.sum() + 1) / (fake.sum() + 2), 1 / ((~fake).sum() + 2))
    weight = np.where(fake, 0.5 / fake.sum(), 0.5 / (~fake).sum())

    def loss(ab: np.ndarray) -> float:
        z = ab[0] * logits + ab[1]
        return float(np.sum(weight * (np.logaddexp(0, z) - goal * z)))

    best = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead")
    return float(best.x[0]), float(best.x[1])


def ece(p: np.ndarray, fake: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over equal bins of p_fake; both sides weigh the same."""
    weight = np.where(fake, 0.5 / fake.sum(), 0.5 / (~fake).sum())
    which = np.minimum((p * bins).astype(int), bins - 1)
    total = 0.0
    for one in range(bins):
        inside = which == one
        if inside.any():
            total += abs(np.sum(weight[inside] * (p[inside] - fake[inside])))
    return float(total)


def eer(p: np.ndarray, fake: np.ndarray) -> float:
    """Equal error rate."""
    wrong, right, _ = roc_curve(fake, p)
    at = int(np.argmin(np.abs(wrong - (1 - right))))
    return float((wrong[at] + 1 - right[at]) / 2)


def choose_thresholds(p: np.ndarray, data: Crops) -> dict[str, float]:
    """fake: the lowest at which clean reals, and reals of all deliveries, give at most MAX_FALSE_ALARMS each, not under 0.5.
    real: the lower of 0.5 and the value under which MAX_CALLED_REAL of the fakes lie."""
    real, clean = ~data.fake, ~data.fake & (data.delivery == "clean")
    needed = [np.sort(p[side])[::-1][int(MAX_FALSE_ALARMS * side.sum())] for side in (real, clean)]
    fake = max(0.5, float(np.nextafter(max(needed), 1)))
    return {"real": min(0.5, float(np.quantile(p[data.fake], MAX_CALLED_REAL))), "fake": fake}


def _interval(values: list[float]) -> list[float]:
    return [round(float(v), 4) for v in np.nanquantile(values, [0.025, 0.975])]


def bootstrap(p: np.ndarray, data: Crops, chosen: np.ndarray, threshold: float, seed: int) -> dict[str, object]:
    """AUC, EER, AP and recall with 95 % intervals; people, not pictures, are drawn again."""

    def measure(rows: np.ndarray) -> tuple[float, float, float, float]:
        fake, score = data.fake[rows], p[rows]
        recall = float(np.mean(score[fake] >= threshold))
        return roc_auc_score(fake, score), eer(score, fake), average_precision_score(fake, score), recall

    rows = np.flatnonzero(chosen)
    people = np.unique(data.person[rows])
    of = {one: rows[data.person[rows] == one] for one in people}
    rng = np.random.default_rng(seed)
    drawn = [measure(np.concatenate([of[o] for o in rng.choice(people, len(people))])) for _ in range(BOOTSTRAPS)]
    point = measure(rows)
    names = ("auc", "eer", "ap", "recall")
    numbers: dict[str, object] = {"n_real": int((~data.fake[rows]).sum()), "n_fake": int(data.fake[rows].sum())}
    for index, name in enumerate(names):
        numbers[name] = round(float(point[index]), 4)
        numbers[f"{name}_95"] = _interval([row[index] for row in drawn])
    return numbers


def rate_at(p: np.ndarray, data: Crops, chosen: np.ndarray, threshold: float, seed: int) -> dict[str, object]:
    """Share of the chosen pictures called fake, with the 95 % interval over people."""
    rows = np.flatnonzero(chosen)
    called = p[rows] >= threshold
    people, place = np.unique(data.person[rows], return_inverse=True)
    hits, counts = np.bincount(place, called), np.bincount(place)
    draws = np.random.default_rng(seed).integers(0, len(people), (BOOTSTRAPS, len(people)))
    shares = hits[draws].sum(1) / counts[draws].sum(1)
    return {"n": len(rows), "rate": round(float(called.mean()), 4), "rate_95": _interval(list(shares))}


def judge(
    logits: np.ndarray, data: Crops, scale: float, offset: float, thresholds: dict[str, float], seed: int
) -> dict:
    """Every number of the card that concerns people kept out."""
    p = expit(scale * logits + offset)
    at, clean, real = thresholds["fake"], data.delivery == "clean", ~data.fake
    sets = {"clean": clean, "all_deliveries": np.isin(data.delivery, FAKE_DELIVERIES)}
    for kind in FAKES:
        sets[f"clean_{kind}"] = clean & (real | (data.kind == kind))
    names = ["original", *DELIVERIES]
    return {
        "people": len(np.unique(data.person)),
        "discrimination": {name: bootstrap(p, data, chosen, at, seed) for name, chosen in sets.items()},
        "ece_clean": round(ece(p[clean], data.fake[clean]), 4),
        "ece_all_deliveries": round(ece(p[sets["all_deliveries"]], data.fake[sets["all_deliveries"]]), 4),
        "false_alarms": {n: rate_at(p, data, real & (data.delivery == n), at, seed) for n in names},
        "recall": {
            kind: {n: rate_at(p, data, (data.kind == kind) & (data.delivery == n), at, seed) for n in FAKE_DELIVERIES}
            for kind in FAKES
        },
        "clean_called_real": {
            kind: round(float(np.mean(p[clean & (data.kind == kind)] <= thresholds["real"])), 4)
            for kind in ("real", *FAKES)
        },
    }
