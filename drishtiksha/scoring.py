"""From logits to a graded verdict: calibration, aggregation, coverage, thresholds. numpy on scores, nothing else."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drishtiksha.contract import DetectorConfig, Reference
from drishtiksha.results import (
    GAP_TEXT,
    MIN_PERSON_SAMPLES,
    ErrorRates,
    GapReason,
    Grade,
    MediaKind,
    PersonScore,
    Prediction,
    SampleScore,
    Thresholds,
)

MODERATE_AT = 1 / 3
"""Part of the way from the `fake` threshold to 1 where weak evidence becomes moderate; ours, by convention."""
STRONG_AT = 2 / 3
"""Part of the way from the `fake` threshold to 1 where moderate evidence becomes strong; ours, by convention."""
FLEETING = f"Nobody was seen in {MIN_PERSON_SAMPLES} of the samples or more: single frames err too often for a verdict."
ROUNDING = 5e-4
"""Scores of held-out media are kept with three decimals; nearer than this they are the same."""
BOUND = 0.95
"""Confidence of the upper bounds of error rates."""
NO_ERROR_RATE = "No error rate is known for this kind of media."
NO_ERROR_RATE_FOR_LITTLE = "No error rate applies, since too little of the file was judged."
PLURALS = {MediaKind.IMAGE: "pictures", MediaKind.VIDEO: "clips", MediaKind.AUDIO: "recordings"}
NOT_CALIBRATED = (
    "This detector's scores are not calibrated for this kind of media: read them as an ordering, not as odds."
)
NO_ALL_CLEAR = (
    "The score {:.2f} is below {:.2f}, this detector's threshold for manipulation. It never clears a file: fakes of kinds "
    "that it does not know can score as low as genuine media."
)
NOTHING_OF_ITS_KIND = (
    "The score {:.2f} is at or below {:.2f}: nothing of what this detector looks for was found. It clears no file, since it "
    "misses more than half of the fakes of kinds that it was not trained on."
)
EXPERIMENTAL = (
    "Experimental: this detector did not prove itself on media kept out of its training. Give its score little weight."
)


@dataclass(frozen=True)
class Verdict:
    """The conclusion that a score, its coverage and the thresholds allow."""

    prediction: Prediction
    grade: Grade
    confidence: float | None
    gap: GapReason | None
    reason: str
    caveats: tuple[str, ...] = ()


def calibrate(logits: np.ndarray, scale: float = 1.0, offset: float = 0.0) -> np.ndarray:
    """p_fake = sigmoid(scale * logit + offset) (Platt 1999); the defaults are the plain sigmoid."""
    z = np.clip(scale * np.asarray(logits, dtype=np.float64) + offset, -60.0, 60.0)
    return 1.0 / (1.0 + np.exp(-z))


def coverage(scores: Sequence[SampleScore]) -> float:
    """Scored samples / planned samples, in [0, 1]; 0 for none. Those that were looked at besides do not count."""
    planned = [score for score in scores if not score.closer]
    return sum(score.p_fake is not None for score in planned) / len(planned) if planned else 0.0


def main_gap(scores: Sequence[SampleScore]) -> GapReason | None:
    """The most frequent gap reason, None when every sample was scored."""
    gaps = [score.gap for score in scores if score.gap is not None]
    return max(set(gaps), key=lambda gap: (gaps.count(gap), gap.value)) if gaps else None


def mean_p_fake(scores: Sequence[SampleScore]) -> float | None:
    """Mean over the scored samples; None without any."""
    values = [score.p_fake for score in scores if score.p_fake is not None]
    return float(np.mean(values)) if values else None


def mean_logit_p_fake(scores: Sequence[SampleScore]) -> float | None:
    """p_fake of the mean of the scored samples' logits; None without any."""
    values = [score.p_fake for score in scores if score.p_fake is not None]
    if not values:
        return None
    p_fakes = np.clip(np.array(values, np.float64), ROUNDING**4, 1 - ROUNDING**4)
    return float(calibrate(np.log(p_fakes / (1 - p_fakes)).mean()))


