"""A file goes in, a job and its result come out; what is refused is refused early and in words."""

from __future__ import annotations

import io
import json
import socket
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from media_factory import remuxed, write_video
from server_kit import ABSENT, BRIGHT, SLOW, refused, served, until_ended, until_running

from drishtiksha.answer import Answer
from drishtiksha.casefile import JobView
from drishtiksha.results import Grade
from drishtiksha.server import services
from drishtiksha.server import upload as upload_module
from drishtiksha.server.services import Turns
from drishtiksha.services import answers, workbench
from drishtiksha.settings import MediaLimits


def leftovers(client: httpx.Client, tmp_path: Path) -> list[str]:
    """Files of uploads and cases that are still on the disk."""
    folders = [tmp_path / "data/uploads", tmp_path / "data/cases"]
    return [path.name for folder in folders if folder.is_dir() for path in folder.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_whoever_waits_gets_the_result(client, picture):
    files = {"file": ("white.png", picture)}
    response = client.post("/api/analyze", files=files, data={"model": BRIGHT, "wait": "true", "question": "Real?"})
    assert response.status_code == 200, response.text
    view = JobView.model_validate_json(response.content)
    assert view.state == "done"
    assert [result.model_name for result in view.results] == [BRIGHT]
    assert view.results[0].prediction == "FAKE"
    assert view.results[0].media.name == "white.png"
    assert client.get(f"/api/cases/{view.case_id}").json()["question"] == "Real?"


@pytest.mark.slow
def test_whoever_does_not_wait_gets_a_job_to_look_at(client, picture):
    response = client.post("/api/analyze", files={"file": ("white.png", picture)}, data={"model": [BRIGHT, SLOW]})
    assert response.status_code == 202, response.text
    job_id = response.json()["job_id"]
    assert response.headers["location"] == f"/api/jobs/{job_id}"
    done = until_ended(client, job_id)
    assert [result["model_name"] for result in done["results"]] == [BRIGHT, SLOW]


@pytest.mark.slow
def test_waiting_ends_at_its_time_and_the_job_goes_on(client, video):
    data = {"model": SLOW, "wait": "true", "wait_s": "0.3"}
    response = client.post("/api/analyze", files={"file": ("v.mp4", video)}, data=data)
    assert response.status_code == 202
    assert until_ended(client, response.json()["job_id"])["state"] == "done"


@pytest.mark.slow
def test_without_a_model_all_that_fit_give_one_answer(client, picture):
    view = client.post("/api/analyze", files={"file": ("white.png", picture)}, data={"wait": "true"}).json()
    assert sorted(view["models"]) == [BRIGHT, SLOW]
    answer = Answer.model_validate(view["answer"])
    assert (answer.state, answer.grade, answer.complete) == ("signs", Grade.MODERATE, True)
    kept = client.get(f"/api/cases/{view['case_id']}/answer")
    assert Answer.model_validate_json(kept.content) == answer


@pytest.mark.slow
def test_an_answer_says_who_is_still_at_work(client, video):
    view = client.post("/api/analyze", files={"file": ("v.mp4", video)}).json()
    assert view["answer"] is None
    early = client.get(f"/api/cases/{view['case_id']}/answer").json()
    assert SLOW in early["pending"][0]["models"]
    until_ended(client, view["job_id"])
    assert client.get(f"/api/cases/{view['case_id']}/answer").json()["pending"] == []


@pytest.mark.slow
def test_slow_detectors_are_named_and_run_on_demand(client, picture, monkeypatch):
    for module in (answers, workbench):
        monkeypatch.setattr(module, "guess", lambda manager, name, _: (60, 240) if name == SLOW else (1, 2))
    files = {"file": ("white.png", picture)}
    view = client.post("/api/analyze", files=files, data={"wait": "true"}).json()
    assert view["models"] == [BRIGHT]
    (left,) = view["left_out"]
    assert (left["model_name"], left["seconds"]) == (SLOW, [60, 240])
    assert view["answer"]["left_out"] == [left]
    assert left["text"] in view["answer"]["not_judged"]
    assert left["text"] in client.get(f"/api/cases/{view['case_id']}/report.html").text
    packed = client.get(f"/api/cases/{view['case_id']}/report.zip").content
    with zipfile.ZipFile(io.BytesIO(packed)) as bundle:
        assert json.loads(bundle.read("answer.json")) == view["answer"]
    view = client.post("/api/analyze", files=files, data={"wait": "true", "all": "true"}).json()
    assert sorted(view["models"]) == [BRIGHT, SLOW]
    assert view["left_out"] == view["answer"]["left_out"] == []


@pytest.fixture
def two_pictures(tmp_path) -> bytes:
    """An MKV with two moving pictures: dark (track 1), and bright (track 2)."""
    levels = (("dark", 20), ("bright", 240))
    sources = [
        write_video(tmp_path / f"{name}.mkv", [np.full((48, 64, 3), level, np.uint8)] * 10) for name, level in levels
    ]
    return remuxed(tmp_path / "two.mkv", sources).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("track", "prediction"), [("1", "REAL"), ("2", "FAKE")])
