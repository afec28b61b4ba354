"""A case as one HTML file that holds all it shows: opens offline, loads nothing, runs nothing."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Template
from markupsafe import Markup

from drishtiksha.render.html import environment
from drishtiksha.report.pieces import Content

TEMPLATES = Path(__file__).parent / "templates"


def render(report: Content) -> bytes:
    """UTF-8. Everything from the case is escaped; the policy in its head lets a browser load nothing."""
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    # Our own stylesheet is the only text that is put in as it stands.
    own_css = Markup(css)  # noqa: S704
    return _template().render(report=report, css=own_css, policy=policy).encode()


@cache
def _template() -> Template:
    return environment(TEMPLATES).get_template("report.html")
