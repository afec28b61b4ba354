"""Chromium, as the tests and the screenshots start it."""

from __future__ import annotations

import os
import shutil

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
