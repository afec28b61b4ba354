"""The page's HTML, from the templates in `ui/templates`: one folder a tab, and `shared`; and its scripts, from `ui/js`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from drishtiksha.render import words
from drishtiksha.render.html import environment
from drishtiksha.ui.shared.icons import icon

UI = Path(__file__).parents[1]


def fill(name: str, /, **values: Any) -> Markup:
    """A template of `ui/templates`, as "compare/tiles.html", with these values. `icon(name)` and `words` may be used in it.

    Raises: jinja2.UndefinedError for a value that the template needs and that is not given.
    """
    return Markup(_environment().get_template(name).render(**values))  # noqa: S704 - the template escaped it


def script(*names: str) -> str:
    """Files of `ui/js`, one behind the other in one scope, as "player.js"."""
    return "".join((UI / "js" / name).read_text(encoding="utf-8") for name in names)


@cache
def _environment() -> Environment:
    made = environment(UI / "templates")
    made.globals |= {"icon": icon, "words": words}
    return made
