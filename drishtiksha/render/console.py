"""Consoles of the command line, whose lines are broken for people alone, and on which no text steers the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.console import ConsoleDimensions as Dimensions
from rich.segment import Segment

from drishtiksha.plaintext import readable

UNBROKEN = 100_000
"""Columns where no terminal is: far more than any line has."""


class PlainConsole(Console):
    """Breaks lines at the width of a terminal, and none where the output is a file or a pipe: what a program reads there,
    paths and tables, stays on one line. In place of controls and of turns of direction that a text holds, it prints a sign."""

    @property
    def size(self) -> Dimensions:
        found = super().size  # as COLUMNS says, where it is set
        return found if self.is_terminal else Dimensions(UNBROKEN, found.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(readable(segment.text), segment.style)
