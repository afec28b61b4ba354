"""What happens to a case on each event of the Analyze tab, as plain functions on a `Desk`. No component is known here."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import gradio as gr

from drishtiksha.answer import Glance
from drishtiksha.casefile import JobState, Right, Viewer
from drishtiksha.errors import CaseGoneError, DrishtikshaError, JobGoneError, NotAllowedError
from drishtiksha.services.answers import proven_for
from drishtiksha.services.intake import deleted_on_failure
from drishtiksha.services.workbench import OpenCase
from drishtiksha.ui.analyze import looking, reading, running, view
from drishtiksha.ui.analyze.state import Update
from drishtiksha.ui.shared import choice, deleting, downloads, links, panels, player, shown
from drishtiksha.ui.shared.desk import Desk, discard_upload
from drishtiksha.ui.shared.failure import failure_line, failure_sentence, guarded

log = logging.getLogger(__name__)

STOPPING = gr.update(value="Stopping …", interactive=False)
"""On the button, which the end of the job takes away: words elsewhere might come later than those of the end."""
REFUSED = "This file could not be opened"
GONE = "This is no longer here"


def failed(error: BaseException, title: str = "This could not be examined") -> Update:
    """The failure above everything; what somebody may not do is told on the status line and changes nothing."""
    if isinstance(error, NotAllowedError):
        return {"status": panels.status(str(error))}
    if isinstance(error, CaseGoneError | JobGoneError):
        return closed() | Update(notice=panels.problem(*failure_sentence(error), GONE))
    return Update(
        notice=panels.problem(*failure_sentence(error), title),
        status=panels.status(""),
    )


def refused(error: BaseException) -> Update:
    """A file that was not taken: the page as it was, and why."""
    return Update(notice=panels.problem(*failure_sentence(error), REFUSED))


def take_upload(desk: Desk, upload: str | None, viewer: Viewer) -> Iterator[Update]:
    """Copy and hash an upload at once, delete gradio's copy, show what it is, and examine it."""
    if upload is None:
        return
    path = Path(upload)
    try:
        yield from take(desk, path, viewer)
    finally:
        discard_upload(path, desk.settings.upload_kept_s)


@guarded(refused)
def take(desk: Desk, path: Path, viewer: Viewer) -> Iterator[Update]:
    """The same for a file that stays where it is: every proven detector that fits, the quick ones first."""
    case = desk.take(path, path.name, viewer)
    with deleted_on_failure(case):
        page = page_of(desk, case)
        fit = bool(proven_for(desk.manager, case.media))
        job = desk.workbench.seen_by(viewer).job(case.examine()) if fit else None
    if job is None:
        yield page | reading.told(desk, case, None, _glance(case)) | running.idle(case)
        return
    yield page | reading.told(desk, case, job) | running.begun(case, job)
    yield from guarded(failed)(running.watch)(desk, job.job_id, viewer)


def _glance(case: OpenCase) -> Glance | None:
    """What is seen and heard of a file that no detector looks at; None where that cannot be told."""
    try:
        return case.glance()
    except DrishtikshaError as error:
        log.info("no glance: %s", error)
        return None


@guarded(failed)
def run_again(desk: Desk, case_id: str | None, picks: str | None, viewer: Viewer) -> Iterator[Update]:
    """The chosen detectors, whose results are added to what is known of the case."""
    names = choice.picked(picks)
    if not case_id or not names:
        yield choosable(names)
        return
    yield from running.watch(desk, desk.workbench.seen_by(viewer).open(case_id).submit(names), viewer)


def choosable(names: Sequence[str]) -> Update:
    """Whether these detectors can be run, and what must be done where they cannot."""
    told = "" if names else "Choose at least one detector."
    return Update(again=gr.update(interactive=bool(names)), again_status=panels.status(told))


@guarded(failed)
def also_run(desk: Desk, case_id: str | None, names: Sequence[str], viewer: Viewer) -> Iterator[Update]:
    """Detectors that were left out, which somebody asks for now. Names of others are passed over."""
    if not case_id:
        return
    opened = desk.workbench.seen_by(viewer).open(case_id)
    waiting = [one.model_name for one in opened.answer().left_out if one.model_name in names]
    if waiting:
        yield from running.watch(desk, opened.submit(waiting), viewer)


@guarded(failed)
def examine_track(desk: Desk, case_id: str | None, track: str, viewer: Viewer) -> Iterator[Update]:
    """One track alone, by its number; "": all of them again."""
    if case_id and (not track or track.isdecimal()):
        opened = desk.workbench.seen_by(viewer).open(case_id)
        yield from running.watch(desk, opened.examine(track=int(track) if track else None), viewer)


def page_of(desk: Desk, opened: OpenCase) -> Update:
    """The page with this case on it, without its answer. Raises: CaseGoneError, MediaError."""
    case, media, statuses = opened.read(), opened.media, desk.models()
    copy = shown.display_copy(opened)
    picks = [status.name for status in statuses if status.can_examine(media) and status.config.proven]
    remark = shown.playback_remark(media)
    owner = opened.may(Right.CHANGE)
    return cleared() | Update(
        case=case.case_id,
        example="",
        notice="",
        chooser=gr.update(visible=False),
        desk=gr.update(visible=True),
        player=player.player(media, copy, view.PLAYER_ID),
        facts=panels.evidence(media, [remark] if remark else []),
        provenance=panels.origin(case),
        **looking.offered(media),
        note_box=gr.update(visible=owner),
        note=case.question,
        note_saved="",
        detectors=gr.update(visible=opened.may(Right.RUN)),
        picks=gr.update(value=choice.value_of(picks), markup=choice.checkboxes(statuses, picks, media, able_only=True)),
        **choosable(picks),
        manage=gr.update(visible=True),
        try_it=gr.update(visible=False),
        delete=deleting.button(case.case_id) if owner else "",
    )


