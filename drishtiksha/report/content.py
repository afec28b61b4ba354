"""A case in words, tables and pictures: what every form of the report is made from."""

from __future__ import annotations

from datetime import UTC, datetime

from drishtiksha import __version__
from drishtiksha.casefile import CaseFile, HumanVerdict, Review
from drishtiksha.comparison import counts
from drishtiksha.errors import ReportError
from drishtiksha.media.evidence import Evidence
from drishtiksha.render import facts, words
from drishtiksha.report import further
from drishtiksha.report.models import model_section, verdict_of
from drishtiksha.report.pieces import Content, Facts, Headline, ModelSection, Note, Picture, ReviewEntry
from drishtiksha.results import AnalysisResult, Prediction
from drishtiksha.settings import MediaLimits

OVERRIDES = "A reviewer's word overrides the machine's."
NO_PICTURES = "The evidence was not at hand when this report was made, so that it has no pictures of single moments."
ISOLATE, END = "\u2068", "\u2069"
"""Round a name, so that one that is written from right to left does not turn the sentence that it stands in."""
HUMAN_LOOKS = {
    HumanVerdict.MANIPULATED: ("Manipulated", "▲", "strong"),
    HumanVerdict.GENUINE: ("Genuine", "○", "neutral"),
    HumanVerdict.UNCLEAR: ("Unclear", "?", "grey"),
}


def build(
    case: CaseFile,
    evidence: Evidence | None = None,
    *,
    limits: MediaLimits | None = None,
    made_utc: datetime | None = None,
) -> Content:
    """evidence: for pictures of the moments; without it there are none. made_utc: now, if left out.

    Raises: ReportError when `evidence` is another file than that of the case; MediaError when its bytes have changed
    since it was taken in, or it can no longer be decoded.
    """
    if evidence is not None:
        _check(evidence, case)
    made = (made_utc or datetime.now(UTC)).isoformat(timespec="seconds")
    sections = tuple(
        model_section(result, number, evidence, limits or MediaLimits())
        for number, result in enumerate(case.results, start=1)
    )
    return _assembled(case, sections, made, NO_PICTURES if evidence is None and case.results else "")


def _assembled(case: CaseFile, sections: tuple[ModelSection, ...], made: str, pictures_left_out: str) -> Content:
    agreement = further.agreement(case.results)
    return Content(
        title=f"Examination of {case.media.name}",
        case_id=case.case_id,
        file_name=case.media.name,
        made_utc=words.moment(made),
        version=__version__,
        question=case.question.strip(),
        human=_human(case),
        machine=_machine(case.results),
        disclaimers=words.disclaimers(case.results),
        models=sections,
        key_picture=_key_picture(case.results, sections),
        media=tuple(facts.media_facts(case.media)),
        origin=further.origin(case.provenance),
        consensus=agreement.sentence,
        agreement=agreement.table,
        strip=agreement.strip,
        segments=agreement.segments,
        stress=tuple(further.stress_section(stress) for stress in case.stress),
        reviews=_reviews(case),
        custody=_custody(case, made),
        pictures_left_out=pictures_left_out,
    )


def _check(evidence: Evidence, case: CaseFile) -> None:
    """Raises: ReportError, MediaError."""
    if evidence.media.sha256 != case.media.sha256:
        raise ReportError(
            f"{evidence.media.name} is not the file of this case: its SHA-256 is {evidence.media.sha256}, and the case "
            f"is about {case.media.sha256}."
        )
    evidence.verify()


def _human(case: CaseFile) -> Headline | None:
    """What people conclude, each by name; None while nobody said a word."""
    said = case.human_verdict
    if said is None:
        return None
    current = case.current_reviews
    title, glyph, tone = HUMAN_LOOKS[said]
    differ = len({review.verdict for review in current}) > 1
    each = "; ".join(f"{ISOLATE}{_name(r)}{END}: {r.verdict.value}, {r.confidence.value} confidence" for r in current)
    return Headline(
        title="Unclear: the reviewers differ" if differ else title,
        glyph=glyph,
        tone=tone,  # type: ignore[arg-type]
        text=f"{each}. {OVERRIDES}",
    )


