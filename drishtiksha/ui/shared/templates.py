"""The page's HTML, from the templates in `ui/templates`: one folder a tab, and `shared`; and its scripts, from `ui/js`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from drishtiksha.render import words
from drishtiksha.render.html import environment

UI = Path(__file__).parents[1]


def fill(name: str, /, **values: Any) -> Markup:
    """A template of `ui/templates`, as "compare/tiles.html", with these values. `icon(name)` and `words` may be used in it.

    Raises: jinja2.UndefinedError for a value that the template needs and that is not given.
    """
    return Markup(_environment().get_template(name).render(**values))  # noqa: S704 - the template escaped it


def macro(name: str, piece: str, /, **values: Any) -> Markup:
    """One macro of a template that holds several, as `macro("shared/lines.html", "status", text="Done.", spoken="")`.

    Raises: AttributeError for an unknown macro; TypeError for an unknown value.
    """
    return _piece(_environment(), name, piece)(**values)


def script(*names: str) -> str:
    """Files of `ui/js`, one behind the other in one scope, as "player.js"."""
    return "".join((UI / "js" / name).read_text(encoding="utf-8") for name in names)


@cache
def _environment() -> Environment:
    made = environment(UI / "templates")
    made.globals["words"] = words
    made.globals["icon"] = _piece(made, "shared/icons.html", "icon")
    return made


def _piece(made: Environment, name: str, piece: str) -> Callable[..., Markup]:
    return getattr(made.get_template(name).module, piece)
