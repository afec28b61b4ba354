"""`drishtiksha stress`: the same file scored again after recompression, scaling, noise and the like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from drishtiksha.casefile import StressPoint, StressResult
from drishtiksha.cli.console import console_json, failures_as_exit_codes, out, reported, settings_on
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult


def stress(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A picture, video or recording.")],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="A name that `drishtiksha models` lists; left out: the first that fits."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
) -> None:
    """Would this verdict survive? Changes the file as the internet does, and scores each copy."""
    from drishtiksha.media.evidence import Evidence
    from drishtiksha.services.runs import examine

    with failures_as_exit_codes():
        manager = ModelManager(settings_on(device))
        evidence = Evidence.open(file, manager.settings.limits)
        name = model or manager.default_model(evidence.media)
        with reported(file.name) as show:
            done = examine(evidence, [name], manager, show, kind="stress").required()
        for result in done.answers.values():
            if as_json:
                typer.echo(console_json(result))
            elif isinstance(result, StressResult):
                _print(result)


def _print(result: StressResult) -> None:
    table = Table(title=f"{escape(result.baseline.media.name)} under {result.model_name}")
    for heading in ("change", "p_fake", "verdict", "judged", ""):
        table.add_column(heading)
    table.add_row("untouched", *_scored(result.baseline), "")
    for point in result.points:
        table.add_row(point.label, *_scored(point), "flips" if point.flips else "")
    out.print(table)
    for sentence in result.sentences:
        out.print(sentence, markup=False)


def _scored(one: AnalysisResult | StressPoint) -> tuple[str, str, str]:
    return "-" if one.p_fake is None else f"{one.p_fake:.3f}", one.prediction.value, f"{one.coverage:.0%}"
