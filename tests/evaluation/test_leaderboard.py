"""Results of `evaluate` side by side: paired differences, shortcuts of the files, the page and the tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from drishtiksha.cli import Exit, app
from drishtiksha.errors import ManifestError
from drishtiksha.evaluation import paired
from drishtiksha.evaluation.command import write
from drishtiksha.evaluation.leaderboard import leaderboard
from drishtiksha.evaluation.metrics import auc, delong, recall_at
from drishtiksha.evaluation.paired import compare_folders
from drishtiksha.evaluation.report import EvaluationReport, ModelReport, Table, model_tables
from drishtiksha.evaluation.scores import Score, write_scores
from drishtiksha.evaluation.shortcuts import shortcuts
from drishtiksha.evaluation.summary import summarize

DRAWS = 60


def scores(model: str, apart: float, count: int = 60, seed: int = 0, **facts: object) -> list[Score]:
    """Half real, half fake; p_fake of fakes lies higher by `apart`. Two files a source."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        fake = number % 2 == 1
        p_fake = float(np.clip(rng.normal(0.4 + apart * fake, 0.15), 0, 1))
        group = ("swap" if fake else "real") + ("/jpeg" if number % 4 > 1 else "/clean")
        said = "FAKE" if p_fake > 0.6 else "REAL" if p_fake < 0.4 else "INCONCLUSIVE"
        found.append(
            Score(
                f"{number}.png",
                "fake" if fake else "real",
                group,
                f"p{number // 2}",
                model,
                "image",
                p_fake,
                said,
                1.0,
                sha256=f"{number:016x}",
                recipe="r",
                **facts,
            )  # type: ignore[arg-type]
        )
    return found


def table(path: Path, *models: list[Score]) -> Path:
    """What `compare` needs of a folder."""
    path.mkdir()
    write_scores(path / "scores.csv", [score for model in models for score in model])
    return path


def folder(path: Path, *models: list[Score], listed: str = "list.csv", drawn: bool = False) -> Path:
    """As `evaluate --out` leaves it; without curves where they are not drawn."""
    rows = [score for model in models for score in model]
    reports = {}
    for model in models:
        overall, merged, groups = summarize(model, 0, DRAWS)
        reports[model[0].model] = ModelReport(
            checkpoint_sha256="ab", thresholds={"image": (0.4, 0.6)}, overall=overall, merged=merged, groups=groups
        )
    report = EvaluationReport(
        manifest=listed,
        manifest_sha256=listed,
        files=len(models[0]),
        seed=0,
        draws=DRAWS,
        made_utc="2026-01-01T00:00:00+00:00",
        version="0",
        models=reports,
        shortcuts=shortcuts(models[0], 0, DRAWS),
    )
    if drawn:
        write(path, report, rows)
    else:
        path.mkdir()
        (path / "report.json").write_text(report.model_dump_json())
    write_scores(path / "scores.csv", rows)
    return path


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_recall_at_a_share_of_false_alarms():
    labels = np.repeat([False, True], [1000, 4])
    p = np.append(np.arange(1000) / 1000, [0.9985, 0.9915, 0.9805, 0.2])
    assert recall_at(labels, p, 0.001) == 0.25
    assert recall_at(labels, p, 0.01) == 0.5
    assert recall_at(labels, p, 0.02) == 0.75
    assert recall_at(labels[:1000], p[:1000], 0.01) is None


def test_strict_recall_asks_for_enough_reals():
    few, enough = (summarize(scores("M", 0.2, count), 0, 20).overall for count in (198, 200))
    assert few.recall_at_1 is None
    assert enough.recall_at_1 is not None
    assert enough.recall_at_1.low <= enough.recall_at_1.value <= enough.recall_at_1.high
    assert enough.recall_at_01 is None


def test_delong_agrees_with_its_definition():
    rng = np.random.default_rng(1)
    labels = rng.random(40) < 0.5
    first, second = rng.normal(labels * 1.0), np.round(rng.normal(labels * 0.3), 1)
    found = delong(labels, first, second)
    assert (found.first, found.second) == pytest.approx((auc(labels, first), auc(labels, second)))
    # The same by the kernel that the paper defines, without ranks.
    fakes, reals = int(labels.sum()), int((~labels).sum())
    parts = []
    for p in (first, second):
        wins = (p[labels][:, None] > p[~labels]) + 0.5 * (p[labels][:, None] == p[~labels])
        parts.append((wins.mean(axis=1), wins.mean(axis=0)))
    (a10, a01), (b10, b01) = parts
    variance = np.var(a10 - b10, ddof=1) / fakes + np.var(a01 - b01, ddof=1) / reals
    from scipy.stats import norm

    assert found.p_value == pytest.approx(2 * norm.sf(abs(found.first - found.second) / np.sqrt(variance)))
    assert delong(labels, first, first).p_value is None
    assert delong(labels[:1], first[:1], first[:1]) is None


