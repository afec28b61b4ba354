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
    Typesetter,
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
    typeset = Typesetter()
    document = Document(buffer, report, typeset)
    story = [*_front(report, typeset), PageBreak(), *kept_with_text(_annex(report, typeset))]
    if typeset.incomplete:
        story.append(typeset.text(INCOMPLETE, NOTE))
    document.build(story, canvasmaker=CountedCanvas)
    return buffer.getvalue()


def _front(report: Content, typeset: Typesetter) -> list[Flowable]:
    """Page one, for the editor: its picture is as large as there is room for."""
    above: list[Flowable] = [
        typeset.text("Drishtiksha · report for the editor", KICKER),
        typeset.heading(report.title, 0),
        typeset.text(f"Made {report.made_utc}", NOTE),
    ]
    if report.question:
        above += [typeset.heading("What was asked", 2, bookmark=False), typeset.text(report.question, QUOTE)]
    above.append(typeset.heading("What was found", 2, bookmark=False))
    if report.human:
        above += [typeset.card(report.human, "What people who looked at it conclude", large=True), Spacer(1, 5)]
    above.append(typeset.card(report.machine, "What the detectors found", large=report.human is None))
    above.append(Spacer(1, 5))
    above += [_line(line, typeset) for line in report.answer.lines]
    above += [typeset.text(remark, SMALL) for remark in report.remarks]
    above.append(typeset.named("What to do next.", " ".join(report.answer.next), SMALL))
    if report.answer.disclaimer:
        above.append(typeset.text(report.answer.disclaimer, BOLD))
    below: list[Flowable] = []
    if report.strip and report.answer.judged:
        below.append(typeset.figure(report.strip, max_height=9 * mm))
    below.append(typeset.heading("Where the file says that it comes from", 2, bookmark=False))
    below += _origin_in_short(report.origin, typeset)
    below += [typeset.heading("The file", 2, bookmark=False), typeset.columns(report.media)]
    return [*above, *_key_picture(report, typeset, [*above, *below]), *below]


def _line(line: Line, typeset: Typesetter) -> Flowable:
    """A line of the answer as one paragraph: state, why, judged part, error rate, blind spots."""
    told = filter(None, (line.why, line.judged, line.error_rate, line.misses, *line.notes))
    return typeset.named(f"{line.title}: {line.says.lower()}.", " ".join(told), SMALL)


def _key_picture(report: Content, typeset: Typesetter, others: Sequence[Flowable]) -> list[Flowable]:
    if report.key_picture is None:
        return []
    caption = typeset.text(report.key_picture.caption, NOTE)
    left = HEIGHT - sum(_height(one) for one in (*others, caption)) - 6 * mm
    least, most = KEY_HEIGHT
    return [typeset.figure(report.key_picture, max_height=min(left, most))] if left >= least else []


def _height(flowable: Flowable) -> float:
    """Points, with the space around it."""
    if isinstance(flowable, KeepTogether):
        return sum(_height(one) for one in flowable._content)
    return flowable.wrap(WIDTH, HEIGHT)[1] + flowable.getSpaceBefore() + flowable.getSpaceAfter()


def _origin_in_short(origin: Origin | None, typeset: Typesetter) -> list[Flowable]:
    if origin is None:
        return [typeset.text("This was not examined.")]
    notable = [finding for finding in origin.findings if finding.notable]
    return [typeset.text(origin.credentials), *(typeset.named(f"{one.title}.", one.tells) for one in notable)]


def _annex(report: Content, typeset: Typesetter) -> list[Flowable]:
    story: list[Flowable] = [
        typeset.text("Drishtiksha · for whoever checks the work", KICKER),
        typeset.heading("Technical annex", 1),
    ]
    if report.pictures_left_out:
        story.append(typeset.text(report.pictures_left_out, NOTE))
    if report.agreement:
        story += [typeset.heading("Agreement of the detectors", 2), typeset.text(report.consensus)]
        story += typeset.table(report.agreement)
        story += [typeset.figure(report.strip, max_height=9 * mm)] if report.strip else []
        story += typeset.table(report.segments) if report.segments else []
    for model in report.models:
        story += _model(model, typeset)
    if report.doubt:
        story += [typeset.heading("Why it may be a false alarm", 2), *typeset.bullets(report.doubt.sentences)]
    if report.stress:
        story.append(typeset.heading("Stress test: would the verdict survive?", 2))
        for stress in report.stress:
            story += [
                typeset.heading(stress.model_name, 3),
                *typeset.bullets(stress.sentences),
                *typeset.table(stress.table),
            ]
    if report.origin:
        story += _origin(report.origin, typeset)
    if report.reviews:
        story.append(typeset.heading("Reviews, the newest first", 2))
        for review in report.reviews:
            story += _review(review, typeset)
    story += [typeset.heading("Custody", 2), typeset.facts(report.custody)]
    return [*story, *(typeset.table(report.derived) if report.derived else [])]


def _model(model: ModelSection, typeset: Typesetter) -> list[Flowable]:
    name = f"{model.name} (experimental)" if model.experimental else model.name
    facts = (("Score", model.score), ("Judged", model.judged), ("Kind of evidence", model.evidence))
    story: list[Flowable] = [
        typeset.heading(name, 2),
        typeset.card(model.verdict, "Finding", large=False),
        Spacer(1, 3),
        typeset.facts(facts),
    ]
    if model.reasons:
        story += [typeset.heading("Why", 3), *typeset.bullets(model.reasons)]
    if model.odds:
        story += [typeset.heading("How often it errs", 3), *(typeset.text(one) for one in model.odds)]
    if model.timeline:
        story.append(typeset.figure(model.timeline, title="Score over time"))
    story += typeset.table(model.people) if model.people else []
    if model.moments:
        story += typeset.gallery(model.moments, "Moments with the highest scores")
    story += [typeset.heading("The detector", 3), typeset.facts(model.card)] if model.card else []
    story += [typeset.heading("To quote", 3), typeset.text(model.sentence, QUOTE)]
    story += [typeset.heading("To repeat the run", 3), typeset.facts(model.custody)]
    return story + ([typeset.heading("Configuration", 3), typeset.facts(model.config)] if model.config else [])


def _origin(origin: Origin, typeset: Typesetter) -> list[Flowable]:
    caution = "Anyone can change what a file says of itself; nothing here is proof by itself."
    story: list[Flowable] = [
        typeset.heading("Provenance: what the file says of itself", 2),
        typeset.text(f"{origin.credentials} {caution}"),
    ]
    for finding in origin.findings:
        story += [
            typeset.heading(finding.title + (" (worth a look)" if finding.notable else ""), 3),
            typeset.text(finding.detail, BODY),
            typeset.named("This tells:", finding.tells),
            typeset.named("This does not tell:", finding.does_not_tell),
        ]
    if origin.fields:
        story += [typeset.heading("Fields as they stand in the file", 3), typeset.facts(origin.fields)]
    return story


def _review(review: ReviewEntry, typeset: Typesetter) -> list[Flowable]:
    replaced = "" if review.current else " (replaced by a later word)"
    tags = f" · {', '.join(review.tags)}" if review.tags else ""
    return [
        typeset.heading(f"{review.reviewer}: {review.verdict}{replaced}", 3),
        typeset.text(f"{review.when} · {review.confidence} confidence{tags}", NOTE),
        *(typeset.named(f"{note.place}:", note.text) for note in review.notes),
    ]
