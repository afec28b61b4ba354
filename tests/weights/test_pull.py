"""Fetching a checkpoint, against a real HTTP server that can be told to misbehave."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from drishtiksha.cli import app
from drishtiksha.contract import WeightsSource
from drishtiksha.errors import DownloadError, WeightsMismatchError
from drishtiksha.registry import ModelManager
from drishtiksha.settings import ROOT, load_settings
from drishtiksha.weights import WeightsState, announced, pinned, plain, pull, state
from drishtiksha.weights.fetching import Announced
from drishtiksha.weights.files import origin
from drishtiksha.weights.hub import ask

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Behaviour:
    """What the server does with a request, and the requests it saw."""

    content: bytes = CONTENT
    etag: str | None = '"one"'
    ranges: bool = True
    status: int = 200
    content_type: str = "application/octet-stream"
    break_after: list[int] = field(default_factory=list)  # bytes of body, one entry a request, then no more breaks
    send_length: bool = True
    hold_after: int | None = None  # bytes of the next body that are sent before it stands still until `go_on`
    go_on: threading.Event = field(default_factory=threading.Event)
    requests: list[dict[str, str]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour

    def log_message(self, *args):
        pass

    def do_GET(self):
        does = self.behaviour
        does.requests.append(dict(self.headers))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/net.pth")
            self.end_headers()
            return
        start, status = self.start_of_range()
        body = does.content[start:]
        self.send_response(status)
        self.send_header("Content-Type", does.content_type)
        if does.etag:
            self.send_header("ETag", does.etag)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(does.content) - 1}/{len(does.content)}")
        if status == 416:
            body = b""
            self.send_header("Content-Range", f"bytes */{len(does.content)}")
        if does.send_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if does.hold_after is not None:
            sent, does.hold_after = body[: does.hold_after], None
            self.wfile.write(sent)
            does.go_on.wait(60)
            return
        self.wfile.write(body[: does.break_after.pop(0)] if does.break_after else body)

    def do_HEAD(self):
        does = self.behaviour
        self.send_response(does.status)
        self.send_header("Content-Length", str(len(does.content)))
        self.end_headers()

    def start_of_range(self):
        does = self.behaviour
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        current = self.headers.get("If-Range", does.etag) == does.etag
        if does.status != 200 or not (asked and does.ranges and current):
            return 0, does.status
        start = int(asked[1])
        return (start, 206) if start < len(does.content) else (0, 416)


@pytest.fixture
def server():
    handler = type("ThisHandler", (Handler,), {"behaviour": Behaviour()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        handler.behaviour.url = f"http://127.0.0.1:{http.server_port}/net.pth"
        yield handler.behaviour
        http.shutdown()
        thread.join()


@pytest.fixture
def destination(tmp_path):
    return tmp_path / "models" / "net.pth"


def source(server, sha256=SHA256):
    return WeightsSource(url=server.url, sha256=sha256)


def part_of(destination):
    destination.parent.mkdir(parents=True, exist_ok=True)
    return destination.with_name("net.pth.part")


def test_fetches_verifies_and_reports_progress(server, destination):
    seen = []
    found = pull(source(server), destination, lambda done, total: seen.append((done, total)))
    assert found == SHA256
    assert destination.read_bytes() == CONTENT
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert not part_of(destination).exists()


def test_a_file_that_is_there_is_not_fetched_again(server, destination):
    pull(source(server), destination)
    pull(source(server), destination)
    pull(source(server, sha256=None), destination)
    assert len(server.requests) == 1


def test_a_damaged_file_that_is_there_is_replaced(server, destination):
    part_of(destination)
    destination.write_bytes(b"damaged")
    pull(source(server), destination)
    assert destination.read_bytes() == CONTENT


def test_redirects_are_followed(server, destination):
    pull(WeightsSource(url=server.url.replace("net.pth", "moved"), sha256=SHA256), destination)
    assert destination.read_bytes() == CONTENT


def test_goes_on_where_an_earlier_call_stopped(server, destination):
    def stop_half_way(done, total):
        if done >= total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(source(server), destination, stop_half_way)
    had = part_of(destination).stat().st_size
    assert had >= len(CONTENT) // 2
    assert not destination.exists()
    seen = []
    pull(source(server), destination, lambda done, total: seen.append((done, total)))
    assert server.requests[-1]["Range"] == f"bytes={had}-"
    assert seen[0] == (had, len(CONTENT))
    assert destination.read_bytes() == CONTENT


@pytest.mark.slow
def test_a_download_whose_process_is_killed_goes_on_in_the_next(server, destination):
    """kill -9, so that nothing is tidied up: neither the half that arrived nor the lock that the process held."""
    server.hold_after = 400_000
    destination.parent.mkdir()
    part = part_of(destination)
    said = f"WeightsSource(url={server.url!r}, sha256={SHA256!r})"
    script = (
        "from pathlib import Path; from drishtiksha.contract import WeightsSource; from drishtiksha.weights import pull; "
        f"pull({said}, Path({str(destination)!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT) as process:
        deadline = time.monotonic() + 60
        while not part.exists() or part.stat().st_size < 256_000:
            assert process.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline, "nothing arrived"
            time.sleep(0.02)
        process.kill()
    server.go_on.set()
    had = part.stat().st_size
    assert 0 < had <= 400_000
    assert state(destination) is WeightsState.MISSING, "a half is no checkpoint"
    assert pull(source(server), destination) == SHA256
    assert destination.read_bytes() == CONTENT
    assert server.requests[-1]["Range"] == f"bytes={had}-"
    assert len(server.requests) == 2
    assert not part.exists()
    assert state(destination) is WeightsState.READY


def test_a_broken_connection_is_resumed_at_once(server, destination):
    server.break_after = [300_000, 200_000]
    pull(source(server), destination)
    assert destination.read_bytes() == CONTENT
    assert [request.get("Range") for request in server.requests] == [None, "bytes=300000-", "bytes=500000-"]


def test_a_server_without_ranges_starts_over(server, destination):
    server.ranges, server.etag = False, None
    part_of(destination).write_bytes(CONTENT[:1000])
    pull(source(server), destination)
    assert destination.read_bytes() == CONTENT


def test_a_connection_that_brings_nothing_is_an_error(server, destination):
    server.break_after = [0] * 10
    with pytest.raises(DownloadError, match="goes on where it stopped"):
        pull(source(server), destination)
    assert not destination.exists()


def test_a_connection_that_breaks_for_ever_ends(server, destination):
    server.break_after = [1000] * 100
    with pytest.raises(DownloadError, match=f"{1000 * plain.ATTEMPTS} bytes have arrived"):
        pull(source(server), destination)
    assert part_of(destination).read_bytes() == CONTENT[: 1000 * plain.ATTEMPTS]


def test_a_wrong_hash_is_thrown_away(server, destination):
    with pytest.raises(WeightsMismatchError, match=SHA256):
        pull(source(server, "0" * 64), destination)
    assert not destination.exists()
    assert not part_of(destination).exists()


def test_a_beginning_of_another_release_is_fetched_anew(server, destination):
    """Only the hash can tell here: the server has no ETag."""
    server.etag = None
    part_of(destination).write_bytes(b"x" * 1000)
    pull(source(server), destination)
    assert destination.read_bytes() == CONTENT
    assert [request.get("Range") for request in server.requests] == ["bytes=1000-", None]


def test_without_a_hash_a_changed_file_is_not_spliced(server, destination):
    server.break_after = [1000] + [0] * 10
    with pytest.raises(DownloadError):
        pull(source(server, sha256=None), destination)
    server.break_after, server.content, server.etag = [], CONTENT[::-1], '"two"'
    assert pull(source(server, sha256=None), destination) == hashlib.sha256(CONTENT[::-1]).hexdigest()
    assert server.requests[-1]["If-Range"] == '"one"'


def test_without_hash_and_etag_it_starts_over(server, destination):
    server.etag = None
    part_of(destination).write_bytes(b"x" * 1000)
    assert pull(source(server, sha256=None), destination) == SHA256
    assert "Range" not in server.requests[-1]


def test_everything_had_arrived_already(server, destination):
    part_of(destination).write_bytes(CONTENT)
    assert pull(source(server), destination) == SHA256


def test_a_part_longer_than_the_file_is_fetched_anew(server, destination):
    part_of(destination).write_bytes(CONTENT + b"more")
    assert pull(source(server), destination) == SHA256


def test_an_unknown_length_is_passed_on_as_none(server, destination):
    server.send_length = False
    seen = []
    pull(source(server), destination, lambda done, total: seen.append(total))
    assert set(seen) == {None}
    assert destination.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "words"), [(404, "moved"), (500, "500"), (401, "login"), (403, "login"), (416, "416")]
)
def test_refusals_are_explained(server, destination, status, words):
    server.status = status
    with pytest.raises(DownloadError, match=words):
        pull(source(server), destination)
    assert not destination.exists()


def test_a_refusal_does_not_cost_what_had_arrived(server, destination):
    part_of(destination).write_bytes(CONTENT[:1000])
    server.status = 503
    with pytest.raises(DownloadError):
        pull(source(server), destination)
    assert part_of(destination).read_bytes() == CONTENT[:1000]


def test_a_web_page_is_no_checkpoint(server, destination):
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(DownloadError, match="web page"):
        pull(source(server, sha256=None), destination)


def test_a_web_page_that_calls_itself_a_file_is_no_checkpoint(server, destination):
    server.content = b"<!DOCTYPE html><html><body>Quota exceeded</body></html>"
    with pytest.raises(DownloadError, match="web page"):
        pull(source(server, sha256=None), destination)
    assert not destination.exists()
    assert pinned(destination) is None


@pytest.mark.parametrize("save", [torch.save, save_file])
def test_without_a_length_a_file_that_ends_early_is_not_taken(server, destination, tmp_path, save):
    """HTTP/1.0 ends a body by closing the connection, also where something broke it."""
    save({"a": torch.arange(1000.0)}, tmp_path / "net")
    whole = (tmp_path / "net").read_bytes()
    server.send_length, server.etag, server.content = False, None, whole
    server.break_after = [len(whole) - 500]
    with pytest.raises(DownloadError, match="cut off"):
        pull(source(server, sha256=None), destination)
    assert not destination.exists()
    pull(source(server, sha256=None), destination)
    assert destination.read_bytes() == whole


@pytest.mark.parametrize(
    ("proxy", "told"), [("socks5://127.0.0.1:9", r"httpx\[socks\]"), ("ftp://127.0.0.1:9", "http://host:port")]
)
def test_a_proxy_that_cannot_be_used_is_told(server, destination, monkeypatch, proxy, told):
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    import huggingface_hub.constants as constants
    from huggingface_hub.utils import close_session

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    close_session()  # a client that another test made asks without a proxy
    url = "http://models.example/net.pth"
    assert announced(WeightsSource(url=url), destination) == Announced(None)
    with pytest.raises(DownloadError, match=told):
        pull(WeightsSource(url=url), destination)
    with pytest.raises(DownloadError, match=told):
        ask("somebody/something", "net.pth", "main")


def test_nobody_listens(destination):
    with pytest.raises(DownloadError, match="Check the connection"):
        pull(WeightsSource(url="http://127.0.0.1:9/net.pth"), destination)


def test_too_little_room_is_seen_beforehand(server, destination, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(DownloadError, match="1000 bytes free"):
        pull(source(server), destination)


def test_a_full_disk_is_reported(server, destination):
    part_of(destination).symlink_to("/dev/full")
    with pytest.raises(DownloadError, match="No space left on device"):
        pull(source(server), destination)
    assert not destination.exists()


def test_two_downloads_of_one_file_do_not_mix(server, destination):
    refused = []

    def second(done, total):
        if not refused:
            with pytest.raises(DownloadError, match="already") as caught:
                pull(source(server), destination)
            refused.append(caught.value)

    pull(source(server), destination, second)
    assert refused
    assert destination.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (WeightsSource(by_hand="Ask the authors for the file."), "Ask the authors"),
        (WeightsSource(), "Nobody publishes"),
        (WeightsSource(url="ftp://example.org/net.pth"), "http"),
        (WeightsSource(url="file:///etc/passwd"), "http"),
    ],
)
def test_what_no_program_may_fetch(destination, given, words):
    with pytest.raises(DownloadError, match=words):
        pull(given, destination)


def test_a_download_is_pinned_and_a_later_other_one_refused(server, destination):
    pull(source(server, sha256=None), destination)
    assert pinned(destination).sha256 == SHA256
    destination.unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(WeightsMismatchError, match="unpin"):
        pull(source(server, sha256=None), destination)
    assert not destination.exists()


# --- the hub ---------------------------------------------------------------------------------------------------------

COMMIT = "c0ffee" + 34 * "0"
TOKEN = "hf_of_somebody_with_access"


@dataclass
class HubBehaviour:
    """What the hub holds, and the requests that hub and store saw: method, path, headers."""

    content: bytes = CONTENT
    commit: str | None = COMMIT
    gated: bool = False
    status: int = 200
    break_after: list[int] = field(default_factory=list)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    store: str = ""

    def got(self) -> list[dict[str, str]]:
        """Headers of what was asked of the store."""
        return [headers for method, path, headers in self.seen if method == "GET" and path.startswith("/store/")]


class HubHandler(BaseHTTPRequestHandler):
    """As huggingface.co: `resolve` tells size, etag and commit and leads to a store on another origin, which takes ranges."""

    behaviour: HubBehaviour

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body):
        does = self.behaviour
        does.seen.append((self.command, self.path, dict(self.headers)))
        if self.path.startswith("/store/"):
            self.stored(with_body)
        elif does.status != 200:
            self.refuse(does.status, {})
        elif does.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status = 403 if "Authorization" in self.headers else 401
            self.refuse(status, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to model is restricted."})
        else:
            etag = hashlib.sha256(does.content).hexdigest()
            headers = {"Location": does.store + self.path, "X-Linked-Etag": f'"{etag}"'}
            headers |= {"X-Linked-Size": str(len(does.content))}
            self.refuse(302, headers | ({"X-Repo-Commit": does.commit} if does.commit else {}))

    def stored(self, with_body):
        does = self.behaviour
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        body = does.content[start:]
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(does.content) - 1}/{len(does.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body[: does.break_after.pop(0)] if does.break_after else body)

    def refuse(self, status, headers):
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def hub(monkeypatch):
    """Hugging Face, played on this machine; 127.0.0.1 is the hub and localhost the store that it leads to."""
    import huggingface_hub.constants as constants

    handler = type("ThisHub", (HubHandler,), {"behaviour": HubBehaviour()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        endpoint = f"http://127.0.0.1:{http.server_port}"
        handler.behaviour.store = f"http://localhost:{http.server_port}/store"
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 65536)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nonexistent/token")
        monkeypatch.delenv("HF_TOKEN", raising=False)
        handler.behaviour.endpoint = endpoint
        yield handler.behaviour
        http.shutdown()
        thread.join()


FILE = WeightsSource(hf_repo="owner/name", hf_file="net.pth")
FOLDER = WeightsSource(hf_repo="owner/name", hf_files=("config.json", "model.safetensors"))


def test_the_hub_gives_a_file_with_its_progress(hub, destination):
    seen = []
    assert announced(FILE, destination) == Announced(len(CONTENT), COMMIT)
    assert pull(FILE, destination, lambda done, total: seen.append((done, total))) == SHA256
    assert destination.read_bytes() == CONTENT
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [file.name for file in destination.parent.iterdir() if "part" in file.name] == []


def test_a_stopped_download_of_the_hub_goes_on_later(hub, destination):
    def stop_half_way(done, total):
        if done >= total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(FILE, destination, stop_half_way)
    had = part_of(destination).stat().st_size
    assert 0 < had < len(CONTENT)
    seen = []
    assert pull(FILE, destination, lambda done, total: seen.append((done, total))) == SHA256
    assert hub.got()[-1]["Range"] == f"bytes={had}-"
    assert seen[0] == (had, len(CONTENT))
    assert destination.read_bytes() == CONTENT


@pytest.mark.slow
def test_a_connection_to_the_hub_that_breaks_is_resumed_at_once(hub, destination):
    hub.break_after = [300_000]
    assert pull(FILE, destination) == SHA256
    assert len(hub.got()) == 2
    assert hub.got()[1]["Range"].startswith("bytes=")


def test_what_the_hub_replaced_meanwhile_is_not_spliced(hub, destination):
    with pytest.raises(KeyboardInterrupt):
        pull(FILE, destination, lambda done, _: (_ for _ in ()).throw(KeyboardInterrupt) if done > 200_000 else None)
    assert part_of(destination).stat().st_size
    hub.content, hub.commit = CONTENT[::-1], 40 * "d"
    assert pull(FILE, destination) == hashlib.sha256(CONTENT[::-1]).hexdigest()
    assert "Range" not in hub.got()[-1]


def test_a_wrong_hash_of_the_hub_is_thrown_away(hub, destination):
    with pytest.raises(WeightsMismatchError, match=SHA256):
        pull(FILE.model_copy(update={"sha256": "0" * 64}), destination)
    assert not destination.exists()
    assert not part_of(destination).exists()


def test_a_gated_repository_says_how_to_get_in(hub, destination):
    hub.gated = True
    with pytest.raises(DownloadError, match="accept the terms, make a token") as caught:
        pull(FILE, destination)
    assert f"{hub.endpoint}/owner/name" in str(caught.value)
    assert "set HF_TOKEN" in str(caught.value)
    assert announced(FILE, destination) == Announced(None)


def test_a_token_opens_a_gated_repository_and_is_told_to_nobody_else(hub, destination, monkeypatch):
    hub.gated = True
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert pull(FILE, destination) == SHA256
    assert all("Authorization" not in headers for headers in hub.got())
    assert len(hub.got()) == 1


def test_a_token_without_access_is_told_from_none(hub, destination, monkeypatch):
    hub.gated = True
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
    with pytest.raises(DownloadError, match="The token of HF_TOKEN gives no access to owner/name"):
        pull(FILE, destination)


@pytest.mark.parametrize("status", [404, 500])
def test_other_refusals_of_the_hub_are_told(hub, destination, status):
    hub.status = status
    with pytest.raises(DownloadError, match=f"answered with status {status}"):
        pull(FILE, destination)


def test_offline_nothing_is_asked(hub, destination, monkeypatch):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set"):
        pull(FILE, destination)
    assert announced(FILE, destination) == Announced(None)
    assert not hub.seen


def test_a_hub_that_nobody_reaches(hub, destination, monkeypatch):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{revision}/{filename}")
    with pytest.raises(DownloadError, match="HF_ENDPOINT"):
        pull(FILE, destination)


def test_too_little_room_for_a_file_of_the_hub_is_seen_beforehand(hub, destination, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(DownloadError, match="1000 bytes free"):
        pull(FILE, destination)


def test_a_full_disk_is_reported_while_the_hub_sends(hub, destination):
    part_of(destination)
    pull(FILE, destination)
    destination.unlink()
    etag = hashlib.sha256(CONTENT).hexdigest()
    part_of(destination).with_name("net.pth.part.etag").write_text(etag)
    part_of(destination).symlink_to("/dev/full")
    with pytest.raises(DownloadError, match="No space left on device"):
        pull(FILE, destination)


@pytest.mark.slow
def test_the_environment_of_the_hub_holds(hub, destination):
    """As a user sets it: in the environment of a process of its own."""
    hub.gated = True
    code = (
        "import sys; from pathlib import Path; from drishtiksha.contract import WeightsSource;"
        "from drishtiksha.weights import pull;"
        "print(pull(WeightsSource(hf_repo='owner/name', hf_file='net.pth'), Path(sys.argv[1])))"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", code, destination]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [SHA256]


def test_a_folder_is_fetched_file_by_file_and_pinned(hub, destination):
    assert state(destination, FOLDER) is WeightsState.MISSING
    found = pull(FOLDER, destination)
    assert {file.name for file in destination.iterdir()} == {"config.json", "model.safetensors"}
    assert state(destination, FOLDER) is WeightsState.READY
    assert pinned(destination).sha256 == found
    (destination / "config.json").unlink()
    assert state(destination, FOLDER) is WeightsState.MISSING
    before = len(hub.got())
    pull(FOLDER, destination)
    assert len(hub.got()) == before + 1, "only what is missing"


@pytest.mark.parametrize("source", [FILE, FOLDER], ids=["file", "folder"])
def test_a_repository_is_pinned_at_the_commit_that_was_fetched(hub, destination, source):
    pull(source, destination)
    assert pinned(destination).revision == COMMIT
    got = [path for method, path, _ in hub.seen if method == "GET"]
    assert all(f"/resolve/{COMMIT}/" in path for path in got)


def test_a_commit_that_is_asked_for_is_fetched_whatever_the_branch_is_now(hub, destination):
    wanted = 40 * "b"
    pull(FILE.model_copy(update={"revision": wanted}), destination)
    assert destination.read_bytes() == CONTENT
    assert pinned(destination).revision == wanted
    assert all(f"/resolve/{wanted}/" in path for _, path, _ in hub.seen)


@pytest.mark.parametrize("source", [FILE, FOLDER], ids=["file", "folder"])
def test_what_was_pinned_at_first_is_fetched_again_though_the_branch_went_on(hub, destination, source):
    assert origin(source).endswith("revision pinned at first fetch")
    first = pull(source, destination)
    for file in [destination] if destination.is_file() else list(destination.iterdir()):
        file.unlink()
    hub.commit = 40 * "d"
    del hub.seen[:]
    announced(source, destination)
    assert pull(source, destination) == first
    assert pinned(destination).revision == COMMIT
    assert all(f"/resolve/{COMMIT}/" in path for _, path, _ in hub.seen if "/resolve/" in path)


def test_a_commit_that_nobody_tells_is_not_made_up(hub, destination):
    hub.commit = None
    pull(FILE, destination)
    assert pinned(destination).revision is None


def test_a_folder_never_gets_files_that_may_hold_code(hub, destination):
    for name in ("pytorch_model.bin", "../outside.json", "modeling.py"):
        with pytest.raises(DownloadError, match="may hold code"):
            pull(FOLDER.model_copy(update={"hf_files": (name,)}), destination)
    assert not hub.seen


def test_the_recommended_models_of_the_shipped_configuration_are_fetched(hub, tmp_path, monkeypatch):
    """Said first: four models, their licences, and what they are together."""
    monkeypatch.setenv("DRISHTIKSHA_MODELS_DIR", str(tmp_path / "models"))
    done = CliRunner().invoke(app, ["weights", "pull", "--recommended", "--noncommercial-ok"])
    told = " ".join(done.output.split())
    assert done.exit_code == 0, told
    plan, _, _ = told.partition("Together: ")
    for name in ("COMMUNITY-FORENSICS-384", "GEND-CLIP-L14", "ANTIDEEPFAKE-W2V-SMALL", "SPECTRA-AASIST"):
        assert f"of {name}: " in plan
    assert plan.count("Licence: ") == 4
    assert "(non-commercial" in plan
    manager = ModelManager(load_settings())
    recommended = [name for name, config in manager.get_active_model_configs().items() if config.recommended]
    assert len(recommended) == 4
    assert {manager.status(name).state for name in recommended} == {"ready"}
