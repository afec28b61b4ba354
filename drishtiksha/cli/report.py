"""`drishtiksha report`: examine a file, or take a case of the app, and write a report of it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drishtiksha.casefile import LOCAL, CaseFile
from drishtiksha.cli.console import Exit, failures_as_exit_codes, listed, out, reported, settings_on, told_failures
from drishtiksha.errors import ConfigError
from drishtiksha.registry import ModelManager
from drishtiksha.settings import Settings

if TYPE_CHECKING:
    from drishtiksha.answer import Answer
    from drishtiksha.media.evidence import Evidence


def report(
    target: Annotated[
        Path, typer.Option("--out", "-o", help="report.html, .pdf, .zip (signed bundle), .json or .csv: by its ending.")
    ],
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="A picture, video or recording.")
    ] = None,
    models: Annotated[
        str | None,
        typer.Option("--models", "-m", help="Names that `drishtiksha models` lists: A,B; left out: all that fit."),
    ] = None,
    case_id: Annotated[
        str | None, typer.Option("--case", help="Of a case in the app's store, with its results and reviews.")
    ] = None,
    question: Annotated[str, typer.Option(help="What was asked, in the words of whoever asked.")] = "",
    include_evidence: Annotated[
        bool, typer.Option("--include-evidence", help="Put the original into the bundle, too.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
) -> None:
    """A page for the editor and a technical annex, or all of it as a signed bundle that others can verify."""
    from drishtiksha.report import SUFFIXES, write

    with failures_as_exit_codes():
        if (file is None) == (case_id is None):
            raise ConfigError("Name either a file or, with --case, a case of the app.")
        if case_id is not None and (models or question):
            raise ConfigError("--models and --question go with a file; a case has its own.")
        if target.suffix.lower() not in SUFFIXES:
            raise ConfigError(f"--out {target} has no ending that is known. Wanted: {', '.join(SUFFIXES)}.")
        settings = settings_on(device)
        if file is None:
            (case, evidence, answer), code = _kept(case_id, settings), Exit.DONE
        else:
            case, evidence, answer, code = _examined(file, models, question, settings)
        target.parent.mkdir(parents=True, exist_ok=True)
        limits, data_dir = settings.limits, settings.data_root
        write(case, evidence, target, data_dir, answer=answer, limits=limits, include_evidence=include_evidence)
    out.print(f"Wrote {target}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def _kept(case_id: str | None, settings: Settings) -> tuple[CaseFile, Evidence, Answer]:
    """Raises: CaseGoneError."""
    from drishtiksha.services.workbench import Workbench

    bench = Workbench(settings, ModelManager(settings))
    opened = bench.seen_by(LOCAL).open(case_id or "")
    case = opened.read()
    return case, opened.evidence(), opened.answer(case=case)


def _examined(
    file: Path, models: str | None, question: str, settings: Settings
) -> tuple[CaseFile, Evidence, Answer, Exit]:
    """A case that no store holds, and the code for models without a result. Raises: MediaError, ModelRegistryError, ConfigError."""
    from drishtiksha import provenance
    from drishtiksha.answer import answer_of
    from drishtiksha.media.evidence import Evidence
    from drishtiksha.services.answers import failures_of
    from drishtiksha.services.plan import fitting
    from drishtiksha.services.runs import examine

    opened_utc = datetime.now(UTC).isoformat(timespec="seconds")
    manager = ModelManager(settings)
    evidence = Evidence.open(file, settings.limits)
    names = listed(models) if models is not None else fitting(manager.describe(), evidence.media)
    if not names:
        raise ConfigError(f"No model that is ready examines {evidence.media.name}. See `drishtiksha models`.")
    with reported(evidence.media.name) as show:
        found = examine(evidence, names, manager, show).required()
    code = told_failures(evidence.media.name, found.failures, manager)
    case = CaseFile(
        case_id=secrets.token_hex(16),
        opened_utc=opened_utc,
        question=question,
        media=evidence.media,
        provenance=provenance.examine(evidence, settings.limits),
        results=found.results,
    )
    failed = failures_of(manager, found.failures)
    return case, evidence, answer_of(case.media, case.results, case.provenance, failed=failed), code
