"""What every tab works with: the workbench, the settings, the models, and who is at the page.

A browser knows cases and jobs only by random ids; no path from a user ever reaches the file system.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
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
from drishtiksha.weights import fetchable

log = logging.getLogger(__name__)

ADDED_HERE = "Download it on the tab Models."
ADDED_BY_HOST = "It is not installed: whoever runs this server can add it."
EVERY_S = 0.5
"""How often it is looked whether an upload is to be deleted."""


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
        return [replace(status, remedy=self._remedy(status)) for status in self.manager.describe()]

    def _remedy(self, status: ModelStatus) -> str | None:
        """What helps somebody at the page: no command of a machine that is not theirs, and none where a button does it."""
        if status.state == "missing" and not self.settings.manage_models:
            return ADDED_BY_HOST
        if status.state == "missing" and fetchable(status.config.weights):
            return ADDED_HERE
        return without_server_paths(status.remedy) if status.remedy else None


def discard_upload(upload: Path, kept_s: float) -> None:
    """Delete gradio's temporary copy of an upload, `kept_s` after it arrived; nothing outside gradio's folder.

    Gradio keeps equal uploads in one file, so that it may be that of somebody else as well, who is not answered yet. What a
    stopped server leaves, gradio's own sweep deletes.
    """
    root = Path(get_upload_folder()).resolve()
    path = upload.resolve()
    if not path.is_relative_to(root) or path.parent == root:
        return
    try:
        age_s = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return
    if age_s < kept_s:
        _discards.later(path, kept_s)
        return
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.parent.rmdir()


class _Discards:
    """Uploads that are to be deleted later, by one thread for all of them."""

    def __init__(self) -> None:
        self._waiting: dict[Path, float] = {}
        self._lock = threading.Lock()
        self._at_work = False

    def later(self, path: Path, kept_s: float) -> None:
        with self._lock:
            self._waiting[path] = kept_s
            if not self._at_work:
                self._at_work = True
                threading.Thread(target=self._work, name="uploads", daemon=True).start()

    def _work(self) -> None:
        while True:
            time.sleep(EVERY_S)
            with self._lock:
                if not self._waiting:
                    self._at_work = False
                    return
                due, self._waiting = self._waiting, {}
            for path, kept_s in due.items():
                try:
                    discard_upload(path, kept_s)  # which puts back what is not due
                except OSError:
                    log.exception("an upload could not be deleted; gradio's sweep tries again")


_discards = _Discards()
