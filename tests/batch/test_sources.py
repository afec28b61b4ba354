"""Files, folders and patterns, as people name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from drishtiksha.batch.folders import LocalFolder
from drishtiksha.batch.sources import files_of, written
from drishtiksha.errors import ConfigError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name in (
        "10.jpg",
        "2.jpg",
        "sub/2.jpg",
        "sub/no_ending",
        "sub/notes.TXT",
        ".hidden.jpg",
        ".cache/a.jpg",
        "out/r.jsonl",
    ):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "in"


def names(archive: Path, *given: str | Path, own: tuple[Path, ...] = ()) -> list[str]:
    found = files_of([*map(str, given)], own)
    return [str(path.relative_to(archive)) for path in found.files]


def test_a_folder_with_all_below_it_in_the_order_that_people_count(archive):
    assert names(archive, archive) == ["2.jpg", "10.jpg", "sub/2.jpg", "sub/no_ending"]
    assert files_of([str(archive)]).passed_over == {".txt": 1, ".jsonl": 1}


def test_what_is_named_is_taken_whatever_it_is(archive):
    assert names(archive, archive / "sub/notes.TXT", archive / ".hidden.jpg") == ["sub/notes.TXT", ".hidden.jpg"]


def test_patterns(archive):
    assert names(archive, f"{archive}/*.jpg") == ["2.jpg", "10.jpg"]
    assert names(archive, f"{archive}/**/2.jpg") == ["2.jpg", "sub/2.jpg"]
    assert names(archive, f"{archive}/s*") == ["sub/2.jpg", "sub/no_ending"], "a folder that matches"


def test_a_name_with_brackets_is_a_name_where_there_is_such_a_file(archive):
    (archive / "clip [1].mp4").write_bytes(b"x")
    assert names(archive, archive / "clip [1].mp4") == ["clip [1].mp4"]


def test_no_file_twice(archive):
    assert names(archive, archive / "2.jpg", archive, f"{archive}/*.jpg") == [
        "2.jpg",
        "10.jpg",
        "sub/2.jpg",
        "sub/no_ending",
    ]


def test_all_that_is_missing_is_named(archive):
    (archive / "empty").mkdir()
    with pytest.raises(ConfigError) as told:
        files_of([str(archive / "2.jpg"), str(archive / "gone.jpg"), f"{archive}/*.mov", str(archive / "empty")])
    assert all(part in str(told.value) for part in ("gone.jpg", "*.mov", "empty"))
    assert "2.jpg" not in str(told.value)


def test_own_results_are_left_out_and_no_evidence_is_written_over(archive):
    pictures = archive / "sub"
    assert names(archive, archive, own=(pictures,)) == ["2.jpg", "10.jpg"]
    lines = archive / "out/r.jsonl"
    assert names(archive, archive / "2.jpg", lines, own=(lines,)) == ["2.jpg"], "as the shell names it for out/*"
    with pytest.raises(ConfigError, match="is to be examined"):
        files_of([str(archive / "2.jpg")], [archive / "2.jpg"])


def test_whether_one_file_was_named_by_itself(archive):
    assert files_of([str(archive / "2.jpg")]).single
    assert not files_of([str(archive / "2.jpg"), str(archive / "10.jpg")]).single
    (archive / "one").mkdir()
    (archive / "one/a.jpg").write_bytes(b"x")
    assert not files_of([str(archive / "one")]).single


def test_a_name_that_is_no_text():
    assert written(Path("caf\udce9.jpg")) == "caf\\xe9.jpg"
    assert written(Path("café.jpg")) == "café.jpg"


def test_links_to_folders_are_followed_and_never_in_a_circle(tmp_path):
    """An archive often lies on several disks; each folder is taken once."""
    archive, disk = tmp_path / "archive", tmp_path / "disk 2"
    (archive / "here").mkdir(parents=True)
    disk.mkdir()
    for path in (archive / "here" / "a.png", disk / "b.png"):
        path.write_bytes(b"x")
    (archive / "there").symlink_to(disk)
    (archive / "again").symlink_to(disk)
    (archive / "here" / "up").symlink_to(archive)
    (disk / "back").symlink_to(archive / "here")
    (archive / "broken").symlink_to(tmp_path / "nowhere")
    (archive / "itself.png").symlink_to(archive / "itself.png")
    names = [path.relative_to(archive).as_posix() for path in files_of([str(archive)]).files]
    assert names == ["broken", "itself.png", "again/b.png", "here/a.png"]
    assert sorted(LocalFolder(archive).files()) == sorted(names)
    assert list(LocalFolder(archive).files("absent")) == []
