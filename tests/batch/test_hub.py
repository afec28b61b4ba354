"""A data set on the Hugging Face Hub, played on this machine: listed by its tree, and fetched as `hf://`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from deadly_detector import pictures, written_config

from drishtiksha.batch import remote
from drishtiksha.batch.items import on_disk
from drishtiksha.cli.batch import items_named
from drishtiksha.errors import NotFetchedError
from drishtiksha.evaluation.command import evaluate
from drishtiksha.registry import ModelManager
from drishtiksha.settings import MediaLimits, load_settings

REPOSITORY, COMMIT = "owner/name", "c0ffee" + 34 * "0"


class Hub(BaseHTTPRequestHandler):
    """One data set, whose files are those of a folder."""

    folder: Path

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        api, files = f"/api/datasets/{REPOSITORY}", f"/datasets/{REPOSITORY}/resolve/main/"
        if path in (api, f"{api}/revision/main"):
            return self._json({"id": REPOSITORY, "sha": COMMIT})
        if path.startswith(f"{api}/tree/main"):
            return self._tree(path.removeprefix(f"{api}/tree/main").strip("/"))
        if path.startswith(files) and (file := self.folder / path.removeprefix(files)).is_file():
            return self._answer(file.read_bytes(), "application/octet-stream")
        return self._absent()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._json([self._fact(self.folder / name) for name in asked["paths"] if (self.folder / name).exists()])

    def do_HEAD(self) -> None:
        self.do_GET()

    def _tree(self, name: str) -> None:
        if not (self.folder / name).is_dir():
            return self._absent()
        return self._json([self._fact(path) for path in sorted((self.folder / name).iterdir())])

    def _fact(self, path: Path) -> dict[str, Any]:
        name = path.relative_to(self.folder).as_posix()
        if path.is_dir():
            return {"type": "directory", "oid": "0" * 40, "size": 0, "path": name}
        return {
            "type": "file",
            "oid": f"{hash(path.read_bytes()):040x}".replace("-", "f"),
            "size": path.stat().st_size,
            "path": name,
        }

    def _json(self, document: Any) -> None:
        self._answer(json.dumps(document).encode(), "application/json")

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _absent(self) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[Path]:
    """The folder of the data set."""
    from huggingface_hub import HfFileSystem, constants

    folder = tmp_path / "hub"
    handler = type("Own", (Hub,), {"folder": folder})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nonexistent/token")
        monkeypatch.setattr(remote, "PAUSE_S", 0.0)
        HfFileSystem.clear_instance_cache()
        yield folder
        HfFileSystem.clear_instance_cache()
        server.shutdown()


@pytest.mark.slow
def test_a_data_set_of_the_hub_is_listed_fetched_and_evaluated(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(written_config(tmp_path)))
    manager = ModelManager(load_settings())
    for label, levels in (("real", [20, 60]), ("fake", [200, 240])):
        pictures(hub / "val" / label, levels)
    (hub / "README.md").write_text("what it is")
    source = f"hf://datasets/{REPOSITORY}"
    items = list(items_named([f"{source}/val/"], tmp_path)[0])
    assert [item.name for item in items] == [
        f"{source}/val/{label}/00{n}.png" for label in ("fake", "real") for n in (0, 1)
    ]
    assert all(item.version for item in items)
    with on_disk(items[0], MediaLimits()) as path:
        assert path.read_bytes() == (hub / "val" / "fake" / "000.png").read_bytes()
    there, here = (evaluate(place, ["BRIGHT"], manager, lambda *_: None, form="tree") for place in (source, hub))
    assert [(s.file, s.p_fake, s.group) for s in there.scores] == [(s.file, s.p_fake, s.group) for s in here.scores]
    with pytest.raises(NotFetchedError, match="there is nothing at this address"):
        list(items_named([f"{source}/test"], tmp_path)[0])
