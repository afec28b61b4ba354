"""`drishtiksha batch`: from a folder to a whole data set, on the cores of this machine or on a cluster."""

from __future__ import annotations

import io
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from drishtiksha.batch.datasets import LAYOUTS, folder_at, layout_of, read_dataset
from drishtiksha.batch.items import Item, items_at, items_of
from drishtiksha.batch.sources import files_of, is_address, local_name
from drishtiksha.cli.console import (
    MODELS_HELP,
    STDOUT,
    Exit,
    RunsByDefault,
    err,
    failures_as_exit_codes,
    here,
    listed,
    out,
    settings_on,
    with_the_recommended,
)
from drishtiksha.errors import ConfigError
from drishtiksha.registry import ModelManager
from drishtiksha.render.words import counted
from drishtiksha.report.files import draft_of, is_stream, require_writable
from drishtiksha.results import clock

if TYPE_CHECKING:
    from drishtiksha.batch.judge import Engine, Told
    from drishtiksha.batch.parts import ResultFolder
    from drishtiksha.batch.run import Note, Tally
    from drishtiksha.batch.summary import ModelCounts

LOG_S = 30.0
"""Without a terminal, progress is a line every so many seconds."""
LISTS = (".csv",)


class EngineName(StrEnum):
    LOCAL = "local"
    RAY = "ray"


class Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"


batch_app = typer.Typer(
    cls=RunsByDefault,
    add_completion=False,
    help="Judge folders, lists and whole data sets with several processes or machines.\n\n"
    "`batch SOURCE... --models A,B --out DIR` is short for `batch run SOURCE... ...`, whose options `batch run --help` "
    "lists. DIR holds Parquet tables; `batch export` makes CSV and JSON Lines of them.",
)

EngineOption = Annotated[
    EngineName, typer.Option("--engine", help="local: processes of this machine; ray: a Ray cluster.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes; left out: as many as cores and memory (or the cluster) bear."),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="That each worker computes with; left out: OMP_NUM_THREADS, else 1. Scores are the same to the last bit for the "
        "same number only, whatever engine and number of workers.",
    ),
]
FilesOption = Annotated[
    int | None,
    typer.Option(
        "--files-at-once",
        min=1,
        max=64,
        help="That each worker judges; left out: 1, on a GPU up to 8, whose samples go through a network together. Above 1 the "
        "last bits of a score depend on what was judged beside it.",
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="auto|ray://HOST:10001",
        help="Of the Ray cluster; left out: one is started on this machine for this run.",
    ),
]

FormatOption = Annotated[
    str | None,
    typer.Option("--format", metavar="LAYOUT", help=f"Of a published data set: {', '.join(LAYOUTS)}."),
]
SplitOption = Annotated[
    str | None, typer.Option("--split", help="With --format: one part of the data set, such as test.")
]


@batch_app.command("run")
def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Folders, with all below them; files; patterns such as 'a/*.mp4'; addresses such as s3://bucket/clips/; or one "
            "CSV list: file[, label, group, source]; with --format the folder or address of one data set.",
        ),
    ],
    models: Annotated[str, typer.Option("--models", "-m", help=MODELS_HELP)],
    folder: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", callback=here, help="For the results; the same command goes on from there."
        ),
    ],
    engine: EngineOption = EngineName.LOCAL,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    files_at_once: FilesOption = None,
    address: AddressOption = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    form: FormatOption = None,
    split: SplitOption = None,
) -> None:
    """Judge every file with every model.

    A file that cannot be examined, or that takes its worker down, stops no other. Ctrl-C loses nothing that is finished, and
    files that did not change are not judged again by the same models.
    """
    from drishtiksha.batch.parts import ResultFolder
    from drishtiksha.batch.run import run_batch

    with failures_as_exit_codes(), terminated_as_interrupted():
        chosen = engine_of(engine, workers, threads, files_at_once, address)
        results = ResultFolder(folder)
        settings = settings_on(device)
        names = with_the_recommended(listed(models), manager := ModelManager(settings))
        for name in names:
            manager.status(name)
        items, total = items_named(sources, folder, form, split)
        with results.held():
            for part in results.set_aside():
                told = f"{part} is damaged; its files are judged again."
                err.print(told, markup=False, highlight=False)
            with shown_progress(total) as note:
                try:
                    run_batch(items, names, settings, chosen, results, note)
                except KeyboardInterrupt:
                    told = f"Stopped. What is finished is kept in {folder}; the same command goes on from there."
                    err.print(told, markup=False, highlight=False)
                    raise
            code = _told_summary(results, names)
        err.print(f"Wrote {folder}", markup=False, highlight=False)
    raise typer.Exit(code)