def tally(scores: Sequence[SampleScore], unit: str) -> dict[str, float | int | str | None]:
    """How many of the samples were scored, and the highest score (None without any): "window" gives `windows_judged` and
    `highest_window_p_fake`."""
    values = [score.p_fake for score in scores if score.p_fake is not None]
    return {f"{unit}s_judged": len(values), f"highest_{unit}_p_fake": max(values, default=None)}


def error_rates(p_fake: float | None, reference: Reference | None, thresholds: Thresholds) -> ErrorRates | None:
    """How held-out media scored against this p_fake and the thresholds; None without a score or a reference."""
    if p_fake is None or reference is None:
        return None
    genuine, fake = np.asarray(reference.p_fake), np.asarray(reference.fake_p_fake)
    high, high_bound = _share(genuine >= p_fake - ROUNDING, reference.sources)
    low, low_bound = _share(fake <= p_fake + ROUNDING, reference.fake_sources)
    missed, missed_bound = _share(fake < thresholds.fake - ROUNDING, reference.fake_sources)
    return ErrorRates(
        data=reference.data,
        fake_data=reference.fake_data,
        n_genuine=len(genuine),
        genuine_as_high=high,
        genuine_as_high_95=high_bound,
        n_fake=len(fake),
        fake_as_low=low,
        fake_as_low_95=low_bound,
        missed=missed,
        missed_95=missed_bound,
        groups=reference.groups,
    )


def _share(hit: np.ndarray, sources: int | None) -> tuple[float | None, float | None]:
    """The share of bool (n,) that is True, and the upper end of its one-sided Clopper-Pearson interval; None for none.

    The interval is that of `sources` independent trials with this share: the cautious end of what n files of so many
    people can tell.
    """
    if not len(hit):
        return None, None
    from scipy.special import betaincinv

    share, trials = float(hit.mean()), min(sources or len(hit), len(hit))
    return share, 1.0 if share == 1 else float(betaincinv(share * trials + 1, (1 - share) * trials, BOUND))


def odds(
    p_fake: float | None, verdict: Verdict, rates: ErrorRates | None, media_kind: MediaKind, *, calibrated: bool
) -> tuple[str, ...]:
    """What the verdict is worth, in one sentence with n: of FAKE how often genuine media score as high, else how many fakes
    the detector misses. No rate is told of scores that are not calibrated for such media."""
    if p_fake is None:
        return ()
    if verdict.gap is GapReason.LOW_COVERAGE:
        return (NO_ERROR_RATE_FOR_LITTLE,)
    if rates is None or not calibrated:
        return (NO_ERROR_RATE,)
    kind = PLURALS[media_kind]
    if verdict.prediction is Prediction.FAKE and rates.genuine_as_high is not None:
        told = _of_100(
            f"genuine {kind} like these",
            ("would score this high", "scored this high, so fewer than about {} of 100 would"),
            rates.genuine_as_high,
            rates.genuine_as_high_95,
            rates.n_genuine,
        )
        return (f"{told} These were {rates.data.rstrip('.')}; other {kind} may differ.",)
    if verdict.prediction is not Prediction.FAKE and rates.missed is not None:
        missed = ("are missed by this detector", "is missed by this detector, so fewer than about {} of 100 are")
        told = _of_100("fakes like ours", missed, rates.missed, rates.missed_95, rates.n_fake)
        ours = f"Ours were {rates.fake_data.rstrip('.')}; other" if rates.fake_data else "Other"
        return (f"{told} {ours} fakes may differ.",)
    return (NO_ERROR_RATE,)