def _machine(results: tuple[AnalysisResult, ...]) -> Headline:
    """One headline for all models; where they differ it counts them instead of averaging. Experimental and retired ones
    are no evidence, so that they make the headline only where there is no other."""
    if not results:
        return Headline("Not examined yet", "–", "grey", "No detector has examined this file.")
    counted = [result for result in results if counts(result)] or list(results)
    rest = len(results) - len(counted)
    aside = f" {words.counted(rest, 'more detector')}, experimental or retired, not counted here." if rest else ""
    if len(counted) == 1:
        only = verdict_of(counted[0])
        return Headline(only.title, only.glyph, only.tone, f"{only.text}{aside} {words.in_short(counted[0])}.")
    return _headline(counted, f"Their scores are not averaged: see each of them below.{aside}")


def _headline(results: list[AnalysisResult], text: str) -> Headline:
    fakes = [r for r in results if r.prediction is Prediction.FAKE]
    reals = [r for r in results if r.prediction is Prediction.REAL]
    count = len(results)
    if fakes:
        strongest = verdict_of(min(fakes, key=lambda r: list(words.GRADE_LOOKS).index(r.grade)))
        title = f"{len(fakes)} of {count} detectors found evidence of manipulation"
        return Headline(title, strongest.glyph, strongest.tone, f"The strongest: {strongest.title.lower()}. {text}")
    if reals:
        return Headline(f"{len(reals)} of {count} detectors found no evidence", "○", "neutral", text)
    return Headline("Inconclusive", "?", "grey", f"None of {count} detectors reached a conclusion. {text}")


def _key_picture(results: tuple[AnalysisResult, ...], sections: tuple[ModelSection, ...]) -> Picture | None:
    """The most suspicious moment of the detector that suspects most; those that found evidence go first, and of these the experimental ones last."""
    shown = [(r, s.moments[0]) for r, s in zip(results, sections, strict=True) if s.moments]

    def rank(pair: tuple[AnalysisResult, Picture]) -> tuple[bool, bool, float]:
        fake = pair[0].prediction is Prediction.FAKE
        return fake and not pair[0].experimental, fake, pair[0].p_fake or 0.0

    best = max(shown, key=rank, default=None)
    return best[1] if best else None


def _reviews(case: CaseFile) -> tuple[ReviewEntry, ...]:
    """All of them, the newest first."""
    current = {review.review_id for review in case.current_reviews}
    return tuple(
        ReviewEntry(
            reviewer=_name(review),
            verdict=review.verdict.value,
            confidence=review.confidence.value,
            when=words.moment(review.made_utc),
            tags=review.tags,
            notes=tuple(Note(_place(note.time_s, note.end_s, note.region), note.text) for note in review.notes),
            current=review.review_id in current,
        )
        for review in reversed(case.reviews)
    )


def _name(review: Review) -> str:
    return review.reviewer or "A reviewer of this machine"


def _place(time_s: float | None, end_s: float | None, region: tuple[float, ...] | None) -> str:
    parts = []
    if time_s is not None:
        parts.append(words.fine_clock(time_s) + (f"-{words.fine_clock(end_s)}" if end_s is not None else ""))
    if region is not None:
        parts.append("region " + ", ".join(f"{value:.0f}" for value in region) + " px")
    return "; ".join(parts) or "whole file"


def _custody(case: CaseFile, made: str) -> Facts:
    rows = [
        ("File name", case.media.name),
        ("SHA-256 of the original", case.media.sha256),
        ("Size", f"{case.media.size_bytes:,} bytes".replace(",", " ")),
        ("Case", case.case_id),
        ("Case opened", words.moment(case.opened_utc)),
        ("Report made", words.moment(made)),
        ("Made with", f"Drishtiksha {__version__}"),
    ]
    if case.owner:
        rows.append(("Handed in by", case.owner))
    seeds = "none: the detectors draw no random numbers, so the same file gives the same scores"
    return (*rows, ("Random seeds", seeds + ("; noise of stress tests has one fixed seed" if case.stress else "")))
