"""Links back to what a tab shows: `?job=<id>` and `?compare=<code>` in the page's address, which the page keeps in line."""

from __future__ import annotations

import gradio as gr

from drishtiksha.ui.shared.elements import html
from drishtiksha.ui.shared.templates import macro, script


def element(elem_id: str, value: str = "") -> gr.HTML:
    """Holds the link of what a tab shows; give it `job`, `comparison` or `nothing`."""
    return html(value, js_on_load=script("link.js"), elem_id=elem_id)


def nothing(param: str) -> str:
    """Takes the parameter out of the address."""
    return macro("shared/link.html", "nothing", param=param)


def job(job_id: str, *, ended: bool = False) -> str:
    """A link to a job; without one `nothing`."""
    return macro("shared/link.html", "job", job_id=job_id, ended=ended) if job_id else nothing("job")


def comparison(code: str) -> str:
    """A link to a comparison; without one `nothing`."""
    return macro("shared/link.html", "comparison", code=code) if code else nothing("compare")


def job_of(request: gr.Request | None) -> str:
    """The job that the page was opened with, or ""."""
    return str(request.query_params.get("job") or "") if request is not None else ""
