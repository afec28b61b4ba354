"""What all commands share: where they print, how they show progress, and which exit code an error has."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from typer.core import TyperGroup

from drishtiksha.errors import (
    ConfigError,
    DrishtikshaError,
    ManifestError,
    MediaError,
    ModelRegistryError,
    WeightsMissingError,
    WrongMediaKindError,
)
from drishtiksha.events import ProgressEvent, Reporter
from drishtiksha.plaintext import readable_json
from drishtiksha.registry import ModelManager
from drishtiksha.render.console import PlainConsole
from drishtiksha.report.files import write_whole
from drishtiksha.settings import Settings, load_settings

out, err = PlainConsole(), PlainConsole(stderr=True)
STDOUT = Path("-")
"""In place of a file: the standard output."""


RUN = "run"
RECOMMENDED = "recommended"
"""Among the names of models, it stands for those that the configuration recommends."""
MODELS_HELP = f"Names that `drishtiksha models` lists: A,B; '{RECOMMENDED}' stands for a set."


class RunsByDefault(TyperGroup):
    """`evaluate list.csv ...` is `evaluate run list.csv ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = {*self.commands, "--help"}
        return super().parse_args(ctx, args if args and args[0] in known else [RUN, *args])


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
def failures_as_exit_codes() -> Iterator[None]:
    try:
        yield
    except DrishtikshaError as error:
        err.print(f"[bold]{escape(str(error))}[/bold]")
        raise typer.Exit(exit_code(error)) from error
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        err.print(f"[bold]{escape(f'{place}{error.strerror or error}')}[/bold]")
        raise typer.Exit(Exit.FAILED) from error


def here(path: Path | None) -> Path | None:
    """The path that an option names for results; for its `callback`. Raises: BadParameter for an address."""
    if path is not None and re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:/", path.as_posix()):
        raise typer.BadParameter(
            f"results are written on this machine, and {path.as_posix().replace(':/', '://', 1)} is an address. Name a path here, "
            "and copy what was written with the store's own tools, such as `aws s3 sync`."
        )
    return path


@contextmanager
def reported(title: str) -> Iterator[Reporter]:
    """A progress bar for as long as the block lasts, and what moves it. `title`: the file's name."""
    with progress_bar() as progress:
        task = progress.add_task(escape(title), total=None)

        def show(event: ProgressEvent) -> None:
            told = escape(f"{title}: {event.model_name}: {event.message}")
            progress.update(task, description=told, completed=event.progress, total=event.total)

        yield show


def settings_on(device: str | None, **overrides: Any) -> Settings:
    """The settings, with another device where one is asked for. Raises: ConfigError."""
    return load_settings(**overrides, **({"device": device} if device else {}))


def listed(models: str) -> list[str]:
    """The names in "A, B,C". Raises: ConfigError where there is none."""
    names = [name.strip() for name in models.split(",") if name.strip()]
    if not names:
        raise ConfigError("--models names no model; wanted A,B,C.")
    return names


def with_the_recommended(names: list[str], manager: ModelManager) -> list[str]:
    """The names, each once, with those that the configuration recommends in the place of `recommended`."""
    chosen = [name for name, config in manager.get_active_model_configs().items() if config.recommended]
    expanded = [one for name in names for one in (chosen if name == RECOMMENDED else [name])]
    return list(dict.fromkeys(expanded))


def told_failures(file: str, errors: Mapping[str, DrishtikshaError], manager: ModelManager) -> Exit:
    """Say which models have no result about this file and why; the code for scripts."""
    for name, why in errors.items():
        err.print(f"{file}: {name} has no result: {why}", markup=False, highlight=False)
    if any(manager.status(name).state == "missing" for name in errors):
        return Exit.WEIGHTS_MISSING
    return Exit.FAILED if errors else Exit.DONE


def write_json(path: Path, documents: Sequence[dict[str, Any]], *, single: bool) -> None:
    """Into a file, or with - to the standard output: a list, or the document itself where a single file was asked about."""
    text = console_json(documents[0] if single else documents) + "\n"
    if path == STDOUT:
        sys.stdout.write(text)
    else:
        write_whole(path, text.encode())


def console_json(document: Any) -> str:
    """A model or plain values, indented, in signs that steer no terminal."""
    if isinstance(document, BaseModel):
        return readable_json(document.model_dump_json(indent=2))
    return readable_json(json.dumps(document, indent=2, ensure_ascii=False))


def progress_bar(*columns: object) -> Progress:
    shown = columns or (TimeRemainingColumn(),)
    return Progress(TextColumn("{task.description}"), BarColumn(), *shown, console=err, transient=True)  # type: ignore[arg-type]
