"""The REST server: the same services as the page and the command line, over HTTP. No gradio in here."""

from __future__ import annotations

from drishtiksha.server.app import create_app

__all__ = ["create_app"]
