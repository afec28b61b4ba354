"""`drishtiksha compare`: several detectors on one file, or one detector on two files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, Field
from rich.markup import escape
from rich.table import Table

from drishtiksha.cli.console import (
    console_json,
    err,
    failures_as_exit_codes,
    listed,
    out,
    reported,
    settings_on,
    told_failures,
)
from drishtiksha.comparison import Comparison, Row, Segment, contrast
from drishtiksha.comparison import compare as held_together
from drishtiksha.errors import ConfigError
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.render import words
from drishtiksha.results import AnalysisResult
from drishtiksha.services.plan import RunPlan, fitting, plan
from drishtiksha.services.runs import Answers, examine


class ComparedFile(BaseModel):
    """What several models say about one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    results: tuple[AnalysisResult, ...]
    errors: dict[str, str] = Field(default={}, description="model name -> why it has no result")
    comparison: Comparison


def compare(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A picture, video or recording.")],
    models: Annotated[
        str | None,
        typer.Option("--models", "-m", help="Names that `drishtiksha models` lists: A,B,C; left out: all that fit."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A second file, to set beside the first.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    only_plan: Annotated[bool, typer.Option("--plan", help="Say what it would take, and stop.")] = False,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
) -> None:
    """What several detectors say about one file, where they agree, and where they do not."""
    with failures_as_exit_codes():
        manager = ModelManager(settings_on(device))
        opened = [Evidence.open(path, manager.settings.limits) for path in (file, against) if path is not None]
        names = listed(models) if models is not None else _all_that_fit(manager, opened)
        plans = [plan(evidence.media, names, manager, {}) for evidence in opened]
        if only_plan:
            _show_plans(plans, as_json)
            return
        for evidence, its_plan in zip(opened, plans, strict=True):
            _print_plan(evidence.media.name, its_plan)
        answers = [_run(evidence, names, manager) for evidence in opened]
        if not any(one.results for one in answers):
            answers[0].required()
        found = [_compared(one) for one in answers]
        if as_json:
            documents = [one.model_dump(mode="json") for one in found]
            both = {"files": documents, "contrasts": contrasts(found)}
            typer.echo(console_json(both if against else documents[0]))
        else:
            for evidence, one in zip(opened, found, strict=True):
                _print(evidence.media.name, one)
            for sentence in contrasts(found).values():
                out.print(sentence, markup=False)
        told = zip(opened, answers, strict=True)
        raise typer.Exit(max(told_failures(evidence.media.name, one.failures, manager) for evidence, one in told))


def _all_that_fit(manager: ModelManager, opened: Sequence[Evidence]) -> list[str]:
    names = list(dict.fromkeys(n for evidence in opened for n in fitting(manager.describe(), evidence.media)))
    if not names:
        raise ConfigError(f"No model that is ready examines {opened[0].media.name}. See `drishtiksha models`.")
    return names


def contrasts(found: Sequence[ComparedFile]) -> dict[str, str]:
    """Model name -> how its answers about two files differ; empty for one file."""
    if len(found) < 2:
        return {}
    second = {result.model_name: result for result in found[1].results}
    return {r.model_name: contrast(r, second[r.model_name]) for r in found[0].results if r.model_name in second}


def _run(evidence: Evidence, names: Sequence[str], manager: ModelManager) -> Answers:
    with reported(evidence.media.name) as show:
        return examine(evidence, names, manager, show)


def _compared(answers: Answers) -> ComparedFile:
    errors = {name: str(error) for name, error in answers.failures.items()}
    return ComparedFile(results=answers.results, errors=errors, comparison=held_together(answers.results))


def _show_plans(plans: Sequence[RunPlan], as_json: bool) -> None:
    if as_json:
        typer.echo(console_json([p.model_dump(mode="json") for p in plans]))
        return
    for its_plan in plans:
        table = Table()
        table.add_column("model", no_wrap=True)
        for heading in ("judges", "state", "weights", ""):
            table.add_column(heading)
        for model in its_plan.models:
            weights = words.size(model.memory_bytes) if model.memory_bytes else "-"
            table.add_row(model.model_name, model.evidence.value, model.state, weights, escape(model.obstacle or ""))
        out.print(table)


def _print_plan(name: str, its_plan: RunPlan) -> None:
    """One line before the run, beside what the standard output holds."""
    count = words.counted(len(its_plan.runnable), "model")
    err.print(f"{name}: {count}, {words.size(its_plan.memory_bytes)} of weights.", markup=False, highlight=False)


def _print(name: str, one: ComparedFile) -> None:
    table = Table(title=escape(name))
    table.add_column("model", no_wrap=True)
    for heading in ("judges", "verdict", "p_fake", "judged", "time", "agree"):
        table.add_column(heading, overflow="fold")
    for row in one.comparison.rows:
        table.add_row(*_cells(row))
    out.print(table)
    for segment in one.comparison.segments:
        out.print(_line(segment), markup=False)
    out.print(one.comparison.sentence, markup=False)


def _cells(row: Row) -> tuple[Any, ...]:
    score = "-" if row.p_fake is None else f"{row.p_fake:.3f}"
    agreement = "-" if row.agreement is None else words.share(row.agreement)
    facts = (score, words.share(row.coverage), words.duration(row.seconds), agreement)
    return (escape(row.model_name), row.evidence.value, row.grade.value, *facts)


def _line(segment: Segment) -> str:
    span = f"{words.fine_clock(segment.start_s)}-{words.fine_clock(segment.end_s)}"
    return f"{span}: {', '.join(segment.kinds)} agree on manipulation ({', '.join(segment.models)})"
