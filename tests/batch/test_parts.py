"""A folder of results: what is in it, what is broken in it, and what is made of it. Files are judged in this process."""

from __future__ import annotations

import csv
import io
import json
import signal
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from deadly_detector import pictures, written_config
from typer.testing import CliRunner

import drishtiksha.analysis
from drishtiksha.batch import cluster, parts
from drishtiksha.batch.items import Item, items_of
from drishtiksha.batch.judge import Here, Job, Told
from drishtiksha.batch.parts import BROKEN, RESULTS, SCORES, PartWriter, ResultFolder
from drishtiksha.batch.rows import Row, failed_row
from drishtiksha.batch.run import KNOWN, run_batch
from drishtiksha.batch.summary import export, summary
from drishtiksha.casefile import LOCAL
from drishtiksha.cli import Exit, app
from drishtiksha.cli.batch import Pace
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import ConfigError, DrishtikshaError
from drishtiksha.evaluation.command import evaluate_results
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult, Prediction
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import load_settings

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install pyarrow")
LEVELS = [20, 200, 120]


@pytest.fixture
def manager(tmp_path, monkeypatch) -> ModelManager:
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(written_config(tmp_path)))
    return ModelManager(load_settings())


@pytest.fixture
def media(tmp_path) -> Path:
    return pictures(tmp_path / "media", LEVELS)


def judged(manager: ModelManager, items, folder: Path, models=("BRIGHT",), engine=None) -> Counter[str]:
    """A run in this process."""
    results = ResultFolder(folder)
    with results.held():
        results.set_aside()
        done = run_batch(items, models, manager.settings, engine or Here(manager), results, lambda told, tally: None)
    return done.counts


def files(media: Path) -> list[Item]:
    return list(items_of(sorted(media.iterdir())))


def rows(folder: Path) -> list[Row]:
    return list(ResultFolder.existing(folder).rows())


def test_rows_hold_what_the_results_of_predict_say(manager, media, tmp_path):
    (media / "text.png").write_text("this is no picture\n" * 50)
    counts = judged(manager, files(media), tmp_path / "out", ["BRIGHT", "DARK"])
    assert counts == {"REAL": 2, "FAKE": 2, "INCONCLUSIVE": 2, "unreadable": 2}
    done = CliRunner().invoke(app, ["predict", str(media), "-m", "BRIGHT", "--out", str(tmp_path / "p.jsonl")])
    assert done.exit_code == Exit.UNREADABLE, done.output
    plain = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    found = {row.name: row for row in rows(tmp_path / "out") if row.model == "BRIGHT"}
    assert sorted(found) == sorted(document["path"] for document in plain)
    for document in plain:
        row = found[document["path"]]
        if "error" in document:
            assert (row.error, row.result, row.p_fake) == (document["error"], None, None)
            continue
        assert row.p_fake == document["p_fake"], "to the last bit"
        assert (row.prediction, row.grade, row.coverage) == tuple(
            document[k] for k in ("prediction", "grade", "coverage")
        )
        assert list(row.lines) == document["reasons"]
        assert (row.sha256, row.recipe) == (document["media"]["sha256"], document["provenance"]["recipe"])
    samples = [row for table in ResultFolder(tmp_path / "out").tables(SCORES) for row in table.to_pylist()]
    wanted = {(d["path"], s["index"], s["p_fake"]) for d in plain if "error" not in d for s in d["scores"]}
    assert {(s["name"], s["index"], s["p_fake"]) for s in samples if s["model"] == "BRIGHT"} == wanted