def _of_100(what: str, happens: tuple[str, str], share: float, bound: float | None, n: int) -> str:
    """`happens`: to some, and to none with a place for how many it may be."""
    at_most = math.ceil(100 * (1.0 if bound is None else bound))
    if share == 0:
        return f"None of n = {n} {what} {happens[1].format(at_most)}."
    about = f"about {round(100 * share)}" if round(100 * share) else "fewer than 1"
    more = f", possibly up to {at_most}" if at_most > round(100 * share) else ""
    return f"Of 100 {what}, {about} {happens[0]}{more} (n = {n})."


def middle_mean(values: Sequence[float]) -> float:
    """Mean of the middle half of a person's scores (at least one), so that a few frames that went wrong decide nothing."""
    cut = len(values) // 4
    return float(np.mean(np.sort(values)[cut : len(values) - cut]))


def pooled(scores: Sequence[SampleScore]) -> list[SampleScore]:
    """The samples that a file's score is made of: the evenly spaced ones, so that looking closer where it is suspicious does
    not raise it by itself. Of the closer ones the faces of those who were seen in too few others to be judged."""
    seen = Counter(face.person for score in scores if not score.closer for face in score.faces)
    kept: list[SampleScore] = []
    for score in scores:
        if not score.closer:
            kept.append(score)
            continue
        faces = tuple(face for face in score.faces if face.person and seen[face.person] < MIN_PERSON_SAMPLES)
        if faces:
            kept.append(score.model_copy(update={"faces": faces, "p_fake": max(face.p_fake for face in faces)}))
    return kept


def closer_stretches(scores: Sequence[SampleScore]) -> tuple[tuple[float, float], ...]:
    """(start, end) s of the stretches in which more was looked at: from the evenly spaced sample before to the one after.
    scores: in time order."""
    stretches: list[tuple[float, float]] = []
    before, within = 0.0, False
    for score in scores:
        if score.closer:
            within = True
            continue
        if within:
            joined = bool(stretches) and stretches[-1][1] == before
            start = stretches.pop()[0] if joined else before
            stretches.append((start, score.time_s or 0.0))
        before, within = score.time_s or 0.0, False
    return tuple(stretches)


def person_scores(scores: Sequence[SampleScore], thresholds: Thresholds, proven: bool) -> tuple[PersonScore, ...]:
    """One row per person, by `middle_mean` of that person's face scores; ordered by person number.

    Who was seen in fewer than `MIN_PERSON_SAMPLES` samples has a score and no grade but `INCONCLUSIVE`.
    """
    seen: dict[int, list[tuple[float, float]]] = defaultdict(list)
    tracks: dict[int, set[int | None]] = defaultdict(set)
    for score in scores:
        for face in score.faces:
            if face.person is not None:
                seen[face.person].append((score.time_s or 0.0, face.p_fake))
                tracks[face.person].add(face.track)
    rows = []
    for person, values in sorted(seen.items()):
        times, p_fakes = zip(*values, strict=True)
        p_fake = middle_mean(p_fakes)
        rows.append(
            PersonScore(
                person=person,
                first_s=min(times),
                last_s=max(times),
                samples=len(values),
                p_fake=p_fake,
                highest_p_fake=max(p_fakes),
                grade=grade_of(p_fake, thresholds, proven),
                cuts=len(tracks[person]) - 1,
            )
        )
    return tuple(rows)


def highest_person(scores: Sequence[SampleScore]) -> float | None:
    """p_fake of the most suspicious person, so that one altered face among several is not averaged away.

    Persons seen in fewer than `MIN_PERSON_SAMPLES` samples never count. Faces without a person (a picture) count one by one.
    None when no face was scored that counts.
    """
    per_person: dict[int, list[float]] = defaultdict(list)
    loose: list[float] = []
    for score in scores:
        for face in score.faces:
            (loose if face.person is None else per_person[face.person]).append(face.p_fake)
    steady = [middle_mean(values) for values in per_person.values() if len(values) >= MIN_PERSON_SAMPLES]
    return max(steady + loose, default=None)