@batch_app.command("summary")
def summarised(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="What `batch --out` wrote.")],
) -> None:
    """How many files by model, prediction and error."""
    from drishtiksha.batch.parts import ResultFolder

    with failures_as_exit_codes():
        code = _told_summary(ResultFolder.existing(folder), None)
    raise typer.Exit(code)


@batch_app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="What `batch --out` wrote.")],
    to: Annotated[Format, typer.Option("--to", help="jsonl: whole results, as `predict --out` writes them; csv.")],
    target: Annotated[Path, typer.Option("--out", "-o", callback=here, help="A file; - for standard output.")] = STDOUT,
    samples: Annotated[bool, typer.Option("--samples", help="The scores of each sample instead.")] = False,
) -> None:
    """Write the results as JSON Lines or CSV."""
    from drishtiksha.batch.parts import ResultFolder
    from drishtiksha.batch.summary import export as written

    with failures_as_exit_codes():
        results = ResultFolder.existing(folder)
        if target == STDOUT:
            written(results, to.value, sys.stdout, samples=samples)
            return
        require_writable(target)
        with drafted(target) as file:
            count = written(results, to.value, file, samples=samples)
    err.print(f"Wrote {counted(count, 'row')} to {target}", markup=False, highlight=False)


@batch_app.command("open")
def opened(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="What `batch --out` wrote.")],
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Files, as the column `name` has them.")],
    question: Annotated[str, typer.Option(help="What was asked, in the words of whoever asked.")] = "",
) -> None:
    """Take files into the app with their results, to be reviewed and reported; nothing is judged again."""
    from drishtiksha.batch.opening import open_case
    from drishtiksha.batch.parts import ResultFolder
    from drishtiksha.services.workbench import Workbench

    with failures_as_exit_codes():
        settings = settings_on(None)
        bench = Workbench(settings, ModelManager(settings))
        for name in names:
            case, job_id = open_case(ResultFolder.existing(folder), name, bench, question)
            told = f"{name}: case {case.case_id} (`drishtiksha report --case`), in the app under ?job={job_id}"
            out.print(told, markup=False, highlight=False, soft_wrap=True)


def engine_of(
    engine: EngineName, workers: int | None, threads: int | None, files: int | None, address: str | None
) -> Engine:
    """Raises: ConfigError for an address without Ray."""
    from drishtiksha.batch.cluster import RayEngine
    from drishtiksha.batch.local import LocalEngine

    if engine is EngineName.RAY:
        return RayEngine(workers, threads, address, files)
    if address is not None:
        raise ConfigError("--address is that of a Ray cluster: add --engine ray.")
    return LocalEngine(workers, threads, files)


def items_named(
    sources: Sequence[str], own: Path, form: str | None = None, split: str | None = None
) -> tuple[Iterable[Item], int | None]:
    """What is judged, and how many they are where that is known. own: where results are written.

    Raises: ConfigError; ManifestError; NotFetchedError; OSError.
    """
    from drishtiksha.evaluation.manifest import read_manifest

    if form is not None or split is not None:
        if len(sources) != 1:
            raise ConfigError("--format takes the folder of one data set.")
        require_source(sources[0], form, split)
    if form is not None:
        return read_dataset(folder_at(sources[0]), form, split), None
    if len(sources) == 1 and is_list(sources[0]):
        listed_items = read_manifest(sources[0], labelled=False)
        return listed_items, len(listed_items)
    if lists := [source for source in sources if is_list(source) and (is_address(source) or Path(source).is_file())]:
        raise ConfigError(
            f"{lists[0]} is a list, which is the only source where it is given. Name it alone, or leave it out: of a folder, what "
            "is no media is passed over."
        )
    away = [source for source in map(local_name, sources) if is_address(source)]
    if not away:
        files = files_of(sources, [own]).files
        return items_of(files), len(files)
    near = [source for source in map(local_name, sources) if not is_address(source)]
    files = files_of(near, [own]).files if near else ()
    return chain(items_of(files), *map(items_at, away)), None


