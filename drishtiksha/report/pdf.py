"""A case as PDF: the same content as the HTML, on A4, with its fonts in it."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence

from reportlab.lib.units import mm
from reportlab.platypus import Flowable, KeepTogether, PageBreak, Spacer

from drishtiksha.answer import Line
from drishtiksha.report.pdf_parts import (
    BODY,
    BOLD,
    HEIGHT,
    KICKER,
    NOTE,
    QUOTE,
    SMALL,
    WIDTH,
    CountedCanvas,
    Document,
    Parts,
    kept_with_text,
)
from drishtiksha.report.pieces import Content, ModelSection, Origin, ReviewEntry

KEY_HEIGHT = (38 * mm, 92 * mm)
"""Points between which the picture of page one may be high; where there is less room it stands in the annex alone."""
ONE_AT_A_TIME = threading.Lock()
"""ReportLab reads all documents' fonts through one object."""
INCOMPLETE = (
    f"Characters that this document's font does not have are shown as {'□'}, and text that runs from right to left may "
    "stand in the wrong order. The HTML form of this report shows both as they were written."
)


def render(report: Content) -> bytes:
    with ONE_AT_A_TIME:
        return _render(report)


def _render(report: Content) -> bytes:
    buffer = io.BytesIO()
    parts = Parts()
    document = Document(buffer, report, parts)
    story = [*_front(report, parts), PageBreak(), *kept_with_text(_annex(report, parts))]
    if parts.incomplete:
        story.append(parts.text(INCOMPLETE, NOTE))
    document.build(story, canvasmaker=CountedCanvas)
    return buffer.getvalue()


def _front(report: Content, parts: Parts) -> list[Flowable]:
    """Page one, for the editor: its picture is as large as there is room for."""
    above: list[Flowable] = [
        parts.text("Drishtiksha · report for the editor", KICKER),
        parts.heading(report.title, 0),
        parts.text(f"Made {report.made_utc}", NOTE),
    ]
    if report.question:
        above += [parts.heading("What was asked", 2, bookmark=False), parts.text(report.question, QUOTE)]
    above.append(parts.heading("What was found", 2, bookmark=False))
    if report.human:
        above += [parts.card(report.human, "What people who looked at it conclude", large=True), Spacer(1, 5)]
    above.append(parts.card(report.machine, "What the detectors found", large=report.human is None))
    above.append(Spacer(1, 5))
    above += [_line(line, parts) for line in report.answer.lines]
    above += [parts.text(remark, SMALL) for remark in report.remarks]
    above.append(parts.named("What to do next.", " ".join(report.answer.next), SMALL))
    if report.answer.disclaimer:
        above.append(parts.text(report.answer.disclaimer, BOLD))
    below: list[Flowable] = []
    if report.strip and report.answer.judged:
        below.append(parts.figure(report.strip, max_height=9 * mm))
    below.append(parts.heading("Where the file says that it comes from", 2, bookmark=False))
    below += _origin_in_short(report.origin, parts)
    below += [parts.heading("The file", 2, bookmark=False), parts.columns(report.media)]
    return [*above, *_key_picture(report, parts, [*above, *below]), *below]


def _line(line: Line, parts: Parts) -> Flowable:
    """A line of the answer as one paragraph: state, why, judged part, error rate, blind spots."""
    told = filter(None, (line.why, line.judged, line.error_rate, line.misses, *line.notes))
    return parts.named(f"{line.title}: {line.says.lower()}.", " ".join(told), SMALL)


def _key_picture(report: Content, parts: Parts, others: Sequence[Flowable]) -> list[Flowable]:
    if report.key_picture is None:
        return []
    caption = parts.text(report.key_picture.caption, NOTE)
    left = HEIGHT - sum(_height(one) for one in (*others, caption)) - 6 * mm
    least, most = KEY_HEIGHT
    return [parts.figure(report.key_picture, max_height=min(left, most))] if left >= least else []


def _height(flowable: Flowable) -> float:
    """Points, with the space around it."""
    if isinstance(flowable, KeepTogether):
        return sum(_height(one) for one in flowable._content)
    return flowable.wrap(WIDTH, HEIGHT)[1] + flowable.getSpaceBefore() + flowable.getSpaceAfter()


