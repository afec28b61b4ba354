"""`drishtiksha predict`: examine files and print or write what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from drishtiksha.batch.sources import files_of
from drishtiksha.cli.batches import Targets
from drishtiksha.cli.console import failures_as_exit_codes, settings_on
from drishtiksha.cli.predicting import Predicting
from drishtiksha.errors import ConfigError
from drishtiksha.registry import ModelManager
from drishtiksha.report.files import require_writable


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
        targets = Targets.of(folder, json_path)
        sources = files_of(files, [*targets.own, *([explain] if explain else [])])
        manager = _manager(model, fields or [], device, pitch=pitch)
        for target in (None if targets.quiet else json_path, explain and explain / "picture"):
            if target is not None:
                require_writable(target)
        code = targets.run(Predicting(manager, model, track, explain, sources, targets.kept(), quiet=targets.quiet))
    raise typer.Exit(code)


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
