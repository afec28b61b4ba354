"""The page's HTML, from the templates in `ui/templates`: one folder a tab, and `shared`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from drishtiksha.render.html import environment
from drishtiksha.ui.shared.icons import icon

FOLDER = Path(__file__).parents[1] / "templates"


def fill(name: str, **values: Any) -> Markup:
    """A template of `ui/templates`, as "compare/tiles.html", with these values. `icon(name)` may be used in it.

    Raises: jinja2.UndefinedError for a value that the template needs and that is not given.
    """
    return Markup(_environment().get_template(name).render(**values))  # noqa: S704 - the template escaped it


@cache
def _environment() -> Environment:
    made = environment(FOLDER)
    made.globals["icon"] = icon
    return made
