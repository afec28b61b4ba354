"""librosa is imported by one process at a time."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from drishtiksha.features import library


@pytest.fixture
def cache_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.slow
def test_others_wait_until_its_compiled_parts_are_there(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []

    def watched(name: str, package: str | None = None) -> object:
        with pytest.raises(Timeout), FileLock(library.guard_file(), timeout=0):
            pass
        imported.append(name)
        return real(name, package)

    real = importlib.import_module
    with monkeypatch.context() as patch:
        patch.setattr(importlib, "import_module", watched)
        module = library.librosa.__wrapped__()
    assert module is sys.modules["librosa"]
    assert imported[-1] == "librosa"
    assert {"librosa.core.pitch", "librosa.util.utils"} <= set(imported)
    with FileLock(library.guard_file(), timeout=0):
        assert library.guard_file().is_relative_to(cache_home)


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_no_obstacle(cache_home: Path) -> None:
    cache_home.write_text("a file where the folder would be")
    assert library.librosa.__wrapped__() is sys.modules["librosa"]
