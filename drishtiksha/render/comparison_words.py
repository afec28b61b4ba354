"""A picture of a comparison in words: names of its lines, rules of its detectors, and what it shows."""

from __future__ import annotations

from collections.abc import Sequence

from drishtiksha.comparison import Segment
from drishtiksha.render import timeline, words
from drishtiksha.results import AnalysisResult, Thresholds


def letters(count: int) -> list[str]:
    """ "A", "B", ... : how chart and table name the same line; numbers where the alphabet ends."""
    return [chr(ord("A") + n) if n < 26 else str(n + 1) for n in range(count)]


def rule(limits: Thresholds) -> str:
    """A detector's thresholds in words."""
    below = f"nothing found up to {limits.real:.2f}" if limits.real else "below that unclear"
    return f"suspicious from {limits.fake:.2f}, {below}"


def describe(
    results: Sequence[AnalysisResult], segments: Sequence[Segment] | None = None, names: Sequence[str] | None = None
) -> str:
    """The picture in words, for those who do not see it. At least one result must have times."""
    both = [timeline.bounds(result) for result in results if timeline.has_timeline(result)]
    start, end = min(start for start, _ in both), max(end for _, end in both)
    parts = [f"Scores over time from {words.clock(start)} to {words.clock(end)}, a line each."]
    titles = names or [result.model_name for result in results]
    for letter, name, result in zip(letters(len(results)), titles, results, strict=True):
        parts.append(f"{letter}, {name}, {rule(result.thresholds)}: {_said(result)}")
    if segments is not None:
        parts.append(_agreed(segments))
    return " ".join(parts)


def _said(result: AnalysisResult) -> str:
    scored = [score for score in result.scores if score.p_fake is not None]
    if not scored:
        return "nothing could be judged."
    best = max(scored, key=lambda score: score.p_fake or 0.0)
    at = words.place(best)
    text = f"highest {best.p_fake:.2f}{f' at {at}' if at else ''}"
    if not timeline.has_timeline(result):
        return f"{text}."
    missing = timeline.gaps(result)
    listed = ", ".join(words.span_words(gap.start_s, gap.end_s) for gap in missing[:3])
    return f"{text}; not judged {listed}{' and more' if len(missing) > 3 else ''}." if missing else f"{text}."


def _agreed(segments: Sequence[Segment]) -> str:
    if not segments:
        return "At no moment do two kinds of evidence suspect the same stretch."
    listed = "; ".join(
        f"{words.fine_clock(one.start_s)}-{words.fine_clock(one.end_s)} ({', '.join(one.kinds)})"
        for one in segments[:4]
    )
    return f"Several kinds of evidence suspect {listed}{' and more' if len(segments) > 4 else ''}."
