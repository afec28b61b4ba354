"""What one detector's result amounts to in an answer: its state, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass

from drishtiksha.answer.cards import Card, card_of
from drishtiksha.answer.objects import State, rank
from drishtiksha.answer.texts import Texts
from drishtiksha.casefile import LineKind
from drishtiksha.render import words
from drishtiksha.results import MIN_PERSON_SAMPLES, AnalysisResult, GapReason, Grade, MediaInfo, MediaKind, Prediction
from drishtiksha.scoring import main_gap

TYPICAL = 0.5
"""A detector that never clears a file found nothing where at least so many of the genuine media scored as high as this."""


@dataclass(frozen=True)
class Reading:
    """One detector's share in a line."""

    result: AnalysisResult
    card: Card
    state: State
    grade: Grade | None

    @property
    def rank(self) -> tuple[int, float]:
        """The stronger, the higher."""
        return rank(self.state, self.grade), self.result.p_fake or 0.0


def read(result: AnalysisResult) -> Reading:
    """Raises: ValueError for a line or kind of evidence that is not known."""
    state = _state(result)
    grade = _grade(result) if state is State.SIGNS else None
    return Reading(result, card_of(result), state, grade)


def _state(result: AnalysisResult) -> State:
    seldom = seen_too_seldom(result)
    if _briefly(result) or destroyed(result) or (result.p_fake is None and not seldom):
        return State.NOTHING_TO_JUDGE
    if seldom or result.gap is GapReason.LOW_COVERAGE:
        return State.UNCLEAR
    if result.prediction is Prediction.FAKE:
        return State.SIGNS
    nothing = result.prediction is Prediction.REAL or result.gap is GapReason.ONE_SIDED or _typical(result)
    return State.NOTHING_FOUND if nothing else State.UNCLEAR


def _grade(result: AnalysisResult) -> Grade:
    return Grade.MODERATE if result.grade is Grade.STRONG and not result.calibrated else result.grade


def _briefly(result: AnalysisResult) -> bool:
    """Whether so few samples of many were judged that nothing was there to judge."""
    judged = sum(score.p_fake is not None for score in result.scores)
    return result.gap is GapReason.LOW_COVERAGE and judged < MIN_PERSON_SAMPLES <= len(result.scores)


def seen_too_seldom(result: AnalysisResult) -> bool:
    """Whether people were followed, and none of them was judged in samples enough."""
    return bool(result.people) and not result.seen_enough


def _typical(result: AnalysisResult) -> bool:
    """Whether a detector that never clears a file gives a score that is usual for genuine media."""
    rates = result.error_rates if result.calibrated else None
    high = rates.genuine_as_high if rates else None
    never_clears = result.thresholds.real == 0 and result.gap is GapReason.BETWEEN_THRESHOLDS
    return never_clears and high is not None and high >= TYPICAL


def destroyed(result: AnalysisResult) -> bool:
    """Whether no score of a picture counts, since next to nothing is in it."""
    return result.p_fake is not None and result.gap is GapReason.DAMAGED and not result.media.damaged


def why(texts: Texts, reading: Reading, subject: str, place: str, agreeing: int) -> str:
    """One sentence. place: where it is clearest; "" where that is not known. agreeing: families of detectors with signs."""
    result = reading.result
    if reading.state is State.SIGNS:
        key = "why.signs.several" if agreeing > 1 else "why.signs"
        if place:
            key = f"{key}_place" if agreeing > 1 else f"{key}.place"
        return texts(key, subject=subject, place=place, count=agreeing)
    if reading.state is State.UNCLEAR:
        if seen_too_seldom(result):
            return texts("why.unclear.few", subject=subject)
        if result.gap is GapReason.LOW_COVERAGE:
            return texts("why.unclear.little", subject=subject, share=words.share(result.coverage))
        if result.gap is GapReason.DAMAGED:
            return texts("why.unclear.damaged")
        return texts("why.unclear", subject=subject)
    if reading.state is State.NOTHING_FOUND:
        return texts("why.nothing_found", subject=subject)
    if destroyed(result):
        return texts("why.nothing_to_judge.destroyed")
    if unscaled(result):
        return texts("why.nothing_to_judge.uncalibrated")
    if result.p_fake is not None:
        return texts("why.nothing_to_judge.briefly", reasons=gap_in_words(texts, result))
    return nothing_there(texts, result.media, gap_in_words(texts, result))


