"""Running and watching a comparison, as plain functions on a `Desk`. The job lives in the store; a page only watches it.

Each answers dicts of output name -> new value; the tab maps names to its components.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import gradio as gr
from markupsafe import escape

from drishtiksha.casefile import CaseFile, JobState, JobView, Right, Viewer
from drishtiksha.comparison import compare, contrast
from drishtiksha.errors import DrishtikshaError, JobGoneError
from drishtiksha.people import numbered
from drishtiksha.render import words
from drishtiksha.render.same_moment import moments
from drishtiksha.results import AnalysisResult, MediaInfo, MediaKind
from drishtiksha.ui.compare import pair, sections
from drishtiksha.ui.compare.handlers import PLAYERS, Setup, Side, cleared, failed, refresh, show_file
from drishtiksha.ui.compare.setup import code_of, jobs_of
from drishtiksha.ui.compare.state import Update
from drishtiksha.ui.shared import chart, downloads, links, panels, progress, watching
from drishtiksha.ui.shared.desk import Desk
from drishtiksha.ui.shared.failure import failure_sentence, guarded

PAIR = (PLAYERS["a"], PLAYERS["b"])


def _not_here(error: Exception) -> Update:
    return failed(error, "This comparison is not here") if isinstance(error, DrishtikshaError) else failed(error)


def _no_pictures(error: Exception) -> Update:
    return {"seen": panels.problem(*failure_sentence(error), "These pictures could not be made")}


@guarded(failed)
def start(desk: Desk, setup: Setup, viewer: Viewer) -> Iterator[Update]:
    """Queue the comparison and follow it. Failures become panels."""
    if setup.lacking:
        yield cleared() | {"board": panels.problem(setup.lacking, title="Nothing to compare yet")}
        return
    models = setup.picks[:1] if setup.mode == "files" else setup.picks
    jobs: list[str] = []
    try:
        for case_id in setup.cases:
            jobs.append(desk.workbench.seen_by(viewer).open(case_id).submit(models))
    except DrishtikshaError:
        for job in jobs:
            desk.workbench.seen_by(viewer).cancel(job)
        raise
    code = code_of(tuple(jobs))
    yield cleared() | {"code": code, "link": links.comparison(code)} | _buttons([], may_change=True)
    yield from follow(desk, code, viewer)


@guarded(_not_here)
def reopen(desk: Desk, code: str | None, viewer: Viewer) -> Iterator[Update]:
    """A page that was opened with a comparison in its address: show its files and follow it."""
    jobs = jobs_of(code)
    if not code:
        return
    if not jobs:
        raise JobGoneError("The address of this page names no comparison. Choose a file to start one.")
    views = [desk.workbench.seen_by(viewer).job(job) for job in jobs]
    cases = [desk.workbench.seen_by(viewer).open(view.case_id) for view in views]
    shown: Update = {"code": code, "link": links.comparison(code)}
    if not all(view.state.ended for view in views):
        shown["board"] = sections.begun(views[0])
    sides: tuple[Side, ...] = ("a", "b")
    for side, case in zip(sides[: len(cases)], cases, strict=True):
        shown |= show_file(side, case)
    ids = [case.case_id for case in cases]
    mode = "files" if len(ids) == 2 else "models"
    setup = Setup.of(ids[0], ids[1] if len(ids) == 2 else "", mode, "\n".join(views[0].models))
    yield shown | {"mode": mode} | refresh(desk, setup, viewer)
    yield from follow(desk, code, viewer)


@guarded(failed)
def again(desk: Desk, code: str | None, viewer: Viewer) -> Iterator[Update]:
    """Go on with a stopped or failed comparison, from its last finished chunk."""
    for job in jobs_of(code):
        if desk.workbench.seen_by(viewer).job(job).state in (JobState.FAILED, JobState.CANCELLED):
            desk.workbench.seen_by(viewer).retry(job)
    yield from follow(desk, code, viewer)


@guarded(failed)
def stop(desk: Desk, code: str | None, viewer: Viewer) -> Update:
    """Ask the jobs to stop; what follows them writes the answer."""
    for job in jobs_of(code):
        desk.workbench.seen_by(viewer).cancel(job)
    return {"stop": gr.update(value="Stopping …", interactive=False)}  # the end of the jobs takes the button away


def follow(desk: Desk, code: str | None, viewer: Viewer) -> Iterator[Update]:
    """Watch the jobs until they have ended. Parts are sent when results come in, progress in between.

    Raises: JobGoneError, CaseGoneError.
    """
    views: Sequence[JobView] = ()
    seen = desk.workbench.seen_by(viewer)
    may_change = all(seen.open(seen.job(job).case_id).may(Right.CHANGE) for job in jobs_of(code))
    for step in watching.follow(desk, jobs_of(code), viewer):
        views, update = step.views, Update()
        if step.answered:
            told = Update(spoken=escape(_spoken(views)))
            update = parts(desk, views, viewer) | _buttons(views, may_change=may_change) | told
        elif len(views) == 1 and step.moved:
            update = Update(table=_table(desk, views[0], viewer))
        if not step.ended:
            at_work = next(view for view in views if not view.state.ended)
            update["status"] = progress.board(at_work)
        if update:
            yield update
    buttons = _buttons(views, may_change=may_change)
    yield Update(status=panels.status(_ending(views))) | buttons | _seen(desk, views, None, viewer)


def parts(desk: Desk, views: Sequence[JobView], viewer: Viewer) -> Update:
    """Everything that is known by now. Raises: CaseGoneError."""
    case = desk.workbench.seen_by(viewer).open(views[0].case_id).read()
    if len(views) == 2:
        return _pair(desk, views, case, viewer)
    (view,) = views
    results = numbered(view.results)
    if not results and not view.state.ended:
        return {"board": sections.begun(view), "table": _table(desk, view, viewer)}
    found = compare(results)
    timed = case.media.kind is not MediaKind.IMAGE and results
    return {
        "board": sections.consensus(found, results, not view.state.ended, case),
        "table": _table(desk, view, viewer),
        "chart": chart.chart(results, PLAYERS["a"], found.strip, found.segments),
        "segments": sections.segments(found.segments, PLAYERS["a"]) if timed else "",
    }


def _table(desk: Desk, view: JobView, viewer: Viewer) -> str:
    plan = desk.workbench.seen_by(viewer).open(view.case_id).plan(view.models) if view.results else None
    memory = {model.model_name: model.memory_bytes for model in plan.models} if plan is not None else {}
    return sections.table(compare(view.results), view.results, view, memory, PLAYERS["a"])


@guarded(_no_pictures)
def look(desk: Desk, code: str | None, time_s: float, viewer: Viewer) -> Update:
    """The same moment as each detector saw it."""
    views = [desk.workbench.seen_by(viewer).job(job) for job in jobs_of(code)]
    return _seen(desk, views, time_s, viewer) if views else {}


def _pair(desk: Desk, views: Sequence[JobView], case: CaseFile, viewer: Viewer) -> Update:
    cases = [case, desk.workbench.seen_by(viewer).open(views[1].case_id).read()]
    media = [one.media for one in cases]
    answers = [view.results[0] if view.results else None for view in views]
    known = [answer for answer in answers if answer is not None]
    called = [name for name, answer in zip(pair.file_names(media), answers, strict=True) if answer is not None]
    return {
        "board": pair.difference(answers),
        "table": pair.cards(views, cases, PAIR),
        "chart": chart.chart(known, " ".join(PAIR), names=called) if known else "",
        "segments": "",
    }


def _seen(desk: Desk, views: Sequence[JobView], time_s: float | None, viewer: Viewer) -> Update:
    """Of a comparison of models: the moment, by default that which most of them have a heatmap of; of two files: the
    highest-scoring moment of each."""
    if len(views) == 2:
        return {"seen": _seen_of_pair(desk, views, viewer)}
    results = numbered(views[0].results)
    if not results:
        return {"seen": ""}
    opened = desk.workbench.seen_by(viewer).open(views[0].case_id)
    buttons, title = "", "What each detector saw"
    if opened.media.kind is not MediaKind.IMAGE:
        offered = moments(results)
        if time_s is None:
            best = max(offered, key=lambda one: (len(one.models), one.p_fake), default=None)
            time_s = best.time_s if best is not None else _highest_s(results)
        buttons = chart.moments(offered, PLAYERS["a"], time_s)
        title += f" at {words.fine_clock(time_s)}"
    seen = chart.seen_at(opened, results, time_s)
    return {"seen": chart.side_by_side(seen, title, buttons, time_s=time_s)}


def _seen_of_pair(desk: Desk, views: Sequence[JobView], viewer: Viewer) -> str:
    if not all(view.results for view in views):
        return ""
    seen: list[chart.Seen] = []
    media: list[MediaInfo] = []
    for view in views:
        opened = desk.workbench.seen_by(viewer).open(view.case_id)
        time_s = None if opened.media.kind is MediaKind.IMAGE else _highest_s(view.results)
        media.append(opened.media)
        seen += chart.seen_at(opened, view.results[:1], time_s)
    return chart.side_by_side(seen, "The highest-scoring moment of each file", names=pair.file_names(media))


def _highest_s(results: Sequence[AnalysisResult]) -> float:
    """When the score was highest; the beginning where there is none."""
    best = sections.highest(results)
    return best.time_s or 0.0 if best is not None else 0.0


def _buttons(views: Sequence[JobView], *, may_change: bool) -> Update:
    """`views` empty: the comparison has just been queued. may_change: the viewer may stop it and go on with it."""
    ended = bool(views) and all(view.state.ended for view in views)
    broken = ended and any(view.state is not JobState.DONE for view in views)
    answered = ended and any(view.results for view in views)
    pair = len(views) == 2
    return {
        "run": gr.update(visible=ended),
        "stop": gr.update(visible=may_change and not ended, value="Stop", interactive=True),
        "retry": gr.update(visible=may_change and broken),
        "report": gr.update(visible=answered),
        "reports_a": downloads.buttons(of="A" if pair else ""),
        "reports_b": {**gr.update(visible=pair), "value": downloads.buttons(of="B")},
    }


def _spoken(views: Sequence[JobView]) -> str:
    """What a screen reader is told when an answer has come."""
    answers = [result for view in views for result in view.results]
    if not answers:
        return "The comparison has begun."
    asked = sum(len(view.models) for view in views)
    newest = f"{answers[-1].model_name}: {answers[-1].grade.value}."
    if all(view.state.ended for view in views):
        return f"{newest} {_ending(views)} {compare(answers).sentence if len(views) == 1 else _contrast(answers)}"
    return f"{newest} {len(answers)} of {asked} answers are there."


def _contrast(answers: Sequence[AnalysisResult]) -> str:
    """The difference of two files; nothing while one is missing."""
    return contrast(answers[0], answers[1]) if len(answers) == 2 else ""


def _ending(views: Sequence[JobView]) -> str:
    states = {view.state for view in views}
    if JobState.CANCELLED in states:
        return "Stopped. What was finished is kept; “Go on” continues from there."
    if JobState.FAILED in states:
        return "Not all detectors could answer: the reasons stand in the table."
    return "Done."
