"""An evaluation on the command line: progress on standard error, the numbers on standard output."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from drishtiksha.evaluation import report as words
from drishtiksha.evaluation.command import Evaluation
from drishtiksha.evaluation.run import ScoreNote
from drishtiksha.plaintext import readable_json
from drishtiksha.render.console import PlainConsole


def show_evaluation(work: Callable[[ScoreNote], Evaluation], *, out: Path | None, as_json: bool) -> Evaluation:
    """Evaluate and print. work: does it, and tells how far it is.

    Raises: as `work`, and KeyboardInterrupt after saying what was kept.
    """
    err = PlainConsole(stderr=True)
    done = _with_progress(work, err, out)
    for problem in (*(f"{file} could not be read." for file in done.unreadable), *done.failures):
        err.print(problem, style="bold", markup=False, highlight=False)
    for shortcut in done.report.shortcuts:
        err.print(f"Beware: {shortcut.sentence}", style="bold", markup=False, highlight=False)
    if as_json:
        print(readable_json(done.report.model_dump_json(indent=1)))
    else:
        _print(done)
    if out:
        err.print(f"Wrote {out}", markup=False, highlight=False)
    return done


def _with_progress(work: Callable[[ScoreNote], Evaluation], err: PlainConsole, out: Path | None) -> Evaluation:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("Loading", total=None)

        def note(done: int, total: int, message: str) -> None:
            progress.update(task, description=escape(message), completed=done, total=total)

        try:
            return work(note)
        except KeyboardInterrupt:
            kept = (
                f"What was scored is kept in {out}; the same command goes on from there." if out else "Nothing is kept."
            )
            err.print(f"Stopped. {kept}", markup=False, highlight=False)
            raise


def _print(done: Evaluation) -> None:
    tables = [table for name, model in done.report.models.items() for table in words.model_tables(name, model)]
    print_tables((*tables, *words.comparison(done.report)))


def print_tables(tables: Iterable[words.Table]) -> None:
    """Numbers to the right, their intervals below them."""
    console = PlainConsole()
    for table in tables:
        first, *rest = table.header
        shown = Table(
            Column(first, no_wrap=True),
            *(Column(name, justify="right", overflow="fold") for name in rest),
            title=Text(table.title),
            title_justify="left",
            box=box.SIMPLE_HEAD,
            collapse_padding=True,
        )
        for row in table.rows:
            shown.add_row(*(Text(cell) for cell in (row[0], *map(_narrow, row[1:]))))
        console.print(shown)


def _narrow(cell: str) -> str:
    """The interval below its number."""
    return cell.replace(" (", "\n(").replace(" to ", "-")