def nothing_there(texts: Texts, media: MediaInfo, reasons: str, *, glimpsed: bool = False) -> str:
    """ "There is no face in this file.", or in what was looked at or could be read of it. glimpsed: only some frames were."""
    if media.pictures > 1:
        return texts("why.nothing_to_judge.first", reasons=reasons, count=media.pictures)
    if media.decoded_share < 1:
        return texts("why.nothing_to_judge.partly", reasons=reasons)
    return texts("why.nothing_to_judge.glance" if glimpsed else "why.nothing_to_judge", reasons=reasons)


def unscaled(result: AnalysisResult) -> bool:
    """Whether it was measured by a detector whose measure nobody knows how to read."""
    return result.p_fake is None and main_gap(result.scores) is GapReason.NOT_CALIBRATED


def gap_in_words(texts: Texts, result: AnalysisResult) -> str:
    """ "no face": why nothing, or not more, could be judged."""
    gap = main_gap(result.scores) or result.gap or GapReason.TOO_SHORT
    return texts(f"gap.{gap.value}")


def error_rate(texts: Texts, reading: Reading) -> str:
    """Of signs how often genuine media are suspected as strongly, of nothing found how many fakes are missed; "" where no
    rate bears on the state, or none is known for that kind of media."""
    result = reading.result
    rates = result.error_rates if result.calibrated else None
    if rates is None:
        return ""
    kind = texts(f"kind.several.{result.media.kind.value}")
    if reading.state is State.SIGNS and rates.genuine_as_high is not None:
        return _rate(
            texts,
            "false_alarm",
            rates.genuine_as_high,
            rates.genuine_as_high_95,
            n=rates.n_genuine,
            data=rates.data,
            kind=kind,
        )
    if reading.state is State.NOTHING_FOUND and rates.missed is not None:
        data = rates.fake_data or texts("error.fakes")
        return _rate(texts, "missed", rates.missed, rates.missed_95, n=rates.n_fake, data=data, kind=kind)
    return ""


def _rate(texts: Texts, key: str, share: float, bound: float | None, **values: object) -> str:
    most = max(1, math.ceil(100 * (1.0 if bound is None else bound)))
    values["data"] = str(values["data"]).rstrip(".")
    count = round(100 * share)
    about = texts("error.about", count=count) if count else texts("error.under_one")
    return texts(f"error.{key}.{'some' if share else 'none'}", about=about, most=most, **values)


def judged(texts: Texts, result: AnalysisResult) -> str:
    """Where samples were judged; "" of a picture."""
    if result.media.kind is MediaKind.IMAGE:
        return ""
    spans = spans_in_words(texts, result)
    if not spans:
        return texts("judged.nothing")
    duration = result.media.duration_s
    if duration is None:
        return texts("judged.spans_open", spans=spans)
    key = "judged.spans" if result.media.decoded_share == 1 else "judged.spans_partly"
    return texts(key, spans=spans, whole=words.clock(duration))


def spans_in_words(texts: Texts, result: AnalysisResult) -> str:
    """ "00:03-00:08"; of many stretches their number and their first and last moment."""
    spans = words.judged_spans(result)
    if len(spans) > words.MOST_SPANS:
        return texts("judged.many", count=len(spans), span=words.span_words(spans[0][0], spans[-1][1]))
    return ", ".join(dict.fromkeys(words.span_words(start, end) for start, end in spans))


def behind(texts: Texts, reading: Reading, says: str) -> str:
    """One sentence on what this detector says, and whether it counts."""
    card, p_fake = reading.card, reading.result.p_fake
    key = "counted" if card.counted else "retired" if card.retired else "experimental"
    if p_fake is None:
        key = "no_score" if key == "counted" else f"{key}_no_score"
    score = "" if p_fake is None else f"{p_fake:.2f}"
    return texts(f"behind.{key}", model=card.model_name, says=says.lower(), score=score)


def title(texts: Texts, kind: LineKind) -> str:
    return texts(f"title.{kind.name.lower()}")


def subject(texts: Texts, kind: LineKind) -> str:
    return texts(f"subject.{kind.name.lower()}")


def state_in_words(texts: Texts, state: State, grade: Grade | None) -> str:
    """ "Moderate signs of manipulation", "Unclear"."""
    return texts(f"grade.{grade.name.lower()}") if grade is not None else texts(f"state.{state.value}")
