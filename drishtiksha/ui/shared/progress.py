"""How far a job is: a bar over all its detectors, what is done now, and about how long it still takes."""

from __future__ import annotations

from drishtiksha.casefile import JobState, JobView
from drishtiksha.render import words
from drishtiksha.ui.shared.templates import fill

PHASES = {
    "wait": "Waiting for another analysis",
    "load": "Loading the detector",
    "decode": "Reading the file",
    "faces": "Finding faces",
    "score": "Scoring",
    "explain": "Preparing heatmaps",
    "stress": "Changing the file and scoring it again",
    "done": "Finishing",
}


def board(view: JobView) -> str:
    """A running job as HTML."""
    count = len(view.models)
    done = len(view.results) + len(view.errors)
    part = min(view.progress / view.total, 1.0) if view.total else 0.0
    percent = 100 * min((done + part * (done < count)) / count, 1.0)
    left = "" if view.state is JobState.QUEUED else time_left(view.estimate_range_s)
    return fill("shared/progress.html", doing=doing(view), done=done, count=count, percent=percent, left=left)


def doing(view: JobView) -> str:
    """One line on what a job does now."""
    if view.state is JobState.QUEUED:
        return _waiting(view)
    if view.kind == "stress" and view.message:
        return f"Stress test: {view.message}"
    told = PHASES.get(view.phase) or view.message or "Starting"
    if view.total and 0 < view.progress < view.total:
        told = f"{told}, {view.progress} of {view.total}"
    who = view.model_name if view.track is None else f"{view.model_name}, track {view.track}"
    return f"{who}: {told[0].lower()}{told[1:]}" if view.model_name else told


def time_left(seconds: tuple[float, float] | None) -> str:
    """ "20 to 40 s left"; "" where nothing is known."""
    return "" if seconds is None else f"{words.between(*seconds)} left"


def _waiting(view: JobView) -> str:
    """What stands before a job that has not begun."""
    ahead = view.position or 0
    if ahead == 0:
        return "Starting"
    told = f"Waiting: {words.counted(ahead, 'analysis goes first', 'analyses go first')}"
    return f"{told}, {time_left(view.estimate_range_s)}" if view.estimate_range_s else told