def _origin_in_short(origin: Origin | None, parts: Parts) -> list[Flowable]:
    if origin is None:
        return [parts.text("This was not examined.")]
    notable = [finding for finding in origin.findings if finding.notable]
    return [parts.text(origin.credentials), *(parts.named(f"{one.title}.", one.tells) for one in notable)]


def _annex(report: Content, parts: Parts) -> list[Flowable]:
    story: list[Flowable] = [
        parts.text("Drishtiksha · for whoever checks the work", KICKER),
        parts.heading("Technical annex", 1),
    ]
    if report.pictures_left_out:
        story.append(parts.text(report.pictures_left_out, NOTE))
    if report.agreement:
        story += [parts.heading("Agreement of the detectors", 2), parts.text(report.consensus)]
        story += parts.table(report.agreement)
        story += [parts.figure(report.strip, max_height=9 * mm)] if report.strip else []
        story += parts.table(report.segments) if report.segments else []
    for model in report.models:
        story += _model(model, parts)
    if report.stress:
        story.append(parts.heading("Stress test: would the verdict survive?", 2))
        for stress in report.stress:
            story += [parts.heading(stress.model_name, 3), *parts.bullets(stress.sentences), *parts.table(stress.table)]
    if report.origin:
        story += _origin(report.origin, parts)
    if report.reviews:
        story.append(parts.heading("Reviews, the newest first", 2))
        for review in report.reviews:
            story += _review(review, parts)
    story += [parts.heading("Custody", 2), parts.facts(report.custody)]
    return [*story, *(parts.table(report.derived) if report.derived else [])]


def _model(model: ModelSection, parts: Parts) -> list[Flowable]:
    name = f"{model.name} (experimental)" if model.experimental else model.name
    facts = (("Score", model.score), ("Judged", model.judged), ("Kind of evidence", model.evidence))
    story: list[Flowable] = [
        parts.heading(name, 2),
        parts.card(model.verdict, "Finding", large=False),
        Spacer(1, 3),
        parts.facts(facts),
    ]
    if model.reasons:
        story += [parts.heading("Why", 3), *parts.bullets(model.reasons)]
    if model.odds:
        story += [parts.heading("How often it errs", 3), *(parts.text(one) for one in model.odds)]
    if model.timeline:
        story.append(parts.figure(model.timeline, title="Score over time"))
    story += parts.table(model.people) if model.people else []
    if model.moments:
        story += parts.gallery(model.moments, "Moments with the highest scores")
    story += [parts.heading("The detector", 3), parts.facts(model.card)] if model.card else []
    story += [parts.heading("To quote", 3), parts.text(model.sentence, QUOTE)]
    story += [parts.heading("To repeat the run", 3), parts.facts(model.custody)]
    return story + ([parts.heading("Configuration", 3), parts.facts(model.config)] if model.config else [])


def _origin(origin: Origin, parts: Parts) -> list[Flowable]:
    caution = "Anyone can change what a file says of itself; nothing here is proof by itself."
    story: list[Flowable] = [
        parts.heading("Provenance: what the file says of itself", 2),
        parts.text(f"{origin.credentials} {caution}"),
    ]
    for finding in origin.findings:
        story += [
            parts.heading(finding.title + (" (worth a look)" if finding.notable else ""), 3),
            parts.text(finding.detail, BODY),
            parts.named("This tells:", finding.tells),
            parts.named("This does not tell:", finding.does_not_tell),
        ]
    if origin.fields:
        story += [parts.heading("Fields as they stand in the file", 3), parts.facts(origin.fields)]
    return story


def _review(review: ReviewEntry, parts: Parts) -> list[Flowable]:
    replaced = "" if review.current else " (replaced by a later word)"
    tags = f" · {', '.join(review.tags)}" if review.tags else ""
    return [
        parts.heading(f"{review.reviewer}: {review.verdict}{replaced}", 3),
        parts.text(f"{review.when} · {review.confidence} confidence{tags}", NOTE),
        *(parts.named(f"{note.place}:", note.text) for note in review.notes),
    ]