def test_what_did_not_change_is_not_judged_again(manager, media, tmp_path, monkeypatch):
    out, calls = tmp_path / "out", []
    real = drishtiksha.analysis.analyze

    def counted(evidence, *rest, **options):
        calls.append(evidence.path.name)
        return real(evidence, *rest, **options)

    monkeypatch.setattr(drishtiksha.analysis, "analyze", counted)
    judged(manager, files(media), out)
    assert judged(manager, files(media), out) == {KNOWN: 3}
    (media / "000.png").write_bytes((media / "001.png").read_bytes())
    assert judged(manager, files(media), out) == {KNOWN: 3}
    assert judged(manager, files(media), out, ["DARK"]) == {KNOWN: 1, "FAKE": 1, "INCONCLUSIVE": 1}
    assert calls == ["000.png", "001.png", "002.png", "000.png", "002.png"], "by each model the same bytes once"
    newest = {row.name: row.prediction for row in rows(out) if row.model == "BRIGHT"}
    assert [newest[str(media / f"00{n}.png")] for n in range(3)] == ["FAKE", "FAKE", "INCONCLUSIVE"], "one row each"


def plain(row: Row) -> Row:
    """Without what differs from run to run: how long it took, and when that was."""
    if row.result is None:
        return replace(row, seconds=None)
    document = json.loads(row.result) | {"processing_time": 0.0, "stage_seconds": {}}
    document["provenance"]["started_utc"] = ""
    return replace(row, seconds=None, result=json.dumps(document))


def test_a_file_that_moved_has_its_row_and_is_not_judged_again(manager, media, tmp_path, monkeypatch):
    """Renamed, moved, copied, labelled anew: each row is the one that judging the file would give."""
    out, models = tmp_path / "out", ["BRIGHT", "DARK"]
    items = [Item("a", str(media / "000.png")), Item("b", str(media / "001.png"), "fake", version="1")]
    judged(manager, items, out, models)
    (media / "sub").mkdir()
    moved = (media / "000.png").rename(media / "sub" / "new [bold] \u00e4.png")
    (media / "copy.png").write_bytes((media / "001.png").read_bytes())
    items = [
        Item("a", str(moved)),
        Item("other name", str(moved), "real", {"group": "g", "source": "Ada"}),
        Item("b", str(media / "001.png"), "real", version="2"),
        Item("c", str(media / "copy.png")),
    ]
    twin = tmp_path / "twin"
    for item in items:
        judged(manager, [item], twin / item.name, models)
    monkeypatch.setattr(drishtiksha.analysis, "analyze", None)  # whoever judges fails
    assert judged(manager, items, out, models) == {KNOWN: 8}
    found = sorted(rows(out), key=lambda row: (row.name, row.model))
    wanted = sorted((row for item in items for row in rows(twin / item.name)), key=lambda row: (row.name, row.model))
    assert list(map(plain, found)) == list(map(plain, wanted))
    assert len(found) == 8
    written = len(ResultFolder(out).parts())
    assert judged(manager, items, out, models) == {KNOWN: 8}
    assert len(ResultFolder(out).parts()) == written, "nothing is told twice"
    samples = [row for table in ResultFolder(out).tables(SCORES) for row in table.to_pylist()]
    alone = [
        row for item in items for table in ResultFolder(twin / item.name).tables(SCORES) for row in table.to_pylist()
    ]
    assert all(sample in samples for sample in alone)


def test_the_same_bytes_are_judged_once_in_a_run(manager, media, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "MOST_ROWS", 2)
    for name in ("003.png", "004.png"):
        (media / name).write_bytes((media / "001.png").read_bytes())
    (media / "005.png").write_bytes(b"no picture")
    (media / "006.png").write_bytes(b"no picture")
    counts = judged(manager, files(media), tmp_path / "out")
    assert counts == {"REAL": 1, "FAKE": 1, "INCONCLUSIVE": 1, KNOWN: 2, "unreadable": 2}
    found = {Path(row.name).name: row for row in rows(tmp_path / "out")}
    assert len(found) == 7
    assert {found[name].p_fake for name in ("001.png", "003.png", "004.png")} == {found["001.png"].p_fake}
    assert "006.png" in found["006.png"].error, "what is wrong with a file is told by its own name"


