"""How far a job is, in a count and a sentence."""

from __future__ import annotations

import time
from collections.abc import Callable

from drishtiksha.casefile import JobState, JobView
from drishtiksha.render import words

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


class Clockwork:
    """Turns views of a job into a count and a sentence with the time left."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._phase = ""
        self._started = (0.0, 0)

    def read(self, view: JobView) -> tuple[tuple[int, int] | float, str]:
        """The count for `gr.Progress` (0.0 while the total is unknown) and its description."""
        if view.state is JobState.QUEUED:
            return 0.0, waiting(view)
        if view.phase != self._phase:
            self._phase, self._started = view.phase, (self._now(), view.progress)
        told = phase_words(view)
        if not view.total:
            return 0.0, told if view.estimate_s is None else f"{told}, {time_left(view.estimate_s)}"
        count = (min(view.progress, view.total), view.total)
        if not 0 < view.progress < view.total:
            return count, told
        told = f"{told}, {view.progress} of {view.total}"
        since, first = self._started
        done = view.progress - first
        if done <= 0:
            return count, told
        left = (self._now() - since) / done * (view.total - view.progress)
        return count, f"{told}, {time_left(left)}"


def phase_words(view: JobView) -> str:
    """What a running job does now."""
    if view.kind == "stress" and view.message:
        return f"Stress test: {view.message}"
    return PHASES.get(view.phase) or view.message or "Starting"


def waiting(view: JobView) -> str:
    """What stands before a job that has not begun."""
    ahead = view.position or 0
    if ahead == 0:
        return "Starting"
    told = f"Waiting: {words.counted(ahead, 'analysis goes first', 'analyses go first')}"
    return f"{told}, done in about {words.duration(round(view.estimate_s))}" if view.estimate_s else told


def time_left(seconds: float) -> str:
    """Rounded so that it does not flicker: "about 20 s left"."""
    if seconds < 3:
        return "a few seconds left"
    if seconds < 55:
        return f"about {max(5, round(seconds / 5) * 5)} s left"
    return f"about {max(1, round(seconds / 60))} min left"
