"""What a running analysis tells the outside, and how the outside stops it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from drishtiksha.errors import AnalysisCancelledError

if TYPE_CHECKING:
    from drishtiksha.results import AnalysisResult


@dataclass(frozen=True)
class ProgressEvent:
    """One step of an analysis.

    `phase` is one of `load`, `decode`, `score`, `explain`, `stress`, `done`; `progress` of `total` counts the samples
    of that phase (`total` is None while it is unknown). `preview` holds the answer so far after the sparse first pass.
    """

    model_name: str
    progress: int
    total: int | None
    phase: str
    message: str
    preview: AnalysisResult | None = None


class Reporter(Protocol):
    """Receives progress. Called from the thread that analyses; must return quickly."""

    def __call__(self, event: ProgressEvent) -> None: ...


def silent(event: ProgressEvent) -> None:
    """A reporter that ignores everything."""


class CancelToken:
    """A stop flag shared by the thread that works and the one that may cancel."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the analysis to stop at its next check (within a second)."""
        self._event.set()

    def check(self) -> None:
        """Raises: AnalysisCancelledError once `cancel` was called."""
        if self._event.is_set():
            raise AnalysisCancelledError("The analysis was cancelled; nothing was concluded.")
