"""Several detectors' answers about one file, held against each other. Nothing is averaged: disagreement stays visible.

Detectors that judge the same kind of trace err together, so that they count as one piece of evidence. A kind suspects a
moment when more than half of its detectors that judged the moment score it at or above their own threshold. Detectors
that are experimental or retired have a row, and are not counted as evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from pydantic import Field

from drishtiksha.casefile import EvidenceKind
from drishtiksha.results import DISCLAIMER, AnalysisResult, Frozen, GapReason, Grade, Prediction

REACH_S = 2.0
"""A frame speaks for the time that is nearest to it, and never for more than this on either side."""
JOIN_S = 0.5
"""Stretches that are nearer than this are one: flicker between frames makes no two segments."""


TOO_LITTLE = "Inconclusive: no detector could judge enough of this file for a verdict."
NOTHING_CLEARED = "{} found nothing of what was looked for there, which clears no file."
NEITHER = "Inconclusive: what was found is neither enough to suspect manipulation nor enough to clear the file."


class Row(Frozen):
    """What one detector answers."""

    model_name: str
    evidence: EvidenceKind
    prediction: Prediction
    grade: Grade
    p_fake: float | None
    coverage: float
    seconds: float
    agreement: float | None = Field(
        description="share of the other conclusive detectors with the same verdict; None where there is none to compare"
    )
    counted: bool = Field(description="False: experimental or retired, so that it is no evidence")


class StripCell(Frozen):
    """A stretch of time in which nothing changes: how many kinds of evidence judged it, and how many suspect it."""

    start_s: float
    end_s: float
    agree: int = Field(description="kinds of evidence that suspect this stretch")
    judged: int = Field(description="kinds of evidence that judged it")
    level: float | None = Field(description="agree / judged in [0, 1]; None where nothing judged")


class Segment(Frozen):
    """A stretch that at least two independent kinds of evidence suspect."""

    start_s: float
    end_s: float
    kinds: tuple[EvidenceKind, ...]
    models: tuple[str, ...]


class Comparison(Frozen):
    """Rows in the order of the results; strip and segments in time order, both empty for a picture."""

    rows: tuple[Row, ...]
    strip: tuple[StripCell, ...]
    segments: tuple[Segment, ...]
    said: str = Field(description="what the detectors say, taken together")
    sentence: str = Field(description="the same with its disclaimer, where nothing was found")


def compare(results: Sequence[AnalysisResult]) -> Comparison:
    """Hold the answers of different models about one file against each other. Raises: ValueError for several files."""
    if len({result.media.sha256 for result in results}) > 1:
        raise ValueError("only answers about one file can be compared")
    bounds, suspects, judges = _over_time([result for result in results if counts(result)])
    said = " ".join(_sentences(results))
    conclusions = {result.prediction for result in results if counts(result)} - {Prediction.INCONCLUSIVE}
    return Comparison(
        rows=tuple(_row_of(result, results) for result in results),
        strip=tuple(_strip(bounds, suspects, judges)),
        segments=tuple(_segments(bounds, suspects)),
        said=said,
        sentence=f"{said} {DISCLAIMER}" if conclusions == {Prediction.REAL} else said,
    )


def contrast(first: AnalysisResult, second: AnalysisResult) -> str:
    """How one model's answers about two files differ, in words. Raises: ValueError for two models."""
    if first.model_name != second.model_name:
        raise ValueError("files are compared under one model")
    names = [result.media.name for result in (first, second)]
    if names[0] == names[1]:
        names = ["the first file", "the second file"]
    said = [f"{name}: {result.grade.value}" for name, result in zip(names, (first, second), strict=True)]
    text = f"{first.model_name} on {said[0]}; on {said[1]}."
    if first.p_fake is None or second.p_fake is None:
        return f"{text} Where a file could not be judged there is no score to compare."
    gap = second.p_fake - first.p_fake
    if abs(gap) < 0.005:
        return f"{text} Both score {first.p_fake:.2f}."
    more, less = (names[1], names[0]) if gap > 0 else (names[0], names[1])
    high, low = (round(score, 2) for score in sorted((first.p_fake, second.p_fake), reverse=True))
    return f"{text} The score of {more} is {high:.2f}, {high - low:.2f} above that of {less} ({low:.2f})."


