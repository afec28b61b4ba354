"""From logits to a graded verdict: calibration, aggregation, coverage, thresholds. numpy on scores, nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drishtiksha.results import DISCLAIMER, GAP_TEXT, GapReason, Grade, PersonScore, Prediction, SampleScore, Thresholds

MODERATE_AT = 1 / 3
"""Part of the way from the `fake` threshold to 1 where weak evidence becomes moderate; ours, by convention."""
STRONG_AT = 2 / 3
"""Part of the way from the `fake` threshold to 1 where moderate evidence becomes strong; ours, by convention."""
MIN_PERSON_SAMPLES = 3
"""A person seen in fewer samples does not decide a video in which another was seen in more: single frames err."""


@dataclass(frozen=True)
class Verdict:
    """The conclusion that a score, its coverage and the thresholds allow."""

    prediction: Prediction
    grade: Grade
    confidence: float | None
    gap: GapReason | None
    reasons: tuple[str, ...]


def calibrate(logits: np.ndarray, scale: float = 1.0, offset: float = 0.0) -> np.ndarray:
    """p_fake = sigmoid(scale * logit + offset) (Platt 1999); the defaults are the plain sigmoid."""
    z = np.clip(scale * np.asarray(logits, dtype=np.float64) + offset, -60.0, 60.0)
    return 1.0 / (1.0 + np.exp(-z))


def coverage(scores: Sequence[SampleScore]) -> float:
    """Scored samples / planned samples, in [0, 1]; 0 for none."""
    return sum(score.p_fake is not None for score in scores) / len(scores) if scores else 0.0


def main_gap(scores: Sequence[SampleScore]) -> GapReason | None:
    """The most frequent gap reason, None when every sample was scored."""
    gaps = [score.gap for score in scores if score.gap is not None]
    return max(set(gaps), key=lambda gap: (gaps.count(gap), gap.value)) if gaps else None


def mean_p_fake(scores: Sequence[SampleScore]) -> float | None:
    """Mean over the scored samples; None without any."""
    values = [score.p_fake for score in scores if score.p_fake is not None]
    return float(np.mean(values)) if values else None


def person_scores(scores: Sequence[SampleScore], thresholds: Thresholds, calibrated: bool) -> tuple[PersonScore, ...]:
    """One row per person, by the mean of that person's face scores; ordered by person number."""
    seen: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for score in scores:
        for face in score.faces:
            if face.person is not None:
                seen[face.person].append((score.time_s or 0.0, face.p_fake))
    rows = []
    for person, values in sorted(seen.items()):
        times, p_fakes = zip(*values, strict=True)
        mean = float(np.mean(p_fakes))
        rows.append(
            PersonScore(
                person=person,
                first_s=min(times),
                last_s=max(times),
                samples=len(values),
                p_fake=mean,
                highest_p_fake=max(p_fakes),
                grade=grade_of(mean, thresholds, calibrated),
            )
        )
    return tuple(rows)


def highest_person(scores: Sequence[SampleScore]) -> float | None:
    """p_fake of the most suspicious person, so that one altered face among several is not averaged away.

    Persons seen in fewer than `MIN_PERSON_SAMPLES` samples count only when nobody was seen in more. Faces without a
    person (a picture) count one by one. None when no face was scored.
    """
    per_person: dict[int, list[float]] = defaultdict(list)
    loose: list[float] = []
    for score in scores:
        for face in score.faces:
            (loose if face.person is None else per_person[face.person]).append(face.p_fake)
    steady = [values for values in per_person.values() if len(values) >= MIN_PERSON_SAMPLES]
    candidates = [float(np.mean(values)) for values in steady or per_person.values()]
    return max(candidates + loose, default=None)


def grade_of(p_fake: float, thresholds: Thresholds, calibrated: bool) -> Grade:
    """The verdict in words. A detector that was not calibrated is never given `strong`."""
    if p_fake < thresholds.fake:
        return Grade.NONE_FOUND if p_fake <= thresholds.real else Grade.INCONCLUSIVE
    way = (p_fake - thresholds.fake) / max(1 - thresholds.fake, 1e-9)
    if way >= STRONG_AT and calibrated:
        return Grade.STRONG
    return Grade.MODERATE if way >= MODERATE_AT else Grade.WEAK


def decide(
    p_fake: float | None, scores: Sequence[SampleScore], thresholds: Thresholds, calibrated: bool, min_coverage: float
) -> Verdict:
    """The verdict. Nothing scored, or less than `min_coverage` of it, is INCONCLUSIVE, whatever the score."""
    share = coverage(scores)
    if p_fake is None:
        return _inconclusive(main_gap(scores) or GapReason.TOO_SHORT)
    if share < min_coverage:
        why = main_gap(scores)
        detail = f"Only {share:.0%} of the samples could be judged." + (f" {GAP_TEXT[why]}" if why else "")
        return _inconclusive(GapReason.LOW_COVERAGE, detail)
    grade = grade_of(p_fake, thresholds, calibrated)
    if grade is Grade.INCONCLUSIVE:
        return _inconclusive(GapReason.BETWEEN_THRESHOLDS)
    caveats = (
        ()
        if calibrated
        else (
            "This detector's scores are not calibrated for this kind of media: read them as an ordering, not as odds.",
        )
    )
    if grade is Grade.NONE_FOUND:
        text = (
            f"The score {p_fake:.2f} is at or below {thresholds.real:.2f}: nothing this detector looks for was found."
        )
        return Verdict(Prediction.REAL, grade, 1 - p_fake, None, (text, DISCLAIMER, *caveats))
    text = f"The score {p_fake:.2f} is at or above {thresholds.fake:.2f}, this detector's threshold for manipulation."
    return Verdict(Prediction.FAKE, grade, max(p_fake, 1 - p_fake), None, (text, *caveats))


def _inconclusive(gap: GapReason, detail: str | None = None) -> Verdict:
    reasons = (detail or GAP_TEXT[gap], DISCLAIMER)
    return Verdict(Prediction.INCONCLUSIVE, Grade.INCONCLUSIVE, None, gap, reasons)
