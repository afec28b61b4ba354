"""Every kind of place that weights come from, against servers on this machine that behave as each does."""

import hashlib
import io
import json
import os
import re
import threading
import time
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import torch
import yaml
from detector_kit import BRIGHTNESS, dropped_in, entry
from pydantic import ValidationError
from typer.testing import CliRunner

from drishtiksha.cli import app
from drishtiksha.contract import WeightsSource
from drishtiksha.detector_config import LicenceClass
from drishtiksha.errors import DownloadError, WeightsMismatchError
from drishtiksha.registry import ModelManager
from drishtiksha.render.facts import custody_facts
from drishtiksha.results import AnalysisResult
from drishtiksha.settings import ROOT, load_settings
from drishtiksha.weights import announced, archive, drive, fetching, pinned, plain, pull

CONTENT = bytes(range(256)) * 2048  # 512 kB
SHA256, MD5 = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest()
FILE_ID, FOLDER_ID = "1NPAcx0QS8N9v_9qUr-51jBaL9kGDT-cp", "1CV2ubzgr7r7DB9uiJtpx1xV-P8pLGS8S"


@dataclass
class Place:
    """What a server holds by path, and how it misbehaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    status: int = 200
    busy: int = 0
    retry_after: str = "0"
    break_after: list[int] = field(default_factory=list)
    quota: bool = False
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def ranges(self) -> list[str]:
        return [headers["Range"] for _, headers in self.seen if "Range" in headers]


class Handler(BaseHTTPRequestHandler):
    place: Place

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        place = self.place
        place.seen.append((self.path, dict(self.headers)))
        if place.busy > 0:
            place.busy -= 1
            self.say(429, b"slow down", {"Retry-After": place.retry_after})
        elif place.status != 200:
            self.say(place.status, b"no")
        else:
            self.serve()

    def serve(self):
        content = self.place.files.get(urlsplit(self.path).path)
        self.say(404, b"no") if content is None else self.send(content)

    def send(self, content, headers=None):
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        body, more = content[start:], dict(headers or {})
        if asked:
            more["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut = self.place.break_after.pop(0) if self.place.break_after and self.command == "GET" else None
        self.say(206 if asked else 200, body, {"Content-Type": "application/octet-stream", **more}, cut)

    def say(self, status, body, headers=None, cut=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "text/plain", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:cut])


class DriveHandler(Handler):
    """As Google Drive: large files come behind a page with a form; folders are listed as a page of links."""

    def serve(self):
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        html = {"Content-Type": "text/html; charset=utf-8"}
        if path == "/embeddedfolderview":
            links = "".join(
                f'<a href="https://drive.google.com/file/d/{name.rpartition("/")[0]}/view">{name.rpartition("/")[2]}</a>'
                for name in self.place.files
            )
            self.say(200, f"<html><title>models</title>{links}</html>".encode(), html)
            return
        content = next(
            (data for name, data in self.place.files.items() if query["id"][0] == name.rpartition("/")[0]), None
        )
        if self.place.quota or content is None:
            page = '<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p>'
            self.say(200, page.encode(), html)
        elif "confirm" not in query:
            form = (
                '<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">'
                f'<input type="hidden" name="id" value="{query["id"][0]}"><input type="hidden" name="confirm" value="t"></form>'
            )
            self.say(200, f"<html><body>{form}</body></html>".encode(), html)
        else:
            self.send(content, {"Content-Disposition": 'attachment; filename="net.pth"'})


def running(handler_class):
    handler = type("This", (handler_class,), {"place": Place()})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    handler.place.url = f"http://127.0.0.1:{http.server_port}"
    yield handler.place
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def server():
    yield from running(Handler)


@pytest.fixture
def google(monkeypatch):
    """Google Drive, played on this machine: what gdown sends to any host of Google arrives there."""
    for place in running(DriveHandler):
        send = requests.Session.send

        def here(session, request, *, place=place, send=send, **options):
            request.url = re.sub(r"^https://[\w.]*google\.com", place.url, request.url)
            answer = send(session, request, **options)
            answer.url = request.url.replace(place.url, "https://drive.google.com")
            return answer

        monkeypatch.setattr(requests.Session, "send", here)
        monkeypatch.setattr("random.uniform", lambda *_: 0.0)  # how long gdown waits before it tries again
        yield place


@pytest.fixture
def destination(tmp_path):
    return tmp_path / "models" / "net.pth"


# --- the schema ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"url": "https://a/b", "hf_repo": "a/b", "hf_file": "c"}, "give one of"),
        ({"hf_repo": "a/b"}, "hf_file or hf_files"),
        ({"github_repo": "a/b", "github_file": "c"}, "commit of 40 digits"),
        ({"github_repo": "a/b", "github_file": "c", "release": "1", "revision": "a" * 40}, "commit of 40 digits"),
        ({"drive_folder": "x"}, "drive_file"),
        ({"mirrors": ["https://a/b"]}, "mirrors stand beside url"),
        ({"url": "https://a/b", "md5": "abc"}, "md5"),
        ({"url": "https://a/b", "licence_class": "free"}, "licence_class"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(fields, why):
    with pytest.raises(ValidationError, match=why):
        WeightsSource(**fields)


def test_every_source_of_the_shipped_configuration_is_one():
    for name, fields in load_settings().models.items():
        assert WeightsSource(**fields.get("weights", {})), name


# --- plain addresses, GitHub -----------------------------------------------------------------------------------------


def test_a_raw_file_and_an_asset_of_github(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "GITHUB", server.url)
    monkeypatch.setattr(fetching, "GITHUB_RAW", server.url)
    commit = "a04c9863f63d44471dde8a6abcb3b082b07cd1d1"
    server.files[f"/o/n/{commit}/w/a.pth"] = CONTENT
    server.files["/o/n/releases/download/v1.0.1/b.pth"] = CONTENT[::-1]
    raw = WeightsSource(github_repo="o/n", github_file="w/a.pth", revision=commit)
    asset = WeightsSource(github_repo="o/n", github_file="b.pth", release="v1.0.1")
    assert announced(raw, tmp_path / "a").bytes == len(CONTENT)
    assert pull(raw, tmp_path / "a") == SHA256
    assert pinned(tmp_path / "a").revision == commit
    pull(asset, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == CONTENT[::-1]
    assert "github.com/o/n/b.pth at v1.0.1" in pinned(tmp_path / "b").source


def test_a_pointer_of_git_lfs_is_no_checkpoint(server, destination):
    server.files["/net.pth"] = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 18000000\n"
    with pytest.raises(DownloadError, match="Git LFS"):
        pull(WeightsSource(url=f"{server.url}/net.pth"), destination)
    assert not destination.exists()


def test_a_busy_server_is_waited_for_when_it_says_for_how_long(server, destination):
    server.files["/net.pth"], server.busy = CONTENT, 2
    assert pull(WeightsSource(url=f"{server.url}/net.pth"), destination) == SHA256


@pytest.mark.parametrize("after", ["7200", ""])
def test_a_server_that_is_busy_for_long_is_an_error_that_says_when(server, destination, after):
    server.files["/net.pth"], server.busy, server.retry_after = CONTENT, 99, after
    with pytest.raises(DownloadError, match=r"status 429.*7200 s" if after else "status 429.*later"):
        pull(WeightsSource(url=f"{server.url}/net.pth"), destination)


def test_a_mirror_steps_in_and_the_first_refusal_is_told_when_none_does(server, destination):
    server.files["/copy"] = CONTENT
    source = WeightsSource(url=f"{server.url}/gone", mirrors=(f"{server.url}/gone2", f"{server.url}/copy"))
    assert pull(source, destination) == SHA256
    destination.unlink()
    server.files.clear()
    with pytest.raises(DownloadError, match="/gone answered with status 404"):
        pull(source, destination)


def test_md5_proves_where_no_sha256_is_known(server, destination):
    server.files["/net.pth"] = CONTENT
    with pytest.raises(WeightsMismatchError, match=f"MD5 is {MD5}"):
        pull(WeightsSource(url=f"{server.url}/net.pth", md5="0" * 32), destination)
    assert not destination.exists()
    assert pull(WeightsSource(url=f"{server.url}/net.pth", md5=MD5.upper()), destination) == SHA256


def test_the_by_hand_text_stands_in_when_a_program_is_refused(server, destination):
    server.status = 401
    with pytest.raises(DownloadError, match=r"asks for a login.*By hand: Ask them\."):
        pull(WeightsSource(url=f"{server.url}/net.pth", by_hand="Ask them."), destination)


# --- a member of a zip -----------------------------------------------------------------------------------------------


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(name.replace("__", "/"), data)
    return packed.getvalue()


def member_source(server, data, **fields):
    server.files["/all.zip"] = data
    return WeightsSource(url=f"{server.url}/all.zip", member="best.pth", **fields)


def test_only_the_member_is_kept(server, destination):
    data = zipped(**{"top__best.pth": CONTENT, "top__README": b"x"})
    assert pull(member_source(server, data, md5=hashlib.md5(data).hexdigest()), destination) == SHA256
    assert {file.name for file in destination.parent.iterdir()} <= {
        "net.pth",
        "net.pth.lock",
        "weights.lock",
        ".hashes.lock",
    }
    assert destination.read_bytes() == CONTENT
    asked = len(server.seen)
    pull(member_source(server, data), destination)
    assert len(server.seen) == asked


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"other.pth": CONTENT}, "has no member"),
        ({"a__best.pth": CONTENT, "b__best.pth": CONTENT}, "several of that name"),
        ({"best.pth": b"0" * 3_000_000}, "no checkpoint over"),
    ],
)
def test_a_zip_without_the_right_member_is_thrown_away(server, destination, monkeypatch, members, why):
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", 2_000_000)
    with pytest.raises(WeightsMismatchError, match=why):
        pull(member_source(server, zipped(**members)), destination)
    assert not destination.exists()
    assert not list(destination.parent.glob("*.zip"))


def test_a_damaged_member_is_refused(server, destination):
    data = bytearray(zipped(**{"best.pth": CONTENT}))
    data[200] ^= 0xFF
    with pytest.raises(WeightsMismatchError, match="cannot be taken out"):
        pull(member_source(server, bytes(data)), destination)
    assert not destination.exists()


def test_another_member_than_before_is_refused(server, destination):
    pull(member_source(server, zipped(**{"best.pth": CONTENT})), destination)
    destination.unlink()
    with pytest.raises(WeightsMismatchError, match="unpin"):
        pull(member_source(server, zipped(**{"best.pth": CONTENT[::-1]})), destination)


def test_an_archive_fetched_by_hand_is_imported_by_its_member(shelf, tmp_path):
    manager = ModelManager(load_settings())
    weights = io.BytesIO()
    torch.save({"gain": torch.ones(1), "ballast": torch.zeros(1)}, weights)
    given = tmp_path / "got.zip"
    given.write_bytes(zipped(**{"top__best.pth": weights.getvalue(), "README": b"x"}))
    source = WeightsSource(url="https://x/y", member="best.pth", md5=hashlib.md5(given.read_bytes()).hexdigest())
    config = manager.model_configs["OPEN-1"].model_copy(update={"weights": source})
    manager.model_configs["OPEN-1"] = config
    assert manager.import_file("OPEN-1", given).read_bytes() == weights.getvalue()
    assert [file.name for file in shelf.iterdir() if file.is_dir()] == []
    given.write_bytes(given.read_bytes() + b"more")
    with pytest.raises(WeightsMismatchError, match="MD5"):
        manager.import_file("OPEN-1", given, force=True)


# --- Google Drive ----------------------------------------------------------------------------------------------------

DRIVE_FILE = WeightsSource(drive_id=FILE_ID, by_hand="Open it in a browser.")


def test_a_file_behind_the_page_that_asks_for_a_confirmation(google, destination):
    google.files[f"{FILE_ID}/net.pth"] = CONTENT
    told = []
    assert pull(DRIVE_FILE, destination, lambda done, total: told.append((done, total))) == SHA256
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert not list(destination.parent.glob("*.part"))


def test_a_file_of_a_folder_is_found_by_its_name_in_any_case(google, destination):
    google.files[f"{FILE_ID}/Sig_Lip v1.pth"] = CONTENT
    google.files["1OtherFileOfThisFolder_12345678/b.pth"] = b"x"
    source = WeightsSource(drive_folder=FOLDER_ID, drive_file="SIG-LIP-V1.pth")
    assert pull(source, destination) == SHA256


def test_a_folder_without_the_file_says_what_it_has(google, destination):
    google.files[f"{FILE_ID}/a.pth"] = CONTENT
    with pytest.raises(DownloadError, match=r"has no file b\.pth. It has: a\.pth"):
        pull(WeightsSource(drive_folder=FOLDER_ID, drive_file="b.pth"), destination)


def test_a_refusal_of_the_drive_ends_in_the_way_by_hand(google, destination):
    google.files[f"{FILE_ID}/net.pth"], google.quota = CONTENT, True
    with pytest.raises(DownloadError, match=r"too many people.*By hand: Open it in a browser\."):
        pull(DRIVE_FILE, destination)


def test_a_drive_that_breaks_off_is_resumed_at_once(google, destination):
    google.files[f"{FILE_ID}/net.pth"], google.break_after = CONTENT * 3, [700_000]
    pull(DRIVE_FILE, destination)
    assert destination.read_bytes() == CONTENT * 3
    assert google.ranges() == [f"bytes={len(CONTENT)}-"], "what had arrived whole, in gdown's pieces of 512 kB"


def test_a_stopped_drive_download_goes_on_later(google, destination):
    google.files[f"{FILE_ID}/net.pth"] = CONTENT * 3

    def stop(done, total):
        if done >= total // 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(DRIVE_FILE, destination, stop)
    assert not destination.exists()
    pull(DRIVE_FILE, destination)
    assert destination.read_bytes() == CONTENT * 3
    assert google.ranges()


def test_what_a_drive_sent_is_proven(google, destination):
    google.files[f"{FILE_ID}/net.pth"] = CONTENT[::-1]
    with pytest.raises(WeightsMismatchError, match=SHA256):
        pull(WeightsSource(drive_id=FILE_ID, sha256=SHA256), destination)
    assert not list(destination.parent.glob("*.part"))


@pytest.mark.parametrize("status", [404, 429, 500])
def test_errors_of_the_drive_are_explained(google, destination, status):
    google.files[f"{FILE_ID}/net.pth"], google.status = CONTENT, status
    with pytest.raises(DownloadError, match=r"drive\.google\.com"):
        pull(DRIVE_FILE, destination)


def test_too_little_room_for_a_file_of_the_drive(google, destination, monkeypatch):
    google.files[f"{FILE_ID}/net.pth"] = CONTENT * 3
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(DownloadError, match="1000 bytes free"):
        pull(DRIVE_FILE, destination)


def test_a_beginning_that_nothing_proves_is_not_used_after_a_day(tmp_path):
    for name, age in (("net.pth.partabcdefgh.part", 100_000), ("net.pth.partijklmnop.part", 10)):
        (tmp_path / name).write_bytes(b"x" * age)
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    assert drive._one_beginning(tmp_path / "net.pth.part", provable=False)
    assert [file.name for file in tmp_path.iterdir()] == ["net.pth.partijklmnop.part"]


# --- weights pull ----------------------------------------------------------------------------------------------------


@pytest.fixture
def shelf(server, tmp_path, monkeypatch):
    """Three models on the server, the first two of them recommended, the second for non-commercial use."""
    models = {}
    for name, licence, kind, wanted in (
        ("OPEN-1", "MIT", "open", True),
        ("NC-1", "CC BY-NC 4.0", "non-commercial", True),
        ("UNSTATED-1", "not stated", "not stated", False),
    ):
        server.files[f"/{name}"] = CONTENT + name.encode()
        source = {"url": f"{server.url}/{name}", "licence": licence, "licence_class": kind, "bytes": len(CONTENT)}
        models[name] = entry(model_path=str(tmp_path / "models" / f"{name}.pt"), weights=source, recommended=wanted)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"models": models, "data_dir": str(tmp_path / "data")}))
    monkeypatch.setenv("DRISHTIKSHA_CONFIG", str(config))
    with dropped_in(tmp_path / "detectors", brightness=BRIGHTNESS):
        yield tmp_path / "models"


def run(*arguments):
    done = CliRunner().invoke(app, ["weights", *arguments])
    return done.exit_code, " ".join(done.output.split())


def test_the_recommended_ones_with_sizes_and_licences_said_first(shelf):
    code, told = run("pull", "--recommended", "--noncommercial-ok")
    assert code == 0, told
    assert sorted(file.name for file in shelf.glob("*.pt")) == ["NC-1.pt", "OPEN-1.pt"]
    plan, _, done = told.partition("Together: 2 files, 1.0 MB")
    assert "NC-1.pt of NC-1: 524 kB" in plan
    assert "MIT (open: any use, on its own terms)" in plan
    assert "CC BY-NC 4.0 (non-commercial only)" in plan
    assert "SHA-256" in done


def test_without_leave_only_open_ones_of_the_recommended_are_fetched(shelf, monkeypatch):
    """And room is asked for these alone: both together have 1.05 MB."""
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 600_000}))
    code, told = run("pull", "--recommended")
    assert code == 0, told
    assert "Together" not in told
    assert [file.name for file in shelf.glob("*.pt")] == ["OPEN-1.pt"]
    assert "NC-1 was not fetched" in told
    assert "--noncommercial-ok" in told


def test_a_named_one_that_asks_for_leave_is_a_failure_without_it(shelf):
    code, told = run("pull", "NC-1", "UNSTATED-1")
    assert code == 1
    assert "NC-1 was not fetched" in told
    assert [file.name for file in shelf.glob("*.pt")] == ["UNSTATED-1.pt"]
    assert "ask its authors" in told


def test_one_that_fails_stops_no_other(shelf, server):
    del server.files["/OPEN-1"]
    code, told = run("pull", "OPEN-1", "UNSTATED-1")
    assert code == 1
    assert "OPEN-1: " in told
    assert (shelf / "UNSTATED-1.pt").is_file()


def test_the_disk_must_have_room_for_all_before_any(shelf, server, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 600_000}))
    code, told = run("pull", "--recommended", "--noncommercial-ok")
    assert code == 1
    assert "600000 bytes free" in told
    assert not list(shelf.glob("*")), "nothing was begun"


def test_nothing_named_is_wrong_usage(shelf):
    assert run("pull")[0] == 2


def test_licences_hide_the_rest(shelf):
    listed = ModelManager(load_settings(licences=["open"])).get_available_models()
    assert listed == ["OPEN-1"]
    assert ModelManager(load_settings(licences=["open", "not stated"])).get_available_models() == [
        "OPEN-1",
        "UNSTATED-1",
    ]
    assert len(ModelManager(load_settings()).get_available_models()) == 3


@pytest.mark.slow
def test_an_optional_file_of_another_licence_is_not_used(tmp_path):
    hidden = ModelManager(load_settings(licences=["not stated"])).model_configs["COLOR-CUES-LSTM-V1"]
    assert hidden.companions == {}
    assert "landmarks" in ModelManager(load_settings()).model_configs["COLOR-CUES-LSTM-V1"].companions


def test_the_list_says_size_and_licence(shelf):
    done = CliRunner().invoke(app, ["models", "--json"])
    first = next(model for model in json.loads(done.stdout) if model["name"] == "NC-1")
    assert (first["licence_class"], first["recommended"]) == ("non-commercial", True)
    assert first["bytes"] == len(CONTENT)
    table = CliRunner().invoke(app, ["models"], env={"COLUMNS": "160"}).output
    assert re.search(r"NC-1\s+missing: pull it, recommended\s+524 kB\s+non-commercial", table), table


def test_every_result_says_under_which_licence_its_weights_are(shelf):
    assert run("pull", "NC-1", "--noncommercial-ok")[0] == 0
    torch.save({"gain": torch.ones(1), "ballast": torch.zeros(1)}, shelf / "NC-1.pt")
    run("unpin", "NC-1")
    result = ModelManager(load_settings()).load_model("NC-1").analyze(ROOT / "assets" / "portrait.jpg", explain=False)
    assert (result.provenance.licence, result.provenance.licence_class) == ("CC BY-NC 4.0", "non-commercial")
    told = dict(custody_facts(result))
    assert told["Licence of the weights"] == "CC BY-NC 4.0 (non-commercial only)"
    old = result.model_dump(mode="json")
    del old["provenance"]["licence"], old["provenance"]["licence_class"]
    assert "Licence of the weights" not in dict(custody_facts(AnalysisResult.model_validate(old)))


def test_the_strictest_licence_counts():
    kinds = [LicenceClass.NOT_STATED, LicenceClass.NONPROFIT, LicenceClass.OPEN, LicenceClass.NON_COMMERCIAL]
    order = sorted(kinds, key=lambda kind: kind.strictness)
    assert [kind.value for kind in order] == ["open", "non-commercial", "nonprofit", "not stated"]


@pytest.mark.slow
def test_patience_is_bounded():
    assert plain.PATIENCE_S * plain.ATTEMPTS <= 150
