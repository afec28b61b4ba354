"""JSON Lines of results: nothing finished is lost, and no line is ever half."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drishtiksha.batch.lines import ResultLines, lines_at
from drishtiksha.errors import ConfigError


def result(path: str, model: str = "M", sha256: str = "aa", recipe: str = "r", **more: Any) -> dict[str, Any]:
    made = {"media": {"sha256": sha256}, "provenance": {"recipe": recipe}, "scores": [{"p_fake": 0.5}]}
    return {"path": path, "model_name": model, **made, **more}


def failure(path: str, model: str | None = "M") -> dict[str, Any]:
    return {"path": path, "file": path, "model_name": model, "error": "damaged"}


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_line_is_on_the_disk_at_once(tmp_path):
    lines = ResultLines(tmp_path / "deep/r.jsonl")
    assert not (tmp_path / "deep/r.jsonl").exists(), "nothing is there before the first result"
    for number in range(3):
        lines.add(result(f"{number}.jpg"))
        assert len(written(lines.path)) == number + 1


def test_only_the_same_bytes_by_the_same_recipe_are_found(tmp_path):
    ResultLines(tmp_path / "r.jsonl").add(result("a.jpg"))
    lines = ResultLines(tmp_path / "r.jsonl")
    assert lines.find("a.jpg", "aa", "M", "r", explained=False) == result("a.jpg")
    for other in (
        ("b.jpg", "aa", "M", "r"),
        ("a.jpg", "bb", "M", "r"),
        ("a.jpg", "aa", "N", "r"),
        ("a.jpg", "aa", "M", "s"),
    ):
        assert lines.find(*other, explained=False) is None
    assert lines.find("a.jpg", "aa", "M", "r", explained=True) is None, "it was made without pictures"
    lines.add(result("a.jpg", stage_seconds={"explain": 0.1}))
    assert lines.find("a.jpg", "aa", "M", "r", explained=True) is not None


def test_a_failure_is_tried_again_and_replaced(tmp_path):
    lines = ResultLines(tmp_path / "r.jsonl")
    lines.add(failure("a.jpg"))
    lines.add(failure("b.jpg", None))
    lines.add(result("c.jpg"))
    assert lines.find("a.jpg", "aa", "M", "r", explained=False) is None
    lines.add(result("a.jpg"))
    lines.add(result("b.jpg"))
    assert [line["path"] for line in written(lines.path)] == ["a.jpg", "b.jpg", "c.jpg", "a.jpg", "b.jpg"]
    lines.tidy()
    assert written(lines.path) == [result("c.jpg"), result("a.jpg"), result("b.jpg")]
    assert list(lines) == written(lines.path)
    lines.add(result("d.jpg"))
    assert lines.newest("d.jpg", "M") == result("d.jpg")


def test_several_models_stand_beside_each_other(tmp_path):
    lines = ResultLines(tmp_path / "r.jsonl")
    lines.add(result("a.jpg", "M"))
    lines.add(result("a.jpg", "N"))
    lines.tidy()
    assert [line["model_name"] for line in written(lines.path)] == ["M", "N"]


def test_a_line_that_a_crash_cut_short_is_dropped_and_nothing_else(tmp_path):
    path = tmp_path / "r.jsonl"
    first = ResultLines(path)
    first.add(result("a.jpg"))
    first.add(result("b.jpg"))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"path": "c.jpg", "model')
    assert len(ResultLines(path)) == 2
    assert path.read_bytes() == whole


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """As a disk that is full beyond `size` bytes a file: a write stops in the middle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_finished_lines_whole(tmp_path):
    lines = ResultLines(tmp_path / "r.jsonl")
    lines.add(result("a.jpg"))
    whole = lines.path.read_bytes()
    with files_up_to(len(whole) + 20), pytest.raises(OSError, match=r"r\.jsonl"):
        lines.add(result("b.jpg"))
    assert lines.path.read_bytes() == whole
    lines.add(result("b.jpg"))
    assert len(written(lines.path)) == 2


@pytest.mark.parametrize("text", ["name,score\nmine,1\n", '{"other": 1}\n', "[1]\n"])
def test_a_file_of_something_else_is_left_alone(tmp_path, text):
    (tmp_path / "r.jsonl").write_text(text)
    with pytest.raises(ConfigError, match="something else"):
        ResultLines(tmp_path / "r.jsonl")
    assert (tmp_path / "r.jsonl").read_text() == text


def test_where_results_go(tmp_path):
    (tmp_path / "v1.2").mkdir()
    assert lines_at(tmp_path / "v1.2") == tmp_path / "v1.2/results.jsonl"
    assert lines_at(tmp_path / "new") == tmp_path / "new/results.jsonl"
    assert lines_at(tmp_path / "r.JSONL") == tmp_path / "r.JSONL"
    with pytest.raises(ConfigError, match="JSON Lines"):
        lines_at(tmp_path / "r.json")
