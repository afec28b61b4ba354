"""What lies in a bucket of S3, by a server of the tests' own: sources, data sets, versions, and what goes wrong."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest
from deadly_detector import pictures, written_config
from typer.testing import CliRunner

from drishtiksha.batch import judge, remote
from drishtiksha.batch.judge import Here, Job
from drishtiksha.batch.parts import ResultFolder
from drishtiksha.batch.rows import Row
from drishtiksha.batch.run import KNOWN, run_batch
from drishtiksha.cli import Exit, app
from drishtiksha.cli.batch import items_named
from drishtiksha.errors import NotFetchedError
from drishtiksha.evaluation.command import evaluate
from drishtiksha.registry import ModelManager
from drishtiksha.settings import load_settings

NAMES = ("a.png", "deep/er/b #1 50%25.png", "deep/er/b #2 50%25.png", "deep/ä [c]?.png")


@pytest.fixture
def manager(tmp_path, monkeypatch) -> ModelManager:
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(written_config(tmp_path)))
    monkeypatch.setattr(remote, "PAUSE_S", 0.0)
    return ModelManager(load_settings())


@pytest.fixture
def stored(bucket, tmp_path) -> str:
    """Four pictures, and what lies beside them."""
    system = fsspec.filesystem("s3")
    for name, path in zip(NAMES, sorted(pictures(tmp_path / "media", [20, 200, 120, 240]).iterdir()), strict=True):
        system.put_file(str(path), f"{bucket}/set/{name}")
    for name in ("set/.hidden.png", "set/notes.txt", "set/.cache/x.png"):
        system.pipe_file(f"{bucket}/{name}", b"x")
    return bucket


def run(manager: ModelManager, source: str, out: Path) -> dict[str, int]:
    items, _ = items_named([source], out)
    done = run_batch(items, ["BRIGHT"], manager.settings, Here(manager), ResultFolder(out), lambda told, tally: None)
    return dict(done.counts)


def by_size(rows: list[Row]) -> list[tuple[object, ...]]:
    return sorted((row.sha256, row.p_fake, row.prediction, row.recipe) for row in rows)


@pytest.mark.slow
def test_a_folder_has_the_scores_of_the_same_files_here(manager, stored, tmp_path, monkeypatch):
    assert run(manager, f"{stored}/set", tmp_path / "out") == {"REAL": 1, "FAKE": 2, "INCONCLUSIVE": 1}
    rows = list(ResultFolder(tmp_path / "out").rows())
    here = []
    items, _ = items_named([str(tmp_path / "media")], tmp_path / "out")
    Here(manager).run(Job(manager.settings, ("BRIGHT",)), items, lambda told: here.append(told.row))
    assert by_size(rows) == by_size(here)
    assert len({row.name for row in rows}) == 4, "signs that stand for something in other addresses are names here"
    assert all(row.version for row in rows)
    monkeypatch.setattr(judge, "on_disk", None)  # whoever fetches fails
    assert run(manager, f"{stored}/set", tmp_path / "out") == {KNOWN: 4}
    monkeypatch.undo()


@pytest.mark.slow
def test_what_changed_in_the_bucket_is_judged_again_and_what_moved_is_not(manager, stored, tmp_path):
    run(manager, f"{stored}/set", tmp_path / "out")
    system = fsspec.filesystem("s3")
    system.mv(f"{stored}/set/a.png", f"{stored}/set/moved.png")
    system.put_file(str(tmp_path / "media" / "000.png"), f"{stored}/set/deep/ä [c]?.png")
    assert run(manager, f"{stored}/set", tmp_path / "out") == {KNOWN: 4}
    system.pipe_file(f"{stored}/set/deep/ä [c]?.png", (tmp_path / "media" / "000.png").read_bytes() + b"0")
    assert run(manager, f"{stored}/set", tmp_path / "out") == {KNOWN: 3, "REAL": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "found"), [("set/*.png", 1), ("set/**/*.png", 4), ("set/a.png", 1), ("set/deep/", 3)]
)
def test_patterns_and_single_files(manager, stored, tmp_path, pattern, found):
    items, total = items_named([f"{stored}/{pattern}"], tmp_path)
    assert (len(list(items)), total) == (found, None)


@pytest.mark.slow
def test_a_data_set_is_evaluated_where_it_lies(manager, bucket, tmp_path):
    system = fsspec.filesystem("s3")
    for label, levels in (("real", [20, 60]), ("fake", [200, 240])):
        for path in pictures(tmp_path / label, levels).iterdir():
            system.put_file(str(path), f"{bucket}/set/{label}/{path.name}")
    done = evaluate(f"{bucket}/set", ["BRIGHT"], manager, lambda *_: None, form="tree")
    assert done.report.models["BRIGHT"].overall.auc.value == 1.0
    assert [score.file for score in done.scores] == ["fake/000.png", "fake/001.png", "real/000.png", "real/001.png"]


@pytest.mark.slow
def test_a_list_may_lie_in_a_bucket_and_may_name_addresses(manager, stored, tmp_path):
    labels = {"a.png": "real", "deep/er/b #1 50%25.png": "fake"}
    there = "".join(f"{name},{label}\n" for name, label in labels.items())
    fsspec.filesystem("s3").pipe_file(f"{stored}/set/list.csv", f"file,label\n{there}no.png,real\n".encode())
    named = "".join(f"{stored}/set/{name},{label}\n" for name, label in labels.items())
    (tmp_path / "list.csv").write_text(f"file,label\n{named}")
    lists = f"{stored}/set/list.csv", tmp_path / "list.csv"
    there, here = (evaluate(place, ["BRIGHT"], manager, lambda *_: None) for place in lists)
    assert [(score.file, score.reason) for score in there.scores] == [
        *((name, "") for name in labels),
        ("no.png", "not_fetched"),
    ]
    assert "no.png could not be fetched: there is nothing" in there.failures[0]
    assert [score.file for score in here.scores] == [f"{stored}/set/{name}" for name in labels]
    assert [score.p_fake for score in here.scores] == [score.p_fake for score in there.scores[:2]]
    assert there.report.manifest == "list.csv"


@pytest.mark.slow
def test_a_bucket_or_key_that_is_not_there_or_not_open(manager, stored, tmp_path, monkeypatch):
    with pytest.raises(NotFetchedError, match="there is nothing at this address"):
        run(manager, f"{stored}/no", tmp_path / "out")
    with pytest.raises(NotFetchedError, match="there is nothing at this address"):
        run(manager, "s3://no-such-bucket-of-tests/x", tmp_path / "out")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(NotFetchedError, match="Give the credentials that the store asks for"):
        run(manager, f"{stored}/set", tmp_path / "out")
    fsspec.filesystem("s3").clear_instance_cache()


@pytest.mark.slow
def test_what_vanishes_after_it_was_listed_is_told(manager, stored, tmp_path):
    items, _ = items_named([f"{stored}/set"], tmp_path / "out")
    waiting = list(items)
    fsspec.filesystem("s3").rm(f"{stored}/set/a.png")
    results = ResultFolder(tmp_path / "out")
    done = run_batch(waiting, ["BRIGHT"], manager.settings, Here(manager), results, lambda told, tally: None)
    assert done.counts["not_fetched"] == 1
    assert sum(done.counts.values()) == 4


@pytest.mark.parametrize(
    "command",
    [
        ["batch", "clips", "-m", "BRIGHT", "--out"],
        ["evaluate", "list.csv", "-m", "BRIGHT", "--out"],
        ["batch", "export", ".", "--to", "csv", "--out"],
        ["evaluate", "leaderboard", ".", "--out"],
    ],
)
def test_results_are_written_on_this_machine(manager, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text("file,label\n")
    done = CliRunner().invoke(app, [*command, "s3://bucket/results.html"])
    assert done.exit_code == Exit.USAGE
    assert "results are written on this machine" in " ".join(done.stderr.replace("│", " ").split())
    assert not (tmp_path / "s3:").exists()


@pytest.mark.slow  # starts a worker, which imports torch
def test_worker_processes_fetch_from_the_bucket(manager, stored, tmp_path):
    command = ["batch", f"{stored}/set/", "-m", "BRIGHT", "--workers", "1", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == Exit.DONE, done.output
    assert "BRIGHT: 4 files: 2 FAKE, 1 INCONCLUSIVE, 1 REAL" in done.stdout
    again = CliRunner().invoke(app, command)
    assert again.exit_code == Exit.DONE
