"""The time that one model may take for one file."""

from __future__ import annotations

import time
from collections.abc import Callable

from drishtiksha.errors import TimeUpError


class Budget:
    """`check` also raises TimeUpError, once, when the time is up: what is done afterwards with what there is runs to its end."""

    def __init__(self, seconds: float, model: str, name: str, check: Callable[[], None]) -> None:
        self._seconds, self._model, self._name, self._also = seconds, model, name, check
        self._ends_at = time.monotonic() + seconds
        self.over = False

    def check(self) -> None:
        """Raises: TimeUpError; whatever the check raises that came with it."""
        self._also()
        if not self.over and time.monotonic() > self._ends_at:
            self.over = True
            raise TimeUpError(
                f"{self._model} was stopped after {self._seconds:g} seconds with {self._name}; what it had judged by then counts. "
                "Cut out the part in question, choose a quicker model, or allow more time (limits.analysis_s)."
            )