def test_by_chance_delong_is_small_as_often_as_it_says():
    rng = np.random.default_rng(0)
    labels = np.repeat([False, True], 40)
    values = [delong(labels, *(rng.normal(labels * 1.0) for _ in range(2))).p_value for _ in range(300)]
    assert 0.01 < np.mean(np.array(values) < 0.05) < 0.1


# --- compare ---------------------------------------------------------------------------------------------------------


def test_a_better_model_differs_and_an_equal_one_does_not(tmp_path):
    good, poor, same = (
        table(tmp_path / name, scores("M", apart, seed=seed))
        for name, apart, seed in (("good", 0.4, 0), ("poor", 0.0, 1), ("same", 0.4, 3))
    )
    whole, *groups = compare_folders(good, poor, None, draws=DRAWS)
    assert (whole.first, whole.second) == ("M (good)", "M (poor)")
    assert (whole.real, whole.fake, whole.only_first) == (30, 30, 0)
    better = whole.differences["auc"]
    assert better.difference.value == pytest.approx(better.first - better.second)
    assert better.difference.low > 0
    assert better.told == "differs"
    assert whole.delong_p < 0.01
    assert [one.group for one in groups] == ["swap/clean", "swap/jpeg"], "fakes alone are set against all reals"
    assert [(one.real, one.fake) for one in groups] == [(30, 15), (30, 15)]
    assert compare_folders(good, same, None, draws=DRAWS)[0].differences["auc"].told == "may be chance"


def test_only_files_that_both_scored_are_compared(tmp_path):
    first, second = scores("A", 0.4), scores("B", 0.4)
    first[3] = replace(first[3], p_fake=None, reason="no_face")
    renamed = [replace(score, file=f"other/{score.file}") for score in second]
    whole = compare_folders(table(tmp_path / "a", first), table(tmp_path / "b", renamed), None, draws=DRAWS)[0]
    assert (whole.first, whole.second) == ("A", "B")
    assert (whole.real, whole.fake, whole.only_first, whole.only_second) == (30, 29, 0, 1)


def test_what_cannot_be_compared_is_told(tmp_path):
    both = table(tmp_path / "both", scores("A", 0.4), scores("B", 0.1))
    other = table(tmp_path / "other", [replace(s, label="real") for s in scores("C", 0.3)])
    assert compare_folders(both, both, ("A", "B"), draws=DRAWS)[0].differences["auc"].told == "differs"
    with pytest.raises(ManifestError, match="Say with --models"):
        compare_folders(both, other, None, draws=DRAWS)
    with pytest.raises(ManifestError, match="has no scores of X"):
        compare_folders(both, both, ("A", "X"), draws=DRAWS)
    with pytest.raises(ManifestError, match="differ in the labels of 30 files"):
        compare_folders(both, other, ("A", "C"), draws=DRAWS)
    with pytest.raises(ManifestError, match="No such file"):
        compare_folders(tmp_path / "extra", both, None, draws=DRAWS)


# --- shortcuts -------------------------------------------------------------------------------------------------------


def with_facts(fakes: dict[str, object], reals: dict[str, object]) -> list[Score]:
    return [replace(score, **(fakes if score.fake else reals)) for score in scores("M", 0.3)]  # type: ignore[arg-type]


def test_facts_that_tell_the_labels_apart_are_told():
    found = shortcuts(
        with_facts({"duration_s": 4.0, "container": "mp4"}, {"duration_s": 12.5, "container": "mov"}), 0, DRAWS
    )
    assert {shortcut.fact: shortcut.auc for shortcut in found} == {"duration": 1.0, "container": 1.0}
    sentences = " ".join(shortcut.sentence for shortcut in found)
    assert "4 s for fakes, 12.5 for reals" in sentences
    assert "most fakes are mp4, most reals mov" in sentences


