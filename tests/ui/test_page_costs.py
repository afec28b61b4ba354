"""What an update of the page costs: a handful of statements, and one look at each model, however many there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from desk_names import BRIGHT
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights
from statements import counted

from drishtiksha.casefile import LOCAL
from drishtiksha.registry import ModelManager
from drishtiksha.ui.analyze import handlers
from drishtiksha.ui.compare import handlers as compare
from drishtiksha.ui.shared.desk import Desk

MOST = 12


@pytest.fixture(params=[1, 12])
def shelf(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, desk_on: Any) -> Any:
    """A desk with that many models."""
    weights = plain_weights(tmp_path / "w.pt")
    models = {BRIGHT: entry(model_path=weights, batch_size=2)}
    models |= {f"M{number}": entry(model_path=weights) for number in range(1, request.param)}
    with (
        dropped_in(tmp_path / "more", brightness=BRIGHTNESS),
        desk_on(manager_of(models, tmp_path, monkeypatch)) as desk,
    ):
        yield desk


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models whose state was asked for."""
    asked: list[str] = []
    status = ModelManager.status

    def noted(manager: ModelManager, name: str) -> Any:
        asked.append(name)
        return status(manager, name)

    monkeypatch.setattr(ModelManager, "status", noted)
    return asked


def test_opening_a_case_and_its_finished_result(shelf: Desk, looks: list[str], bright_picture: Path) -> None:
    models = len(shelf.manager.get_available_models())
    opened = shelf.take(bright_picture, "bright.png", LOCAL)
    looks.clear()
    with counted(shelf.workbench.store) as statements:
        handlers.page_of(shelf, opened)
    assert len(statements) <= MOST
    assert len(looks) <= models + 1
    job_id = opened.submit([BRIGHT])
    list(shelf.workbench.seen_by(LOCAL).watch(job_id, tick_s=0.02))
    looks.clear()
    with counted(shelf.workbench.store) as statements:
        assert list(handlers.reopen(shelf, job_id, LOCAL))
    assert len(statements) <= 2 * MOST
    assert len(looks) <= 2 * models + 1


def test_choosing_the_models_of_a_comparison(shelf: Desk, looks: list[str], bright_picture: Path) -> None:
    names = shelf.manager.get_available_models()
    setup = compare.Setup(shelf.take(bright_picture, "bright.png", LOCAL).case_id, "", "models", tuple(names))
    looks.clear()
    with counted(shelf.workbench.store) as statements:
        compare.planned(shelf, setup, LOCAL)
    assert len(statements) <= MOST
    assert len(looks) <= 2 * len(names)
