"""Who is at the page: the person who logged in, a browser of a public page, or the person at this machine."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from drishtiksha.casefile import LOCAL, Viewer
from drishtiksha.services.sessions import visitor
from drishtiksha.settings import Settings

ViewerOf = Callable[[str], Viewer]
"""From the name that somebody logged in with to what that person may see."""


def viewer_of(request: gr.Request | None, settings: Settings, known: ViewerOf | None = None) -> Viewer:
    """`known` is given where people must log in; then somebody without a name may do nothing."""
    if known is None:
        return visitor(getattr(request, "cookies", None) or {}) if settings.public else LOCAL
    name = getattr(request, "username", None)
    return known(name) if name else Viewer()
