"""What `drishtiksha batch` is given: files, addresses, a list or a data set."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator

import fsspec
import pytest
import typer
from deadly_detector import pictures, written_config
from typer.testing import CliRunner

from drishtiksha.batch.datasets import read_dataset
from drishtiksha.batch.folders import LocalFolder
from drishtiksha.batch.judge import Here, Job, Told
from drishtiksha.batch.parts import ResultFolder
from drishtiksha.batch.rows import Row
from drishtiksha.cli import Exit, app
from drishtiksha.cli.batch import items_named
from drishtiksha.errors import ConfigError, ManifestError
from drishtiksha.settings import load_settings


@pytest.fixture
def stored() -> Iterator[None]:
    system = fsspec.filesystem("memory")
    for name in ("/named/real/a.png", "/named/fake/b.png", "/named/list.txt"):
        system.pipe(name, b"x")
    yield
    system.rm("/named", recursive=True)


def names(items, total) -> tuple[list[str], int | None]:
    return [item.name for item in items], total


def test_files_and_addresses_side_by_side(stored, tmp_path):
    here = tmp_path / "c d.png"
    here.write_bytes(b"x")
    out = tmp_path / "out"
    assert names(*items_named([str(here)], out)) == ([str(here)], 1)
    given = ["memory://named/", f"file://{tmp_path}/c%20d.png", "memory://named/list.txt"]
    expected = [str(here), "memory://named/fake/b.png", "memory://named/real/a.png", "memory://named/list.txt"]
    assert names(*items_named(given, out)) == (expected, None)


def test_a_data_set_is_read_as_it_is_judged(stored, tmp_path):
    items, total = items_named(["memory://named"], tmp_path, "tree")
    assert total is None
    assert [(item.name, item.label, item.path) for item in items] == [
        ("fake/b.png", "fake", "memory://named/fake/b.png"),
        ("real/a.png", "real", "memory://named/real/a.png"),
    ]
    with pytest.raises(ManifestError, match="no files of the part 'test'"):
        list(items_named(["memory://named"], tmp_path, "tree", "test")[0])


def test_a_list_stands_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text("file\na.png\n")
    (tmp_path / "a.png").write_bytes(b"x")
    for more in ("a.png", "memory://named"):
        with pytest.raises(ConfigError, match=r"list\.csv is a list"):
            items_named(["list.csv", more], tmp_path / "out")
    items, total = items_named(["list.csv"], tmp_path / "out")
    assert ([(item.name, item.label) for item in items], total) == ([("a.png", None)], 1)


@pytest.mark.parametrize(
    ("sources", "form", "split", "error", "told"),
    [
        (["memory://named", "x"], "tree", None, ConfigError, "one data set"),
        (["memory://named"], "coco", None, ConfigError, "coco is not known"),
        (["memory://named"], None, "test", ConfigError, "name its layout with --format"),
        (["absent"], "tree", None, typer.BadParameter, "no folder 'absent'"),
    ],
)
def test_what_cannot_be_meant(stored, tmp_path, sources, form, split, error, told):
    with pytest.raises(error, match=told):
        items_named(sources, tmp_path, form, split)


@pytest.mark.slow  # starts a worker, which imports torch
def test_worker_processes_fetch_what_lies_on_the_web(tmp_path, monkeypatch):
    pytest.importorskip("aiohttp", reason="needs the extra [remote]")
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(written_config(tmp_path)))
    for label, levels in (("nature", [20, 60]), ("ai", [200, 240])):
        pictures(tmp_path / "web" / "adm" / label, levels)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    arguments = ["batch", address, "--format", "tree", "-m", "BRIGHT", "--workers", "1", "--out", str(tmp_path / "out")]
    try:
        done = CliRunner().invoke(app, arguments)
    finally:
        server.shutdown()
        server.server_close()
    assert done.exit_code == Exit.DONE, done.output
    told: list[Told] = []
    Here().run(Job(load_settings(), ("BRIGHT",)), read_dataset(LocalFolder(tmp_path / "web"), "tree"), told.append)
    there, here = list(ResultFolder(tmp_path / "out").rows()), [one.row for one in told if one.row is not None]
    assert sorted(map(facts, there)) == sorted(map(facts, here))
    assert min(map(facts, there))[:3] == ("adm/ai/000.png", "fake", "fake/adm")
    assert {row.path for row in there} == {f"{address}{row.name}" for row in here}


def facts(row: Row) -> tuple[object, ...]:
    return row.name, row.label, row.groups["group"], row.p_fake, row.sha256, row.recipe
