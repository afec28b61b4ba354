"""Files at addresses: a store in memory and a web server of the test's own, which may lie, stall and fail."""

from __future__ import annotations

import functools
import http.server
import io
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from drishtiksha.batch import remote
from drishtiksha.batch.items import Item, items_at, on_disk
from drishtiksha.batch.remote import RemoteFolder, files_at, spooled
from drishtiksha.batch.rows import failed_row
from drishtiksha.batch.sources import files_of, is_address, local_name, shown
from drishtiksha.errors import ConfigError, MediaLimitError, NotFetchedError
from drishtiksha.settings import ROOT, MediaLimits

LIMITS = MediaLimits(max_bytes=1000)


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    system = fsspec.filesystem("memory")
    files = {
        "/set/a.png": b"a" * 10,
        "/set/b.txt": b"no media",
        "/set/.hidden.png": b"x",
        "/set/sub/c.mp4": b"c" * 20,
        "/set/sub/deep/d.wav": b"d",
        "/set/.cache/e.png": b"e",
    }
    for name, data in files.items():
        system.pipe(name, data)
    yield system
    system.rm("/set", recursive=True)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, with what goes wrong on the web: see `trouble`."""

    asked: Counter[str]
    trouble: dict[str, str]

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.asked[name] += 1
        match self.trouble.get(name):
            case "refused":
                return self.send_error(403)
            case "once" if self.asked[name] == 1:
                return self.send_error(503)
            case "endless":  # tells no length
                self.send_response(200)
                self.end_headers()
                for _ in range(100):
                    self.wfile.write(b"x" * 100_000)
                return None
            case "stalls":
                self.send_response(200)
                self.send_header("Content-Length", "500")
                self.end_headers()
                self.wfile.write(b"x")
                self.wfile.flush()
                self.server.over.wait(20)  # type: ignore[attr-defined]
                return None
        return super().do_GET()

    def do_HEAD(self) -> None:
        trouble = self.trouble.get(self.path.rpartition("/")[2], "once")
        if trouble != "once":
            return self.send_error(403 if trouble == "refused" else 405)
        return super().do_HEAD()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(tmp_path, monkeypatch) -> Iterator[tuple[str, Path, type[Handler]]]:
    """Address with a slash, folder, handler."""
    pytest.importorskip("aiohttp", reason="needs the extra [remote]")
    monkeypatch.setattr(remote, "PAUSE_S", 0.0)
    folder = tmp_path / "web"
    (folder / "sub").mkdir(parents=True)
    handler = type("Own", (Handler,), {"asked": Counter(), "trouble": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    server.over = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", folder, handler
    server.over.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_a_folder_is_listed_without_what_is_hidden_or_never_media(store):
    found = [one.address for one in files_at("memory://set")]
    assert found == ["memory://set/a.png", "memory://set/sub/c.mp4", "memory://set/sub/deep/d.wav"]
    assert all(one.version for one in files_at("memory://set"))
    assert [one.address for one in files_at("memory://set/b.txt")] == ["memory://set/b.txt"], "named by itself"
    assert [one.address for one in files_at("memory://set/*.png")] == ["memory://set/a.png"]


def test_a_folder_is_listed_as_it_is_read(store, monkeypatch):
    listed = []
    ls = store.ls
    monkeypatch.setattr(type(store), "ls", lambda self, path, **given: listed.append(path) or ls(path, **given))
    first = next(iter(files_at("memory://set")))
    assert first.address == "memory://set/a.png"
    assert listed == ["/set"], "the folders below wait until they are asked for"


def test_what_is_fetched_has_its_name_and_is_deleted(store):
    item = next(items_at("memory://set/sub/c.mp4"))
    with on_disk(item, LIMITS) as path:
        assert (path.name, path.read_bytes()) == ("c.mp4", b"c" * 20)
    assert not path.parent.exists()
    with pytest.raises(ZeroDivisionError), spooled("memory://set/a.png", LIMITS) as path:
        raise ZeroDivisionError
    assert not path.parent.exists()


def test_a_file_of_this_machine_stays_where_it_is(tmp_path):
    with on_disk(Item("a", str(tmp_path / "a.png")), LIMITS) as path:
        assert path == tmp_path / "a.png"


class Opened(io.BytesIO):
    """As a store opens a file: with the length that it tells, which may be none."""

    size: int | None = None
    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        return super().read(size)


@pytest.mark.parametrize(("size", "reads"), [(None, 1), (10, 1), (1001, 0)])
def test_what_is_too_large_is_refused_by_the_length_or_while_it_is_read(store, monkeypatch, size, reads):
    opened = Opened(b"x" * 1001)
    opened.size = size
    monkeypatch.setattr(type(store), "open", lambda *_, **__: opened)
    with (
        pytest.raises(MediaLimitError, match=r"a\.png is larger than 0\.001 MB"),
        spooled("memory://set/a.png", LIMITS),
    ):
        pass
    assert opened.reads == reads


def test_what_is_absent_is_told_at_once(store, monkeypatch):
    monkeypatch.setattr(remote, "PAUSE_S", 1e9)
    with pytest.raises(NotFetchedError, match="memory://set/nothing could not be fetched: there is nothing"):
        list(files_at("memory://set/nothing"))
    with (
        pytest.raises(NotFetchedError, match="there is nothing at this address"),
        spooled("memory://set/no.png", LIMITS),
    ):
        pass


def test_a_full_disk_is_no_fault_of_the_store(store, monkeypatch):
    class Full(io.BytesIO):
        def writelines(self, _: object) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda *_: Full())
    with pytest.raises(OSError, match="No space left"), spooled("memory://set/a.png", LIMITS):
        pass


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("nonsense://a/b", "nonsense:// is not known"),
        ("zip://a.mp4::memory://set/x.zip", "addresses within addresses"),
        ("data://a", "not known"),
        ("s3://bucket/a.mp4", r"extra \[s3\]"),
        ("gs://bucket/a.mp4", "gcsfs"),
        ("file:///etc/passwd", "not known"),
    ],
)
def test_addresses_that_cannot_be_opened(address, told, monkeypatch):
    for package in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=told):
        list(files_at(address))


def test_an_address_of_a_file_is_a_path(tmp_path):
    (tmp_path / "a b.png").write_bytes(b"x")
    assert local_name(f"file://{tmp_path}/a%20b.png") == f"{tmp_path}/a b.png"
    assert files_of([f"file://localhost{tmp_path}/a%20b.png"]).files == (tmp_path / "a b.png",)
    with pytest.raises(ConfigError, match="of the machine elsewhere"):
        local_name("file://elsewhere/a.png")
    assert [is_address(name) for name in ("s3://a/b", "a.png", "C:\\a", "dir/s3://a")] == [True, False, False, False]


def test_keys_in_an_address_are_not_shown():
    told = shown("https://ada:secret@host/a.mp4?X-Signature=abc")
    assert told.startswith("https://host/a.mp4?")
    assert "secret" not in told
    assert "abc" not in told.removeprefix("https://host/a.mp4")
    assert told != shown("https://host/a.mp4?X-Signature=abd")
    row = failed_row(Item("a", "https://ada:secret@host/a.mp4?X-Signature=abc"), "M", "", None, "", "not_fetched")
    assert row.path == told


def test_keys_in_an_address_are_not_in_what_a_library_says_of_it(store, monkeypatch):
    monkeypatch.setattr(remote, "ATTEMPTS", 1)

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("cannot connect to memory://ada:secret@set/a.png?key=abc at all")

    monkeypatch.setattr(type(store), "open", refuse)
    given = "memory://ada:secret@set/a.png?key=abc"
    with (
        pytest.raises(NotFetchedError, match=r"cannot connect to memory://set/a\.png") as caught,
        spooled(given, LIMITS),
    ):
        pass
    assert "secret" not in str(caught.value)
    assert "key=abc" not in str(caught.value)


def test_a_file_of_the_web(web):
    address, folder, handler = web
    (folder / "ä 1.png").write_bytes(b"x" * 1000)
    with spooled(f"{address}%C3%A4%201.png", LIMITS) as path:
        assert (path.name, path.read_bytes()) == ("ä 1.png", b"x" * 1000)
    assert sum(handler.asked.values()) == 1, "it is read in one request"
    (folder / "long.png").write_bytes(b"x" * 1001)
    with pytest.raises(MediaLimitError), spooled(f"{address}long.png", LIMITS):
        pass


def test_a_folder_of_the_web_and_what_its_page_links_to(web):
    address, folder, _ = web
    for name in ("b.png", "sub/c.png", "notes.txt"):
        (folder / name).write_bytes(b"x")
    found = [one.address for one in files_at(address)]
    assert found == [f"{address}b.png", f"{address}sub/c.png"]
    links = ("https://elsewhere.example/d.png", "../above.png", "?C=N;O=D", "%2e%2e/e.png", "b.png", "/sub/c.png")
    (folder / "sub" / "index.html").write_text("".join(f"<a href='{link}'>x</a>" for link in links))
    assert [one.address for one in files_at(f"{address}sub/")] == [f"{address}sub/b.png", f"{address}sub/c.png"]


def test_a_server_that_fails_once_is_asked_again(web):
    address, folder, handler = web
    (folder / "a.png").write_bytes(b"x")
    handler.trouble = {"a.png": "once"}
    with spooled(f"{address}a.png", LIMITS) as path:
        assert path.read_bytes() == b"x"
    assert handler.asked["a.png"] == 2


def test_what_is_refused_is_asked_for_once(web):
    address, _, handler = web
    handler.trouble = {"a.png": "refused"}
    with pytest.raises(NotFetchedError, match="access is denied"), spooled(f"{address}a.png", LIMITS):
        pass
    assert handler.asked["a.png"] <= 1


def test_a_stream_without_an_end_is_cut(web):
    address, _, handler = web
    handler.trouble = {"a.png": "endless"}
    with pytest.raises(MediaLimitError), spooled(f"{address}a.png", LIMITS):
        pass


def test_a_server_that_stalls_is_left(web, monkeypatch):
    address, _, handler = web
    monkeypatch.setattr(remote, "ATTEMPTS", 1)
    handler.trouble = {"a.png": "stalls"}
    with pytest.raises(NotFetchedError, match="in time"), spooled(f"{address}a.png", MediaLimits(stall_s=0.3)):
        pass


def test_a_data_set_at_an_address_is_a_folder(store, web):
    held = RemoteFolder("memory://set")
    assert list(held.files()) == ["a.png", "b.txt", "sub/c.mp4", "sub/deep/d.wav"]
    assert list(held.files("sub")) == ["sub/c.mp4", "sub/deep/d.wav"]
    assert list(held.files("absent")) == []
    assert (held.folders(), held.text("b.txt"), held.path_of("a.png")) == (["sub"], "no media", "memory://set/a.png")
    address, folder, _ = web
    (folder / "sub" / "a b.txt").write_text("x")
    seen = RemoteFolder(address)
    assert (seen.folders(), list(seen.files()), seen.text("sub/a b.txt")) == (["sub"], ["sub/a b.txt"], "x")
    assert seen.path_of("sub/a b.txt") == f"{address}sub/a%20b.txt"
    for one in (held, seen):
        with pytest.raises(FileNotFoundError):
            one.text("absent.csv")


@pytest.mark.parametrize("package", ["ui", "server", "services", "store", "report", "analysis", "media"])
def test_page_and_server_never_open_addresses(package):
    """But for the store that `evidence_url` of the settings names."""
    files = [path for path in (ROOT / "drishtiksha" / package).rglob("*.py") if path.name != "shared_evidence.py"]
    assert files
    opening = re.compile(r"batch\.(?:remote|items)|import fsspec|from fsspec")
    assert [path for path in files if opening.search(path.read_text(encoding="utf-8"))] == []
