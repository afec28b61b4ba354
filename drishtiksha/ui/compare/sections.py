"""What a comparison answers, as HTML. Everything that comes from a file or a message is escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from drishtiksha.casefile import CaseFile, JobState, JobView
from drishtiksha.comparison import Comparison, Row, Segment
from drishtiksha.errors import without_server_paths
from drishtiksha.render import words
from drishtiksha.render.comparison_words import letters
from drishtiksha.results import DISCLAIMER, AnalysisResult, SampleScore
from drishtiksha.ui.shared import human
from drishtiksha.ui.shared.icons import icon

EMPTY = (
    f'<div class="dk-empty">{icon("eye")}<p>The detectors stand side by side here: what each of them says, where they '
    "agree, and where they do not.</p><ol><li>Choose a file or an example.</li><li>Choose two or more detectors, best of "
    "different kinds of trace.</li><li>Read the plan and press <b>Compare</b>.</li></ol></div>"
)
COLUMNS = ("Detector", "Verdict", "Score", "Coverage", "Time", "Memory", "Agreement")


def progress(view: JobView) -> str:
    """How far a running job is: a bar over all its models, and what is done now."""
    count = len(view.models)
    done = len(view.results) + len(view.errors)
    part = min(view.progress / view.total, 1.0) if view.total else 0.0
    percent = 100 * min((done + part * (done < count)) / count, 1.0)
    left = f", about {words.duration(view.estimate_s)} left" if view.estimate_s else ""
    what = f"{done} of {count} detectors done{left}"
    return (
        f'<div class="dk-progress"><p>{escape(doing(view))} <span class="dk-hint">{escape(what)}</span></p>'
        f'<div role="progressbar" aria-label="Comparison" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{percent:.0f}"><i style="width:{percent:.1f}%"></i></div></div>'
    )


def doing(view: JobView) -> str:
    """One line on what a job does now."""
    if view.state is JobState.QUEUED:
        ahead = view.position or 0
        return f"Waiting: {words.counted(ahead, 'job')} first." if ahead else "Waiting for its turn."
    return view.message or (f"{view.model_name} is at work." if view.model_name else "Starting.")


def consensus(
    found: Comparison, results: Sequence[AnalysisResult], running: bool = False, case: CaseFile | None = None
) -> str:
    """The consensus sentence, below a person's verdict where there is one."""
    early = '<p class="dk-early"><b>Preliminary</b> Not all detectors have answered yet.</p>' if running else ""
    above = human.markup(case) if case is not None else ""
    below = DISCLAIMER if not any(result.grade in words.MANIPULATED for result in results) else words.INDICATION
    title = "The detectors say" if above else "Taken together"
    told = " ".join(found.sentence.replace(below, "").split())  # it stands below, where it is seen
    return (
        f'{above}<section class="dk-verdict dk-consensus" aria-label="Taken together">{early}<h2>{title}</h2>'
        f'<p class="dk-reason">{escape(told)}</p><p class="dk-disclaimer">{escape(below)}</p></section>'
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
    rows = {row.model_name: row for row in found.rows}
    named = dict(zip(rows, letters(len(rows)), strict=True))
    body = ""
    for name in view.models:
        if name in rows:
            body += _row(named[name], rows[name], by_name[name], memory.get(name), player_id)
        elif name in view.errors:
            body += _no_answer(name, "broken", "No result", without_server_paths(view.errors[name]))
        elif view.state.ended:
            body += _no_answer(name, "stop", "Not run", "The comparison ended before its turn.")
        else:
            at_work = name == view.model_name and view.state is JobState.RUNNING
            body += _no_answer(name, "minus", "At work" if at_work else "Waiting", _first_look(view) if at_work else "")
    head = "".join(f'<th role="columnheader" scope="col">{column}</th>' for column in COLUMNS)
    return (
        '<section class="dk-box dk-table" aria-label="Detector by detector"><h3>Detector by detector</h3>'
        f'<table role="table"><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table></section>'
    )


def _first_look(view: JobView) -> str:
    """What the quick first pass of the model at work says; "" before it has ended."""
    early = view.preview
    if early is None or early.model_name != view.model_name:
        return ""
    score = "" if early.p_fake is None else f", score {early.p_fake:.2f}"
    return f"Preliminary, of a first look: {early.grade.value}{score}."


def _row(letter: str, row: Row, result: AnalysisResult, memory: int | None, player_id: str) -> str:
    look = words.GRADE_LOOKS[row.grade]
    score = "–" if row.p_fake is None else f"{row.p_fake:.2f}"
    grade = f'<span class="dk-row-grade dk-tone-{look.tone}">{icon(look.icon)}<span>{escape(look.title)}</span></span>'
    chip = (
        "" if row.counted else f' <span class="dk-chip">{"Experimental" if result.experimental else "Retired"}</span>'
    )
    cells = (
        ("Verdict", grade),
        ("Score", f"<b>{score}</b>"),
        ("Coverage", words.share(row.coverage)),
        ("Time", words.duration(row.seconds)),
        ("Memory", words.size(memory) if memory else "not known"),
        ("Agreement", "–" if row.agreement is None else escape(agreement(row.agreement))),
    )
    return (
        f'<tr role="row"><th role="rowheader" scope="row"><b><span class="dk-letter">{letter}</span> '
        f"{escape(row.model_name)}</b>{chip}"
        f"<small>{escape(row.evidence.value)}</small>{_go(result, player_id)}</th>"
        + "".join(f'<td role="cell" data-label="{name}">{cell}</td>' for name, cell in cells)
        + "</tr>"
    )


def agreement(share: float) -> str:
    """A row's agreement in words."""
    return "none of the others" if share == 0 else "all others" if share == 1 else f"{words.share(share)} of the others"


def highest(results: Sequence[AnalysisResult]) -> SampleScore | None:
    """The highest of all scores that have a time; a picture has none."""
    scores = [score for result in results for score in result.scores]
    timed = [score for score in scores if score.p_fake is not None and score.time_s is not None]
    return max(timed, key=lambda score: score.p_fake or 0.0, default=None)


def _go(result: AnalysisResult, player_id: str) -> str:
    """A button to the moment of the highest score; nothing for a picture."""
    best = highest([result])
    if best is None:
        return ""
    return (
        f'<button type="button" class="dk-go" data-player="{player_id}" data-start="{best.time_s:.3f}" data-end="0" '
        f'aria-label="Go to the highest score of {escape(result.model_name)}, {words.place(best)}">'
        f"Highest {best.p_fake:.2f} at {words.fine_clock(best.time_s or 0.0)}</button>"
    )


def _no_answer(name: str, sign: str, title: str, why: str) -> str:
    return (
        f'<tr role="row"><th role="rowheader" scope="row"><b>{escape(name)}</b></th>'
        f'<td role="cell" colspan="{len(COLUMNS) - 1}" class="dk-wide-cell"><span class="dk-row-grade dk-tone-grey">'
        f"{icon(sign)}<span>{title}</span></span>{f'<p>{escape(why)}</p>' if why else ''}</td></tr>"
    )


def segments(found: Sequence[Segment], player_id: str) -> str:
    """Stretches where independent kinds of evidence agree, each a button that loops it."""
    if not found:
        return (
            '<section class="dk-box"><h3>Where independent evidence agrees</h3><p class="dk-hint">There is no stretch '
            "where two or more independent kinds of evidence speak for manipulation.</p></section>"
        )
    buttons = "".join(_segment(number, segment, player_id) for number, segment in enumerate(found, start=1))
    return (
        '<section class="dk-box" aria-label="Where independent evidence agrees"><h3>Where independent evidence agrees</h3>'
        '<p class="dk-hint">Choose a stretch: the player goes there and repeats it until you choose it again, press Esc, '
        f'or press “Stop looping”.</p><ul class="dk-segments">{buttons}</ul></section>'
    )


def _segment(number: int, segment: Segment, player_id: str) -> str:
    span = f"{words.fine_clock(segment.start_s)}–{words.fine_clock(segment.end_s)}"
    kinds = ", ".join(kind.value for kind in segment.kinds)
    return (
        f'<li><button type="button" aria-pressed="false" data-loop data-player="{player_id}" '
        f'data-start="{segment.start_s:.3f}" data-end="{segment.end_s:.3f}"><i aria-hidden="true">{number}</i><b>{span}</b><span>{escape(kinds)}'
        f"<small>{escape(', '.join(segment.models))}</small></span></button></li>"
    )