def test_facts_that_agree_are_not_told():
    rng = np.random.default_rng(0)
    alike = [
        replace(
            s,
            duration_s=float(rng.normal(9)),
            size_bytes=float(rng.integers(9e5)),
            rate=25.0,
            container=str(rng.choice(["mp4", "mov"])),
        )
        for s in scores("M", 0.3)
    ]
    assert shortcuts(alike, 0, DRAWS) == ()
    assert shortcuts(with_facts({"rate": 25.0}, {"rate": 30.0})[:8], 0, DRAWS) == (), "too few to say"
    assert shortcuts(scores("M", 0.3), 0, DRAWS) == (), "of a table of before nothing is known"


# --- page and tables -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> list[Path]:
    place = tmp_path_factory.mktemp("results")
    facts = {"fakes": {"rate": 25.0}, "reals": {"rate": 30.0}}
    both = folder(
        place / "both", [replace(s, model="GOOD") for s in with_facts(**facts)], scores("<b>POOR", 0.05), drawn=True
    )
    third = folder(place / "third", scores("THIRD", 0.6))
    return [both, third, folder(place / "wild", scores("GOOD", 0.1), listed="wild_set.csv")]


@pytest.mark.slow
def test_the_page_holds_everything_and_loads_nothing(results):
    page = leaderboard(results, ".html")
    assert page.index("THIRD") < page.index("GOOD") < page.index("POOR"), "the best first, of one list in one table"
    assert page.count("<section>") == 2
    assert "&lt;b&gt;POOR" in page
    assert "<b>POOR" not in page
    assert "The rate of the files alone" in page
    assert page.count("data:image/png;base64,") == 3
    assert "http" not in page
    assert '<td class="best">' in page


@pytest.mark.slow
def test_tables_for_a_paper(results):
    told = leaderboard(results, ".md")
    assert "| model | real/fake scored | AUC |" in told
    tex = leaderboard(results, ".tex")
    assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}") == told.count("### ")
    assert r"wild\_set.csv" in tex
    assert r"\%" in tex
    assert Table("a_b", ("x", "50 %"), ((r"\&", "1"),)).latex().splitlines()[3:8] == [
        r"\toprule", r"x & 50 \% \\", r"\midrule", r"\textbackslash{}\& & 1 \\", r"\bottomrule"
    ]  # fmt: skip
    assert (results[0] / "tables.tex").read_text().startswith(r"\begin{table}")
    assert "## Beware" in (results[0] / "report.md").read_text()


def test_a_folder_without_a_report(tmp_path):
    with pytest.raises(ManifestError, match="evaluate --out"):
        leaderboard([tmp_path], ".md")


@pytest.mark.slow
def test_curves_are_drawn(results):
    assert {"roc.png", "det.png", "reliability.png"} <= {path.name for path in results[0].iterdir()}


def test_strict_recalls_have_columns():
    (table, *_) = model_tables(
        "M", ModelReport(checkpoint_sha256=None, thresholds={}, overall=summarize(scores("M", 0.2, 200), 0, 20).overall)
    )
    assert "recall at 1 %" in table.header
    assert "recall at 0.1 %" not in table.header


# --- the commands ----------------------------------------------------------------------------------------------------


def run(*arguments: object):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


@pytest.mark.slow
def test_the_commands(results, tmp_path, monkeypatch):
    monkeypatch.setattr(paired, "DRAWS", 20)
    both, third, _ = results
    done = run("compare", both, third, "-m", "GOOD,THIRD")
    assert done.exit_code == Exit.DONE, done.output
    assert "GOOD against THIRD" in done.stdout
    assert "AUC, DeLong" in done.stdout
    document = json.loads(run("compare", both, third, "-m", "GOOD,THIRD", "--json").stdout)
    assert document[0]["differences"]["auc"]["difference"]["value"] < 0
    assert r"\begin{table}" in run("compare", both, third, "-m", "GOOD,THIRD", "--latex").stdout
    board = tmp_path / "deep" / "board.html"
    assert run("leaderboard", *results, "--out", board).exit_code == Exit.DONE
    assert board.read_text().startswith("<!doctype html>")
    assert run("leaderboard", both, "--out", tmp_path / "board.doc").exit_code == Exit.USAGE
    assert run("compare", both, tmp_path, "-m", "A,B").exit_code == Exit.USAGE
    assert run().exit_code == Exit.USAGE
    told = " ".join(run("--help").output.split())
    for part in ("compare", "leaderboard", "LIST.csv"):
        assert part in told
