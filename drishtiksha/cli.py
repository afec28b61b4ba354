"""The command line: the same services and the same scores as the app.

Exit codes: 0 done, 1 another failure, 2 wrong usage, 3 unreadable media, 4 weights missing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Column, Table

from drishtiksha import __version__
from drishtiksha.errors import (
    ConfigError,
    DrishtikshaError,
    ManifestError,
    MediaError,
    ModelRegistryError,
    WeightsMissingError,
    WrongMediaKindError,
)
from drishtiksha.events import ProgressEvent
from drishtiksha.registry import ModelManager, ModelStatus
from drishtiksha.results import DISCLAIMER, AnalysisResult, Prediction
from drishtiksha.settings import load_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Examine suspicious media, locally.")
weights_app = typer.Typer(no_args_is_help=True, help="Checkpoints: list, fetch, verify.")
app.add_typer(weights_app, name="weights")
out, err = Console(), Console(stderr=True)

STATE_STYLE = {"loaded": "bold", "ready": "bold", "missing": "dim", "broken": "dim"}


class Exit(IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREADABLE = 3
    WEIGHTS_MISSING = 4


def exit_code(error: DrishtikshaError) -> Exit:
    """The code that scripts see for an error, or for what caused it."""
    if isinstance(error, WeightsMissingError) or isinstance(error.__cause__, WeightsMissingError):
        return Exit.WEIGHTS_MISSING
    if isinstance(error, WrongMediaKindError):
        return Exit.USAGE
    if isinstance(error, MediaError):
        return Exit.UNREADABLE
    usage = isinstance(error, ConfigError | ManifestError) or (
        isinstance(error, ModelRegistryError) and error.__cause__ is None
    )
    return Exit.USAGE if usage else Exit.FAILED


@contextmanager
def _failures_as_exit_codes() -> Iterator[None]:
    try:
        yield
    except DrishtikshaError as error:
        err.print(f"[bold]{escape(str(error))}[/bold]")
        raise typer.Exit(exit_code(error)) from error


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        out.print(__version__)
        raise typer.Exit


@app.command()
def predict(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Pictures, videos or recordings.")],
    model: Annotated[str, typer.Option("--model", "-m", help="A name that `drishtiksha models` lists.")],
    json_path: Annotated[
        Path | None,
        typer.Option("--json", help="Write the result there (- for standard output); a list for several files."),
    ] = None,
    explain: Annotated[
        Path | None, typer.Option(help="Write the most suspicious moments as pictures into this folder.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
) -> None:
    """Examine files with one detector. A file that cannot be examined does not stop the others."""
    with _failures_as_exit_codes():
        manager = ModelManager(load_settings(**({"device": device} if device else {})))
        results, worst = [], Exit.DONE
        with manager.use(model) as detector:
            for file in files:
                try:
                    results.append(_examine(file, detector, manager, explain))
                except MediaError as error:
                    err.print(f"[bold]{escape(str(error))}[/bold]")
                    worst = max(worst, exit_code(error))
                    continue
                if json_path != Path("-"):
                    _print_result(results[-1])
        if json_path is not None:
            _write_json(json_path, results, several=len(files) > 1)
    raise typer.Exit(worst)


def _examine(file: Path, detector: object, manager: ModelManager, explain: Path | None) -> AnalysisResult:
    from drishtiksha.analysis import analyze
    from drishtiksha.media.evidence import Evidence
    from drishtiksha.render.moments import write_moments

    limits = manager.settings.limits
    evidence = Evidence.open(file, limits)
    with _progress() as progress:
        task = progress.add_task(escape(file.name), total=None)

        def show(event: ProgressEvent) -> None:
            progress.update(
                task, description=escape(f"{file.name}: {event.message}"), completed=event.progress, total=event.total
            )

        result = analyze(evidence, detector, show, explain=explain is not None, limits=limits)  # type: ignore[arg-type]
    if explain is not None:
        for path in write_moments(evidence, result, explain, limits):
            err.print(f"Wrote {path}", markup=False, highlight=False)
    return result


def _progress(*columns: object) -> Progress:
    shown = columns or (TimeRemainingColumn(),)
    return Progress(TextColumn("{task.description}"), BarColumn(), *shown, console=err, transient=True)  # type: ignore[arg-type]


def _print_result(result: AnalysisResult) -> None:
    score = "not scored" if result.p_fake is None else f"p_fake {result.p_fake:.3f}"
    out.print(f"[bold]{escape(result.media.name)}[/bold]: {result.grade.value} ({result.prediction.value}, {score})")
    judged = sum(s.p_fake is not None for s in result.scores)
    out.print(
        f"  {result.model_name} judged {judged} of {len(result.scores)} samples in {result.processing_time:.1f} s"
    )
    for reason in result.reasons:
        out.print(f"  {reason}", markup=False)
    for person in result.people:
        span = f"{person.first_s:.1f}-{person.last_s:.1f} s"
        out.print(f"  Person {person.person}, {span}: p_fake {person.p_fake:.3f} ({person.grade.value})", markup=False)
    if result.prediction is Prediction.FAKE:
        out.print(f"  A score is not proof. {DISCLAIMER}", markup=False)


def _write_json(path: Path, results: list[AnalysisResult], *, several: bool) -> None:
    documents = [result.model_dump(mode="json") for result in results]
    if not documents and not several:
        return
    text = json.dumps(documents if several else documents[0], indent=2, ensure_ascii=False)
    if path == Path("-"):
        sys.stdout.write(text + "\n")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")


@app.command()
def evaluate(
    manifest: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV: file, label[, group, source].")],
    models: Annotated[str, typer.Option("--models", "-m", help="Names that `drishtiksha models` lists: A,B.")],
    folder: Annotated[Path | None, typer.Option("--out", help="For scores, report and plots; resumes from it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Judge only so many of the files, drawn at random.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap and of --limit.")] = 0,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
) -> None:
    """Measure detectors on labelled files: AUC, EER, false alarms and the like, by group."""
    from drishtiksha.evaluation.terminal import show_evaluation

    names = [name.strip() for name in models.split(",")]
    with _failures_as_exit_codes():
        manager = ModelManager(load_settings(**({"device": device} if device else {})))
        all_read = show_evaluation(manifest, names, manager, out=folder, limit=limit, seed=seed, as_json=as_json)
    raise typer.Exit(Exit.DONE if all_read else Exit.UNREADABLE)


@app.command()
def models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the configured models, what they look at, and whether they can be used."""
    with _failures_as_exit_codes():
        statuses = ModelManager(load_settings()).describe()
    if as_json:
        sys.stdout.write(json.dumps([_as_dict(status) for status in statuses], indent=2) + "\n")
        return
    table = Table(Column("model", no_wrap=True), Column("state", no_wrap=True), "takes", "looks at", "remedy")
    for status in statuses:
        state = f"{status.state},\nexperimental" if status.config.experimental else status.state
        row = (status.name, state, _takes(status), status.config.looks_at, status.remedy or "")
        table.add_row(*map(escape, row), style=STATE_STYLE[status.state])
    out.print(table)


