"""What happens in the Review tab on each event, as plain functions on a `Desk`. No component is known here.

Each answers a dict of output name -> new value; the tab maps names to its components.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import gradio as gr

from drishtiksha.casefile import CaseFile, Right, Viewer
from drishtiksha.comparison import compare
from drishtiksha.errors import CaseGoneError
from drishtiksha.render import words
from drishtiksha.results import AnalysisResult, Prediction
from drishtiksha.services.reviews import stats
from drishtiksha.services.reviews_exchange import ALL_CASES, Format, export_reviews, import_reviews
from drishtiksha.ui.review import form, player, sections
from drishtiksha.ui.review.queue import Filter, case_list
from drishtiksha.ui.review.state import Update
from drishtiksha.ui.shared import chart, deleting, human, panels, shown
from drishtiksha.ui.shared.desk import Desk, discard_upload
from drishtiksha.ui.shared.failure import failure_line, guarded


def closed() -> Update:
    """No case open."""
    return {
        "case": "",
        "delete": "",
        "player": sections.empty(),
        "form": "",
        "human": "",
        "machines": "",
        "origin": "",
        "history": "",
        "chart": "",
        "findings": "",
    }


def failed(
    place: Literal["status", "moved"] = "status", also: Callable[[], Update] = Update
) -> Callable[[Exception], Update]:
    """A sentence in that place, beside what else is then to be shown; what is written in the form stays."""

    def shown(error: Exception) -> Update:
        told = _told(error)
        return also() | (Update(status=told) if place == "status" else Update(moved=told))

    return shown


@guarded(failed())
def refresh(desk: Desk, case_id: str | None, filters: str | None, viewer: Viewer) -> Update:
    """The queue as it stands now, with the open case marked."""
    return {"queue": case_list(Filter.of(filters).find(desk.workbench, viewer), case_id or "")}


@guarded(failed())
def numbers(desk: Desk, viewer: Viewer) -> Update:
    """Agreement and records over all cases that the viewer may see."""
    found = stats(desk.workbench.seen_by(viewer).cases(limit=ALL_CASES))
    some = gr.update(interactive=found.reviewed > 0)
    return {"stats": sections.statistics(found), "csv": some, "jsonl": some}


@guarded(failed(also=closed))
def open_case(desk: Desk, case_id: str | None, viewer: Viewer) -> Update:
    """What is there at once: player, form, words of people and machines. Pictures follow by `pictures`."""
    opened = desk.workbench.seen_by(viewer).open(case_id or "")
    case = opened.read()
    copy = shown.display_copy(opened)
    times = player.times_of(opened)
    return opinions(case) | {
        "case": case.case_id,
        "player": sections.case_title(case) + player.stage(case.media, copy, times, player.flagged(case.results)),
        "form": form.verdict_form(case, viewer),
        "origin": sections.origin(case, panels.origin(case)),
        "chart": "",
        "findings": "",
        "status": "",
        "deleted": "",
        "delete": deleting.button(case.case_id) if opened.may(Right.CHANGE) else "",
    }


def opinions(case: CaseFile) -> Update:
    """What people and detectors say of a case."""
    return {
        "human": human.verdict_of_people(case),
        "machines": sections.answers(case),
        "history": sections.history(case),
    }


@guarded(failed(also=lambda: {"chart": "", "findings": ""}))
def pictures(desk: Desk, case_id: str | None, viewer: Viewer) -> Update:
    """The chart of scores, and the moments that led to the answers that suspect something."""
    if not case_id:
        return {}
    case = desk.workbench.seen_by(viewer).open(case_id).read()
    if not case.results:
        return {"chart": "", "findings": ""}
    found = compare(case.results)
    return {
        "chart": chart.chart(case.results, player.PLAYER_ID, found.strip, found.segments),
        "findings": "".join(_findings(desk, case, result, viewer) for result in telling(case)),
    }


def telling(case: CaseFile) -> list[AnalysisResult]:
    """The answers whose pictures an examiner should see: those that suspect manipulation, else that of the highest score."""
    suspicious = [result for result in case.results if result.prediction is Prediction.FAKE]
    return suspicious or sorted(case.results, key=lambda result: result.p_fake or 0.0)[-1:]


def _findings(desk: Desk, case: CaseFile, result: AnalysisResult, viewer: Viewer) -> str:
    opened = desk.workbench.seen_by(viewer).open(case.case_id)
    stem = f"review-{result.model_name}-{''.join(filter(str.isalnum, result.provenance.started_utc))}"
    shots = shown.gallery(opened, result, stem)
    return sections.telling_pictures(shots, result, shown.gallery_caption(result))


@guarded(failed())
def save(desk: Desk, case_id: str | None, sent: str, filters: str | None, viewer: Viewer) -> Update:
    """Add a review. The form is emptied only when it was kept."""
    try:
        opened = desk.workbench.seen_by(viewer).open(case_id or "")
        review = form.read(sent, opened.read(), viewer)
        opened.add_review(review.reviewer, review.verdict, review.confidence, review.notes, review.tags)
        case = opened.read()
        told = f"Saved as {review.reviewer}, {words.moment(case.reviews[-1].made_utc)}."
        return (
            opinions(case)
            | {"form": form.verdict_form(case, viewer, told), "status": ""}
            | refresh(desk, case.case_id, filters, viewer)
            | numbers(desk, viewer)
        )
    except CaseGoneError as error:
        return closed() | refresh(desk, "", filters, viewer) | {"status": _told(error)}


@guarded(failed())
def delete(desk: Desk, case_id: str, filters: str | None, viewer: Viewer) -> Update:
    """Hide a case, with ten seconds to take that back."""
    case = desk.workbench.seen_by(viewer).open(case_id)
    case.delete_soon()
    told = Update(deleted=deleting.deleted(case_id, case.media.name), status="")
    return closed() | refresh(desk, "", filters, viewer) | told


@guarded(failed())
def undo(desk: Desk, case_id: str, filters: str | None, viewer: Viewer) -> Update:
    """Take a deletion back and open the case again."""
    desk.workbench.seen_by(viewer).restore(case_id)
    return open_case(desk, case_id, viewer) | refresh(desk, case_id, filters, viewer)


@guarded(failed("moved"))
def export(desk: Desk, file_type: str, viewer: Viewer) -> Update:
    """All reviews that the viewer may see, as a link that the page follows."""
    kind: Format = "jsonl" if file_type == "jsonl" else "csv"
    cases = desk.workbench.seen_by(viewer).cases(reviewed=True, limit=ALL_CASES)
    data = export_reviews(cases, kind)
    count = words.counted(sum(len(case.reviews) for case in cases), "review")
    return {"moved": sections.download_link(data, f"drishtiksha-reviews.{kind}", f"{count}, saved as")}


@guarded(failed("moved"))
def take_in(desk: Desk, upload: str | None, case_id: str | None, filters: str | None, viewer: Viewer) -> Update:
    """Add the reviews of a file; gradio's copy of it is deleted."""
    if upload is None:
        return {}
    path = Path(upload)
    try:
        done = import_reviews(desk.workbench, path, viewer)
        told = f"{path.name}: {words.counted(done.added, 'review')} added, {done.known} here already."
        update: Update = {"moved": sections.notice(told)}
        if case_id:
            update |= opinions(desk.workbench.seen_by(viewer).open(case_id).read())
        return update | refresh(desk, case_id, filters, viewer) | numbers(desk, viewer)
    finally:
        discard_upload(path, desk.settings.upload_kept_s)


def _told(error: BaseException) -> str:
    return sections.notice(failure_line(error), problem=True)
