"""The real app in a process of its own, for the browser tests and the screenshots."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "assets"
MODEL = "FACE-BLEND-LITE-V1"
CHROMIUM = os.environ.get("DRISHTIKSHA_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_S = 90
TIMEOUT_MS = 120_000
"""Generous: the machine may be training a network at the same time."""


@dataclass
class App:
    """The running app: its address and its folders."""

    url: str
    data: Path
    temp: Path


@contextmanager
def serving(folder: Path) -> Iterator[App]:
    """The real app on a free port of this machine, with its data below `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = App(f"http://127.0.0.1:{port}", folder / "data", folder / "gradio")
    environment = os.environ | {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(app.temp),
        "DRISHTIKSHA_DATA_DIR": str(app.data),
    }
    with (folder / "app.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        wait_until_up(app.url, process, folder / "app.log")
        yield app
    finally:
        process.terminate()
        process.wait(20)


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
