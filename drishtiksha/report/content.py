"""A case in words, tables and pictures: what every form of the report is made from."""

from __future__ import annotations

from datetime import UTC, datetime

from drishtiksha import __version__
from drishtiksha.answer import Answer, State, answer_of, look_of
from drishtiksha.answer.doubts import Doubt, deciding_conditions, doubt_of
from drishtiksha.casefile import CaseFile, HumanVerdict, Review
from drishtiksha.errors import ReportError
from drishtiksha.media.evidence import Evidence
from drishtiksha.plaintext import readable
from drishtiksha.render import facts, words
from drishtiksha.report import further
from drishtiksha.report.models import model_section
from drishtiksha.report.pieces import Content, Facts, Headline, ModelSection, Note, Picture, ReviewEntry
from drishtiksha.settings import MediaLimits

OVERRIDES = "A reviewer's word overrides the machine's."
NO_PICTURES = "The evidence was not at hand when this report was made, so that it has no pictures of single moments."
HUMAN_LOOKS = {
    HumanVerdict.MANIPULATED: ("Manipulated", "▲", "strong"),
    HumanVerdict.GENUINE: ("Genuine", "○", "neutral"),
    HumanVerdict.UNCLEAR: ("Unclear", "?", "grey"),
}


def build(
    case: CaseFile,
    evidence: Evidence | None = None,
    *,
    answer: Answer | None = None,
    limits: MediaLimits | None = None,
    made_utc: datetime | None = None,
) -> Content:
    """evidence: for pictures of the moments; without it there are none. answer: as the case stands, with what has not run or
    has failed; None: of its results alone. made_utc: now, if left out.

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
    answer = answer or answer_of(case.media, case.results, case.provenance)
    seen = deciding_conditions(answer, evidence, limits or MediaLimits()) if evidence is not None else None
    doubt = doubt_of(answer, case.results, seen, case.stress)
    left_out = NO_PICTURES if evidence is None and case.results else ""
    return _assembled(case, answer, doubt, sections, made, left_out)


def _assembled(
    case: CaseFile,
    answer: Answer,
    doubt: Doubt | None,
    sections: tuple[ModelSection, ...],
    made: str,
    pictures_left_out: str,
) -> Content:
    agreement = further.agreement(case.results)
    return Content(
        title=f"Examination of {readable(case.media.name)}",
        case_id=case.case_id,
        file_name=case.media.name,
        made_utc=words.moment(made),
        version=__version__,
        question=case.question.strip(),
        human=_human(case),
        machine=_machine(answer, bool(case.results)),
        answer=answer,
        models=sections,
        key_picture=_key_picture(answer, sections),
        media=tuple(facts.media_facts(case.media)),
        origin=further.origin(case.provenance),
        consensus=agreement.sentence,
        agreement=agreement.table,
        strip=agreement.strip,
        segments=agreement.segments,
        stress=tuple(further.stress_section(stress) for stress in case.stress),
        doubt=doubt,
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
    return Headline(
        title="Unclear: the reviewers differ" if differ else title,
        glyph=glyph,
        tone=tone,  # type: ignore[arg-type]
        text=OVERRIDES,
        voices=tuple((_name(one), f"{one.verdict.value}, {one.confidence.value} confidence") for one in current),
    )


def _machine(answer: Answer, examined: bool) -> Headline:
    """What all detectors and the file's history say together."""
    if not examined:
        return Headline("Not examined yet", "–", "grey", "No detector has examined this file.")
    look = look_of(answer.state, answer.grade)
    return Headline(answer.headline, look.glyph, look.tone, " ".join(filter(None, (answer.why, answer.scale))))


def _key_picture(answer: Answer, sections: tuple[ModelSection, ...]) -> Picture | None:
    """The most suspicious moment of the detector behind the strongest line with signs; none without suspicion, since it
    would show the brightest spot and no more."""
    if not answer.heatmaps:
        return None
    moments = {section.name: section.moments[0] for section in sections if section.moments}
    signs = [line for line in answer.lines if line.state is State.SIGNS]
    by_grade = sorted(signs, key=lambda line: (line.grade == answer.grade, len(line.look)), reverse=True)
    behind = [one.model_name for line in by_grade for one in line.detectors if one.decides]
    return next((moments[name] for name in behind if name in moments), None)


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
