"""Labelled files, really encoded, through real detectors with tiny networks: end to end, and again after a stop."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from detector_kit import BRIGHTNESS, LOUDNESS, dropped_in, entry, manager_of, plain_weights
from media_factory import coded_frames, striped, tone, write_audio, write_video
from PIL import Image
from typer.testing import CliRunner

import drishtiksha.analysis
import drishtiksha.analysis.recipe
from drishtiksha.cli import Exit, app
from drishtiksha.errors import ManifestError
from drishtiksha.evaluation.command import Evaluation, evaluate
from drishtiksha.evaluation.manifest import listing_of
from drishtiksha.evaluation.run import score_files
from drishtiksha.evaluation.scores import ScoreFile, read_scores
from drishtiksha.media.decode import Decoder
from drishtiksha.media.reader import Reader
from drishtiksha.plaintext import STEERING
from drishtiksha.registry import ModelManager
from drishtiksha.settings import ROOT
from drishtiksha.weights import sha256_of

pytestmark = pytest.mark.slow

DARK, BRIGHT = (20, 60, 90), (170, 200, 240)
THRESHOLDS = {"real": 0.3, "fake": 0.7}


def silent(done: int, total: int, message: str) -> None:
    """A note that nobody reads."""


@pytest.fixture
def detectors(tmp_path) -> Iterator[None]:
    with dropped_in(tmp_path / "extra", brightness=BRIGHTNESS, loudness=LOUDNESS):
        yield


@pytest.fixture
def manager(detectors, tmp_path, monkeypatch) -> ModelManager:
    weights = plain_weights(tmp_path / "bright.pt")
    torch.save({"gain": torch.ones(1)}, tmp_path / "loud.pt")
    models = {
        "BRIGHT": entry(model_path=weights, thresholds=THRESHOLDS),
        "FACES": entry(model_path=weights, faces=True),
        "LOUD": entry("LoudnessDetector", tmp_path / "loud.pt"),
    }
    return manager_of(models, tmp_path, monkeypatch)


@pytest.fixture
def manifest(tmp_path) -> Path:
    """Dark pictures are real and bright ones fake; a clip, a recording and a text that calls itself a picture."""
    folder = tmp_path / "media"
    folder.mkdir()
    rows = []
    for label, group, levels in (("real", "real/png", DARK), ("fake", "made/png", BRIGHT)):
        for number, level in enumerate(levels):
            name = f"{label}{number}.png"
            Image.fromarray(striped(level)).save(folder / name)
            rows.append((name, label, group, f"p{number}"))
    write_video(folder / "clip.mp4", coded_frames(12))
    write_audio(folder / "tone.wav", tone(2.0), 16_000)
    (folder / "text.png").write_text("this is no picture\n" * 50)
    rows += [("clip.mp4", "real", "real/mp4", "q"), ("tone.wav", "real", "", "r"), ("text.png", "fake", "", "s")]
    with (folder / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "label", "group", "source"), *rows])
    return folder / "list.csv"


@pytest.mark.usefixtures("quick_reports")
def test_no_report_holds_what_turns_the_direction_of_text(manager, manifest, tmp_path):
    group = "made/\u202egnp"
    manifest.write_text(manifest.read_text().replace("made/png", group))
    done = evaluate(manifest, ["BRIGHT"], manager, silent, out=tmp_path / "out")
    assert group in done.report.models["BRIGHT"].groups
    for name in ("report.json", "report.md", "tables.tex"):
        assert not STEERING.search((tmp_path / "out" / name).read_text()), name
    assert group in json.loads((tmp_path / "out/report.json").read_text())["models"]["BRIGHT"]["groups"]


@pytest.mark.usefixtures("quick_reports")
def test_end_to_end(manager, manifest, tmp_path):
    done = evaluate(manifest, ["BRIGHT"], manager, silent, out=tmp_path / "out")
    of = {score.file: score for score in done.scores}
    assert [of[f"real{n}.png"].prediction for n in range(3)] == ["REAL", "REAL", "REAL"]
    assert [of[f"fake{n}.png"].prediction for n in range(3)] == ["FAKE", "FAKE", "FAKE"]
    expected = 1 / (1 + np.exp(-10 * (170 / 255 - 0.5)))
    assert of["fake0.png"].p_fake == pytest.approx(expected, abs=1e-4)
    assert (of["real0.png"].kind, of["clip.mp4"].kind) == ("image", "video")
    assert (of["tone.wav"].p_fake, of["tone.wav"].reason) == (None, "other_kind_of_media")
    assert (of["text.png"].p_fake, of["text.png"].reason) == (None, "unreadable")
    report = done.report.models["BRIGHT"]
    assert report.groups["made/png"].auc.value == 1.0
    assert report.groups["made/png"].against == "real/png"
    assert report.overall.gaps == {"other_kind_of_media": 1, "unreadable": 1}
    assert report.thresholds == {"image": (0.3, 0.7), "video": (0.3, 0.7)}
    assert report.checkpoint_sha256 == sha256_of(tmp_path / "bright.pt")
    assert done.report.manifest_sha256 == sha256_of(manifest)
    assert read_scores(tmp_path / "out/scores.csv") == done.scores


def test_everything_is_written(manager, manifest, tmp_path):
    out = tmp_path / "deep" / "out"
    done = evaluate(manifest, ["BRIGHT", "FACES"], manager, silent, out=out)
    assert json.loads((out / "report.json").read_text()) == done.report.model_dump(mode="json")
    page = (out / "report.md").read_text()
    for name in ("roc", "errors", "reliability", "scores", "groups"):
        with Image.open(out / f"{name}.png") as picture:
            assert min(picture.size) > 200
        assert f"({name}.png)" in page


@pytest.mark.usefixtures("quick_reports")
def test_a_picture_without_a_face_is_counted_and_not_scored(manager, manifest):
    report = evaluate(manifest, ["FACES"], manager, silent).report.models["FACES"]
    assert report.overall.gaps["no_face"] == 7
    assert (report.overall.scored_real, report.overall.scored_fake, report.overall.auc) == (0, 0, None)


@pytest.mark.usefixtures("quick_reports")
def test_too_little_coverage_is_no_score(detectors, manifest, tmp_path, monkeypatch):
    weights = plain_weights(tmp_path / "bright.pt")
    frames = [np.full((64, 80, 3), 10 if number else 250, np.uint8) for number in range(16)]
    write_video(manifest.parent / "clip.mp4", frames)
    picky = manager_of({"BRIGHT": entry(model_path=weights, skip_dark=True)}, tmp_path, monkeypatch)
    scores = {score.file: score for score in evaluate(manifest, ["BRIGHT"], picky, silent).scores}
    assert (scores["clip.mp4"].p_fake, scores["clip.mp4"].reason) == (None, "low_coverage")
    assert 0 < scores["clip.mp4"].coverage < 0.2


class Counted:
    """`analyze` that counts the files it is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: list[str] = []
        self.real = drishtiksha.analysis.analyze
        monkeypatch.setattr(drishtiksha.analysis, "analyze", self)

    def __call__(self, evidence, detector, *rest, **options):
        self.files.append(evidence.path.name)
        return self.real(evidence, detector, *rest, **options)


