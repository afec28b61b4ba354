"""What a page of another site, a crafted request or a guess can do from outside: nothing. Over HTTP, with the page mounted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import safehttpx
from server_kit import refused, served
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from drishtiksha.report.keys import signing_key
from drishtiksha.server import middleware
from drishtiksha.server.middleware import FORM_BYTES, page_walls
from drishtiksha.settings import MediaLimits, Settings
from drishtiksha.ui.blocks import mount


@pytest.fixture
def page(app_of) -> Iterator[tuple[Any, httpx.Client]]:
    app = app_of()
    bench = app.state.services.workbench
    with served(mount(app, bench.settings, bench)) as client:
        yield bench, client


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """The address of another server of this machine, and what it was asked for."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"SECRET of another server")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/secret", asked
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_gradios_addresses_serve_nothing_outside_and_ask_nobody(page, elsewhere) -> None:
    bench, client = page
    secrets = [key_file(bench), bench.settings.data_root / "nothing"]
    address, asked = elsewhere
    paths = [
        "/etc/passwd",
        "file:///etc/passwd",
        "../../../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        *map(str, secrets),
    ]
    paths += [address, address.replace("http:", "HTTP:"), address.replace("://", "%3A%2F%2F")]
    for path in paths:
        for route in (
            "/gradio_api/file=",
            "/file=",
            "/gradio_api/proxy=",
            "/gradio_api/file/",
            "/static/",
            "/theme.css/../",
        ):
            answer = client.get(f"{route}{path}", follow_redirects=False)
            assert answer.status_code in (400, 403, 404, 405, 422), (route, path)
            assert not leaks(answer.text)
    assert asked == []
    for path in ("dev/reload", "%64ev/reload", "vibe-code/", "undo-vibe-edit"):
        refused(client.get(f"/gradio_api/{path}"), 404, "not_found")


@pytest.mark.slow
def test_events_take_uploads_and_nothing_else_for_a_file(page, elsewhere, monkeypatch) -> None:
    """Every event that takes a file is sent one that lies elsewhere, in each form that gradio knows."""
    bench, client = page
    address, asked = elsewhere
    tried: list[str] = []

    async def asked_for(url: str, *_: object, **__: object) -> str:
        tried.append(url)
        raise OSError("nothing there")

    monkeypatch.setattr(safehttpx, "get", asked_for)
    key = key_file(bench)
    config = client.get("/config").json()
    kinds = {one["id"]: one["type"] for one in config["components"]}
    files = {one for one, kind in kinds.items() if kind in ("file", "image", "video", "audio", "gallery")}
    events = [one for one in config["dependencies"] if one["backend_fn"] and files & set(one["inputs"])]
    assert events
    for number, event in enumerate(events):
        for place in (
            address,
            "https://example.org/a.jpg",
            "file:///etc/passwd",
            "/etc/passwd",
            str(key),
            "../../etc/passwd",
        ):
            sent = {"path": place, "url": place, "orig_name": "a.jpg", "meta": {"_type": "gradio.FileData"}}
            told = fired(client, config, event, files, sent, f"walls{number}{len(place)}")
            assert not leaks(told)
            assert "process_completed" in told
    assert (asked, tried) == ([], [])
    assert list(bench.settings.cases_dir.glob("*")) == []


def fired(client: httpx.Client, config: Any, event: Any, files: set[int], sent: Any, session: str) -> str:
    values = {one["id"]: one["props"].get("value") for one in config["components"]}
    kinds = {one["id"]: one["type"] for one in config["components"]}
    data = [sent if one in files else None if kinds[one] == "state" else values[one] for one in event["inputs"]]
    body = {"data": data, "fn_index": event["id"], "session_hash": session}
    joined = client.post("/gradio_api/queue/join", json=body)
    if joined.status_code != 200:
        return joined.text + "process_completed"
    told, deadline = "", time.monotonic() + 20
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            told += line
            if '"process_completed"' in line or '"close_stream"' in line or time.monotonic() > deadline:
                break
    return told


