"""Manifests as people write them, and everything that can be wrong with one, told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from drishtiksha.errors import ManifestError
from drishtiksha.evaluation.manifest import drawn, read_manifest


def manifest(folder: Path, text: str, files: tuple[str, ...] = ("a.png", "b.png", "sub/c.mp4")) -> Path:
    for name in files:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8-sig")
    return path


def test_rows_in_order_with_defaults(tmp_path):
    items = read_manifest(manifest(tmp_path, 'label,file,note\nREAL,a.png,"one, two"\n\n Fake , sub/c.mp4,\n'))
    assert [(i.name, i.label, i.group, i.source) for i in items] == [
        ("a.png", "real", "", "a.png"),
        ("sub/c.mp4", "fake", "", "sub/c.mp4"),
    ]
    assert items[1].path == str(tmp_path / "sub/c.mp4")


def test_group_and_source_are_read(tmp_path):
    (item,) = read_manifest(manifest(tmp_path, "file,label,group,source\na.png,real,real/clean,Ada\n"))
    assert (item.group, item.source) == ("real/clean", "Ada")


def test_all_bad_rows_are_told_with_their_lines(tmp_path):
    text = "file,label\na.png,real\nabsent.png,fake\nb.png,maybe\n./a.png,fake\nb.png,real,extra\n,real\n"
    with pytest.raises(ManifestError) as told:
        read_manifest(manifest(tmp_path, text))
    message = str(told.value)
    for part in (
        "line 3: there is no file 'absent.png'",
        "line 4: the label is 'maybe'",
        "line 5: ./a.png is named in",
    ):
        assert part in message
    assert "line 6: more fields" in message
    assert "line 7: there is no file ''" in message
    assert "line 2:" not in message


@pytest.mark.parametrize(
    ("text", "told"), [("path,label\n", "no column file"), ("", "no column file or label"), ("file,label\n", "no file")]
)
def test_a_list_that_says_nothing(tmp_path, text, told):
    with pytest.raises(ManifestError, match=told):
        read_manifest(manifest(tmp_path, text))


def test_not_a_text(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"\xff\xfe\x00file")
    with pytest.raises(ManifestError, match="UTF-8"):
        read_manifest(path)


def test_a_larger_draw_keeps_the_smaller_one(tmp_path):
    names = [f"{n}.png" for n in range(30)]
    rows = "".join(f"{name},real\n" for name in names)
    items = read_manifest(manifest(tmp_path, "file,label\n" + rows, tuple(names)))
    few, more = drawn(items, 5, 1), drawn(items, 12, 1)
    assert len(few) == 5
    assert len(more) == 12
    assert {item.name for item in few} < {item.name for item in more}
    assert [items.index(item) for item in more] == sorted(items.index(item) for item in more)
    assert drawn(items, 5, 2) != few
    assert drawn(items, None, 1) == items


PLAIN = "file,label,group\na.png,real,été\nsub/c.mp4,fake,\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_lists_as_spreadsheets_save_them(tmp_path, separator, encoding):
    path = manifest(tmp_path, PLAIN)
    plain = read_manifest(path)
    text = PLAIN.replace("file,label", "File,Label").replace(",", separator).replace("\n", "\r\n")
    path.write_bytes((text + separator * 4 + "\r\n").encode(encoding))
    assert read_manifest(path) == plain
    assert plain[0].group == "été"


def test_a_stated_separator_and_lines_that_are_counted_from_it(tmp_path):
    path = manifest(tmp_path, "")
    path.write_text("sep=;\r\nLabel ; FILE\r\nreal;a.png\r\nfake;gone.png\r\n", newline="")
    with pytest.raises(ManifestError, match=r"line 4: there is no file 'gone\.png'"):
        read_manifest(path)


def test_names_from_windows_and_from_a_mac(tmp_path):
    files = ("sub/café.png", "'odd'.png", "=1.png")
    path = manifest(tmp_path, "file,label\nsub\\cafe\u0301.png,real\n'odd'.png,fake\n'=1.png,fake\n", files)
    assert [item.path for item in read_manifest(path)] == [str(tmp_path / name) for name in files]


@pytest.mark.parametrize("head", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0"])
def test_a_workbook_is_called_one(tmp_path, head):
    (tmp_path / "list.xlsx").write_bytes(head + bytes(100))
    with pytest.raises(ManifestError, match=r"workbook.*CSV UTF-8"):
        read_manifest(tmp_path / "list.xlsx")


def test_bytes_of_no_encoding(tmp_path):
    (tmp_path / "list.csv").write_bytes(b"file,label\n\x81\x8d.png,real\n")
    with pytest.raises(ManifestError, match="neither UTF-8 nor Windows-1252"):
        read_manifest(tmp_path / "list.csv")
