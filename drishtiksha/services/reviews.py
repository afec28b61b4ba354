"""What the words of reviewers amount to: how far reviewers agree, and how detectors did against them so far. Pure.

Reviewers saw what the detectors said before they judged, so that these numbers flatter the detectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

from pydantic import Field

from drishtiksha.casefile import CaseFile, HumanVerdict
from drishtiksha.results import Frozen, Prediction

MIN_COMMON = 5
"""Fewer cases in common say nothing: one more would turn the number round."""


class Agreement(Frozen):
    """Two reviewers on the cases that both judged, by the newest word of each."""

    first: str
    second: str
    common: int = Field(description="cases that both judged")
    same: int = Field(description="of these, those with the same verdict")
    kappa: float | None = Field(description="Cohen's kappa in [-1, 1]; 0 is what chance gives")
    reason: str | None = Field(default=None, description="why there is no kappa")


class Share(Frozen):
    """A share of `n` and its 95 % interval (Wilson 1927); `value` is None of nothing."""

    hits: int
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None


class ModelRecord(Frozen):
    """One detector against the human labels so far. Cases that people call unclear, or differ on, are counted apart."""

    model_name: str
    genuine: dict[Prediction, int] = Field(description="what it called the cases labelled genuine")
    manipulated: dict[Prediction, int] = Field(description="what it called the cases labelled manipulated")
    unclear: int = Field(description="cases with its answer that have no label, because people are not sure")
    precision: Share = Field(description="of what it called FAKE, the share labelled manipulated")
    recall: Share = Field(
        description="of what is labelled manipulated, the share it called FAKE; INCONCLUSIVE is a miss"
    )

    @property
    def labelled(self) -> int:
        return sum(self.genuine.values()) + sum(self.manipulated.values())


class ReviewStats(Frozen):
    """Everything that the reviews of some cases amount to."""

    cases: int
    reviewed: int
    disputed: int = Field(description="cases whose reviewers differ")
    agreement: tuple[Agreement, ...]
    models: tuple[ModelRecord, ...]


def stats(cases: Iterable[CaseFile]) -> ReviewStats:
    """All numbers about these cases."""
    known = list(cases)
    return ReviewStats(
        cases=len(known),
        reviewed=sum(bool(case.reviews) for case in known),
        disputed=sum(disputed(case) for case in known),
        agreement=tuple(agreement(known)),
        models=tuple(model_records(known)),
    )


def disputed(case: CaseFile) -> bool:
    """Whether the newest words of its reviewers differ."""
    return len({review.verdict for review in case.current_reviews}) > 1


def agreement(cases: Iterable[CaseFile]) -> list[Agreement]:
    """Cohen's kappa (1960) over three verdicts for each pair of reviewers with a case in common, most cases first."""
    said: dict[str, dict[str, HumanVerdict]] = {}
    for case in cases:
        for review in case.current_reviews:
            said.setdefault(review.reviewer, {})[case.case_id] = review.verdict
    found = [_pair(first, second, said[first], said[second]) for first, second in combinations(sorted(said), 2)]
    return sorted((pair for pair in found if pair.common), key=lambda pair: -pair.common)


def kappa(pairs: Sequence[tuple[HumanVerdict, HumanVerdict]]) -> float | None:
    """Agreement beyond chance of two lists of verdicts on the same cases; None where chance alone makes them agree."""
    n = len(pairs)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    by_chance = sum(first[verdict] * second[verdict] for verdict in HumanVerdict)  # times n squared: exact integers
    if by_chance == n * n:
        return None
    return (n * sum(a is b for a, b in pairs) - by_chance) / (n * n - by_chance)


def _pair(first: str, second: str, one: dict[str, HumanVerdict], other: dict[str, HumanVerdict]) -> Agreement:
    pairs = [(one[case_id], other[case_id]) for case_id in one if case_id in other]
    value, reason = None, None
    if len(pairs) < MIN_COMMON:
        reason = f"too few cases in common: at least {MIN_COMMON} are needed"
    else:
        value = kappa(pairs)
        if value is None:
            reason = f"both said nothing but '{pairs[0][0].value}', so that chance alone would make them agree"
    same = sum(a is b for a, b in pairs)
    return Agreement(first=first, second=second, common=len(pairs), same=same, kappa=value, reason=reason)


def model_records(cases: Iterable[CaseFile]) -> list[ModelRecord]:
    """Each detector's newest answers against the human verdicts, in the order of the names."""
    counts: dict[str, Counter[tuple[HumanVerdict, Prediction]]] = {}
    for case in cases:
        verdict = case.human_verdict
        if verdict is not None:
            for result in case.results:
                counts.setdefault(result.model_name, Counter())[verdict, result.prediction] += 1
    return [_record(name, counts[name]) for name in sorted(counts)]


def _record(name: str, count: Counter[tuple[HumanVerdict, Prediction]]) -> ModelRecord:
    genuine = {prediction: count[HumanVerdict.GENUINE, prediction] for prediction in Prediction}
    manipulated = {prediction: count[HumanVerdict.MANIPULATED, prediction] for prediction in Prediction}
    right = manipulated[Prediction.FAKE]
    return ModelRecord(
        model_name=name,
        genuine=genuine,
        manipulated=manipulated,
        unclear=sum(count[HumanVerdict.UNCLEAR, prediction] for prediction in Prediction),
        precision=share(right, right + genuine[Prediction.FAKE]),
        recall=share(right, sum(manipulated.values())),
    )


def share(hits: int, n: int) -> Share:
    """hits / n with the Wilson score interval at 95 %."""
    from scipy.stats import binomtest  # here, because it takes a second to import

    if n == 0:
        return Share(hits=hits, n=n)
    low, high = binomtest(hits, n).proportion_ci(method="wilson")
    return Share(hits=hits, n=n, value=hits / n, low=float(low), high=float(high))