def test_one_track_of_several_is_examined(client, two_pictures, track, prediction):
    data = {"model": BRIGHT, "wait": "true", "track": track}
    view = client.post("/api/analyze", files={"file": ("two.mkv", two_pictures)}, data=data)
    assert view.status_code == 200, view.text
    view = view.json()
    assert view["track"] == int(track)
    assert [result["prediction"] for result in view["results"]] == [prediction]


def test_a_track_that_is_not_there_leaves_no_case(client, two_pictures, tmp_path):
    data = {"model": BRIGHT, "track": "7"}
    told = refused(
        client.post("/api/analyze", files={"file": ("two.mkv", two_pictures)}, data=data), 422, "unreadable_media"
    )
    assert "its tracks are 1, 2" in told
    assert leftovers(client, tmp_path) == []


@pytest.mark.slow
def test_the_upload_is_deleted_and_the_evidence_is_what_was_sent(client, picture, tmp_path):
    view = client.post("/api/analyze", files={"file": ("white.png", picture)}, data={"wait": "true"}).json()
    assert view["results"][0]["media"]["size_bytes"] == len(picture)
    assert list((tmp_path / "data/uploads").iterdir()) == []
    assert client.delete(f"/api/cases/{view['case_id']}").status_code == 204
    assert leftovers(client, tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "part"),
    [
        ({"model": "NO-SUCH"}, "NO-SUCH"),
        ({"wait": "perhaps"}, "wait"),
        ({"wait_s": "-1"}, "wait_s"),
        ({"wait_s": "1e9"}, "wait_s"),
        ({"colour": "red"}, "colour"),
        ({"question": "x" * 5000}, "question"),
        ({"wait": ["true", "false"]}, "twice"),
        ({"question": "x" * 70_000}, "too long"),
    ],
)
def test_fields_that_cannot_be_used_are_named(client, picture, tmp_path, data, part):
    response = client.post("/api/analyze", files={"file": ("white.png", picture)}, data=data)
    assert response.status_code == 422
    assert part in response.json()["message"]
    assert leftovers(client, tmp_path) == []


@pytest.mark.slow
def test_text_that_calls_itself_a_video_is_no_case(client, tmp_path):
    files = {"file": ("news.mp4", b"this is no video\n" * 1000)}
    refused(client.post("/api/analyze", files=files), 422, "unreadable_media")
    refused(client.post("/api/analyze", files={"file": ("empty.mp4", b"")}), 422, "unreadable_media")
    assert client.get("/api/cases").json() == []
    assert leftovers(client, tmp_path) == []


@pytest.mark.slow
def test_a_model_without_weights_is_refused_with_the_remedy(client, picture, tmp_path):
    files = {"file": ("w.png", picture)}
    response = client.post("/api/analyze", files=files, data={"model": ABSENT, "wait": "true"})
    refused(response, 409, "weights_missing")
    assert "absent.pt" in response.json()["message"]
    assert "/tmp/" not in response.text
    assert client.get("/api/cases").json() == []
    assert leftovers(client, tmp_path) == []
    both = client.post("/api/analyze", files=files, data={"model": [ABSENT, BRIGHT], "wait": "true"}).json()
    assert (both["state"], list(both["errors"])) == ("done", [ABSENT])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "kind", "status", "error"),
    [
        (b"", "multipart/form-data; boundary=x", 400, "upload_incomplete"),
        (b"\0\xff" * 500, "multipart/form-data; boundary=x", 400, "bad_request"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x", 400, "upload_incomplete"),
        (b"--x\r\n" + b"a: b\r\n" * 20_000, "multipart/form-data; boundary=x", 400, "bad_request"),
        (b"--x\r\na: " + b"b" * 100_000 + b"\r\n", "multipart/form-data; boundary=x", 400, "bad_request"),
        (
            b"--x\r\n" + (b"a: %b\r\n" % (b"b" * 3000) + b"\r\n\r\n--x\r\n") * 60,
            "multipart/form-data; boundary=x",
            422,
            "bad_request",
        ),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 422, "file_missing"),
        (b"--x\r\n\r\n\r\n--x--", "multipart/form-data; boundary=x", 422, "file_missing"),
        (b"--x\r\n\r\n\r\n--x--", "multipart/form-data", 400, "bad_request"),
        (b"{}", "application/json", 415, "wrong_content_type"),
        (b"file=a", "application/x-www-form-urlencoded", 415, "wrong_content_type"),
    ],
)
def test_garbage_is_refused_in_words(client, tmp_path, content, kind, status, error):
    response = client.post("/api/analyze", content=content, headers={"Content-Type": kind})
    # A parser may notice nonsense before it notices that the end is missing.
    assert response.status_code == status, response.text
    refused(response, status, response.json()["error"] if status == 400 else error)
    assert leftovers(client, tmp_path) == []