def key_file(bench: Any) -> Path:
    """The private key that bundles are signed with."""
    signing_key(bench.settings.data_root)
    (found,) = [
        path for path in bench.settings.data_root.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()
    ]
    return found


def leaks(text: str) -> bool:
    return "root:" in text or "SECRET" in text or "PRIVATE KEY" in text


@pytest.mark.slow
def test_another_site_starts_no_event(page) -> None:
    _, client = page
    bad = {"Origin": "https://evil.example"}
    for path in (
        "/gradio_api/queue/join",
        "/gradio_api/upload",
        "/gradio_api/cancel",
        "/login",
        "/gradio_api/run/predict",
    ):
        refused(client.post(path, json={}, headers=bad), 403, "wrong_origin")
    seen = client.get("/config", headers=bad | {"Host": "desk.example"})
    assert seen.status_code == 200
    assert not [name for name in seen.headers if name.startswith("access-control")]


@pytest.mark.slow
@pytest.mark.parametrize("on_space", [False, True])
def test_the_page_says_who_may_frame_it_and_what_it_may_load(app_of, monkeypatch, on_space: bool) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    if on_space:
        monkeypatch.setenv("SPACE_ID", "somebody/drishtiksha")
    app = app_of()
    bench = app.state.services.workbench
    with served(mount(app, bench.settings, bench)) as client:
        headers = client.get("/").headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'self'"
    assert policy["object-src"] == "'none'"
    assert "http" not in headers["content-security-policy"].partition("frame-ancestors")[0]
    ancestors = "'self' https://huggingface.co https://*.hf.space" if on_space else "'none'"
    assert policy["frame-ancestors"] == ancestors
    assert headers.get("x-frame-options") == (None if on_space else "DENY")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.slow
def test_the_page_is_sent_compressed_to_whoever_takes_it_so(page) -> None:
    _, client = page
    sizes = {}
    for taken in ("gzip", "identity"):
        with client.stream("GET", "/", headers={"Accept-Encoding": taken}) as answer:
            sizes[taken] = len(b"".join(answer.iter_raw()))
            assert answer.headers.get("content-encoding", "identity") == taken
            assert "content-security-policy" in answer.headers
    assert sizes["gzip"] < sizes["identity"] / 3
    assert "content-encoding" not in client.get("/config", headers={"Accept-Encoding": "gzip"}).headers


def test_the_page_alone_stands_behind_the_same_walls(monkeypatch) -> None:
    monkeypatch.setenv("SPACE_HOST", "somebody-desk.hf.space")
    routes = [Route("/{rest:path}", lambda _: PlainTextResponse("fine"), methods=["GET", "POST"])]
    app = Starlette(routes=routes, middleware=page_walls(Settings(login=True), "127.0.0.1", proxied=False))
    app.state.failure = None
    with served(app) as client:  # type: ignore[arg-type]
        assert "frame-ancestors" in client.get("/").headers["content-security-policy"]
        refused(client.post("/", headers={"Origin": "https://evil.example"}), 403, "wrong_origin")
        refused(client.get("/", headers={"Host": "evil.example"}), 403, "wrong_origin")
        assert client.post("/", headers={"Origin": "https://somebody-desk.hf.space"}).status_code == 200
        refused(client.get("/gradio_api/file=https://evil.example/a"), 404, "not_found")
        refused(client.post("/gradio_api/queue/join", content=bytes(FORM_BYTES + 1)), 413, "too_large")
        codes = [client.post("/login").status_code for _ in range(11)]
    assert codes == [200] * 10 + [429]


