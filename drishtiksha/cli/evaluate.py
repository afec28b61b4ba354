"""`drishtiksha evaluate`: measure detectors on labelled files, and set measurements side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from drishtiksha.cli.batch import (
    AddressOption,
    EngineName,
    FilesOption,
    FormatOption,
    SplitOption,
    ThreadsOption,
    WorkersOption,
    engine_of,
    layouts,
    require_source,
)
from drishtiksha.cli.console import (
    MODELS_HELP,
    Exit,
    RunsByDefault,
    failures_as_exit_codes,
    here,
    listed,
    out,
    settings_on,
    with_the_recommended,
)
from drishtiksha.errors import ConfigError
from drishtiksha.registry import ModelManager
from drishtiksha.report.files import require_writable, write_whole

evaluate_app = typer.Typer(
    cls=RunsByDefault,
    add_completion=False,
    help="Measure detectors on labelled files: AUC, EER, false alarms and the like, by group.\n\n"
    "`evaluate LIST.csv --models A,B --out DIR` is short for `evaluate run LIST.csv ...`, whose options "
    "`evaluate run --help` lists.",
)


@evaluate_app.command("run")
def run(
    manifest: Annotated[
        str,
        typer.Argument(
            help="CSV: file, label[, group, source]; or what `batch --out` wrote about such files: nothing is judged then; "
            "with --format the folder or address of a data set.",
        ),
    ],
    models: Annotated[
        str | None,
        typer.Option("--models", "-m", help=f"{MODELS_HELP} Of results: left out: all."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", callback=here, help="For scores, report and plots; resumes from it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Judge only so many of the files, drawn at random.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap and of --limit.")] = 0,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    engine: Annotated[
        EngineName | None,
        typer.Option("--engine", help="local: worker processes; ray: a Ray cluster; left out: this process."),
    ] = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    files_at_once: FilesOption = None,
    address: AddressOption = None,
    form: FormatOption = None,
    split: SplitOption = None,
) -> None:
    """Judge the files of a list or data set, and say how well each model did."""
    from drishtiksha.batch.parts import RESULTS
    from drishtiksha.evaluation.command import evaluate, evaluate_results
    from drishtiksha.evaluation.terminal import show_evaluation

    with failures_as_exit_codes():
        require_source(manifest, form, split)
        elsewhere = any(option is not None for option in (engine, workers, threads, files_at_once, address))
        if form is None and Path(manifest).is_dir():
            if elsewhere or limit is not None:
                raise ConfigError(
                    f"{manifest} holds results: nothing is judged, so --engine, --workers and --limit say nothing."
                )
            if not any(Path(manifest).glob(f"{RESULTS}/*")):
                raise ConfigError(
                    f"{manifest} is no list and holds no results of a batch. If it is a data set, say which one:\n{layouts()}"
                )
            named = None if models is None else listed(models)
            done = show_evaluation(
                lambda _: evaluate_results(Path(manifest), named, out=folder, seed=seed), out=folder, as_json=as_json
            )
        else:
            if models is None:
                raise ConfigError("--models names the models that judge the files of the list: A,B.")
            chosen = (
                engine_of(engine or EngineName.LOCAL, workers, threads, files_at_once, address) if elsewhere else None
            )
            manager = ModelManager(settings_on(device))
            names = with_the_recommended(listed(models), manager)
            done = show_evaluation(
                lambda note: evaluate(
                    manifest,
                    names,
                    manager,
                    note,
                    out=folder,
                    limit=limit,
                    seed=seed,
                    engine=chosen,
                    form=form,
                    split=split,
                ),
                out=folder,
                as_json=as_json,
            )
    raise typer.Exit(Exit.UNREADABLE if done.unreadable else Exit.FAILED if done.failures else Exit.DONE)


@evaluate_app.command()
def compare(
    first: Annotated[Path, typer.Argument(exists=True, help="A folder that `evaluate --out` wrote.")],
    second: Annotated[Path, typer.Argument(exists=True, help="Another one, or the same for two of its models.")],
    models: Annotated[
        str | None,
        typer.Option(
            "--models", "-m", help="A,B: A of the first folder against B of the second; left out: those in both."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_latex: Annotated[bool, typer.Option("--latex", help="Print tables for LaTeX.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Is one model better than another on the files that both scored, or may it be chance?"""
    from drishtiksha.evaluation.paired import compare_folders
    from drishtiksha.evaluation.terminal import print_tables

    with failures_as_exit_codes():
        names = listed(models) if models is not None else None
        if names is not None and len(names) != 2:
            raise ConfigError("--models wants two names: A,B.")
        found = compare_folders(first, second, (names[0], names[1]) if names else None, seed)
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=1))
    elif as_latex:
        typer.echo("\n\n".join(one.table().latex() for one in found))
    else:
        print_tables(one.table() for one in found)


@evaluate_app.command()
def leaderboard(
    folders: Annotated[
        list[Path], typer.Argument(exists=True, file_okay=False, help="Folders that `evaluate --out` wrote.")
    ],
    target: Annotated[
        Path,
        typer.Option("--out", "-o", callback=here, help="board.html (one page, with everything in it), .md or .tex."),
    ],
) -> None:
    """Put several models and lists on one page, or into tables for a paper."""
    from drishtiksha.evaluation.leaderboard import ENDINGS
    from drishtiksha.evaluation.leaderboard import leaderboard as written

    with failures_as_exit_codes():
        form = target.suffix.lower()
        if form not in ENDINGS:
            raise ConfigError(f"--out {target} has no ending that is known. Wanted: {', '.join(ENDINGS)}.")
        require_writable(target)
        write_whole(target, written(folders, form).encode())
    out.print(f"Wrote {target}", markup=False, highlight=False, soft_wrap=True)