def test_two_files_at_once_are_refused(client, picture):
    files = [("file", ("a.png", picture)), ("file", ("b.png", picture))]
    assert "one file" in refused(client.post("/api/analyze", files=files), 422, "bad_request")


def small(app_of, max_bytes=200_000):
    return app_of(limits=MediaLimits(max_bytes=max_bytes))


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(app_of):
    with served(small(app_of)) as client, socket.create_connection(("127.0.0.1", client.base_url.port)) as raw:
        head = "POST /api/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000000\r\n"
        raw.sendall((head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n").encode())
        raw.settimeout(10)
        answer = raw.recv(65536)
        assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.slow
def test_a_chunked_body_is_cut_off_when_it_grows_too_large(app_of, tmp_path):
    """Without a stated length; what is sent is far more than what the server lets itself be told."""
    sent = 0

    def endless():
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        while sent < 2_000_000_000:
            sent += 65536
            yield b"\0" * 65536

    with served(small(app_of)) as client:
        head = {"Content-Type": "multipart/form-data; boundary=x"}
        response = client.post("/api/analyze", content=endless(), headers=head)
        refused(response, 413, "media_limit")
        assert response.headers["connection"] == "close"
        assert sent < 200_000_000
        assert leftovers(client, tmp_path) == []
        assert client.get("/healthz").status_code == 200


def test_a_file_just_below_the_limit_is_taken_and_one_just_above_is_not(app_of, picture):
    with served(small(app_of, len(picture))) as client:
        taken = client.post("/api/analyze", files={"file": ("a.png", picture)}).status_code
        assert taken in (200, 202), "200 where the job has ended by then"
        refused(client.post("/api/analyze", files={"file": ("a.png", picture + b"\0")}), 413, "media_limit")


@pytest.mark.slow
def test_an_upload_that_stands_still_is_given_up(app_of, tmp_path, monkeypatch):
    monkeypatch.setattr(upload_module, "STALL_S", 0.3)
    with served(app_of()) as client, socket.create_connection(("127.0.0.1", client.base_url.port)) as raw:
        head = "POST /api/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n"
        raw.sendall((head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n").encode())
        raw.settimeout(10)
        assert raw.recv(65536).startswith(b"HTTP/1.1 408")
        assert leftovers(client, tmp_path) == []


@pytest.mark.slow
def test_an_upload_that_only_trickles_is_given_up(app_of, tmp_path, monkeypatch):
    monkeypatch.setattr(upload_module, "GRACE_S", 0.3)
    with served(app_of()) as client, socket.create_connection(("127.0.0.1", client.base_url.port)) as raw:
        head = "POST /api/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n"
        raw.sendall((head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n").encode())
        for byte in b"--x\r\n":
            raw.sendall(bytes([byte]))
            time.sleep(0.15)
        raw.settimeout(10)
        assert raw.recv(65536).startswith(b"HTTP/1.1 408")
        assert leftovers(client, tmp_path) == []


@pytest.mark.slow
def test_a_client_that_goes_away_while_uploading_leaves_nothing(client, tmp_path):
    with socket.create_connection(("127.0.0.1", client.base_url.port)) as raw:
        head = "POST /api/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n"
        raw.sendall((head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n").encode())
        raw.sendall(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n' + b"\0" * 100_000)
        time.sleep(0.3)
        assert len(leftovers(client, tmp_path)) == 1
    for _ in range(100):
        if not leftovers(client, tmp_path):
            return
        time.sleep(0.05)
    raise AssertionError("the half upload is still there")


@pytest.mark.slow
def test_a_client_that_goes_away_while_waiting_leaves_the_job_running(client, video):
    with pytest.raises(httpx.ReadTimeout):
        client.post("/api/analyze", files={"file": ("v.mp4", video)}, data={"model": SLOW, "wait": "true"}, timeout=1.0)
    for _ in range(200):
        cases = client.get("/api/cases").json()  # none while the file is still being taken in
        if cases and cases[0]["answers"]:
            assert [case["media"]["name"] for case in cases] == ["v.mp4"]
            return
        time.sleep(0.1)
    raise AssertionError("the job did not end")


@pytest.mark.slow
def test_a_full_queue_leaves_no_case_behind(app_of, video, picture):
    with served(app_of(max_queue=1)) as client:
        first = client.post("/api/analyze", files={"file": ("v.mp4", video)}, data={"model": SLOW}).json()
        until_running(client, first["job_id"])
        assert client.post("/api/analyze", files={"file": ("v.mp4", video)}, data={"model": SLOW}).status_code == 202
        response = client.post("/api/analyze", files={"file": ("p.png", picture)})
        refused(response, 503, "queue_full")
        assert int(response.headers["retry-after"]) > 0
        assert len(client.get("/api/cases").json()) == 2


@pytest.mark.slow
def test_a_full_queue_is_told_before_the_body_is_read_with_the_time_that_the_next_job_takes(app_of, video, picture):
    with served(app_of(max_queue=1)) as client:
        known = client.post(
            "/api/analyze", files={"file": ("v.mp4", video)}, data={"model": SLOW, "wait": "true"}
        ).json()
        took_s = known["results"][0]["processing_time"]
        running = client.post("/api/analyze", files={"file": ("v.mp4", video)}, data={"model": SLOW}).json()
        until_running(client, running["job_id"])
        client.post("/api/analyze", files={"file": ("v.mp4", video)}, data={"model": SLOW}).raise_for_status()
        with socket.create_connection(("127.0.0.1", client.base_url.port)) as raw:
            head = "POST /api/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n"
            raw.sendall((head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n").encode())
            raw.settimeout(60)
            answer = raw.recv(65536).decode().lower()
    assert answer.startswith("http/1.1 503")
    after_s = int(answer.partition("retry-after: ")[2].split()[0])
    assert 1 <= after_s <= took_s + 1


@pytest.mark.slow
def test_the_server_answers_others_while_it_receives(client, picture):
    with socket.create_connection(("127.0.0.1", client.base_url.port)) as raw:
        head = "POST /api/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n"
        raw.sendall((head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n").encode())
        assert client.get("/api/models").status_code == 200
        done = client.post("/api/analyze", files={"file": ("w.png", picture)}, data={"wait": "true"})
        assert json.loads(done.content)["state"] == "done"


def slow_upload(app, client) -> socket.socket:
    """A body that takes the one turn there is, and does not come to its end."""
    app.state.services.turns = Turns(1)
    raw = socket.create_connection(("127.0.0.1", client.base_url.port))
    head = "POST /api/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n"
    raw.sendall((head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n").encode())
    until(app.state.services.turns._free.locked)
    return raw


def until(met) -> None:
    deadline = time.monotonic() + 60
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_small_body_waits_for_its_turn(app_of, picture):
    app = app_of()
    with served(app) as client, ThreadPoolExecutor(1) as pool:
        with slow_upload(app, client):
            sent = pool.submit(client.post, "/api/analyze", files={"file": ("w.png", picture)})
            until(lambda: app.state.services.turns._waiting)
            assert not sent.done()
        assert sent.result(60).status_code == 202


@pytest.mark.slow
def test_a_large_body_is_told_when_to_come_back(app_of, picture, monkeypatch):
    monkeypatch.setattr(services, "SMALL_BYTES", 100)
    app = app_of()
    with served(app) as client:
        with slow_upload(app, client):
            response = client.post("/api/analyze", files={"file": ("w.png", picture)})
            refused(response, 503, "busy")
            assert int(response.headers["retry-after"]) > 0
        until(lambda: not app.state.services.turns._free.locked())
        assert client.post("/api/analyze", files={"file": ("w.png", picture)}).status_code == 202


@pytest.mark.slow
def test_a_small_body_does_not_wait_for_ever(app_of, picture, monkeypatch):
    monkeypatch.setattr(services, "WAIT_S", 0.1)
    app = app_of()
    with served(app) as client, slow_upload(app, client):
        response = client.post("/api/analyze", files={"file": ("w.png", picture)})
        refused(response, 503, "busy")
        assert int(response.headers["retry-after"]) > 0
