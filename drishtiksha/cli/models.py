"""`drishtiksha models`: what is configured, and what is known of each."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from drishtiksha.cli.console import failures_as_exit_codes, out
from drishtiksha.registry import ModelManager, ModelStatus
from drishtiksha.render import words
from drishtiksha.settings import load_settings
from drishtiksha.weights import fetchable, origin, parts, sources, state

STATE_STYLE = {"loaded": "bold", "ready": "bold", "missing": "dim", "broken": "dim"}


def models(
    name: Annotated[str | None, typer.Argument(help="Only this one, with all that is known of it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the configured models, what they look at, and whether they can be used."""
    with failures_as_exit_codes():
        manager = ModelManager(load_settings())
        statuses = [manager.status(name)] if name else manager.describe()
        if as_json:
            sys.stdout.write(json.dumps([_as_dict(status) for status in statuses], indent=2) + "\n")
        elif name:
            _print_card(statuses[0])
        else:
            _print_table(statuses)


def _print_table(statuses: list[ModelStatus]) -> None:
    rows = [(s.name, _in_short(s), _takes(s), s.config.looks_at, STATE_STYLE[s.state]) for s in statuses]
    table = Table(box=None, pad_edge=False, expand=True)
    for place, title in enumerate(("model", "state", "takes")):
        table.add_column(title, no_wrap=True, width=max((len(row[place]) for row in rows), default=0))
    table.add_column("looks at", no_wrap=True, ratio=1)
    for *cells, style in rows:
        table.add_row(*map(escape, cells), style=style)
    out.print(table)
    out.print("drishtiksha models NAME tells what is known of one, and how to get its files.", highlight=False)


def _print_card(status: ModelStatus) -> None:
    config = status.config
    facts = {
        "state": ", ".join([status.state, *_marks(status)]),
        "takes": _takes(status),
        "looks at": config.looks_at,
        "does not see": config.limits,
        "trained on": config.trained_on,
        "measured": words.measured(config),
        "method": config.paper,
        "licence": status.licence,
        "comes from": "; ".join(sources(config)),
        "to get it": status.remedy or "",
    }
    out.print(f"[bold]{escape(status.name)}[/bold]: {escape(config.description)}", highlight=False)
    table = Table.grid(Column("what", no_wrap=True), Column("is", overflow="fold"), padding=(0, 2))
    for what, value in facts.items():
        if value:
            table.add_row(what, escape(value))
    for part in parts(config):
        lies = f"{part.path} ({state(part.path, part.source).value}{', optional' if part.optional else ''})"
        table.add_row(part.name or "file", escape(lies))
    out.print(table, highlight=False)


def _marks(status: ModelStatus) -> list[str]:
    marks = {"experimental": status.config.experimental, "retired": status.config.retired}
    return [word for word, on in marks.items() if on]


def _in_short(status: ModelStatus) -> str:
    """The state, how missing files are got, and what else to know before choosing it."""
    absent = [p for p in parts(status.config) if not p.optional and state(p.path, p.source).value == "missing"]
    way = "pull it" if all(fetchable(part.source) for part in absent) else "by hand"
    return ", ".join([f"{status.state}: {way}" if status.state == "missing" else status.state, *_marks(status)])


def _takes(status: ModelStatus) -> str:
    config = status.config
    kinds = {
        "picture": config.isImage,
        "video": config.isVideo,
        "sound": config.isAudio,
        "video with sound": config.isMultiModal,
    }
    return ", ".join(kind for kind, taken in kinds.items() if taken)


def _as_dict(status: ModelStatus) -> dict[str, object]:
    config = status.config
    plain = (
        "class_name description isImage isVideo isAudio isMultiModal looks_at limits experimental retired trained_on "
        "measured paper"
    )
    files = [
        {
            "companion": part.name or None,
            "path": str(part.path),
            "state": state(part.path, part.source).value,
            "optional": part.optional,
            "licence": part.source.licence,
            "source": origin(part.source),
        }
        for part in parts(config)
    ]
    return {
        "name": status.name,
        "state": status.state,
        "embedded": status.embedded,
        **{field: getattr(config, field) for field in plain.split()},
        "licence": status.licence,
        "remedy": status.remedy,
        "files": files,
    }
