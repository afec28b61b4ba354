"""What a stress test tells, in sentences that a journalist can use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from drishtiksha.casefile import StressPoint
from drishtiksha.results import AnalysisResult, Prediction

CAUTION = (
    "A verdict that survives is not proved by that; one that flips under mild changes says little, "
    "since the file may have been through the same before it arrived."
)
SAID = {
    Prediction.FAKE: "evidence of manipulation",
    Prediction.REAL: "no evidence found",
    Prediction.INCONCLUSIVE: "inconclusive",
}


def sentences(
    baseline: AnalysisResult, points: Sequence[StressPoint], failures: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """How many changes the verdict outlasted, what flips it and to what, how far the score moved, and what was left out.

    failures: label of a change that has no point -> why.
    """
    changes = [point for point in points if point.kind != "excerpt"]
    excerpt = next((point for point in points if point.kind == "excerpt"), None)
    flipping = [point for point in changes if point.flips]
    held = len(changes) - len(flipping)
    verdict = SAID[excerpt.prediction if excerpt else baseline.prediction]
    told = [f"The verdict '{verdict}' held under {held} of {len(changes)} changes."]
    for to in Prediction:
        labels = [point.label for point in flipping if point.prediction is to]
        if labels:
            told.append(f"It turns to '{SAID[to]}' under: {'; '.join(labels)}.")
    if excerpt is not None:
        told.append(_about_excerpt(baseline, excerpt))
    told.append(_band(baseline, points))
    told += _left_out(failures or {})
    return (*told, CAUTION)


def _about_excerpt(baseline: AnalysisResult, excerpt: StressPoint) -> str:
    told = f"The file is long, so only a part of it was changed. {excerpt.label}: '{SAID[excerpt.prediction]}'"
    if excerpt.flips:
        return (
            f"{told}, other than the whole file ('{SAID[baseline.prediction]}'); the changes are set against the part."
        )
    return f"{told}, as for the whole file."


def _band(baseline: AnalysisResult, points: Sequence[StressPoint]) -> str:
    scores = [p for p in (baseline.p_fake, *(point.p_fake for point in points)) if p is not None]
    if not scores:
        return "No copy could be scored, so there is no band of scores."
    unscored = sum(point.p_fake is None for point in points)
    untouched = "could not be scored" if baseline.p_fake is None else f"scores {baseline.p_fake:.2f}"
    missing = f" {unscored} changed copies could not be scored." if unscored else ""
    return f"The untouched file {untouched}; all copies lie between {min(scores):.2f} and {max(scores):.2f}.{missing}"


def _left_out(failures: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each reason."""
    for why in dict.fromkeys(failures.values()):
        labels = "; ".join(label for label, reason in failures.items() if reason == why)
        yield f"Left out: {labels}. The changed copy could not be examined: {why}"
