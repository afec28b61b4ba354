"""The answer of a case, and all that the page shows of it."""

from __future__ import annotations

import gradio as gr

from drishtiksha.answer import Answer, Glance, State
from drishtiksha.answer.doubts import Doubt, suspected
from drishtiksha.answer.objects import rank
from drishtiksha.casefile import CaseFile, JobView, Right
from drishtiksha.render.findings import findings
from drishtiksha.results import AnalysisResult
from drishtiksha.services.doubting import doubt_about
from drishtiksha.services.workbench import OpenCase
from drishtiksha.ui.analyze import view
from drishtiksha.ui.analyze.state import Update
from drishtiksha.ui.shared import human, shown
from drishtiksha.ui.shared.desk import Desk


def told(desk: Desk, opened: OpenCase, job: JobView | None, glance: Glance | None = None) -> Update:
    """Everything that is known of a case by now. job: the analysis that the page is about; None: none was needed.

    Raises: CaseGoneError.
    """
    case = opened.read()
    answer = opened.answer(case=case, glance=glance)
    may_add, may_run = desk.settings.manage_models, opened.may(Right.RUN)
    update = written(case, answer, job.job_id if job else "", may_add=may_add)
    decider = deciding(answer)
    tested = next((one for one in case.stress if one.model_name == decider), None)
    return (
        update
        | doubts(opened, case, answer)
        | Update(
            human=human.verdict_of_people(case),
            left_out=view.left_out(answer, recommended(desk), may_run=may_run),
            tracks=view.tracks(case.media, job.track if job else None, may_run=may_run, ready=answer.complete),
            moments=moments(opened, case, answer) if answer.complete else "",
            stress_box=gr.update(visible=answer.complete and bool(decider) and (may_run or tested is not None)),
            stress=view.stress_test(tested) if tested else "",
        )
    )


def written(case: CaseFile, answer: Answer, job_id: str, *, may_add: bool) -> Update:
    """What is written and drawn of an answer, from the case alone. may_add: detectors are added on the page."""
    return Update(
        answer=view.head(answer, overruled=case.human_verdict is not None),
        lines=view.lines(answer, job_id, case.case_id, may_add=may_add),
        chart=view.timeline(case.results, answer),
        details=view.details(case.results),
    )


def recommended(desk: Desk) -> list[str]:
    """The names of the recommended detectors."""
    return [name for name, config in desk.manager.model_configs.items() if config.recommended]


def doubts(opened: OpenCase, case: CaseFile, answer: Answer) -> Update:
    """Why it may be a false alarm, where detectors found signs."""
    found = None
    if answer.complete and suspected(answer) is not None:
        found = doubt_about(case, answer, opened)
    return doubted(found, may_run=opened.may(Right.RUN))


def doubted(found: Doubt | None, *, may_run: bool) -> Update:
    """The same, once it is known. None: nothing is shown."""
    return Update(
        doubt_box=gr.update(visible=found is not None),
        doubt=view.doubt(found, may_run=may_run) if found is not None else "",
    )


def deciding(answer: Answer) -> str | None:
    """The detector that decides the strongest line of those that detectors judged; None where none could judge anything."""
    judged = [one for one in answer.lines if one.detectors and one.state is not State.NOTHING_TO_JUDGE]
    line = max(judged, key=lambda one: rank(one.state, one.grade), default=None)
    return next((one.model_name for one in line.detectors if one.decides), None) if line is not None else None


def moments(opened: OpenCase, case: CaseFile, answer: Answer) -> str:
    """Pictures of what the suspicious lines rest on, each with a button to its moment; "" where nothing is suspicious."""
    if not answer.heatmaps:
        return ""
    decide = {
        one.model_name for line in answer.lines if line.state is State.SIGNS for one in line.detectors if one.decides
    }
    shelves = [_shots(opened, result) for result in case.results if result.model_name in decide]
    return "".join(view.moments(*shelf) for shelf in shelves)


def _shots(opened: OpenCase, result: AnalysisResult) -> tuple[AnalysisResult, list[view.Shot]]:
    stem = f"{result.model_name}-{''.join(filter(str.isalnum, result.provenance.started_utc))}"
    pictures = shown.gallery(opened, result, stem)
    times = [finding.score.time_s for finding in findings(result)]
    return result, [view.Shot(path, title, at) for (path, title), at in zip(pictures, times, strict=False)]
