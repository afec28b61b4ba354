"""What a comparison answers, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drishtiksha.casefile import CaseFile, JobState, JobView
from drishtiksha.comparison import Comparison, Row, Segment
from drishtiksha.errors import without_server_paths
from drishtiksha.render import words
from drishtiksha.render.comparison_words import letters
from drishtiksha.results import AnalysisResult, SampleScore
from drishtiksha.ui.shared import human
from drishtiksha.ui.shared.templates import fill


@dataclass(frozen=True)
class TableAnswer:
    """A detector that answered, as its row of the table shows it."""

    letter: str
    row: Row
    result: AnalysisResult
    memory_bytes: int | None
    highest: SampleScore | None
    agreement: str


@dataclass(frozen=True)
class TableGap:
    """What stands in the place of an answer."""

    icon: str
    title: str
    why: str


def empty() -> str:
    """Stands there before the first comparison."""
    return fill("compare/empty.html")


def begun(view: JobView) -> str:
    """Stands there until the first answer has come: what happens, and about how long it takes."""
    time = words.between(*view.estimate_range_s) if view.estimate_range_s else ""
    waiting = view.state is JobState.QUEUED and bool(view.position)
    return fill("compare/begun.html", count=len(view.models), time=time, waiting=waiting)


def consensus(
    found: Comparison, results: Sequence[AnalysisResult], running: bool = False, case: CaseFile | None = None
) -> str:
    """The consensus sentence, below a person's verdict where there is one."""
    return fill(
        "compare/consensus.html",
        human=human.verdict_of_people(case) if case is not None else "",
        running=running,
        sentence=found.said,
        disclaimer=" ".join(words.disclaimers(results)),
    )


def table(
    found: Comparison,
    results: Sequence[AnalysisResult],
    view: JobView,
    memory: Mapping[str, int],
    player_id: str,
) -> str:
    """A row for each asked model: its answer, why it has none, or that it is still to come."""
    by_name = {result.model_name: result for result in results}
    answers = {
        row.model_name: TableAnswer(
            letter=letter,
            row=row,
            result=by_name[row.model_name],
            memory_bytes=memory.get(row.model_name),
            highest=highest([by_name[row.model_name]]),
            agreement="–" if row.agreement is None else agreement(row.agreement),
        )
        for letter, row in zip(letters(len(found.rows)), found.rows, strict=True)
    }
    gaps = {name: _gap(view, name) for name in view.models if name not in answers}
    return fill("compare/table.html", models=view.models, answers=answers, gaps=gaps, player_id=player_id)


def _gap(view: JobView, name: str) -> TableGap:
    if name in view.errors:
        return TableGap("broken", "No result", without_server_paths(view.errors[name]))
    if view.state.ended:
        return TableGap("stop", "Not run", "The comparison ended before its turn.")
    if name == view.model_name and view.state is JobState.RUNNING:
        return TableGap("minus", "At work", _first_look(view))
    return TableGap("minus", "Waiting", "")


def _first_look(view: JobView) -> str:
    """What the quick first pass of the model at work says; "" before it has ended."""
    early = view.preview
    if early is None or early.model_name != view.model_name:
        return ""
    score = "" if early.p_fake is None else f", score {early.p_fake:.2f}"
    return f"Preliminary, of a first look: {early.grade.value}{score}."


def agreement(share: float) -> str:
    """A row's agreement in words."""
    return "none of the others" if share == 0 else "all others" if share == 1 else f"{words.share(share)} of the others"


def highest(results: Sequence[AnalysisResult]) -> SampleScore | None:
    """The highest of all scores that have a time; a picture has none."""
    scores = [score for result in results for score in result.scores]
    timed = [score for score in scores if score.p_fake is not None and score.time_s is not None]
    return max(timed, key=lambda score: score.p_fake or 0.0, default=None)


def segments(found: Sequence[Segment], player_id: str) -> str:
    """Stretches where independent kinds of evidence agree, each a button that loops it."""
    return fill("compare/segments.html", segments=found, player_id=player_id)
