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
    left = "" if view.estimate_s is None or view.state is JobState.QUEUED else time_left(view.estimate_s)
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
    return f"{view.model_name}: {told[0].lower()}{told[1:]}" if view.model_name else told


def time_left(seconds: float) -> str:
    """Rounded so that it does not flicker: "about 20 s left"."""
    if seconds < 3:
        return "a few seconds left"
    if seconds < 55:
        return f"about {max(5, round(seconds / 5) * 5)} s left"
    return f"about {max(1, round(seconds / 60))} min left"


def _waiting(view: JobView) -> str:
    """What stands before a job that has not begun."""
    ahead = view.position or 0
    if ahead == 0:
        return "Starting"
    told = f"Waiting: {words.counted(ahead, 'analysis goes first', 'analyses go first')}"
    return f"{told}, done in about {words.duration(round(view.estimate_s))}" if view.estimate_s else told
