from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from detector_kit import BRIGHTNESS, LOUDNESS, dropped_in, entry, manager_of, plain_weights
from gated_detector import GATED

from drishtiksha.registry import ModelManager
from drishtiksha.services.workbench import Workbench


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Once this file is there, GATED goes on."""
    return tmp_path / "gate"


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Path) -> Iterator[ModelManager]:
    weights = plain_weights(tmp_path / "w.pt")
    torch.save({"gain": torch.ones(1)}, tmp_path / "gain.pt")
    gain, counted = str(tmp_path / "gain.pt"), str(tmp_path / "counted")
    models = {
        "BRIGHT": entry(model_path=weights, num_frames=6),
        "EARS": entry("LoudnessDetector", model_path=gain, evidence="sound spectrum"),
        "GATED": entry("GatedDetector", model_path=gain, gate=str(gate), counted=counted, hold_from=4),
        "ABSENT": entry(model_path=tmp_path / "absent.pt"),
    }
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS, loudness=LOUDNESS, gated=GATED):
        yield manager_of(models, tmp_path, monkeypatch)


@pytest.fixture
def bench_of(manager: ModelManager, database_url: str | None) -> Iterator[Callable[..., Workbench]]:
    """Makes workbenches on one database, started unless told otherwise; all are stopped at the end."""
    made: list[Workbench] = []

    def make(*, start: bool = True, **settings: Any) -> Workbench:
        changed = manager.settings.model_copy(update={"database_url": database_url} | settings)
        bench = Workbench(changed, manager)
        made.append(bench)
        if start:
            bench.start()
        return bench

    yield make
    Path(manager.model_configs["GATED"].gate).touch()  # type: ignore[attr-defined]
    for bench in made:
        bench.stop()
        bench.store.close()


@pytest.fixture
def bench(bench_of: Callable[..., Workbench]) -> Workbench:
    return bench_of()
