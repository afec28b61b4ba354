"""Who is at the page: nobody in particular without login, else the person who logged in."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from drishtiksha.casefile import Viewer

ViewerOf = Callable[[str], Viewer]
"""From the name that somebody logged in with to what that person may see."""


def viewer_of(request: gr.Request | None, known: ViewerOf | None = None) -> Viewer:
    """`known` is given where people must log in; then somebody without a name sees nothing of others."""
    if known is None:
        return Viewer()
    name = getattr(request, "username", None)
    return known(name) if name else Viewer(reviewer=False)