def test_bytes_whose_first_file_was_not_told_of_wait_for_it(manager, media, tmp_path):
    """As engines of several machines may tell: the one with the same bytes first."""
    told: list[Told] = []
    Here(manager).run(Job(manager.settings, ("BRIGHT",)), files(media)[:1], told.append)
    like = Told(Item("like", str(media / "000.png")), "BRIGHT", same_as=told[0].content)
    with PartWriter(ResultFolder(tmp_path / "out")) as writer:
        writer.add(like)
        writer.flush()
        assert not ResultFolder(tmp_path / "out").parts()
        writer.add(told[0])
    assert {row.name: row.p_fake for row in rows(tmp_path / "out")}.keys() == {"like", files(media)[0].name}


@pytest.mark.parametrize("budget_mb", [None, 1])
def test_each_model_is_loaded_once_for_many_files(tmp_path, monkeypatch, budget_mb):
    """Also where the memory budget bears one of them at a time; then it is loaded once for each part of the files."""
    loads = tmp_path / "loads"
    config = written_config(tmp_path, loads=str(loads))
    document = yaml.safe_load(config.read_text())
    document["models"] = dict.fromkeys(("A", "B", "C"), document["models"]["DEADLY"])
    config.write_text(yaml.safe_dump(document | ({"memory_budget_mb": budget_mb} if budget_mb else {})))
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(config))
    monkeypatch.setattr(Detector, "memory_bytes", 600_000)
    monkeypatch.setattr("drishtiksha.batch.judge.PART", 4)
    told: list[Told] = []
    items = files(pictures(tmp_path / "media", [10 * n for n in range(10)]))
    Here().run(Job(load_settings(), ("A", "B", "C")), items, told.append)
    assert len({(one.item.name, one.model) for one in told}) == len(told) == 30
    counted = Counter(line.split()[1] for line in loads.read_text().splitlines())
    # three parts: each begins with the model that the one before ended with
    assert counted == ({"A": 3, "B": 4, "C": 2} if budget_mb else {"A": 1, "B": 1, "C": 1})


def test_a_version_spares_the_reading(manager, media, tmp_path, monkeypatch):
    def items(version: str) -> list[Item]:
        return [Item("a", str(media / "000.png"), version=version)]

    judged(manager, items("1"), tmp_path / "out")
    monkeypatch.setattr("drishtiksha.batch.judge.on_disk", None)  # whoever opens it fails
    assert judged(manager, items("1"), tmp_path / "out") == {KNOWN: 1}
    with pytest.raises(TypeError):
        judged(manager, items("2"), tmp_path / "out")


def test_failures_that_may_pass_are_tried_again_and_bad_files_are_not(manager, media, tmp_path):
    items = files(media)
    with PartWriter(ResultFolder(tmp_path / "out")) as writer:
        recipe = "0" * 16
        for item, kind in zip(items, ("worker_died", "model_failed", "unreadable"), strict=True):
            writer.add(Told(item, "BRIGHT", failed_row(item, "BRIGHT", recipe, "ab" * 32, "why", kind)))
    known = ResultFolder(tmp_path / "out").known()
    assert len(known) == 1


def test_a_broken_part_is_set_aside_and_its_files_are_judged_again(manager, media, tmp_path):
    out = tmp_path / "out"
    for item in files(media):
        judged(manager, [item], out)
    first, second, third = ResultFolder(out).parts()
    first.write_bytes(first.read_bytes()[:-200])
    ResultFolder(out).scores_of(second).unlink()
    (out / RESULTS / ".half").write_bytes(b"PAR1")
    (out / SCORES / "part-00000009.parquet").write_bytes(third.read_bytes())  # its results were never written
    with pytest.raises(ConfigError, match=r"part-00000000\.parquet is damaged"):
        rows(out)
    assert judged(manager, files(media), out) == {"REAL": 1, "FAKE": 1, KNOWN: 1}
    assert sorted(path.name for path in (out / RESULTS).iterdir() if path.name.endswith(BROKEN)) == [
        first.name + BROKEN,
        second.name + BROKEN,
    ]
    assert not (out / RESULTS / ".half").exists()
    assert len({row.name for row in rows(out)}) == len(rows(out)) == 3