def require_source(source: str, form: str | None, split: str | None) -> None:
    """Raises: ConfigError for a format that is not known, and for what it cannot be; BadParameter for what is not there."""
    if form is not None:
        layout_of(form)
        if not is_address(source := local_name(source)) and not Path(source).is_dir():
            raise typer.BadParameter(f"there is no folder {source!r}.", param_hint="SOURCE")
    elif split is not None:
        raise ConfigError("--split takes a part of a data set: name its layout with --format.")
    elif is_address(source := local_name(source)):
        if not is_list(source):
            raise ConfigError(f"{source} is no list. Say which data set it is with --format:\n{layouts()}")
    elif not Path(source).exists():
        raise typer.BadParameter(f"there is no file {source!r}.", param_hint="SOURCE")


def is_list(source: str) -> bool:
    """By its ending."""
    return source.lower().endswith(LISTS)


def layouts() -> str:
    """What `--format` takes, a line each."""
    return "\n".join(f"  --format {name}: {layout.title} ({layout.marks})" for name, layout in LAYOUTS.items())


@contextmanager
def drafted(target: Path) -> Iterator[io.TextIOWrapper]:
    """A text file that is there as a whole or not at all. Raises: OSError."""
    if is_stream(target):
        with target.open("w", encoding="utf-8", newline="") as file:
            yield file
        return
    draft = draft_of(target.resolve())
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            yield file
        draft.replace(target.resolve())
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM, by which schedulers stop what they run, is as good as Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def shown_progress(total: int | None) -> Iterator[Note]:
    """A bar on a terminal, now and then a line elsewhere. total: files, where known."""
    if not err.is_terminal:
        yield LogLines(total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        pace = Pace(total)
        task = progress.add_task("Starting", total=total)

        def note(told: Told, tally: Tally) -> None:
            name = escape(told.item.name[-60:])
            progress.update(task, description=f"{pace.rate(tally.files):.3g} files/s: {name}", completed=tally.files)

        yield note


class Pace:
    """How fast files are done, counted from the first `rate`: workers have started by then."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._first: tuple[float, int] | None = None

    def rate(self, files: int) -> float:
        """Files a second; 0 at first."""
        now = time.monotonic()
        began, before = self._first = self._first or (now, files)
        return (files - before) / (now - began) if now > began else 0.0

    def told(self, files: int) -> str:
        """As a line of a log."""
        rate = self.rate(files)
        if self._total is None:
            return f"{files:,} files, {rate:.3g} a second"
        left = f", {clock((self._total - files) / rate)} left" if rate > 0 else ""
        return f"{files:,} of {self._total:,} files, {rate:.3g} a second{left}"


class LogLines:
    """Progress for a log."""

    def __init__(self, total: int | None) -> None:
        self._pace, self._told = Pace(total), time.monotonic()

    def __call__(self, told: Told, tally: Tally) -> None:
        text, now = self._pace.told(tally.files), time.monotonic()
        if now - self._told >= LOG_S:
            self._told = now
            err.print(text, markup=False, highlight=False)


def _told_summary(results: ResultFolder, names: Sequence[str] | None) -> Exit:
    """Print how many files there are of each kind, of these models or all; the code for scripts."""
    from drishtiksha.batch.rows import OTHER_KIND, TRIED_AGAIN
    from drishtiksha.batch.summary import summary

    found = [one for one in summary(results) if names is None or one.model in names]
    for one in found:
        out.print(_in_words(one), markup=False, highlight=False)
    kinds = {kind for one in found for kind in one.errors} - {OTHER_KIND}
    return Exit.UNREADABLE if kinds - TRIED_AGAIN else Exit.FAILED if kinds else Exit.DONE


def _in_words(counts: ModelCounts) -> str:
    told = [f"{number:,} {name}" for name, number in sorted(counts.predictions.items())]
    told += [f"{number:,} {name.replace('_', ' ')}" for name, number in sorted(counts.errors.items())]
    pace = f"; {counts.seconds:.2f} s a file" if counts.seconds is not None else ""
    return f"{counts.model}: {counts.files:,} files: {', '.join(told)}{pace}"
