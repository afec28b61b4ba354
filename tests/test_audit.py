"""`make audit` says what was looked up, and never that nothing is known where nothing was."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drishtiksha.settings import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None or shutil.which("timeout") is None, reason="needs make")

CLEAN, UNKNOWN = "No known faults in the pinned packages.", "Known faults of packages were not looked up"
NONE, SKIPPED = "echo No known vulnerabilities found >&2", "Dependency not found on PyPI and could not be audited"
SAID = {
    "clean": (f"echo 'WARNING: some' >&2; {NONE}", 0, CLEAN),
    "found": ("echo Found 2 known vulnerabilities in 1 package >&2; echo 'pillow 1.0 PYSEC-1'; exit 1", 2, "PYSEC-1"),
    "one skipped": (f"{NONE}; echo 'torch {SKIPPED}: torch (2)'", 0, "Not looked up:\ntorch"),
    "all skipped": (f"{NONE}; for i in {{1..2000}}; do echo 'torch {SKIPPED}: torch (2)'; done", 0, UNKNOWN),
    "no service": ("echo 'requests.exceptions.ConnectionError: no route' >&2; exit 1", 0, UNKNOWN),
    "nothing said": ("exit 0", 0, UNKNOWN),
    "killed": ("kill -9 $$", 0, UNKNOWN),
    "out of time": ("exit 124", 0, UNKNOWN),
}
"""What the program prints and returns; what make returns and says. A mirror that knows no faults answers as "all skipped"."""


@pytest.mark.parametrize(("script", "code", "words"), SAID.values(), ids=SAID)
def test_the_outcome_is_told_as_it_is(tmp_path: Path, script: str, code: int, words: str) -> None:
    for place in ("bin/python", "audit/bin/pip-audit"):
        (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / "bin/python").symlink_to(sys.executable)
    program = tmp_path / "audit/bin/pip-audit"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)
    command = ["make", "--no-print-directory", "-C", str(ROOT), "audit", f"VENV={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout
    assert (CLEAN in done.stdout) is (words == CLEAN)