def test_damage_inside_a_part_is_noticed(manager, media, tmp_path):
    out = tmp_path / "out"
    judged(manager, files(media), out)
    (part,) = ResultFolder(out).parts()
    data, names = bytearray(part.read_bytes()), parts.arrow().parquet.read_metadata(part).row_group(0).column(0)
    data[(names.dictionary_page_offset or names.data_page_offset) + names.total_compressed_size - 1] ^= 0xFF
    part.write_bytes(data)
    assert judged(manager, files(media), out)["REAL"] == 1
    assert part.with_name(part.name + BROKEN).exists()


def test_a_stop_in_the_middle_keeps_what_is_finished(manager, media, tmp_path):
    def stopped(told: Told, tally: object) -> None:
        if told.item.name.endswith("001.png"):
            raise KeyboardInterrupt

    results = ResultFolder(tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        run_batch(files(media), ["BRIGHT"], manager.settings, Here(manager), results, stopped)
    assert [Path(row.name).name for row in rows(tmp_path / "out")] == ["000.png", "001.png"]


def test_a_second_ctrl_c_while_the_rest_is_written_loses_nothing(manager, media, tmp_path, monkeypatch):
    def stopped(told: Told, tally: object) -> None:
        raise KeyboardInterrupt

    written = PartWriter._write

    def interrupted(self: PartWriter, *rest: object) -> None:
        signal.raise_signal(signal.SIGINT)
        written(self, *rest)

    monkeypatch.setattr(PartWriter, "_write", interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_batch(files(media), ["BRIGHT"], manager.settings, Here(manager), ResultFolder(tmp_path / "out"), stopped)
    assert len(rows(tmp_path / "out")) == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_two_batches_do_not_write_into_one_folder(tmp_path):
    with (
        ResultFolder(tmp_path).held(),
        pytest.raises(ConfigError, match="Another batch"),
        ResultFolder(tmp_path).held(),
    ):
        pass


def test_json_lines_are_those_of_predict_and_a_table_runs_nothing(manager, media, tmp_path):
    items = [
        Item("=1+1", str(media / "000.png"), "real", {"group": "a", "source": "Ada"}),
        Item("b", str(tmp_path / "no")),
    ]
    judged(manager, items, tmp_path / "out")
    lines, table = io.StringIO(), io.StringIO(newline="")
    folder = ResultFolder(tmp_path / "out")
    assert export(folder, "jsonl", lines) == export(folder, "csv", table) == 2
    first, second = map(json.loads, lines.getvalue().splitlines())
    result = AnalysisResult.model_validate(first)
    assert (result.path, second["path"], second["model_name"]) == ("=1+1", "b", "BRIGHT")
    assert "cannot be opened" in second["error"]
    assert table.getvalue().startswith("\ufeffname,")
    cells = list(csv.DictReader(io.StringIO(table.getvalue().removeprefix("\ufeff"))))
    assert cells[0]["name"] == "'=1+1"
    assert float(cells[0]["p_fake"]) == result.p_fake
    assert cells[0]["groups"] == "group=a source=Ada"
    samples = io.StringIO()
    assert export(folder, "jsonl", samples, samples=True) == len(result.scores)


def test_the_command_exports_and_counts(manager, media, tmp_path):
    judged(manager, files(media), tmp_path / "out")
    target = tmp_path / "deep" / "t.csv"
    done = CliRunner().invoke(app, ["batch", "export", str(tmp_path / "out"), "--to", "csv", "--out", str(target)])
    assert done.exit_code == Exit.DONE, done.output
    assert len(target.read_text().splitlines()) == 4
    told = CliRunner().invoke(app, ["batch", "summary", str(tmp_path / "out")])
    assert told.exit_code == Exit.DONE
    assert "BRIGHT: 3 files: 1 FAKE, 1 INCONCLUSIVE, 1 REAL" in told.stdout
    nothing = CliRunner().invoke(app, ["batch", "summary", str(media)])
    assert nothing.exit_code == Exit.USAGE
    (counts,) = summary(ResultFolder(tmp_path / "out"))
    assert counts.files == 3


def test_progress_tells_rate_and_time_left(monkeypatch):
    now = 100.0
    monkeypatch.setattr("drishtiksha.cli.batch.time.monotonic", lambda: now)
    pace = Pace(1000)
    assert pace.told(0) == "0 of 1,000 files, 0 a second"
    now += 20
    assert pace.told(100) == "100 of 1,000 files, 5 a second, 03:00 left"
    assert Pace(None).told(3) == "3 files, 0 a second"


@pytest.mark.slow
def test_labelled_results_are_measured_without_judging(manager, media, tmp_path, monkeypatch):
    items = [
        Item(name, str(media / f"00{n}.png"), label) for n, (name, label) in enumerate((("a", "real"), ("b", "fake")))
    ]
    judged(manager, [*items, Item("c", str(media / "002.png"))], tmp_path / "out", ["BRIGHT", "DARK"])
    monkeypatch.setattr(ModelManager, "load_model", None)
    done = evaluate_results(tmp_path / "out", ["BRIGHT"], out=tmp_path / "measured")
    assert [(s.file, s.label, s.model) for s in done.scores] == [("a", "real", "BRIGHT"), ("b", "fake", "BRIGHT")]
    report = done.report.models["BRIGHT"]
    assert report.overall.auc is not None
    assert report.overall.auc.value == 1.0
    assert report.checkpoint_sha256
    assert (tmp_path / "measured" / "report.md").is_file()
    assert list(evaluate_results(tmp_path / "out").report.models) == ["BRIGHT", "DARK"]
    with pytest.raises(DrishtikshaError, match="no results by DEADLY"):
        evaluate_results(tmp_path / "out", ["DEADLY"])


@pytest.mark.slow
def test_a_row_becomes_a_case_with_its_results(manager, media, tmp_path):
    judged(manager, files(media), tmp_path / "out", ["BRIGHT", "DARK"])
    name = str(media / "001.png")
    command = ["batch", "open", str(tmp_path / "out"), name, "--question", "Is it real?"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == Exit.DONE, done.output
    bench = Workbench(manager.settings, manager)
    (case,) = bench.seen_by(LOCAL).cases(prediction=Prediction.FAKE)
    assert (case.media.name, case.question) == ("001.png", "Is it real?")
    kept = {result.model_name: result for result in case.results}
    for row in ResultFolder(tmp_path / "out").of(name):
        result = AnalysisResult.model_validate_json(row.result).model_copy(update={"path": None})
        assert kept[row.model] == result
    (job,) = bench.seen_by(LOCAL).open(case.case_id).jobs()
    assert job.state == "done"
    assert job.job_id in done.stdout
    assert case.case_id in done.stdout
    (media / "001.png").write_bytes((media / "000.png").read_bytes())
    changed = CliRunner().invoke(app, command)
    assert changed.exit_code == Exit.UNREADABLE
    assert "it changed since" in " ".join(changed.stderr.split())
    assert len(bench.seen_by(LOCAL).cases()) == 1, "nothing stays of what was refused"
    unknown = CliRunner().invoke(app, [*command[:3], "nobody.png"])
    assert unknown.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("module", "call"), [("pyarrow", lambda: ResultFolder(Path("x"))), ("ray", lambda: cluster._ray())]
)
def test_what_is_not_installed_is_told_with_the_remedy(monkeypatch, module, call):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r"pip install"):
        call()


def test_a_part_is_written_now_and_then(media, tmp_path, monkeypatch):
    item = Item("a", "a")
    row = failed_row(item, "M", "r", None, "why", "unreadable")
    monkeypatch.setattr(parts, "MOST_ROWS", 10)
    folder = ResultFolder(tmp_path / "out")
    with PartWriter(folder) as writer:
        for _ in range(25):
            writer.add(Told(item, "M", row))
        assert len(folder.parts()) == 2
    assert len(folder.parts()) == 3
