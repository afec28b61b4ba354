"""What every tab works with: the workbench, the settings, the models, and who is at the page.

A browser knows cases and jobs only by random ids; no path from a user ever reaches the file system.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from drishtiksha.casefile import Viewer
from drishtiksha.errors import without_server_paths
from drishtiksha.registry import ModelManager, ModelStatus
from drishtiksha.services.intake import take_in
from drishtiksha.services.workbench import OpenCase, Workbench
from drishtiksha.settings import Settings
from drishtiksha.ui.shared.viewer import ViewerOf, viewer_of


class Desk:
    """The workbench as the page sees it."""

    def __init__(self, workbench: Workbench, known: ViewerOf | None = None) -> None:
        """`known` tells who somebody is that logged in; None = there is no login."""
        self.workbench = workbench
        self.settings: Settings = workbench.settings
        self.manager: ModelManager = workbench.manager
        self._known = known

    def viewer(self, request: gr.Request | None) -> Viewer:
        """Who is at the page."""
        return viewer_of(request, self.settings, self._known)

    def take(self, upload: Path, original_name: str, viewer: Viewer, question: str = "") -> OpenCase:
        """A case of the viewer's own, with what the file says of itself.

        Raises: MediaError and its kinds; QuotaError.
        """
        return take_in(self.workbench, upload, original_name, viewer, question)

    def models(self) -> list[ModelStatus]:
        """The model list, fit to be shown to visitors."""
        return [
            replace(status, remedy=without_server_paths(status.remedy) if status.remedy else None)
            for status in self.manager.describe()
        ]


def discard_upload(upload: Path) -> None:
    """Delete gradio's temporary copy of an upload, and its folder when it is empty; nothing outside gradio's folder."""
    root = Path(get_upload_folder()).resolve()
    path = upload.resolve()
    if not path.is_relative_to(root) or path.parent == root:
        return
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.parent.rmdir()
