"""`drishtiksha examine`: one answer about each file from all proven detectors that fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from drishtiksha.answer import Answer
from drishtiksha.cli.console import (
    STDOUT,
    Exit,
    err,
    exit_code,
    failures_as_exit_codes,
    out,
    reported,
    settings_on,
    write_json,
)
from drishtiksha.registry import ModelManager
from drishtiksha.report.files import require_writable


def examine(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Pictures, videos or recordings.")],
    json_path: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="Write the answer, or why there is none, there (- for standard output); a list for several files.",
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
) -> None:
    """Examine files with all proven detectors that fit, and give one answer about each.

    A file that cannot be examined does not stop the others.
    """
    answers: list[tuple[dict[str, Any], Exit]] = []
    with failures_as_exit_codes():
        if json_path is not None and json_path != STDOUT:
            require_writable(json_path)
        manager = ModelManager(settings_on(device))
        try:
            for file in files:
                answers.append(_told(file, manager, printed=json_path != STDOUT))
        finally:  # what is known of the files so far is kept, whatever happens at the next one
            if json_path is not None and answers:
                write_json(json_path, [document for document, _ in answers], single=len(files) == 1)
    raise typer.Exit(max(code for _, code in answers))


def _told(file: Path, manager: ModelManager, *, printed: bool) -> tuple[dict[str, Any], Exit]:
    """What stands in the JSON for a file: its answer, or why it has none."""
    from drishtiksha.services.runs import failure_of

    try:
        answer, code = _answer(file, manager)
    except OSError:
        raise
    except Exception as raised:  # noqa: BLE001 - told and logged by `failure_of`
        error = failure_of(f"The examination of {file.name}", raised)
        err.print(f"[bold]{escape(f'{file.name}: {error}')}[/bold]")
        return {"file": file.name, "error": str(error)}, exit_code(error)
    if printed:
        show(answer)
    return answer.model_dump(mode="json"), code


def _answer(file: Path, manager: ModelManager) -> tuple[Answer, Exit]:
    """The answer, and the code for scripts where a detector stopped. Raises: MediaError and its kinds."""
    from drishtiksha.media.evidence import Evidence
    from drishtiksha.services.answers import examine_alone, missing_for

    evidence = Evidence.open(file, manager.settings.limits)
    with reported(file.name) as report:
        answer, failures = examine_alone(evidence, manager, report)
    for name, why in failures.items():
        err.print(f"{file.name}: {name} has no result: {why}", markup=False, highlight=False)
    absent = missing_for(manager, evidence.media)
    for text in absent:
        err.print(f"{file.name}: {text}", markup=False, highlight=False)
    codes = [exit_code(why) for why in failures.values()]
    return answer, max([*codes, Exit.WEIGHTS_MISSING if absent else Exit.DONE])


def show(answer: Answer) -> None:
    """The answer, its lines, and what to do next."""
    out.print(f"[bold]{escape(answer.media.name)}[/bold]: {escape(answer.headline)}")
    for text in (answer.why, answer.scale, answer.disclaimer):
        if text:
            out.print(f"  {text}", markup=False)
    for line in answer.lines:
        out.print(f"  [bold]{escape(line.title)}[/bold]: {escape(line.says)}. {escape(line.why)}")
        for text in (line.judged, line.error_rate, line.misses, *line.notes):
            if text:
                out.print(f"    {text}", markup=False)
    for text in (*answer.disagreements, *answer.not_judged, *answer.asides):
        out.print(f"  {text}", markup=False)
    for text in answer.next:
        out.print(f"  - {text}", markup=False)
    out.print(f"  To quote: {answer.sentence}", markup=False)
