"""A training run stops in time, goes on where it was cut off, and averages what it learned."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from training.loop import Run, Schedule

pytestmark = pytest.mark.slow


def fit(folder: Path, **schedule: float) -> Run:
    torch.manual_seed(0)
    network = nn.Linear(2, 1)
    run = Run(
        folder,
        {"network": network},
        {"network": torch.optim.SGD(network.parameters(), lr=0.1)},
        Schedule(**{"minutes": 10, "seed": 7, "warm_steps": 1} | schedule),  # type: ignore[arg-type]
    )
    for step in run.steps():
        x = torch.randn((16, 2), generator=torch.Generator().manual_seed(step))
        loss = (network(x) - (x @ torch.tensor([[2.0], [-1.0]]) + 0.5)).square().mean()
        run.optimizers["network"].zero_grad()
        loss.backward()
        run.optimizers["network"].step()
        run.note(loss=loss.item())
    return run


def test_it_learns_and_the_average_follows(tmp_path: Path) -> None:
    run = fit(tmp_path, max_steps=300)
    assert run.step == 300
    assert run.ema["network"]["weight"][0].tolist() == pytest.approx([2, -1], abs=0.05)
    assert run.losses["loss"] < 0.01


def test_a_run_cut_in_two_ends_like_one_in_a_piece(tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole", max_steps=40)
    fit(tmp_path / "cut", max_steps=15)
    rest = fit(tmp_path / "cut", max_steps=40)
    assert torch.allclose(whole.ema["network"]["weight"], rest.ema["network"]["weight"], atol=1e-3)
    assert (tmp_path / "cut" / "log.csv").read_text().count("\n") == 3


def test_time_ends_a_run(tmp_path: Path) -> None:
    run = fit(tmp_path, minutes=0.5 / 60)
    assert run.progress >= 1
    assert run.step > 0
    assert fit(tmp_path, minutes=0.5 / 60).step == run.step


def test_the_rate_warms_up_and_falls() -> None:
    schedule = Schedule(minutes=1, seed=0, warm_steps=10)
    assert schedule.rate(0, 0) == pytest.approx(0.1)
    assert schedule.rate(0, 9) == pytest.approx(1)
    assert schedule.rate(0.5, 100) == pytest.approx(0.51)
    assert schedule.rate(1, 100) == pytest.approx(0.02)
