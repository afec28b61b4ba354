"""`examine` over many files, and what a program reads of the command line through a pipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from media_factory import striped
from PIL import Image
from typer.testing import CliRunner

import drishtiksha.analysis
from drishtiksha.answer import Answer, State
from drishtiksha.cli import Exit, app
from drishtiksha.media.evidence import Evidence
from drishtiksha.settings import ROOT

pytestmark = pytest.mark.usefixtures("model")

LEVELS = {"a/1.png": 200, "a/2.png": 240, "b/1.png": 20}


@pytest.fixture
def media(tmp_path) -> Path:
    for name, level in LEVELS.items():
        path = tmp_path / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(striped(level, 32, 32)).save(path)
    (tmp_path / "media" / "b" / "text.png").write_text("no picture")
    return tmp_path / "media"


def run(*arguments: object):
    return CliRunner().invoke(app, ["examine", *map(str, arguments)])


@pytest.mark.slow
def test_folders_and_patterns_give_a_line_for_each_file_and_a_stop_goes_on(media, tmp_path, monkeypatch):
    seen, real = [], drishtiksha.analysis.analyze

    def stopping(evidence, detector, *rest, **options):
        seen.append(str(evidence.path))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(evidence, detector, *rest, **options)

    monkeypatch.setattr(drishtiksha.analysis, "analyze", stopping)
    command = (media / "a", f"{media}/b/*.png", "--out", tmp_path / "out")
    stopped = run(*command)
    assert stopped.exit_code not in (Exit.DONE, Exit.USAGE, Exit.UNREADABLE)
    assert "Stopped after 1 of 4 files" in stopped.stderr
    assert len(seen) == 2
    done = run(*command, "--json", tmp_path / "all.json")
    assert done.exit_code == Exit.UNREADABLE, done.output
    assert seen == [str(media / name) for name in ("a/1.png", "a/2.png", "a/2.png", "b/1.png")]
    assert (
        "4 files: 2 with signs of manipulation, 1 without signs, 1 not examined. 1 of them were done before."
        in done.stderr
    )
    lines = [json.loads(line) for line in (tmp_path / "out/answers.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == [str(media / name) for name in (*LEVELS, "b/text.png")]
    states = [
        Answer.model_validate({k: v for k, v in line.items() if k not in ("path", "recipe")}).state
        for line in lines[:3]
    ]
    assert states == [State.SIGNS, State.SIGNS, State.NOTHING_FOUND]
    assert "error" in lines[3]
    listed = json.loads((tmp_path / "all.json").read_text())
    assert listed[:3] == [{k: v for k, v in line.items() if k != "recipe"} for line in lines[:3]]
    seen.clear()
    Image.fromarray(striped(30, 32, 32)).save(media / "a/1.png")
    seen.append("")
    seen.append("")
    run(*command)
    assert seen[2:] == [str(media / "a/1.png")], "other bytes alone are examined anew"


def test_a_detector_that_cannot_be_loaded_is_told_and_the_file_is_done_again(media, tmp_path):
    (tmp_path / "bright.pt").write_bytes(b"no checkpoint")
    for _ in range(2):
        done = run(media / "a/1.png", "--out", tmp_path / "r.jsonl")
        assert done.exit_code == Exit.FAILED
        assert "BRIGHT has no result" in done.stderr
        (line,) = (json.loads(text) for text in (tmp_path / "r.jsonl").read_text().splitlines())
        assert (line["state"], line["recipe"]) == ("nothing_to_judge", "")


def test_one_file_is_told_as_everywhere_else(media, tmp_path):
    done = run(media / "a/1.png", "--json", "-")
    assert done.exit_code == Exit.DONE
    assert Answer.model_validate(json.loads(done.stdout)).state is State.SIGNS


@pytest.mark.parametrize("command", ["examine", "predict"])
def test_an_unforeseen_error_is_told_alike_and_stops_no_other_file(media, monkeypatch, command):
    real = Evidence.open

    def failing(path, *rest, **options):
        if str(path).endswith("a/1.png"):
            raise RuntimeError("nobody foresaw this")
        return real(path, *rest, **options)

    monkeypatch.setattr(Evidence, "open", failing)
    done = CliRunner().invoke(app, [command, str(media / "a")])
    assert done.exit_code == Exit.FAILED
    assert "stopped at an error of this program" in done.output
    assert "nobody foresaw this" not in done.output
    assert "2 files: 1 " in done.stderr


@pytest.mark.slow
def test_lines_in_a_pipe_are_not_broken(media, tmp_path):
    """What `grep` and scripts read: paths of 200 characters and rows of tables stay whole."""
    long = tmp_path / ("a folder of a long name " * 7) / "picture.png"
    long.parent.mkdir()
    long.write_bytes((media / "a/1.png").read_bytes())
    second = long.with_name("second.png")
    second.write_bytes((media / "b/1.png").read_bytes())
    environment = os.environ | {
        "COLUMNS": "80",
        "TERM": "xterm",
        "PYTHONPATH": str(ROOT),
        "DRISHTIKSHA_DETECTORS_DIR": str(tmp_path / "extra"),
    }

    def piped(*arguments: object) -> tuple[list[str], list[str]]:
        command = [sys.executable, "-m", "drishtiksha", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=True)
        return done.stdout.splitlines(), done.stderr.splitlines()

    told, _ = piped("predict", long, second, "--json", tmp_path / "r.json")
    assert any(line.startswith(f"{long}: ") for line in told)
    rows, _ = piped("models")
    assert any("BRIGHT" in row and "ready" in row for row in rows)
    assert all(len(row) < 1000 for row in rows), "nor filled up with spaces"
