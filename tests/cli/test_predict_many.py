"""`predict` over many files: what is finished stays, whatever happens at the next one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from media_factory import striped
from PIL import Image
from typer.testing import CliRunner

import drishtiksha.analysis
from drishtiksha.cli import Exit, app
from drishtiksha.report.files import write_whole
from drishtiksha.results import AnalysisResult

pytestmark = pytest.mark.usefixtures("model")

LEVELS = {"1.png": 20, "a/1.png": 200, "a/2.png": 240, "b/1.png": 60}


@pytest.fixture
def media(tmp_path) -> Path:
    """Four pictures, of which three are called 1.png."""
    for name, level in LEVELS.items():
        path = tmp_path / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(striped(level, 32, 32)).save(path)
    return tmp_path / "media"


def run(*arguments: object):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def unwrapped(text: str) -> str:
    """Without the line ends and spaces of a terminal's width."""
    return "".join(text.split())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class Stopping:
    """`analyze` that counts its calls and raises `error` at one of them."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, at: int | None = None, error: BaseException | None = None
    ) -> None:
        self.names: list[str] = []
        self.at, self.error = at, error
        self.real = drishtiksha.analysis.analyze
        monkeypatch.setattr(drishtiksha.analysis, "analyze", self)

    def __call__(self, evidence, detector, *rest, **options):
        self.names.append(str(evidence.path))
        if len(self.names) == self.at and self.error is not None:
            raise self.error
        return self.real(evidence, detector, *rest, **options)


def test_a_folder_gives_a_line_for_each_file_with_its_path(media, tmp_path):
    done = run(media, "-m", "BRIGHT", "--out", tmp_path / "out", "--json", tmp_path / "r.json")
    assert done.exit_code == Exit.DONE, done.output
    found = lines(tmp_path / "out/results.jsonl")
    assert [line["path"] for line in found] == [str(media / name) for name in LEVELS]
    assert found == json.loads((tmp_path / "r.json").read_text())
    results = [AnalysisResult.model_validate(line) for line in found]
    assert [result.prediction for result in results] == ["REAL", "FAKE", "FAKE", "REAL"]
    assert [result.media.name for result in results] == ["1.png", "1.png", "2.png", "1.png"]
    assert "4files:2REAL,2FAKE" in unwrapped(done.stderr)
    assert unwrapped(f"{media / 'a/1.png'}: ") in unwrapped(done.stdout)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("r.")) == ["r.json"]


def test_a_stop_keeps_what_is_finished_and_the_same_command_goes_on(media, tmp_path, monkeypatch):
    command = (media, "-m", "BRIGHT", "--out", tmp_path / "r.jsonl")
    stopping = Stopping(monkeypatch, 3, KeyboardInterrupt())
    stopped = run(*command)
    assert stopped.exit_code not in (Exit.DONE, Exit.USAGE, Exit.UNREADABLE)
    assert "Stoppedafter2of4files" in unwrapped(stopped.stderr)
    assert "thesamecommandgoeson" in unwrapped(stopped.stderr)
    before = lines(tmp_path / "r.jsonl")
    assert len(before) == 2
    stopping.names.clear()
    stopping.at = None
    resumed = run(*command)
    assert resumed.exit_code == Exit.DONE, resumed.output
    assert stopping.names == [str(media / "a/2.png"), str(media / "b/1.png")]
    assert "2ofthemweredonebefore" in unwrapped(resumed.stderr)
    assert lines(tmp_path / "r.jsonl")[:2] == before
    monkeypatch.undo()


@pytest.mark.slow
def test_other_bytes_or_another_setting_are_done_anew(media, tmp_path, monkeypatch):
    command = (media / "1.png", media / "b", "-m", "BRIGHT", "--out", tmp_path)
    run(*command)
    counted = Stopping(monkeypatch)
    Image.fromarray(striped(250, 32, 32)).save(media / "1.png")
    assert run(*command).exit_code == Exit.DONE
    assert counted.names == [str(media / "1.png")]
    assert [line["prediction"] for line in lines(tmp_path / "results.jsonl")] == ["REAL", "FAKE"], "one line each"
    counted.names.clear()
    run(*command, "--set", "sparse=2")
    assert len(counted.names) == 2
    counted.names.clear()
    run(*command, "--set", "sparse=2", "--explain", tmp_path / "pictures")
    assert len(counted.names) == 2
    run(*command, "--set", "sparse=2", "--explain", tmp_path / "pictures")
    assert len(counted.names) == 2


@pytest.mark.parametrize("error", [RuntimeError("odd"), OSError(5, "Input/output error"), MemoryError()])
def test_one_unforeseen_error_is_that_file_s(media, tmp_path, monkeypatch, error):
    Stopping(monkeypatch, 2, error)
    done = run(media, "-m", "BRIGHT", "--out", tmp_path / "r.jsonl")
    assert done.exit_code == Exit.FAILED
    found = lines(tmp_path / "r.jsonl")
    assert ["error" in line for line in found] == [False, True, False, False]
    assert found[1]["path"] == str(media / "a/1.png")
    assert "4files:2REAL,1FAKE,1notexamined" in unwrapped(done.stderr)
    assert "Traceback" not in done.output


def test_json_is_written_in_one_step_and_an_older_one_survives_a_stop(media, tmp_path, monkeypatch):
    target = tmp_path / "r.json"
    assert run(media, "-m", "BRIGHT", "--json", target).exit_code == Exit.DONE
    older = target.read_bytes()
    stopping = Stopping(monkeypatch, 3, KeyboardInterrupt())
    stopped = run(media, "-m", "BRIGHT", "--json", target)
    assert target.read_bytes() == older
    assert unwrapped(f"kept in {target}.part") in unwrapped(stopped.stderr)
    assert len(lines(tmp_path / "r.json.part")) == 2
    stopping.at = None
    assert run(media, "-m", "BRIGHT", "--json", target).exit_code == Exit.DONE
    assert len(json.loads(target.read_text())) == 4
    assert len(stopping.names) == 5, "two were done before the stop, one was under way"
    assert not (tmp_path / "r.json.part").exists()


def test_where_there_is_no_older_json_a_stop_leaves_what_is_finished(media, tmp_path, monkeypatch):
    Stopping(monkeypatch, 3, KeyboardInterrupt())
    run(media, "-m", "BRIGHT", "--json", tmp_path / "r.json")
    assert [found["path"] for found in json.loads((tmp_path / "r.json").read_text())] == [
        str(media / "1.png"),
        str(media / "a/1.png"),
    ]


@pytest.mark.parametrize("option", ["--json", "--out", "--explain"])
def test_a_place_that_cannot_be_written_is_told_before_any_file(media, tmp_path, monkeypatch, option):
    counted = Stopping(monkeypatch)
    (tmp_path / "file").write_text("older")
    done = run(media, "-m", "BRIGHT", option, tmp_path / "file" / "r.jsonl")
    assert done.exit_code == Exit.FAILED
    assert "Notadirectory" in unwrapped(done.output) or "Fileexists" in unwrapped(done.output)
    assert counted.names == []
    assert (tmp_path / "file").read_text() == "older"


def test_evidence_is_never_written_over(media, tmp_path):
    before = (media / "1.png").read_bytes()
    assert run(media / "1.png", "-m", "BRIGHT", "--json", media / "1.png").exit_code == Exit.USAGE
    assert (media / "1.png").read_bytes() == before


def test_a_path_that_is_not_there_ends_it_before_any_file(media, tmp_path, monkeypatch):
    counted = Stopping(monkeypatch)
    done = run(media / "1.png", media / "gone.png", "-m", "BRIGHT")
    assert done.exit_code == Exit.USAGE
    assert "gone.png" in unwrapped(done.output)
    assert counted.names == []


def test_streams_are_written_to(tmp_path):
    read, write = os.pipe()
    write_whole(Path(f"/dev/fd/{write}"), b"there\n")
    os.close(write)
    assert os.read(read, 100) == b"there\n"
    os.close(read)
    write_whole(Path("/dev/null"), b"nowhere")
    assert Path("/dev/null").is_char_device()


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    write_whole(tmp_path / "link.json", b"new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new"
