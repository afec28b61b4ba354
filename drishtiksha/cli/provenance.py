"""`drishtiksha provenance`: what a file says of itself, and traces of how it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drishtiksha.cli.console import console_json, failures_as_exit_codes, out
from drishtiksha.settings import load_settings


def provenance(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A picture, video or recording.")],
    anchors: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="PEM file of signers to trust for Content Credentials."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What a file says of itself: Content Credentials, metadata, traces of encoders. Nothing leaves this computer.

    The picture or sound need not be readable.
    """
    from drishtiksha.media.evidence import Evidence
    from drishtiksha.provenance import examine
    from drishtiksha.render.provenance import plain

    with failures_as_exit_codes():
        limits = load_settings().limits
        found = examine(Evidence.open(file, limits, decodable=False), limits, anchors)
        if as_json:
            typer.echo(console_json(found))
            return
        for line in plain(found):
            out.print(line, markup=False, highlight=False)
        for name, value in found.fields.items():
            out.print(f"{name}: {value}", markup=False, highlight=False)
