"""Publishing on real files with a tiny detector: report, sidecar and card come from the weights that lie there."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of
from PIL import Image
from safetensors.torch import save_file

from drishtiksha.errors import ConfigError, WeightsMissingError
from drishtiksha.evaluation.report import EvaluationReport
from drishtiksha.evaluation.scores import Score
from drishtiksha.registry import ModelManager
from drishtiksha.results import MediaKind
from drishtiksha.weights import read_sidecar, sha256_of
from training.publish import Embedded, Place, heldout_files, heldout_key, publish, references

pytestmark = pytest.mark.slow

NAME = "BRIGHT"
TEMPLATE = """# $name ($sha256)
FAKE from $threshold_fake, p = sigmoid($scale x logit + $offset), $run_steps steps, $run_split_test_n people, $run_loss_at_40, AUC $auc, $$5.
Unknown: $run_unknown_jpg_auc of $run_unknown_jpg_n, $run_unknown_png_auc.

$overall

$merged

$groups
"""


class Heldout:
    """Writes dark real and bright fake pictures of four people, two ways, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, data: Path, out: Path) -> Path:
        self.asked += 1
        out.mkdir(parents=True, exist_ok=True)
        rows = []
        for person in range(4):
            for label, what, level in (("real", "real", 30), ("fake", "made", 200)):
                for suffix in ("png", "jpg"):
                    name = f"{what}{person}.{suffix}"
                    Image.fromarray(np.full((64, 80, 3), level + 10 * person, np.uint8)).save(out / name)
                    rows.append((name, label, f"{what}/{suffix}", f"p{person}"))
        with (out / "manifest.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("file", "label", "group", "source"), *rows])
        return out / "manifest.csv"


@pytest.fixture
def place(tmp_path) -> Place:
    """Weights, a sidecar with thresholds and calibration, and the record of a run."""
    models = tmp_path / "models"
    (models / "reports" / NAME).mkdir(parents=True)
    weights = models / f"{NAME}.safetensors"
    save_file({"gain": torch.ones(1), "ballast": torch.zeros(1)}, weights)
    sidecar = {
        "sha256": sha256_of(weights),
        "calibration": {"scale": 0.5, "offset": 0.25, "data": "grey pictures"},
        "thresholds": {"real": 0.3, "fake": 0.7},
    }
    weights.with_suffix(".json").write_text(json.dumps(sidecar))
    run = {"steps": 12, "split": {"test": ["p0", "p1", "p2", "p3"]}, "loss": {"at-40": 0.123456}}
    (models / "reports" / NAME / "run.json").write_text(json.dumps(run))
    return Place(tmp_path / "data", models, tmp_path / "runs")


@pytest.fixture
def manager(place, tmp_path, monkeypatch) -> Iterator[ModelManager]:
    with dropped_in(tmp_path / "extra", brightness=BRIGHTNESS):
        yield manager_of({NAME: entry(model_path=place.models / f"{NAME}.safetensors")}, tmp_path, monkeypatch)


@pytest.fixture
def model(tmp_path) -> Embedded:
    package = tmp_path / "bright_package"
    package.mkdir()
    (package / "card_template.md").write_text(TEMPLATE)
    return Embedded(package, "people", Heldout(), unknown={"made": "bright pictures"})


def test_report_sidecar_and_card(place, manager, model):
    before = read_sidecar(place.models / f"{NAME}.safetensors")
    publish(NAME, model, place, manager)
    folder = place.models / "reports" / NAME
    report = EvaluationReport.model_validate_json((folder / "report.json").read_text())
    assert report.models[NAME].overall.auc.value == 1.0
    assert report.models[NAME].checkpoint_sha256 == sha256_of(place.models / f"{NAME}.safetensors")
    assert {"run.json", "report.md", "scores.csv", "roc.png", "groups.png"} <= {path.name for path in folder.iterdir()}

    after = read_sidecar(place.models / f"{NAME}.safetensors")
    assert (after.sha256, after.calibration, after.thresholds) == (
        before.sha256,
        before.calibration,
        before.thresholds,
    )
    assert after.measured["all files"]["auc"] == [1.0, 1.0, 1.0]
    assert set(after.measured) >= {"real/*", "made/*", "*/png", "real/png", "manifest_sha256"}
    assert after.measured["real/png"]["false_alarms"][0] == 0.0
    assert after.measured["made/jpg"]["n_fake"] == 4

    card = (place.models / f"{NAME}.md").read_text()
    assert f"({after.sha256})" in card
    assert "FAKE from 0.700, p = sigmoid(0.500 x logit + 0.250), 12 steps, 4 people, 0.1235, AUC 1.000" in card
    assert "$5.\nUnknown: 1 of 1, 1." in card
    assert "| real/jpg | 4/0 |" in card
    assert "| made/* | 0/8 |" in card


@pytest.mark.usefixtures("quick_reports")
def test_scores_in_the_repository_hold_no_more_than_needed(place, manager, model):
    publish(NAME, model, place, manager)
    with (place.models / "reports" / NAME / "scores.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "label", "group", "source", "kind", "p_fake", "coverage", "reason"]
    assert len(rows) == 16
    assert all(len(row["p_fake"]) <= 6 for row in rows)


@pytest.mark.usefixtures("quick_reports")
def test_the_model_still_loads_and_knows_its_reference(place, manager, model):
    publish(NAME, model, place, manager)
    manager.unload(NAME)
    picture = place.runs / "bright_package/heldout/made3.png"
    rates = manager.load_model(NAME).analyze(picture, explain=False).error_rates
    assert (rates.n_genuine, rates.n_fake, rates.genuine_as_high) == (8, 8, 0.0)
    assert rates.data == "pictures of 4 people kept out of training"
    assert rates.fake_data == "faked pictures of 4 people kept out of training"


def test_heldout_files_are_made_once_for_a_run(tmp_path):
    made = Heldout()
    folder = tmp_path / "heldout"
    manifest = heldout_files(made, tmp_path, folder, "run 1")
    assert heldout_files(made, tmp_path, folder, "run 1") == manifest
    assert made.asked == 1
    heldout_files(made, tmp_path, folder, "run 2")
    assert made.asked == 2, "another run may have kept others out"
    (folder / "made0.png").unlink()
    heldout_files(made, tmp_path, folder, "run 2")
    assert made.asked == 3, "a file was gone"


def test_the_key_follows_the_split_and_the_writer(model):
    split = {"test": ["p0"]}
    (model.package / "heldout.py").write_text("SEED = 1\n")
    key = heldout_key(model.package, split)
    (model.package / "train.py").write_text("MINUTES = 40\n")
    assert heldout_key(model.package, split) == key
    assert heldout_key(model.package, {"test": ["p1"]}) != key
    (model.package / "heldout.py").write_text("SEED = 2\n")
    assert heldout_key(model.package, split) != key


@pytest.mark.usefixtures("quick_reports")
def test_a_card_that_names_what_is_not_known(place, manager, model):
    (model.package / "card_template.md").write_text("$aucc")
    with pytest.raises(ConfigError, match=r"\$aucc.*Known: ap, auc"):
        publish(NAME, model, place, manager)
    assert not (place.models / f"{NAME}.md").exists()


def test_nothing_to_publish(place, manager, model):
    place.run_file(NAME).unlink()
    with pytest.raises(WeightsMissingError, match="make train"):
        publish(NAME, model, place, manager)


def test_a_reference_takes_one_file_of_a_source_and_group():
    def score(number: int, source: str, group: str, p_fake: float | None, kind: str = "audio") -> Score:
        return Score(f"{number}", "real", group, source, "M", kind, p_fake)

    rows = [
        score(0, "ann", "clean", None),
        score(1, "ann", "clean", 0.25),
        score(2, "ann", "clean", 0.75),
        score(3, "ann", "mp3", 0.12345),
        score(4, "bob", "clean", 0.5),
        score(5, "bob", "clean", 0.5, "video"),
    ]
    found = references(rows, "speakers")
    assert found[MediaKind.AUDIO].p_fake == (0.123, 0.25, 0.5)
    assert (found[MediaKind.AUDIO].sources, found[MediaKind.AUDIO].fake_sources) == (2, None)
    assert found[MediaKind.AUDIO].data == "recordings of 2 speakers kept out of training"
    assert found[MediaKind.VIDEO].p_fake == (0.5,)
    assert MediaKind.IMAGE not in found
    many = [replace(rows[1], source=f"s{number}", p_fake=number / 3000) for number in range(3000)]
    thinned = references(many, "speakers")[MediaKind.AUDIO].p_fake
    assert len(thinned) == 1000
    assert (thinned[0], thinned[-1]) == (0.0, 1.0)


@pytest.mark.usefixtures("quick_reports")
def test_a_second_time_gives_the_same_files(place, manager, model):
    publish(NAME, model, place, manager)
    folder = place.models
    first = {
        p: p.read_bytes() for p in folder.rglob("*") if p.suffix in (".csv", ".md", ".json") and "report" not in p.name
    }
    shutil.rmtree(place.runs)
    publish(NAME, model, place, manager)
    assert {p: p.read_bytes() for p in first} == first