def evidence_of(result: AnalysisResult) -> EvidenceKind:
    """The kind of trace that the result's model judges."""
    return EvidenceKind(result.provenance.config.get("evidence", EvidenceKind.PICTURE))


def counts(result: AnalysisResult) -> bool:
    """Whether the answer is evidence: its model is neither experimental nor retired."""
    return not (result.experimental or result.provenance.config.get("retired", False))


def _row_of(result: AnalysisResult, results: Sequence[AnalysisResult]) -> Row:
    others = [r.prediction for r in results if r is not result and r.prediction is not Prediction.INCONCLUSIVE]
    same = [prediction for prediction in others if prediction is result.prediction]
    comparable = others and result.prediction is not Prediction.INCONCLUSIVE
    return Row(
        model_name=result.model_name,
        evidence=evidence_of(result),
        prediction=result.prediction,
        grade=result.grade,
        p_fake=result.p_fake,
        coverage=result.coverage,
        seconds=result.processing_time,
        agreement=len(same) / len(others) if comparable else None,
        counted=counts(result),
    )


Track = dict[str, np.ndarray]
"""Model name -> bool for each stretch."""


def _over_time(
    results: Sequence[AnalysisResult],
) -> tuple[np.ndarray, dict[EvidenceKind, Track], dict[EvidenceKind, Track]]:
    """Bounds (n + 1) in seconds of stretches without change; who suspects, and who judged, each of the n."""
    spans = {result.model_name: list(_spans(result)) for result in results}
    bounds = np.unique([time for own in spans.values() for start, end, _ in own for time in (start, end)])
    suspects: dict[EvidenceKind, Track] = {}
    judges: dict[EvidenceKind, Track] = {}
    for result in results:
        highest = np.full(max(len(bounds) - 1, 0), -1.0)
        for start, end, p_fake in spans[result.model_name]:
            part = highest[np.searchsorted(bounds, start) : np.searchsorted(bounds, end)]
            np.maximum(part, p_fake, out=part)
        kind = evidence_of(result)
        judges.setdefault(kind, {})[result.model_name] = highest >= 0
        suspects.setdefault(kind, {})[result.model_name] = highest >= result.thresholds.fake
    return bounds, _outvoted(suspects, judges), judges


def _outvoted(suspects: dict[EvidenceKind, Track], judges: dict[EvidenceKind, Track]) -> dict[EvidenceKind, Track]:
    """Suspicions that more than half of the kind's detectors that judged the moment share."""
    kept = {}
    for kind, track in suspects.items():
        majority = 2 * _count(track) > _count(judges[kind])
        kept[kind] = {name: suspected & majority for name, suspected in track.items()}
    return kept


def _count(track: Track) -> np.ndarray:
    return np.sum(list(track.values()), axis=0)


def _kinds(tracks: dict[EvidenceKind, Track], size: int) -> np.ndarray:
    """How many kinds have any detector, at each stretch."""
    return sum((_count(track) > 0 for track in tracks.values()), start=np.zeros(size, dtype=int))


def _spans(result: AnalysisResult) -> Iterator[tuple[float, float, float]]:
    """Start, end and score of what each scored sample speaks for; gaps speak for nothing."""
    timed = sorted((s for s in result.scores if s.time_s is not None), key=lambda s: s.time_s or 0.0)
    if not timed:
        return
    times = [score.time_s or 0.0 for score in timed]
    last = result.media.duration_s
    middles = [(a + b) / 2 for a, b in pairwise(times)]
    for score, time, before, after in zip(timed, times, [0.0, *middles], [*middles, np.inf], strict=True):
        if score.p_fake is None:
            continue
        start, end = (time, score.end_s) if score.end_s is not None else (before, after)
        if score.end_s is None:
            start, end = max(start, time - REACH_S), min(end, time + REACH_S)
        if last is not None:
            end = min(end, max(last, time))
        if end > start:
            yield float(start), float(end), score.p_fake


