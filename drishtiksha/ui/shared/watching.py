"""Watching the jobs that a page shows. A job lives in the store: whoever closes the page closes a window on it, nothing more."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from drishtiksha.casefile import JobView, Viewer
from drishtiksha.ui.shared.desk import Desk

SEND_S = 0.5
"""Progress is sent this often; a closed tab is noticed only when something is sent."""


@dataclass(frozen=True)
class Step:
    """All watched jobs as they stand."""

    views: tuple[JobView, ...]
    answered: bool
    """A job ended, or a detector has a result, or has none for a reason."""
    moved: bool
    """Another detector is at work, or its first look has an answer."""

    @property
    def ended(self) -> bool:
        """Whether all jobs have ended."""
        return all(view.state.ended for view in self.views)


def follow(desk: Desk, jobs: Sequence[str], viewer: Viewer) -> Iterator[Step]:
    """A step when something is new, and every `SEND_S`; the last one when all jobs have ended.

    Raises: JobGoneError, also when a case is deleted meanwhile. Closing the iterator leaves the jobs running.
    """
    seen = desk.workbench.seen_by(viewer)
    views = [seen.job(job) for job in jobs]
    answers: Any = None
    work: Any = None
    sent = 0.0
    for position, job in enumerate(jobs):
        for view in seen.watch(job):
            views[position] = view
            answered, moved = answers != (answers := _answers(views)), work != (work := _at_work(views))
            if answered or moved or time.monotonic() - sent >= SEND_S:
                yield Step(tuple(views), answered, moved)
                sent = time.monotonic()


def _answers(views: Sequence[JobView]) -> tuple[Any, ...]:
    return tuple((view.state, len(view.results), len(view.errors)) for view in views)


def _at_work(views: Sequence[JobView]) -> tuple[Any, ...]:
    return tuple((v.model_name, v.preview and (v.preview.model_name, v.preview.p_fake)) for v in views)
