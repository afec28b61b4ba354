"""Runs an analysis in a worker thread and hands its progress to the caller's thread.

`gr.Progress` reports nothing when it is called from a worker thread, so the handler itself must make the calls.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from drishtiksha.events import CancelToken, ProgressEvent, Reporter
from drishtiksha.results import AnalysisResult

TICK_S = 0.2
"""How long the caller waits for news before it is given a heartbeat."""

GRACE_S = 0.4

PHASES = {
    "wait": "Waiting for another analysis",
    "load": "Loading the detector",
    "decode": "Reading the file",
    "faces": "Finding faces",
    "score": "Scoring",
    "explain": "Preparing heatmaps",
    "done": "Finishing",
}


@dataclass(frozen=True)
class Heartbeat:
    """Nothing new; the caller may yield, so that a closed tab is noticed."""


Work = Callable[[Reporter], AnalysisResult]
News = ProgressEvent | Heartbeat | AnalysisResult


def watch(work: Work, cancel: CancelToken) -> Iterator[News]:
    """Run `work(reporter)` in a thread; yield progress (only the newest, but every preview) and last the result.

    When the caller closes this generator (the tab was closed), the work is cancelled. Work that does not stop within
    `GRACE_S` of a cancel (it may be loading a network) is left to end by itself, and its answer is dropped.
    Raises: whatever `work` raises; AnalysisCancelledError.
    """
    news: queue.SimpleQueue[ProgressEvent] = queue.SimpleQueue()
    answer: list[AnalysisResult] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            answer.append(work(lambda event: news.put(event)))
        except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=run, name="analysis", daemon=True)
    thread.start()
    asked_at: float | None = None
    try:
        while thread.is_alive():
            yield from _newest(news)
            thread.join(0.01)
            if cancel.cancelled:
                asked_at = asked_at or time.monotonic()
                if time.monotonic() - asked_at > GRACE_S:
                    cancel.check()
        yield from _drain(news)
    finally:
        cancel.cancel()
    if failure:
        raise failure[0]
    yield answer[0]


def _newest(news: queue.SimpleQueue[ProgressEvent]) -> Iterator[News]:
    try:
        latest = news.get(timeout=TICK_S)
    except queue.Empty:
        yield Heartbeat()
        return
    while not news.empty():
        if latest.preview is not None:
            yield latest
        latest = news.get()
    yield latest


def _drain(news: queue.SimpleQueue[ProgressEvent]) -> Iterator[News]:
    while not news.empty():
        yield news.get()


class Clockwork:
    """Turns progress events into a count and a sentence with the time left of the phase."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._phase = ""
        self._started = 0.0

    def read(self, event: ProgressEvent) -> tuple[tuple[int, int] | float, str]:
        """The count for `gr.Progress` (0.0 while the total is unknown) and its description."""
        if event.phase != self._phase:
            self._phase, self._started = event.phase, self._now()
        words = PHASES.get(event.phase, event.message)
        if not event.total:
            return 0.0, words
        if not 0 < event.progress < event.total:
            return (event.progress, event.total), words
        words = f"{words}, {event.progress} of {event.total}"
        left = (self._now() - self._started) / event.progress * (event.total - event.progress)
        return (event.progress, event.total), f"{words}, {time_left(left)}"


def time_left(seconds: float) -> str:
    """Rounded so that it does not flicker: "about 20 s left"."""
    if seconds < 3:
        return "a few seconds left"
    if seconds < 55:
        return f"about {max(5, round(seconds / 5) * 5)} s left"
    return f"about {max(1, round(seconds / 60))} min left"