def grade_of(p_fake: float, thresholds: Thresholds, proven: bool) -> Grade:
    """The verdict in words. A detector that is not `proven` (calibrated, and not experimental) never gets `strong`."""
    if p_fake < thresholds.fake:
        return Grade.NONE_FOUND if p_fake <= thresholds.real else Grade.INCONCLUSIVE
    way = (p_fake - thresholds.fake) / max(1 - thresholds.fake, 1e-9)
    if way >= STRONG_AT and proven:
        return Grade.STRONG
    return Grade.MODERATE if way >= MODERATE_AT else Grade.WEAK


def decide(
    p_fake: float | None,
    scores: Sequence[SampleScore],
    thresholds: Thresholds,
    calibrated: bool,
    config: DetectorConfig,
    *,
    covered: float | None = None,
    gap: GapReason | None = None,
    destroyed: str | None = None,
    damaged: str | None = None,
) -> Verdict:
    """The verdict. Nothing scored, or less than `config.min_coverage` of it, is INCONCLUSIVE, whatever the score.

    covered, gap: share of the file that was judged and why there is no score, where the samples alone do not tell.
    destroyed: a sentence on why no score of it is worth anything. damaged: one on why a low score is worth nothing.
    """
    share = coverage(scores) if covered is None else covered
    experimental = (EXPERIMENTAL,) if config.experimental else ()
    if p_fake is None:
        if _fleeting(scores):
            return _inconclusive(GapReason.LOW_COVERAGE, FLEETING, experimental)
        return _inconclusive(gap or main_gap(scores) or GapReason.TOO_SHORT, caveats=experimental)
    caveats = experimental if calibrated else (NOT_CALIBRATED, *experimental)
    if share < config.min_coverage:
        why = gap or main_gap(scores)
        detail = f"Only {share:.0%} of the samples could be judged." + (f" {GAP_TEXT[why]}" if why else "")
        return _inconclusive(GapReason.LOW_COVERAGE, detail, caveats)
    if destroyed is not None:
        return _inconclusive(GapReason.DAMAGED, destroyed, caveats)
    if _fleeting(scores):
        return _inconclusive(GapReason.LOW_COVERAGE, FLEETING, caveats)
    grade = grade_of(p_fake, thresholds, calibrated and not config.experimental)
    if grade is Grade.INCONCLUSIVE:
        why_not = NO_ALL_CLEAR.format(p_fake, thresholds.fake) if thresholds.real == 0 else None
        return _inconclusive(GapReason.BETWEEN_THRESHOLDS, why_not, caveats)
    if grade is Grade.NONE_FOUND and damaged is not None:
        return _inconclusive(GapReason.DAMAGED, damaged, caveats)
    if grade is Grade.NONE_FOUND and not thresholds.clears:
        nothing = NOTHING_OF_ITS_KIND.format(p_fake, thresholds.real)
        return _inconclusive(GapReason.ONE_SIDED, nothing, caveats)
    if grade is Grade.NONE_FOUND:
        text = (
            f"The score {p_fake:.2f} is at or below {thresholds.real:.2f}: nothing this detector looks for was found."
        )
        return Verdict(Prediction.REAL, grade, 1 - p_fake, None, text, caveats)
    text = f"The score {p_fake:.2f} is at or above {thresholds.fake:.2f}, this detector's threshold for manipulation."
    return Verdict(Prediction.FAKE, grade, max(p_fake, 1 - p_fake), None, text, caveats)


def _fleeting(scores: Sequence[SampleScore]) -> bool:
    """Whether people were followed, and nobody was seen in more than a few samples."""
    seen = Counter(face.person for score in scores for face in score.faces if face.person is not None)
    return bool(seen) and max(seen.values()) < MIN_PERSON_SAMPLES


def _inconclusive(gap: GapReason, detail: str | None = None, caveats: tuple[str, ...] = ()) -> Verdict:
    return Verdict(Prediction.INCONCLUSIVE, Grade.INCONCLUSIVE, None, gap, detail or GAP_TEXT[gap], caveats)