@pytest.mark.slow
def test_bodies_that_no_page_sends_are_refused_before_they_are_read(app_of, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "made" / "at the first upload"))
    app = app_of(limits=MediaLimits(max_bytes=1_000_000))
    bench = app.state.services.workbench
    with served(mount(app, bench.settings, bench)) as client:
        address, length = urlsplit(str(client.base_url)), FORM_BYTES + 1_000_001
        for path, bound in (("/gradio_api/queue/join", FORM_BYTES), ("/gradio_api/upload", length)):
            with socket.create_connection((address.hostname, address.port), timeout=30) as raw:
                raw.sendall(
                    f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {bound + 1}\r\n\r\n".encode()
                )
                assert raw.recv(1000).startswith(b"HTTP/1.1 413"), "and no byte of the body was sent"
        fine = client.post("/gradio_api/upload", files={"files": ("a.png", b"12345")})
        assert fine.status_code == 200
        monkeypatch.setattr(middleware, "DISK_RESERVE", 1.0)
        refused(client.post("/gradio_api/upload", files={"files": ("a.png", b"12345")}), 507, "quota")


def run(work: Coroutine[Any, Any, None]) -> None:
    """In a thread of its own: in this one the loop of a browser may be left from other tests."""
    with ThreadPoolExecutor(1) as apart:
        apart.submit(asyncio.run, work).result()


def test_a_body_that_does_not_say_how_long_it_is_breaks_off() -> None:
    read: list[int] = []

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            read.append(len(message["body"]))

    async def endless() -> dict[str, Any]:
        assert len(read) < 100
        return {"type": "http.request", "body": bytes(1_000_000), "more_body": True}

    scope = {"type": "http", "path": "/gradio_api/queue/join", "headers": [(b"transfer-encoding", b"chunked")]}
    run(middleware.BoundedBodies(app, 1)(scope, endless, app))
    assert sum(read) == FORM_BYTES


def test_a_body_that_comes_to_a_standstill_breaks_off_and_a_client_that_listens_does_not(monkeypatch) -> None:
    monkeypatch.setattr(middleware, "BODY_S", 0.01)
    heard: list[dict[str, Any]] = []

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        while True:
            heard.append(await receive())

    async def asked(*messages: dict[str, Any]) -> None:
        left = iter(messages)

        async def receive() -> dict[str, Any]:
            if (message := next(left, None)) is not None:
                return message
            await asyncio.Event().wait()
            raise AssertionError

        scope = {"type": "http", "path": "/gradio_api/queue/join", "headers": []}
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(middleware.BoundedBodies(app, 1)(scope, receive, app), 0.2)

    half, whole = ({"type": "http.request", "body": b"a", "more_body": more} for more in (True, False))
    run(asked(half))
    assert heard[:2] == [half, {"type": "http.disconnect"}]
    heard.clear()
    run(asked(half, whole))
    assert heard == [half, whole], "and then it waits for as long as the client stays"


@pytest.mark.parametrize(("origin", "status"), [("https://evil.example", 403), ("null", 403), ("http://desk", 101)])
def test_another_sites_page_opens_no_websocket(origin: str, status: int) -> None:
    answers: list[int] = []

    async def app(*_: Any) -> None:
        answers.append(101)

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "websocket.http.response.start":
            answers.append(message["status"])

    headers = [(b"host", b"desk"), (b"origin", origin.encode())]
    scope = {"type": "websocket", "path": "/", "headers": headers, "extensions": {"websocket.http.response": {}}}
    run(middleware.SameSite(app, ())(scope, send, send))
    assert answers == [status]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["key", "API_KEY", "token", "access_token"])
def test_a_key_in_an_address_is_refused(client, name: str) -> None:
    answer = client.get("/api/models", params={name: "dk_0123456789abcdef"})
    assert "0123456789abcdef" not in refused(answer, 400, "key_in_address")


@pytest.mark.slow
def test_a_refusal_of_an_event_is_json(page) -> None:
    _, client = page
    answer = client.post("/gradio_api/queue/join", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert json.loads(answer.text)
    for body in (b'{"data":[NaN],"fn_index":1e400}', b'{"data":"\\ud800"}'):
        for path in ("queue/join", "cancel", "run/predict", "reset"):
            answer = client.post(f"/gradio_api/{path}", content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 422, path
            assert json.loads(answer.text)["detail"]
