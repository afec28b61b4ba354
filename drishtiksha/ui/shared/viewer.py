"""Who is at the page: the person who logged in, a browser of a public page, or the person at this machine."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from drishtiksha.casefile import LOCAL, Viewer
from drishtiksha.services.sessions import secret_in, visitor
from drishtiksha.settings import Settings

ViewerOf = Callable[[str], Viewer]
"""From the name that somebody logged in with to what that person may see."""


def viewer_of(request: gr.Request | None, settings: Settings, known: ViewerOf | None = None) -> Viewer:
    """`known` is given where people must log in; then somebody without a name may do nothing.

    On a public page a browser is known by its cookie; one that keeps none, as many do within a frame of another site, by
    the random id of the open page: its cases are its own until the page is closed.
    """
    if known is not None or settings.login:
        name = getattr(request, "username", None)
        return known(name) if known and name else Viewer()
    if not settings.public:
        return LOCAL
    return visitor(secret_in(getattr(request, "cookies", None) or {}) or getattr(request, "session_hash", None))
