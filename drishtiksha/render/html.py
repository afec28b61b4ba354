"""Jinja2 templates with autoescape: the one way from values to HTML or SVG, for the page and for the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from drishtiksha.plaintext import readable

SHARED = Path(__file__).parent / "templates"
"""Macros that the page and the report import, and the templates of charts."""


def environment(*folders: Path) -> Environment:
    """Templates of these folders, then of `SHARED`. Every value is escaped, and characters
    that turn the direction of text or steer a terminal become signs; a name that is not given raises an error."""
    return Environment(
        loader=FileSystemLoader([*folders, SHARED]),
        autoescape=True,
        finalize=_readable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _readable(value: Any) -> Any:
    """Markup is made of parts that came through here."""
    return readable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
