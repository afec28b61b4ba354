"""`drishtiksha models`: what is configured, and what is known of each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from drishtiksha.cli.console import failures_as_exit_codes, out
from drishtiksha.registry import ModelManager, ModelStatus
from drishtiksha.render import words
from drishtiksha.settings import load_settings
from drishtiksha.weights import bytes_of, fetchable, licences, origin, parts, sources, state

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
    columns: dict[str, Callable[[ModelStatus], str]] = {
        "model": lambda s: s.name,
        "state": _in_short,
        "size": _size,
        "licence": lambda s: s.licence_class.value,
        "takes": _takes,
    }
    widths = {title: max((len(title), *(len(cell(s)) for s in statuses))) for title, cell in columns.items()}
    if sum(widths.values()) + 2 * len(widths) > out.width:
        del columns["takes"]
    table = Table(box=None, pad_edge=False, expand=out.is_terminal)
    for title in columns:
        table.add_column(title, no_wrap=True, width=widths[title])
    table.add_column("looks at", no_wrap=True, ratio=1)
    for status in statuses:
        cells = [*(cell(status) for cell in columns.values()), status.config.looks_at]
        table.add_row(*map(escape, cells), style=STATE_STYLE[status.state])
    out.print(table)
    out.print("drishtiksha models NAME tells what is known of one, and how to get its files.", highlight=False)
    if any(status.config.recommended and status.state == "missing" for status in statuses):
        out.print("drishtiksha weights pull --recommended fetches the recommended ones.", highlight=False)


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
        "licence": words.licence(licences(parts(config)), status.licence_class),
        "size": _size(status),
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
    config = status.config
    marks = {"recommended": config.recommended, "experimental": config.experimental, "retired": config.retired}
    return [word for word, on in marks.items() if on]


def _in_short(status: ModelStatus) -> str:
    """The state, how missing files are got, and what else to know before choosing it."""
    absent = [p for p in parts(status.config) if not p.optional and state(p.path, p.source).value == "missing"]
    way = "pull it" if all(fetchable(part.source) for part in absent) else "by hand"
    return ", ".join([f"{status.state}: {way}" if status.state == "missing" else status.state, *_marks(status)])


def _bytes(status: ModelStatus) -> int:
    """Of all needed files, here or as published; 0 where it is not known of one that is missing."""
    sizes = [bytes_of(p.path, p.source) or p.source.bytes or 0 for p in parts(status.config) if not p.optional]
    return sum(sizes) if all(sizes) else 0


def _size(status: ModelStatus) -> str:
    size = _bytes(status)
    return words.size(size) if size else ""


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
            "licence_class": part.source.licence_class.value,
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
        "licence_class": status.licence_class.value,
        "recommended": config.recommended,
        "bytes": _bytes(status),
        "remedy": status.remedy,
        "files": files,
    }
