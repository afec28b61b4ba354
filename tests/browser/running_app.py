"""The real app in a process of its own, for the browser tests and the screenshots."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "assets"
MODEL = "FACE-BLEND-LITE-V1"
START_S = 300
TIMEOUT_MS = 120_000
"""Generous: the machine may be training a network at the same time."""


@dataclass
class App:
    """The running app: its address, its folders, and its process."""

    url: str
    folder: Path
    process: subprocess.Popen
    command: Sequence[str] = ("app.py",)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def temp(self) -> Path:
        return self.folder / "gradio"

    def kill(self) -> None:
        """As `kill -9`: nothing is tidied up."""
        self.process.kill()
        self.process.wait(20)

    def restart(self) -> None:
        """Start again at the same address with the same data."""
        self.process = _start(self.folder, int(self.url.rpartition(":")[2]), self.command, self.settings)
        wait_until_up(self.url, self.process, self.folder / "app.log")


@contextmanager
def serving(
    folder: Path, command: Sequence[str] = ("app.py",), settings: Mapping[str, str] | None = None
) -> Iterator[App]:
    """The real app on a free port of this machine, with its data below `folder`. `PORT` in `command` stands for it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = _start(folder, port, command, settings or {})
    app = App(f"http://127.0.0.1:{port}", folder, process, command, settings or {})
    try:
        wait_until_up(app.url, app.process, folder / "app.log")
        yield app
    finally:
        app.process.terminate()
        app.process.wait(20)


def _start(folder: Path, port: int, command: Sequence[str], settings: Mapping[str, str]) -> subprocess.Popen:
    environment = os.environ | {
        "DRISHTIKSHA_WORKERS": "processes",
        **settings,
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
        "DRISHTIKSHA_DATA_DIR": str(folder / "data"),
        "DRISHTIKSHA_UPLOAD_KEPT_S": "1",
    }
    with (folder / "app.log").open("a") as log:
        words = [str(port) if word == "PORT" else word for word in command]
        return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment, stdout=log, stderr=log)


def wait_until_up(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the app ended at once:\n{log.read_text()}")
        try:
            urllib.request.urlopen(url, timeout=5).read()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
            continue
        return
    pytest.fail(f"the app did not answer within {START_S} s:\n{log.read_text()}")