def stopped_after(count: int):
    def note(done: int, total: int, message: str) -> None:
        if done == count:
            raise KeyboardInterrupt

    return note


@pytest.mark.usefixtures("quick_reports")
def test_a_stopped_run_goes_on_where_it_was(manager, manifest, tmp_path, monkeypatch):
    whole = evaluate(manifest, ["BRIGHT"], manager, silent)
    counted = Counted(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        evaluate(manifest, ["BRIGHT"], manager, stopped_after(4), out=tmp_path / "out")
    assert [score.file for score in read_scores(tmp_path / "out/scores.csv")] == counted.files
    assert len(counted.files) == 4
    with (tmp_path / "out/scores.csv").open("a") as file:
        file.write("fake1.png,fake,made")  # the machine went down in the middle of a row
    counted.files.clear()
    resumed = evaluate(manifest, ["BRIGHT"], manager, silent, out=tmp_path / "out")
    assert counted.files == ["fake1.png", "fake2.png", "clip.mp4", "tone.wav"]
    assert numbers(resumed) == numbers(whole)
    assert len(read_scores(tmp_path / "out/scores.csv")) == len(resumed.scores) == 9


@pytest.mark.usefixtures("quick_reports")
@pytest.mark.parametrize("budget_mb", [None, 1])
def test_each_file_is_decoded_once_for_all_models(manager, manifest, tmp_path, monkeypatch, budget_mb):
    """Model by model where they do not fit into memory together; the scores are the same."""
    alone = [evaluate(manifest, [name], manager, silent) for name in ("BRIGHT", "FACES")]
    decoded: Counter[tuple[str, int]] = Counter()
    run_decoder, read_picture = Decoder.run, Reader.picture

    def frames(self, *rest, **more):
        for frame in run_decoder(self, *rest, **more):
            decoded[self._path.name, frame.index] += 1
            yield frame

    monkeypatch.setattr(Decoder, "run", frames)
    monkeypatch.setattr(Reader, "picture", lambda self: decoded.update([(self.path.name, 0)]) or read_picture(self))
    if budget_mb:
        monkeypatch.setattr(ModelManager, "is_model_loaded", lambda self, name: False)
    done = evaluate(manifest, ["BRIGHT", "FACES"], manager, silent, out=tmp_path / "out")
    assert {name for name, _ in decoded} >= {"clip.mp4", "real0.png", "fake2.png"}
    assert set(decoded.values()) == {1 if budget_mb is None else 2}
    for name, one in zip(("BRIGHT", "FACES"), alone, strict=True):
        assert done.report.models[name] == one.report.models[name]
    assert [(score.model, score.file) for score in done.scores] == [
        (score.model, score.file) for one in alone for score in one.scores
    ]


def numbers(done: Evaluation) -> dict:
    return done.report.models["BRIGHT"].model_dump()


@pytest.mark.usefixtures("quick_reports")
def test_other_bytes_or_other_weights_are_scored_anew(manager, manifest, tmp_path, monkeypatch):
    out = tmp_path / "out"
    evaluate(manifest, ["BRIGHT"], manager, silent, out=out)
    counted = Counted(monkeypatch)
    Image.fromarray(striped(250)).save(manifest.parent / "real1.png")
    changed = evaluate(manifest, ["BRIGHT"], manager, silent, out=out)
    assert counted.files == ["real1.png"]
    assert changed.report.models["BRIGHT"].groups["real/png"].false_alarms.value == pytest.approx(1 / 3)
    counted.files.clear()
    path = tmp_path / "bright.pt"
    calibration = {"sha256": sha256_of(path), "calibration": {"scale": 1.0, "offset": -9.0}}
    path.with_suffix(".json").write_text(json.dumps(calibration))
    manager.unload("BRIGHT")
    calibrated = evaluate(manifest, ["BRIGHT"], manager, silent, out=out)
    assert len(counted.files) == 8, "every file that can be opened"
    assert calibrated.report.models["BRIGHT"].groups["made/png"].recall.value == 0.0


@pytest.mark.usefixtures("quick_reports")
def test_other_code_scores_anew(manager, manifest, tmp_path, monkeypatch):
    evaluate(manifest, ["BRIGHT"], manager, silent, out=tmp_path / "out", limit=2)
    counted = Counted(monkeypatch)
    monkeypatch.setattr(drishtiksha.analysis.recipe, "code_sha256", lambda: "of another release")
    evaluate(manifest, ["BRIGHT"], manager, silent, out=tmp_path / "out", limit=2)
    assert len(counted.files) == 2


@pytest.mark.usefixtures("quick_reports")
def test_a_label_put_right_needs_no_new_score(manager, manifest, tmp_path, monkeypatch):
    evaluate(manifest, ["BRIGHT"], manager, silent, out=tmp_path / "out")
    counted = Counted(monkeypatch)
    manifest.write_text(manifest.read_text().replace("fake0.png,fake,made/png", "fake0.png,real,real/png"))
    report = evaluate(manifest, ["BRIGHT"], manager, silent, out=tmp_path / "out").report.models["BRIGHT"]
    assert counted.files == []
    assert report.groups["real/png"].false_alarms.value == 0.25


def test_scores_of_another_kind_of_table_are_not_overwritten(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("name,score\nmine,1\n")
    with pytest.raises(ManifestError, match="not a table of scores"):
        ScoreFile(path)
    assert "mine" in path.read_text()


# --- the command -----------------------------------------------------------------------------------------------------


def run(*arguments: object):
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_the_command_prints_tables_and_writes_the_folder(manager, manifest, tmp_path):
    (manifest.parent / "text.png").unlink()
    manifest.write_text("".join(line for line in manifest.open() if not line.startswith("text")))
    done = run("evaluate", manifest, "--models", "BRIGHT, FACES", "--out", tmp_path / "out")
    assert done.exit_code == Exit.DONE, done.output
    for told in ("BRIGHT: the scores", "made/png", "real/png", "1.000", "7 no_face", "AUC, side by side"):
        assert told in done.stdout
    assert (tmp_path / "out/report.md").is_file()


@pytest.mark.usefixtures("quick_reports")
def test_json_and_an_unreadable_file(manager, manifest):
    done = run("evaluate", manifest, "-m", "BRIGHT", "--json", "--seed", 5)
    assert done.exit_code == Exit.UNREADABLE
    report = json.loads(done.stdout)
    assert report["seed"] == 5
    assert report["models"]["BRIGHT"]["overall"]["auc"]["value"] == 1.0
    assert "text.png could not be read" in done.stderr


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A data set of two generators in the layout of GenImage; twelve pictures."""
    for label, levels in (("nature", DARK), ("ai", BRIGHT)):
        for generator in ("ADM", "glide"):
            folder = tmp_path / "set" / generator / "val" / label
            folder.mkdir(parents=True)
            for level in levels:
                Image.fromarray(striped(level)).save(folder / f"{level}.png")
    return tmp_path / "set"


@pytest.mark.usefixtures("quick_reports")
def test_a_data_set_by_its_layout(manager, pictures):
    done = run("evaluate", pictures, "--format", "tree", "-m", "BRIGHT", "--json")
    assert done.exit_code == Exit.DONE, done.output
    report = json.loads(done.stdout)
    assert (report["manifest"], report["files"]) == ("set, tree", 12)
    of = report["models"]["BRIGHT"]
    assert list(of["groups"]) == ["fake/ADM", "real/ADM", "fake/glide", "real/glide"]
    assert list(of["merged"]) == ["*/ADM", "*/glide", "fake/*", "real/*"]
    assert of["groups"]["fake/glide"]["against"] == "real/glide"
    assert of["merged"]["*/ADM"]["auc"]["value"] == 1.0


@pytest.mark.usefixtures("quick_reports")
def test_a_data_set_at_an_address_has_the_same_scores(manager, pictures):
    store = fsspec.filesystem("memory")
    store.put(str(pictures), "/evaluated", recursive=True)
    here, there = (
        evaluate(source, ["BRIGHT"], manager, silent, form="tree", split="val")
        for source in (pictures, "memory://evaluated")
    )
    alike = [[replace(score, seconds=None) for score in done.scores] for done in (here, there)]
    assert alike[0] == alike[1]
    assert here.report.manifest_sha256 == there.report.manifest_sha256
    assert (here.report.manifest, there.report.manifest) == ("set, tree, val", "memory://evaluated, tree, val")
    gone = listing_of("memory://evaluated", "tree").items
    store.rm("/evaluated/ADM/val/ai/170.png")
    found = score_files(gone, ["BRIGHT"], manager, silent)
    assert Counter(score.reason for score in found.scores) == {"": 11, "not_fetched": 1}
    (told,) = found.failures
    assert "memory://evaluated/ADM/val/ai/170.png could not be fetched: there is nothing" in told
    store.rm("/evaluated", recursive=True)


def test_what_is_no_list_is_told_with_the_layouts_that_are_known(manager, pictures, tmp_path):
    done = run("evaluate", pictures, "-m", "BRIGHT")
    assert done.exit_code == Exit.USAGE
    assert "--format faceforensics: FaceForensics++ (original_sequences/" in done.stderr
    for given, told in (
        ([pictures, "--format", "coco"], "--format coco is not known"),
        ([pictures, "--format", "dfdc"], "metadata.json"),
        ([pictures, "--format", "tree", "--split", "test"], "no files of the part 'test'. It has val"),
        ([tmp_path / "absent", "--format", "tree"], "there is no folder"),
        ([tmp_path / "absent.csv"], "there is no file"),
        ([tmp_path / "absent.csv", "--split", "test"], "name its layout with --format"),
    ):
        done = run("evaluate", *given, "-m", "BRIGHT")
        assert done.exit_code == Exit.USAGE, given
        assert told in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.usefixtures("quick_reports")
def test_a_stop_says_what_is_kept(manager, manifest, tmp_path, monkeypatch):
    counted = Counted(monkeypatch)

    def stopping(evidence, detector, *rest, **options):
        if len(counted.files) == 3:
            raise KeyboardInterrupt
        return counted(evidence, detector, *rest, **options)

    monkeypatch.setattr(drishtiksha.analysis, "analyze", stopping)
    done = run("evaluate", manifest, "-m", "BRIGHT", "--out", tmp_path / "out")
    assert done.exit_code not in (Exit.DONE, Exit.USAGE, Exit.UNREADABLE)
    assert "the same command goes on" in " ".join(done.stderr.split())
    assert len(read_scores(tmp_path / "out/scores.csv")) == 3


@pytest.mark.usefixtures("quick_reports")
def test_a_sample_of_the_files(manager, manifest):
    done = run("evaluate", manifest, "-m", "BRIGHT", "--json", "--limit", 4)
    assert json.loads(done.stdout)["files"] == 4


def test_what_is_wrong_is_told_before_anything_is_loaded(manager, manifest, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(ModelManager, "load_model", refuse)
    manifest.write_text("file,label\nabsent.png,real\nreal0.png,dubious\n")
    done = run("evaluate", manifest, "-m", "BRIGHT")
    assert done.exit_code == Exit.USAGE
    assert "absent.png" in done.stderr
    assert "dubious" in done.stderr


def test_unknown_and_missing_models_end_it_before_any_file(manager, manifest, tmp_path, monkeypatch):
    counted = Counted(monkeypatch)
    assert run("evaluate", manifest, "-m", "BRIGHT,NOBODY").exit_code == Exit.USAGE
    (tmp_path / "loud.pt").unlink()
    assert run("evaluate", manifest, "-m", "BRIGHT,LOUD").exit_code == Exit.WEIGHTS_MISSING
    assert counted.files == []


@pytest.mark.usefixtures("quick_reports")
def test_the_shipped_face_detector_on_the_examples(tmp_path):
    rows = [("portrait.jpg", "real"), ("portrait_altered.jpg", "fake"), ("no_face.mp4", "real")]
    lines = [f"{ROOT / 'assets' / name},{label}\n" for name, label in rows]
    (tmp_path / "list.csv").write_text("file,label\n" + "".join(lines))
    done = run("evaluate", tmp_path / "list.csv", "-m", "FACE-BLEND-LITE-V1", "--json", "--device", "cpu")
    assert done.exit_code == Exit.DONE, done.output
    overall = json.loads(done.stdout)["models"]["FACE-BLEND-LITE-V1"]["overall"]
    assert overall["gaps"] == {"no_face": 1}
    assert (overall["scored_real"], overall["scored_fake"]) == (1, 1)
    assert overall["auc"]["value"] == 1.0
