"""`drishtiksha verify`: is a bundle as it was signed, and does the examination come out again?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from drishtiksha.cli.console import console_json, err, out, settings_on
from drishtiksha.errors import ConfigError, DrishtikshaError
from drishtiksha.registry import ModelManager
from drishtiksha.settings import Settings

if TYPE_CHECKING:
    from drishtiksha.media.evidence import Evidence
    from drishtiksha.report.repeat import Rerun
    from drishtiksha.report.verify import State, Verification

SAME, DIFFERS, UNRELIABLE = 0, 1, 2

FINGERPRINT = re.compile("[0-9a-fA-F]{64}")


def verify(
    bundle: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A bundle that `report --out x.zip` made.")
    ],
    evidence: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The original, to be held against the bundle.")
    ] = None,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Examine the original once more with the same models.")
    ] = False,
    key: Annotated[
        str | None, typer.Option(help="Who must have signed it: a public key (PEM file) or its fingerprint.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps, for --rerun.")] = None,
) -> None:
    """Check that a bundle was not changed, who signed it, and whether its results come out again.

    Exit codes: 0 identical or within tolerance; 1 different; 2 tampered, signed by another key, or not to be checked.
    """
    try:
        settings = settings_on(device)
        found = _verify(bundle, evidence, rerun, key, settings)
    except DrishtikshaError as error:
        err.print(f"[bold]{escape(str(error))}[/bold]")
        raise typer.Exit(UNRELIABLE) from error
    if as_json:
        typer.echo(console_json(found))
    else:
        _print(found)
    raise typer.Exit(_exit_code(found.state))


def _verify(bundle: Path, evidence: Path | None, rerun: bool, key: str | None, settings: Settings) -> Verification:
    from drishtiksha.report import keys
    from drishtiksha.report.verify import public_fingerprint
    from drishtiksha.report.verify import verify as check

    if key is not None and Path(key).is_file():
        key = public_fingerprint(Path(key))
    elif key is not None and not FINGERPRINT.fullmatch(key.replace(" ", "")):
        raise ConfigError(f"--key {key} is neither a file nor a fingerprint, which has 64 hex digits.")
    manager = ModelManager(settings)

    def again(names: Sequence[str], opened: Evidence) -> Rerun:
        from drishtiksha.services.runs import Answers, run_models

        found = Answers()
        run_models(opened, names, manager, found, explain=False)
        return {result.model_name: result for result in found.results} | found.failures

    return check(
        bundle,
        evidence,
        again if rerun else None,
        expected_key=key,
        own_key=keys.known_fingerprint(settings.data_root),
        limits=settings.limits,
    )


def _exit_code(state: State) -> int:
    from drishtiksha.report.verify import State

    if state in (State.IDENTICAL, State.WITHIN_TOLERANCE):
        return SAME
    return DIFFERS if state is State.DIFFERENT else UNRELIABLE


def _print(found: Verification) -> None:
    from drishtiksha.report import keys

    out.print(f"[bold]{escape(found.state.value.capitalize())}.[/bold] {escape(found.sentence)}", soft_wrap=True)
    for text in found.differences:
        out.print(f"  not in order: {text}", markup=False, highlight=False, soft_wrap=True)
    for text in found.checks:
        out.print(f"  in order: {text}", markup=False, highlight=False, soft_wrap=True)
    if found.evidence_name is not None:
        out.print(
            f"  original: {found.evidence_name}, SHA-256 {found.evidence_sha256}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if found.signer is not None:
        out.print(
            f"  fingerprint of the key: {keys.grouped(found.signer)}", markup=False, highlight=False, soft_wrap=True
        )
