"""`drishtiksha predict`: examine files and print or write what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from drishtiksha.batch.lines import ResultLines, lines_at
from drishtiksha.batch.sources import files_of
from drishtiksha.cli.console import STDOUT, failures_as_exit_codes, settings_on, write_json
from drishtiksha.cli.predicting import Predicting
from drishtiksha.errors import ConfigError
from drishtiksha.registry import ModelManager
from drishtiksha.report.files import is_stream, require_writable


def predict(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, videos or recordings; folders, with all below them; patterns such as 'a/*.mp4'."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="A name that `drishtiksha models` lists; left out: the first that fits."),
    ] = None,
    json_path: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="Write the result, or why there is none, there (- for standard output); a list for several files.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR|FILE",
            help="Write each result, as soon as it is known, as a line of DIR/results.jsonl or FILE.jsonl; what is there "
            "already of the same files and model is not done again.",
        ),
    ] = None,
    explain: Annotated[
        Path | None, typer.Option(help="Write the most suspicious moments as pictures into this folder.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Another value of the model's configuration, for this run."),
    ] = None,
    pitch: Annotated[bool, typer.Option("--pitch", help="Measure the pitch of voices too: takes longer.")] = False,
    track: Annotated[
        int | None, typer.Option(min=1, help="Only this track, by the number that `drishtiksha tracks` lists.")
    ] = None,
) -> None:
    """Examine files with one detector. A file that cannot be examined does not stop the others."""
    with failures_as_exit_codes():
        lines = lines_at(folder) if folder is not None else None
        part = _part_of(json_path) if lines is None else None
        own = [path for path in (lines, part, json_path, explain) if path is not None]
        sources = files_of(files, own)
        manager = _manager(model, fields or [], device, pitch=pitch)
        for target in (None if json_path == STDOUT else json_path, explain and explain / "picture"):
            if target is not None:
                require_writable(target)
        path = lines or part
        kept = None if path is None else ResultLines(path)
        run = Predicting(manager, model, track, explain, kept, quiet=json_path == STDOUT, sources=sources)
        try:
            code = run.all()
        finally:
            run.tell_end()
            if json_path is not None:
                _write_json(json_path, run, part)
    raise typer.Exit(code)


def _part_of(target: Path | None) -> Path | None:
    """Where results are kept until all are known; None where they are kept in memory."""
    if target is None or target == STDOUT or is_stream(target):
        return None
    return target.with_name(f"{target.name}.part")


def _write_json(path: Path, run: Predicting, part: Path | None) -> None:
    """What is finished. After a stop an older file stays as it is, and what is finished stays in `part`."""
    documents = list(run.documents())
    if not documents:
        return
    if path == STDOUT or run.complete or not path.exists():
        write_json(path, documents, single=run.sources.single)
    if part is not None and run.holds_all():
        part.unlink()


def _manager(model: str | None, fields: list[str], device: str | None, *, pitch: bool) -> ModelManager:
    """Raises: ConfigError for fields that the model does not have, and for values that it cannot take."""
    manager = ModelManager(settings_on(device))
    if model is not None:
        manager.status(model)  # a misspelt name is told before anything is read
    elif fields:
        raise ConfigError("--set changes the configuration of a model: name it with --model.")
    changes = dict(_field(text) for text in fields) | ({"pitch": True} if pitch else {})
    if not changes:
        return manager
    names = [model] if model is not None else manager.get_available_models()
    return ModelManager(settings_on(device, models=dict.fromkeys(names, changes)))


def _field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ConfigError(f"--set {text} is not understood; wanted FIELD=VALUE, such as num_frames=8.")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not understood. Write it as in configs/config.yaml.") from error
