"""The real app in a process of its own, and a real browser that may speak to nobody else."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
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


def models_folder(folder: Path) -> Path:
    """The shipped models; while the embedded network is not there yet, one with random weights in its place."""
    shipped = ROOT / "models"
    if (shipped / f"{MODEL}.safetensors").is_file():
        return shipped
    import torch
    from safetensors.torch import save_file

    from drishtiksha.networks.efficientnet_lite import FaceBlendNetwork

    stand_in = folder / "models"
    shutil.copytree(shipped, stand_in)
    torch.manual_seed(0)
    save_file(FaceBlendNetwork().state_dict(), stand_in / f"{MODEL}.safetensors")
    return stand_in


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
