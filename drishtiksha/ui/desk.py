"""The open cases of this server: evidence taken in, what is shown of it, its result, and its deletion.

A browser knows a case only by a random id; no path from a user ever reaches the file system.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from drishtiksha.casefile import Viewer
from drishtiksha.errors import DrishtikshaError
from drishtiksha.events import CancelToken, ProgressEvent, Reporter
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager, ModelStatus
from drishtiksha.results import AnalysisResult
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import Settings
from drishtiksha.ui.viewer import ViewerOf, viewer_of

_CASE_ID = re.compile(r"[0-9a-f]{32}")
_ABSOLUTE_PATH = re.compile(r"(?<![\w.:/])/(?:[^\s/]+/)*([^\s/]+/[^\s/]+)")


class CaseGoneError(DrishtikshaError):
    """The case was deleted, or the server was restarted."""


@dataclass
class Case:
    """One piece of evidence of one visitor. `shown_dir` holds derived copies that the browser may fetch."""

    case_id: str
    evidence: Evidence
    shown_dir: Path
    opened: float = field(default_factory=time.time)
    result: AnalysisResult | None = None
    cancel: CancelToken | None = None
    remarks: list[str] = field(default_factory=list)
    closed: bool = False

    def close(self) -> None:
        """Stop what runs; its answer must not appear on a page that shows something else by now."""
        self.closed = True
        if self.cancel is not None:
            self.cancel.cancel()


class Desk:
    """Everything that the handlers need: settings, models, open cases, and one lock a device."""

    def __init__(
        self, settings: Settings, manager: ModelManager, workbench: Workbench | None = None, known: ViewerOf | None = None
    ) -> None:
        """`known` tells who somebody is that logged in; None = there is no login."""
        self.settings = settings
        self.manager = manager
        self.workbench = workbench or Workbench.__new__(Workbench)
        self._known = known
        self._cases: dict[str, Case] = {}
        self._lock = threading.Lock()
        self._devices: dict[str, threading.Lock] = {}

    def viewer(self, request: gr.Request | None) -> Viewer:
        """Who is at the page."""
        return viewer_of(request, self._known)

    def shown_dir(self, case_id: str) -> Path:
        """The folder of a case that the browser may fetch from (it exists); it goes with the case. Raises: CaseGoneError."""
        return self.workbench.derived_dir(case_id)

    def take(self, upload: Path, original_name: str) -> Case:
        """Copy and hash a file at once into a case of its own. Raises: MediaError of `Evidence.take`."""
        self.sweep()
        evidence = Evidence.take(upload, self.settings.cases_dir, self.settings.limits, original_name=original_name)
        case_id = secrets.token_hex(16)
        shown_dir = Path(get_upload_folder()) / f"case-{case_id}"
        shown_dir.mkdir(parents=True, mode=0o700)
        case = Case(case_id, evidence, shown_dir)
        with self._lock:
            self._cases[case_id] = case
        return case

    def case(self, case_id: str | None) -> Case:
        """Raises: CaseGoneError for anything but the id of an open case."""
        if isinstance(case_id, str) and _CASE_ID.fullmatch(case_id):
            with self._lock:
                case = self._cases.get(case_id)
            if case is not None:
                return case
        raise CaseGoneError(
            "This case is no longer here: it was deleted, or the server was restarted. Upload it again."
        )

    def has(self, case_id: str) -> bool:
        """Whether a case is open."""
        with self._lock:
            return case_id in self._cases

    def delete(self, case_id: str) -> None:
        """Stop what runs on a case and remove every file of it: the evidence, its copies and its results."""
        case = self.case(case_id)
        with self._lock:
            self._cases.pop(case_id, None)
        case.close()
        for folder in (case.evidence.case_dir, case.shown_dir):
            if folder is not None:
                shutil.rmtree(folder)

    def sweep(self, now: float | None = None) -> None:
        """Delete cases older than the retention time, those of an earlier run of the server too."""
        oldest = (now or time.time()) - self.settings.retention_hours * 3600
        with self._lock:
            late = [case_id for case_id, case in self._cases.items() if case.opened < oldest]
        for case_id in late:
            with contextlib.suppress(CaseGoneError, FileNotFoundError):
                self.delete(case_id)
        for folder in (*_folders(self.settings.cases_dir, ""), *_folders(Path(get_upload_folder()), "case-")):
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)

    def sweep_for_ever(self, every_s: float = 900.0) -> None:
        """Start a background thread that keeps the retention promise while nobody uploads."""

        def run() -> None:
            while True:
                self.sweep()
                time.sleep(every_s)

        threading.Thread(target=run, name="retention", daemon=True).start()

    def models(self) -> list[ModelStatus]:
        """The model list, fit to be shown to visitors."""
        return [
            replace(status, remedy=without_server_paths(status.remedy) if status.remedy else None)
            for status in self.manager.describe()
        ]

    def analyze(self, evidence: Evidence, model_name: str, report: Reporter, cancel: CancelToken) -> AnalysisResult:
        """Load the model if needed and run it, one analysis at a time on each device.

        Raises: ModelRegistryError, WeightsError, MediaError, AnalysisCancelledError.
        """
        from drishtiksha.analysis import analyze  # here, because the first page need not wait for it

        with self._device(model_name, report, cancel):
            report(ProgressEvent(model_name, 0, None, "load", f"Loading {model_name}"))
            with self.manager.use(model_name) as detector:
                return analyze(evidence, detector, report, cancel, limits=self.settings.limits)

    @contextlib.contextmanager
    def _device(self, model_name: str, report: Reporter, cancel: CancelToken) -> Iterator[None]:
        config = self.manager.get_active_model_configs().get(model_name)
        name = config.device if config is not None else self.settings.device
        with self._lock:
            lock = self._devices.setdefault(name, threading.Lock())
        told = False
        while not lock.acquire(timeout=0.2):
            cancel.check()
            if not told:
                report(ProgressEvent(model_name, 0, None, "wait", "Waiting for another analysis to finish"))
                told = True
        try:
            yield
        finally:
            lock.release()


def without_server_paths(text: str) -> str:
    """Absolute paths cut to their folder and file, "models/x.pt": where the server keeps things is its own business."""
    return _ABSOLUTE_PATH.sub(r"\1", text)


def discard_upload(upload: Path) -> None:
    """Delete gradio's temporary copy of an upload, and its folder when it is empty; nothing outside gradio's folder."""
    root = Path(get_upload_folder()).resolve()
    path = upload.resolve()
    if not path.is_relative_to(root) or path.parent == root:
        return
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.parent.rmdir()


def _folders(root: Path, prefix: str) -> Iterator[Path]:
    if root.is_dir():
        yield from (path for path in root.iterdir() if path.is_dir() and path.name.startswith(prefix))
