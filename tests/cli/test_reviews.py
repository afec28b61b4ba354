"""`drishtiksha reviews` on real stores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights
from typer.testing import CliRunner

from drishtiksha.casefile import LOCAL, Confidence, HumanVerdict, JobState
from drishtiksha.cli import app
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT

PORTRAIT = ROOT / "assets" / "portrait.jpg"


def run(*arguments: object) -> tuple[int, str]:
    ran = CliRunner().invoke(app, ["reviews", *map(str, arguments)])
    return ran.exit_code, ran.output


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a store with an examined case that two people judged."""
    models = {"BRIGHT": entry(model_path=plain_weights(tmp_path / "w.pt"))}
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS):
        manager = manager_of(models, tmp_path, monkeypatch)
        bench = Workbench(manager.settings, manager)
        bench.start()
        try:
            case_id = bench.seen_by(LOCAL).take(PORTRAIT, "portrait.jpg").case_id
            *_, last = bench.seen_by(LOCAL).watch(bench.seen_by(LOCAL).open(case_id).submit(["BRIGHT"]))
            assert last.state is JobState.DONE, last.errors
            bench.seen_by(LOCAL).open(case_id).add_review("Ada", HumanVerdict.GENUINE, Confidence.HIGH)
            bench.seen_by(LOCAL).open(case_id).add_review("Bob [b]", HumanVerdict.GENUINE, Confidence.LOW)
        finally:
            bench.stop()
            bench.store.close()
    monkeypatch.setenv("DRISHTIKSHA_DATA_DIR", str(manager.settings.data_root))
    return manager.settings.data_root


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reviews.csv", "reviews.jsonl"])
def test_export_and_import(data, tmp_path, name):
    code, told = run("export", tmp_path / name)
    assert (code, "Wrote 2 reviews" in told) == (0, True), told
    code, told = run("import", tmp_path / name)
    assert (code, told.strip()) == (0, "0 added, 2 here already.")


@pytest.mark.slow
def test_stats(data):
    code, told = run("stats", "--json")
    assert code == 0
    found = json.loads(told)
    assert (found["cases"], found["reviewed"], found["disputed"]) == (1, 1, 0)
    assert found["agreement"][0] | {"reason": ""} == {
        "first": "Ada", "second": "Bob [b]", "common": 1, "same": 1, "kappa": None, "reason": "",
    }  # fmt: skip
    assert sum(found["models"][0]["genuine"].values()) == 1
    code, told = run("stats")
    assert code == 0
    assert "1 of 1 cases reviewed" in told
    assert "flatter" in told


@pytest.mark.slow
def test_what_cannot_be_done_is_said(data, tmp_path):
    assert run("export", tmp_path / "reviews.xlsx")[0] == 2
    (tmp_path / "x.csv").write_text("a,b\n")
    code, told = run("import", tmp_path / "x.csv")
    assert code == 1
    assert "lacks" in told
