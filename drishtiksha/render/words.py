"""A result in words: grades, times, sizes, reasons, and the sentence to paste."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from drishtiksha import __version__
from drishtiksha.detector_config import DetectorConfig, LicenceClass
from drishtiksha.results import DISCLAIMER, AnalysisResult, Grade, MediaKind, SampleScore, clock, fine_clock
from drishtiksha.weights import read_sidecar

INDICATION = "One detector's score is an indication, not proof of manipulation."

MOST_SPANS = 3
"""So many judged stretches of a file are named one by one."""

Tone = Literal["strong", "moderate", "weak", "neutral", "grey"]
Icon = Literal["alert", "warning", "notice", "search", "question", "minus", "eye"]


@dataclass(frozen=True)
class GradeLook:
    """How a grade is shown: an icon and words, so that colour is never the only sign."""

    title: str
    icon: Icon
    glyph: str
    tone: Tone
    meaning: str


GRADE_LOOKS: dict[Grade, GradeLook] = {
    Grade.STRONG: GradeLook(
        "Strong evidence of manipulation",
        "alert",
        "▲▲▲",
        "strong",
        "The highest of three grades: the score is far above this detector's threshold.",
    ),
    Grade.MODERATE: GradeLook(
        "Moderate evidence of manipulation",
        "warning",
        "▲▲",
        "moderate",
        "The middle of three grades: the score is clearly above the threshold.",
    ),
    Grade.WEAK: GradeLook(
        "Weak evidence of manipulation",
        "notice",
        "▲",
        "weak",
        "The lowest of three grades: the score is only just above the threshold.",
    ),
    Grade.NONE_FOUND: GradeLook(
        "No evidence found", "search", "○", "neutral", "This detector found none of the traces that it looks for."
    ),
    Grade.INCONCLUSIVE: GradeLook(
        "Inconclusive", "question", "?", "grey", "This detector could not reach a conclusion about this file."
    ),
}

MODEL_STATES = {
    "loaded": "Loaded",
    "ready": "Loads on first use",
    "missing": "Weights missing",
    "broken": "Cannot be used",
}
"""What the states of a model are called."""

MANIPULATED = frozenset({Grade.STRONG, Grade.MODERATE, Grade.WEAK})


def place(score: SampleScore) -> str:
    """ "00:03.2" of a frame, "00:04.0-00:08.0" of a window; "" of a picture."""
    if score.time_s is None:
        return ""
    start = fine_clock(score.time_s)
    return start if score.end_s is None else f"{start}-{fine_clock(score.end_s)}"


def duration(seconds: float) -> str:
    """12.34 -> "12.3 s", 75 -> "1 min 15 s"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    parts = (("h", whole // 3600), ("min", whole // 60 % 60), ("s", whole % 60))
    return " ".join(f"{count} {unit}" for unit, count in parts if count)


def between(low_s: float, high_s: float) -> str:
    """A range of time, rounded so that it does not flicker: "20 to 40 s", "40 s to 2 min", "about 20 s"."""
    if high_s < 3:
        return "a few seconds"
    low, high = _rounded(low_s), _rounded(high_s)
    if low == high:
        return f"about {high[0]} {high[1]}"
    return f"{low[0]} to {high[0]} {high[1]}" if low[1] == high[1] else f"{low[0]} {low[1]} to {high[0]} {high[1]}"


def _rounded(seconds: float) -> tuple[int, str]:
    if seconds < 10:
        return max(1, round(seconds)), "s"
    if seconds < 57.5:
        return round(seconds / 5) * 5, "s"
    if seconds < 5400:
        return max(1, round(seconds / 60)), "min"
    return round(seconds / 3600), "h"


def size(count: int) -> str:
    """Bytes with decimal prefixes: 2411585 -> "2.4 MB"."""
    value, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    if unit == "bytes":
        return f"{count} bytes"
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"


def share(fraction: float) -> str:
    """0.876 -> "88 %"; never rounds a part up to the whole nor down to nothing."""
    percent = round(fraction * 100)
    if fraction < 1 and percent == 100:
        percent = 99
    if fraction > 0 and percent == 0:
        percent = 1
    return f"{percent} %"


def counted(count: int, one: str, many: str | None = None) -> str:
    """2, "sample" -> "2 samples"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


LICENCE_CLASSES = {
    LicenceClass.OPEN: "open: any use, on its own terms",
    LicenceClass.NON_COMMERCIAL: "non-commercial only",
    LicenceClass.NONPROFIT: "non-profit only",
    LicenceClass.NOT_STATED: "no use is granted: ask its authors",
}


def licence(text: str, kind: str) -> str:
    """A licence in its own words, and what its class means. `kind`: a `LicenceClass`; empty where it is not known."""
    if not text or not kind:
        return text or "not known"
    if kind == LicenceClass.NOT_STATED and not text.startswith(kind):
        return f"{text} (what it allows is not stated here)"
    meaning = LICENCE_CLASSES[LicenceClass(kind)]
    return text if meaning.removesuffix(" only") in text else f"{text} ({meaning})"


def measured(config: DetectorConfig) -> str:
    """How often a model errs, as its configuration says, else as its sidecar does; empty where neither does.

    Raises: WeightsMismatchError for a sidecar that cannot be understood.
    """
    sidecar = None if config.measured else read_sidecar(config.model_path)
    found = sidecar.measured.get("all files") if sidecar else None
    if not found:
        return config.measured
    auc, false_alarms, recall = (found[name][0] for name in ("auc", "false_alarms", "recall"))
    return (
        f"On {found['n_real']} genuine and {found['n_fake']} fake files kept out of training: AUC {auc:.2f}, "
        f"{100 * false_alarms:.1f} % of the genuine ones called FAKE, {share(recall)} of the fakes found. "
        f"What kinds of fakes, and all numbers: models/{config.model_path.stem}.md"
    )


def disclaimer(result: AnalysisResult) -> str:
    """The fixed sentence that must stand under this result."""
    return INDICATION if result.grade in MANIPULATED else DISCLAIMER


def disclaimers(results: Iterable[AnalysisResult]) -> tuple[str, ...]:
    """The fixed sentences that must stand under several results."""
    indication = any(result.grade in MANIPULATED for result in results)
    return (INDICATION, DISCLAIMER) if indication else (DISCLAIMER,)


def judged_spans(result: AnalysisResult) -> list[tuple[float, float]]:
    """Stretches of the file (start, end; s) in which samples were judged, from the first to the last one in a row."""
    spans: list[tuple[float, float]] = []
    row = False
    for score in sorted(result.scores, key=lambda score: score.time_s or 0.0):
        if score.time_s is None:
            continue
        start, end = score.time_s, score.time_s if score.end_s is None else score.end_s
        if score.p_fake is not None and row:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        elif score.p_fake is not None:
            spans.append((start, end))
        row = score.p_fake is not None
    return spans


def span_words(start_s: float, end_s: float) -> str:
    """ "00:03-00:08"; one moment where both would read the same."""
    start, end = clock(start_s), clock(end_s)
    return start if start == end else f"{start}-{end}"


def time_range(result: AnalysisResult) -> str | None:
    """Where samples were judged, "00:03-00:08"; of more than three stretches the first and the last moment and their
    number. None for a picture and where nothing was judged."""
    spans = judged_spans(result)
    if not spans:
        return None
    if len(spans) > MOST_SPANS:
        return f"{len(spans)} stretches within {span_words(spans[0][0], spans[-1][1])}"
    return ", ".join(dict.fromkeys(span_words(start, end) for start, end in spans))


def judged(result: AnalysisResult) -> str:
    """ "28 of 32 samples judged"; of a picture whether it was."""
    scored = sum(score.p_fake is not None for score in result.scores)
    planned = len(result.scores)
    if planned == 0:
        return "nothing could be judged"
    if result.media.kind is MediaKind.IMAGE:
        return "the picture was judged" if scored else "the picture could not be judged"
    apart = "" if result.step_s is None else f", one in {result.step_s:.1f} s"
    return f"{scored} of {counted(planned, 'sample')} judged{apart}"


def found_again(cuts: int) -> str:
    """ ", found again twice, probably the same person": to go after what else is said of one; "" for one never lost."""
    times = {1: "once", 2: "twice"}.get(cuts, f"{cuts} times")
    return f", found again {times}, probably the same person" if cuts else ""


def moment(iso: str) -> str:
    """ "2026-11-23T12:00:00+00:00" -> "2026-11-23 12:00:00 UTC"; anything else stays as it is."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if when.tzinfo else iso


def sentence(result: AnalysisResult) -> str:
    """One paragraph that a person can paste into an article's notes: tool, model, file, grade, coverage, disclaimer."""
    media = result.media
    score = "no score" if result.p_fake is None else f"score {result.p_fake:.2f} on a scale from 0 to 1"
    if result.p_fake is not None and result.grade in MANIPULATED:
        score += f", threshold {result.thresholds.fake:.2f}"
    span = time_range(result)
    where = f"{judged(result)}, coverage {share(result.coverage)}" + (f", {span} of the file" if span else "")
    why = f" {result.reason}" if result.gap is not None and result.reason else ""
    calibration = "" if result.calibrated or result.p_fake is None else " The score is not calibrated."
    odds = "".join(f" {one}" for one in result.odds)
    kind = "experimental model" if result.experimental else "model"
    return (
        f'Drishtiksha {__version__} with the {kind} {result.model_name} examined "{media.name}" '
        f"(SHA-256 {media.sha256}) on {moment(result.provenance.started_utc)}. Result: {result.grade.value} ({score}; {where})."
        f"{why}{calibration}{odds} {disclaimer(result)}"
    )


def in_short(result: AnalysisResult) -> str:
    """What a result rests on: detector, score, whether it is calibrated, and how much was judged."""
    score = "no score" if result.p_fake is None else f"score {result.p_fake:.2f}"
    calibrated = "" if result.calibrated or result.p_fake is None else " (not calibrated)"
    return f"{result.model_name}: {score}{calibrated}; {judged(result)}, coverage {share(result.coverage)}"


def summary(result: AnalysisResult) -> str:
    """One short line for a screen reader."""
    return f"{GRADE_LOOKS[result.grade].title}. {judged(result).capitalize()}."