@guarded(lambda error: Update(note_saved=panels.status(failure_line(error))))
def keep_note(desk: Desk, case_id: str | None, note: str, viewer: Viewer) -> Update:
    """Keep what somebody wrote for the report."""
    if not case_id:
        return {}
    desk.workbench.seen_by(viewer).open(case_id).set_question(note)
    return Update(note_saved=panels.status("Kept for the report."))


@guarded(failed)
def delete(desk: Desk, case_id: str, viewer: Viewer) -> Update:
    """Hide the case and return to the empty page, with ten seconds to take that back."""
    case = desk.workbench.seen_by(viewer).open(case_id)
    case.delete_soon()
    return closed() | Update(notice=deleting.deleted(case_id, case.media.name))


@guarded(failed)
def undo(desk: Desk, case_id: str, viewer: Viewer) -> Iterator[Update]:
    """Take a deletion back and show the case again."""
    case = desk.workbench.seen_by(viewer).restore(case_id)
    jobs = [job for job in case.jobs() if job.kind == "analyze"]
    yield (
        page_of(desk, case)
        | reading.told(desk, case, jobs[-1] if jobs else None)
        | running.idle(case, jobs[-1] if jobs else None)
    )


@guarded(failed)
def reopen(desk: Desk, job_id: str, viewer: Viewer) -> Iterator[Update]:
    """The page was opened with a job in its URL: its case, and the job as it stands or stood."""
    if not job_id:
        return
    job = desk.workbench.seen_by(viewer).job(job_id)
    opened = desk.workbench.seen_by(viewer).open(job.case_id)
    page = page_of(desk, opened)
    if job.kind == "stress":
        yield page | reading.told(desk, opened, None) | running.idle(opened)
        yield from running.watch_stress(desk, job_id, viewer)
    elif job.state.ended:
        yield page | reading.told(desk, opened, job) | running.idle(opened, job)
    else:
        yield page | reading.told(desk, opened, job) | running.begun(opened, job)
        yield from running.watch(desk, job_id, viewer)


@guarded(failed)
def refresh(desk: Desk, case_id: str | None, job_id: str | None, viewer: Viewer) -> Update:
    """The tab was opened again: people may have judged the case meanwhile, and detectors may have been added."""
    if not case_id:
        return {}
    seen = desk.workbench.seen_by(viewer)
    return reading.told(desk, seen.open(case_id), seen.job(job_id) if job_id else None)


def closed() -> Update:
    """Back to the empty page. The case stays until its time is over, and what runs goes on."""
    return cleared() | Update(
        case="",
        example="",
        notice="",
        chooser=gr.update(visible=True),
        desk=gr.update(visible=False),
        player="",
        facts="",
        provenance="",
        note="",
        note_saved="",
        delete="",
    )


def cleared() -> Update:
    """The page without an answer, and no job in its URL."""
    return Update(
        job="",
        stress_job="",
        link=links.nothing("job"),
        answer="",
        status=panels.status(""),
        human="",
        lines="",
        left_out="",
        tracks="",
        chart="",
        moments="",
        details="",
        keep=gr.update(visible=False),
        reports=downloads.buttons(),
        again_wait=panels.status(""),
        again_status=panels.status(""),
        **looking.nothing(),
        **reading.doubted(None, may_run=False),
        **running.quiet(),
    )


@guarded(failed)
def stop(desk: Desk, job_id: str | None, viewer: Viewer) -> Update:
    """Ask the analysis to stop; whoever watches it writes the answer."""
    if not job_id:
        return {}
    desk.workbench.seen_by(viewer).cancel(job_id)
    return Update(stop=STOPPING)


@guarded(failed)
def stop_stress(desk: Desk, job_id: str | None, viewer: Viewer) -> Update:
    """The same for a stress test."""
    if not job_id:
        return {}
    desk.workbench.seen_by(viewer).cancel(job_id)
    return Update(stress_stop=STOPPING)


@guarded(failed)
def retry(desk: Desk, job_id: str | None, viewer: Viewer) -> Iterator[Update]:
    """Queue a stopped or failed job again, from where it was."""
    if job_id and desk.workbench.seen_by(viewer).job(job_id).state in (JobState.FAILED, JobState.CANCELLED):
        yield from running.watch(desk, desk.workbench.seen_by(viewer).retry(job_id), viewer)


@guarded(lambda error: Update(stress_status=panels.status(failure_line(error))))
def stress(desk: Desk, case_id: str | None, viewer: Viewer) -> Iterator[Update]:
    """Queue a stress test of the detector that decides the answer, and watch it."""
    if not case_id:
        return
    opened = desk.workbench.seen_by(viewer).open(case_id)
    model = reading.deciding(opened.answer())
    if model is None:
        raise DrishtikshaError("No detector decided this answer, so that there is nothing to test.")
    yield from running.watch_stress(desk, opened.submit([model], kind="stress"), viewer)
