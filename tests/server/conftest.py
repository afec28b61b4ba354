from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights
from fastapi import FastAPI
from media_factory import coded_frames, write_video
from PIL import Image
from server_kit import ABSENT, BRIGHT, SLOW, SLOWNESS, served

from drishtiksha.server import create_app


@pytest.fixture
def app_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FastAPI]]:
    """Makes an app with a quick model, a slow one and one without weights; `settings` are passed on."""
    weights = plain_weights(tmp_path / "w.pt")
    models = {
        BRIGHT: entry(model_path=weights, num_frames=4),
        SLOW: entry("SlowDetector", weights, batch_size=1, num_frames=20, pause_s=0.15),
        ABSENT: entry(model_path=tmp_path / "absent.pt"),
    }

    def make(**settings: Any) -> FastAPI:
        manager = manager_of(models, tmp_path, monkeypatch, **settings)
        return create_app(manager.settings, manager)

    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS, slowness=SLOWNESS):
        yield make


@pytest.fixture
def client(app_of: Callable[..., FastAPI]) -> Iterator[httpx.Client]:
    with served(app_of()) as client:
        yield client


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("media") / "white.png"
    Image.new("RGB", (64, 48), "white").save(path)
    return path.read_bytes()


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """40 frames, 4 s."""
    return write_video(tmp_path_factory.mktemp("media") / "coded.mp4", coded_frames(40), fps=10).read_bytes()
