"""The command line: the same services and the same scores as the app.

Exit codes: 0 done, 1 another failure, 2 wrong usage, 3 unreadable media, 4 weights missing.
"""

from __future__ import annotations

from typing import Annotated

import typer

from drishtiksha import __version__
from drishtiksha.cli.batch import batch_app
from drishtiksha.cli.compare import compare
from drishtiksha.cli.console import Exit, exit_code, out
from drishtiksha.cli.evaluate import evaluate_app
from drishtiksha.cli.examine import examine
from drishtiksha.cli.keys import keys_app
from drishtiksha.cli.look import look
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
from drishtiksha.cli.worker import worker

__all__ = ["Exit", "app", "exit_code", "main"]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Examine suspicious media, locally.")
app.command()(examine)
app.command()(predict)
app.command()(models)
app.command()(compare)
app.command()(stress)
app.command()(provenance)
app.command()(look)
app.command()(tracks)
app.command()(report)
app.command()(verify)
app.command()(serve)
app.command()(worker)
app.add_typer(batch_app, name="batch")
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(weights_app, name="weights")
app.add_typer(keys_app, name="keys")
app.add_typer(users_app, name="users")
app.add_typer(reviews_app, name="reviews")


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        out.print(__version__)
        raise typer.Exit


def main() -> None:
    app(prog_name="drishtiksha")