def _takes(status: ModelStatus) -> str:
    config = status.config
    kinds = {
        "picture": config.isImage,
        "video": config.isVideo,
        "sound": config.isAudio,
        "video with sound": config.isMultiModal,
    }
    return ", ".join(kind for kind, taken in kinds.items() if taken)


def _as_dict(status: ModelStatus) -> dict[str, object]:
    config = status.config
    return {
        "name": status.name,
        "state": status.state,
        "embedded": status.embedded,
        "class_name": config.class_name,
        "description": config.description,
        "isImage": config.isImage,
        "isVideo": config.isVideo,
        "isAudio": config.isAudio,
        "isMultiModal": config.isMultiModal,
        "looks_at": config.looks_at,
        "limits": config.limits,
        "experimental": config.experimental,
        "licence": status.licence,
        "remedy": status.remedy,
    }


@weights_app.command("list")
def weights_list() -> None:
    """Every model's checkpoint: where it lies, its size, licence and source."""
    with _failures_as_exit_codes():
        statuses = ModelManager(load_settings()).describe()
    table = Table(Column("model", no_wrap=True), "state", "file", "MB", "licence", "source")
    for status in statuses:
        path, source = status.config.model_path, status.config.weights
        size = f"{path.stat().st_size / 1e6:.1f}" if path.is_file() else "-"
        origin = source.url or (f"{source.hf_repo}/{source.hf_file}" if source.hf_repo else None) or source.by_hand
        kept = "ships with Drishtiksha" if status.embedded else "-"
        table.add_row(*map(escape, (status.name, status.state, str(path), size, status.licence, origin or kept)))
    out.print(table)


@weights_app.command("pull")
def weights_pull(name: Annotated[str, typer.Argument(help="A name that `drishtiksha models` lists.")]) -> None:
    """Fetch one model's checkpoint: resumed, verified, put in place in one step."""
    from drishtiksha.weights import WeightsState, pull, state

    with _failures_as_exit_codes():
        status = ModelManager(load_settings()).status(name)
        path, source = status.config.model_path, status.config.weights
        if state(path) is not WeightsState.MISSING:
            out.print(f"{path} is there already.", markup=False, highlight=False)
            return
        err.print(f"Licence of {name}: {status.licence}", markup=False, highlight=False)
        with _progress(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as progress:
            task = progress.add_task(escape(path.name), total=None)
            digest = pull(source, path, lambda done, total: progress.update(task, completed=done, total=total))
        out.print(f"{path}\nSHA-256 {digest}", markup=False, highlight=False)


@weights_app.command("verify")
def weights_verify(
    names: Annotated[list[str] | None, typer.Argument(help="Default: every one that is here.")] = None,
) -> None:
    """Check SHA-256 and canary score of checkpoints, loading each once."""
    from drishtiksha.weights import WeightsState, read_sidecar, state

    with _failures_as_exit_codes():
        manager = ModelManager(load_settings())
        present = [
            n for n, c in manager.get_active_model_configs().items() if state(c.model_path) is not WeightsState.MISSING
        ]
        for name in names or present:
            detector = manager.load_model(name)
            config = manager.get_active_model_configs()[name]
            known = config.weights.sha256 or read_sidecar(config.model_path)
            found = "as expected" if known else "is its hash; none is known that it could be compared with"
            out.print(f"{name}: {detector.run_facts()['checkpoint_sha256']} {found}", markup=False, highlight=False)
            manager.unload(name)


def main() -> None:
    app(prog_name="drishtiksha")
