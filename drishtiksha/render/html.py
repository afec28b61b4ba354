"""Jinja2 templates with autoescape: the one way from values to HTML or SVG, for the page and for the report."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

SHARED = Path(__file__).parent / "templates"
"""Macros that the page and the report import, and the templates of charts."""


def environment(*folders: Path) -> Environment:
    """Templates of these folders, then of `SHARED`. Every value is escaped; a name that is not given raises an error."""
    return Environment(
        loader=FileSystemLoader([*folders, SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
