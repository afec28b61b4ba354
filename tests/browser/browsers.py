"""Chromium, as the tests and the screenshots start it."""

from __future__ import annotations

import os
import shutil

CHROMIUM = os.environ.get("DRISHTIKSHA_CHROMIUM") or next(
    filter(None, map(shutil.which, ["chromium-headless-shell", "chromium", "chromium-browser"])), None
)
"""The browser without a window is the quicker one."""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
