"""librosa, imported so that several processes may do so at once."""

from __future__ import annotations

import contextlib
import importlib
import os
from functools import cache
from pathlib import Path
from typing import Any

COMPILED_PARTS = ("util.utils", "core.audio", "core.spectrum", "core.pitch", "sequence", "feature.spectral")
GUARD = "librosa.lock"


@cache
def librosa() -> Any:
    """The module. The first import on a machine compiles parts of it, which takes some 20 s.

    numba keeps what it compiled in files; two processes that fill them at a time mix up machine code, and both they and
    every later one crash. So one process after the other.
    """
    with _alone():
        for part in COMPILED_PARTS:
            importlib.import_module(f"librosa.{part}")
        return importlib.import_module("librosa")


def guard_file() -> Path:
    """The file that a process locks while it imports, the same for all processes of a user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "drishtiksha" / GUARD


def _alone() -> contextlib.AbstractContextManager[object]:
    """Without a writable home nothing is locked."""
    from filelock import FileLock

    path = guard_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError:
        return contextlib.nullcontext()
    return FileLock(path)