def _strip(
    bounds: np.ndarray, suspects: dict[EvidenceKind, Track], judges: dict[EvidenceKind, Track]
) -> Iterator[StripCell]:
    """Neighbours that say the same are one cell."""
    size = len(bounds) - 1
    if size < 1:
        return
    agree, judged = _kinds(suspects, size), _kinds(judges, size)
    changes = np.flatnonzero(np.diff(agree) | np.diff(judged)) + 1
    for first, after in pairwise([0, *changes, size]):
        kinds, of = int(agree[first]), int(judged[first])
        yield StripCell(
            start_s=float(bounds[first]),
            end_s=float(bounds[after]),
            agree=kinds,
            judged=of,
            level=kinds / of if of else None,
        )


def _segments(bounds: np.ndarray, suspects: dict[EvidenceKind, Track]) -> Iterator[Segment]:
    size = max(len(bounds) - 1, 0)
    agreed = np.flatnonzero(_kinds(suspects, size) >= 2)
    runs: list[tuple[int, int]] = []
    for index in agreed.tolist():
        if runs and bounds[index] - bounds[runs[-1][1] + 1] < JOIN_S:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    for first, last in runs:
        inside = agreed[(agreed >= first) & (agreed <= last)]
        who = {kind: [n for n, track in own.items() if track[inside].any()] for kind, own in suspects.items()}
        yield Segment(
            start_s=float(bounds[first]),
            end_s=float(bounds[last + 1]),
            kinds=tuple(kind for kind, names in who.items() if names),
            models=tuple(name for names in who.values() for name in names),
        )


def _sentences(results: Sequence[AnalysisResult]) -> Iterator[str]:
    evidence = [result for result in results if counts(result)]
    fakes = [result for result in evidence if result.prediction is Prediction.FAKE]
    reals = [result for result in evidence if result.prediction is Prediction.REAL]
    one_sided = [result for result in evidence if result.gap is GapReason.ONE_SIDED]
    if not results:
        yield "No detector has answered."
    elif fakes and reals:
        yield from _disagreement(fakes, reals)
    elif fakes:
        yield _suspicion(fakes)
    elif reals:
        yield f"{_who(reals)} found no evidence of manipulation."
    elif evidence and not one_sided:
        unable = all(result.p_fake is None or result.gap is GapReason.LOW_COVERAGE for result in evidence)
        yield TOO_LITTLE if unable else NEITHER
    if one_sided:
        yield NOTHING_CLEARED.format(_who(one_sided))
    silent = [r for r in evidence if r.prediction is Prediction.INCONCLUSIVE and r not in one_sided]
    if silent and (fakes or reals or one_sided):
        yield f"{_who(silent)} reached no conclusion."
    for result in results:
        if not counts(result):
            why = "experimental" if result.experimental else "retired"
            yield f"{result.model_name} is {why} and not counted (it says: {result.grade.value})."


def _suspicion(fakes: Sequence[AnalysisResult]) -> str:
    kinds = _kinds_of(fakes)
    if len(fakes) == 1:
        return f"{_who(fakes)} found {fakes[0].grade.value}, in one kind of trace: {kinds[0]}."
    if len(kinds) == 1:
        return (
            f"{_who(fakes)} found evidence of manipulation. All of them judge {kinds[0]}, so that they are one piece of "
            "evidence and not several."
        )
    return (
        f"{_who(fakes)} found evidence of manipulation, in {len(kinds)} independent kinds of trace: {', '.join(kinds)}."
    )


def _disagreement(fakes: Sequence[AnalysisResult], reals: Sequence[AnalysisResult]) -> Iterator[str]:
    yield (
        f"The detectors disagree: {_who(fakes)} found evidence of manipulation ({', '.join(_kinds_of(fakes))}); "
        f"{_who(reals)} found none ({', '.join(_kinds_of(reals))})."
    )
    if torn := [kind for kind in _kinds_of(fakes) if kind in _kinds_of(reals)]:
        yield f"About {' and '.join(torn)} they contradict each other, which weakens what they found there."
    else:
        yield "They look at different traces, so that both can be right: one trace may be there and another absent."


def _kinds_of(results: Sequence[AnalysisResult]) -> list[str]:
    return list(dict.fromkeys(evidence_of(result).value for result in results))


def _who(results: Sequence[AnalysisResult]) -> str:
    names = [result.model_name for result in results]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
