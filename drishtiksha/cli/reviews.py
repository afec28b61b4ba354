"""`drishtiksha reviews`: what people said of cases, out of the store and into it, and what it amounts to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from drishtiksha.casefile import LOCAL
from drishtiksha.cli.console import Exit, console_json, err, failures_as_exit_codes, out
from drishtiksha.registry import ModelManager
from drishtiksha.results import Prediction
from drishtiksha.settings import load_settings

if TYPE_CHECKING:
    from drishtiksha.services.reviews import Agreement, ModelRecord, ReviewStats, Share
    from drishtiksha.services.workbench import Workbench

reviews_app = typer.Typer(no_args_is_help=True, help="Reviews: export, import, and the numbers drawn from them.")


@reviews_app.command("export")
def export(
    target: Annotated[Path, typer.Argument(dir_okay=False, help="reviews.csv or reviews.jsonl: by its ending.")],
) -> None:
    """Write every review with the file that it is about (SHA-256), oldest first."""
    from drishtiksha.services.reviews_exchange import ALL_CASES, export_reviews

    form = target.suffix.lower()
    if form not in (".csv", ".jsonl"):
        err.print(f"{target} has no ending that is known. Wanted: .csv or .jsonl.", markup=False)
        raise typer.Exit(Exit.USAGE)
    with _workbench() as bench:
        cases = bench.seen_by(LOCAL).cases(reviewed=True, limit=ALL_CASES)
        target.write_bytes(export_reviews(cases, "csv" if form == ".csv" else "jsonl"))
    count = sum(len(case.reviews) for case in cases)
    told = f"Wrote {count} {'review' if count == 1 else 'reviews'} to {target}"
    out.print(told, markup=False, highlight=False, soft_wrap=True)


@reviews_app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file that `export` wrote.")],
) -> None:
    """Add the reviews of a file, all of them or none; those that are here already are left alone."""
    from drishtiksha.services.reviews_exchange import import_reviews

    with _workbench() as bench:
        done = import_reviews(bench, source, LOCAL)
    out.print(f"{done.added} added, {done.known} here already.", highlight=False)


@reviews_app.command("stats")
def show_stats(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """How far reviewers agree (Cohen's kappa), and each detector's precision and recall against their labels so far."""
    from drishtiksha.services.reviews import stats
    from drishtiksha.services.reviews_exchange import ALL_CASES

    with _workbench() as bench:
        found = stats(bench.seen_by(LOCAL).cases(limit=ALL_CASES))
    if as_json:
        typer.echo(console_json(found))
    else:
        _print(found)


@contextmanager
def _workbench() -> Iterator[Workbench]:
    """The workbench of the settings, not at work; errors become exit codes."""
    # Other commands must not wait for SQLAlchemy.
    from drishtiksha.services.workbench import Workbench

    with failures_as_exit_codes():
        settings = load_settings()
        bench = Workbench(settings, ModelManager(settings))
        try:
            yield bench
        finally:
            bench.store.close()


def _print(found: ReviewStats) -> None:
    out.print(f"{found.reviewed} of {found.cases} cases reviewed; reviewers differ on {found.disputed}.")
    if found.agreement:
        table = Table("reviewer", "reviewer", "in common", "same", "kappa", title="Agreement of reviewers")
        for pair in found.agreement:
            table.add_row(*_pair(pair))
        out.print(table)
    if found.models:
        table = Table(title="Detectors against human labels")
        table.add_column("model", no_wrap=True)
        for heading in ("label", *(p.value for p in Prediction), "unclear", "precision", "recall"):
            table.add_column(heading, overflow="fold")
        for record in found.models:
            for row in _record(record):
                table.add_row(*row)
        out.print(table)
        out.print("Reviewers saw the detectors' answers before they judged, so these numbers flatter the detectors.")


def _pair(pair: Agreement) -> tuple[str, ...]:
    value = (pair.reason or "") if pair.kappa is None else f"{pair.kappa:.2f}"
    return escape(pair.first), escape(pair.second), str(pair.common), str(pair.same), value


def _record(record: ModelRecord) -> tuple[tuple[str, ...], ...]:
    """A row for each label."""
    genuine, manipulated = (
        tuple(str(count[prediction]) for prediction in Prediction) for count in (record.genuine, record.manipulated)
    )
    ends = (str(record.unclear), _share(record.precision), _share(record.recall))
    return (escape(record.model_name), "genuine", *genuine, *ends), ("", "manipulated", *manipulated)


def _share(one: Share) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "-"
    return f"{one.value:.2f} ({one.low:.2f}-{one.high:.2f}), n={one.n}"
