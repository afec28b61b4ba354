"""Consoles of the command line, whose lines are broken for people alone."""

from __future__ import annotations

from rich.console import Console
from rich.console import ConsoleDimensions as Dimensions

UNBROKEN = 100_000
"""Columns where no terminal is: far more than any line has."""


class PlainConsole(Console):
    """Breaks lines at the width of a terminal, and none where the output is a file or a pipe: what a program reads there,
    paths and tables, stays on one line."""

    @property
    def size(self) -> Dimensions:
        found = super().size  # as COLUMNS says, where it is set
        return found if self.is_terminal else Dimensions(UNBROKEN, found.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size
