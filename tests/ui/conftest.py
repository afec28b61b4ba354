from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from desk_names import ABSENT, BRIGHT
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights
from PIL import Image

from drishtiksha.registry import ModelManager
from drishtiksha.services.workbench import Workbench
from drishtiksha.ui.shared.desk import Desk

OpenDesk = Callable[[ModelManager], Any]


@pytest.fixture(autouse=True)
def uploads_go_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRISHTIKSHA_UPLOAD_KEPT_S", "0")


@contextmanager
def _desk_on(manager: ModelManager) -> Iterator[Desk]:
    workbench = Workbench(manager.settings, manager)
    workbench.start()
    try:
        yield Desk(workbench)
    finally:
        workbench.stop()


@pytest.fixture
def desk_on() -> OpenDesk:
    """A desk, as a context manager, on a workbench at work."""
    return _desk_on


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk with one usable detector (bright is fake) and one whose weights are missing."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    models = {
        BRIGHT: entry(model_path=plain_weights(tmp_path / "w.pt"), batch_size=2),
        ABSENT: entry(model_path=tmp_path / "absent.pt"),
    }
    with (
        dropped_in(tmp_path / "more", brightness=BRIGHTNESS),
        _desk_on(manager_of(models, tmp_path, monkeypatch)) as desk,
    ):
        yield desk


@pytest.fixture
def upload(tmp_path: Path):
    """Puts a file where gradio puts uploads."""

    def put(source: Path | bytes, name: str) -> Path:
        folder = tmp_path / "gradio" / "0123abcd"
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / name
        if isinstance(source, bytes):
            target.write_bytes(source)
        else:
            shutil.copyfile(source, target)
        return target

    return put


@pytest.fixture
def bright_picture(tmp_path: Path) -> Path:
    path = tmp_path / "bright.png"
    Image.new("RGB", (320, 320), (250, 250, 250)).save(path)
    return path
