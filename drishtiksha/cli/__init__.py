"""The command line: the same services and the same scores as the app.

Exit codes: 0 done, 1 another failure, 2 wrong usage, 3 unreadable media, 4 weights missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drishtiksha import __version__
from drishtiksha.cli.compare import compare
from drishtiksha.cli.console import Exit, exit_code, failures_as_exit_codes, listed, out, settings_on
from drishtiksha.cli.examine import examine
from drishtiksha.cli.keys import keys_app
from drishtiksha.cli.models import models
from drishtiksha.cli.predict import predict
from drishtiksha.cli.provenance import provenance
from drishtiksha.cli.report import report
from drishtiksha.cli.reviews import reviews_app
from drishtiksha.cli.serve import serve
from drishtiksha.cli.stress import stress
from drishtiksha.cli.tracks import tracks
from drishtiksha.cli.users import users_app
from drishtiksha.cli.verify import verify
from drishtiksha.cli.weights import weights_app
from drishtiksha.registry import ModelManager

__all__ = ["Exit", "app", "exit_code", "main"]

RECOMMENDED = "recommended"
"""Among the names of models, it stands for those that the configuration recommends."""
app = typer.Typer(no_args_is_help=True, add_completion=False, help="Examine suspicious media, locally.")
app.command()(examine)
app.command()(predict)
app.command()(models)
app.command()(compare)
app.command()(stress)
app.command()(provenance)
app.command()(tracks)
app.command()(report)
app.command()(verify)
app.command()(serve)
app.add_typer(weights_app, name="weights")
app.add_typer(keys_app, name="keys")
app.add_typer(users_app, name="users")
app.add_typer(reviews_app, name="reviews")


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        out.print(__version__)
        raise typer.Exit


@app.command()
def evaluate(
    manifest: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV: file, label[, group, source].")],
    models: Annotated[
        str,
        typer.Option(
            "--models", "-m", help="Names that `drishtiksha models` lists: A,B; 'recommended' stands for a set."
        ),
    ],
    folder: Annotated[Path | None, typer.Option("--out", help="For scores, report and plots; resumes from it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Judge only so many of the files, drawn at random.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap and of --limit.")] = 0,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
) -> None:
    """Measure detectors on labelled files: AUC, EER, false alarms and the like, by group."""
    from drishtiksha.evaluation.terminal import show_evaluation

    with failures_as_exit_codes():
        manager = ModelManager(settings_on(device))
        names = _with_the_recommended(listed(models), manager)
        done = show_evaluation(manifest, names, manager, out=folder, limit=limit, seed=seed, as_json=as_json)
    raise typer.Exit(Exit.UNREADABLE if done.unreadable else Exit.FAILED if done.failures else Exit.DONE)


def _with_the_recommended(names: list[str], manager: ModelManager) -> list[str]:
    """The names, each once, with those that the configuration recommends in the place of `recommended`."""
    chosen = [name for name, config in manager.get_active_model_configs().items() if config.recommended]
    expanded = [one for name in names for one in (chosen if name == RECOMMENDED else [name])]
    return list(dict.fromkeys(expanded))


def main() -> None:
    app(prog_name="drishtiksha")
