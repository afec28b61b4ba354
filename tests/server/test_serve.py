"""`drishtiksha serve` as a process of its own: started, killed in the middle of a job, started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import gradio_client
import httpx
import pytest
import yaml
from detector_kit import BRIGHTNESS, entry, plain_weights
from prefix_proxy import proxied
from server_kit import BRIGHT, SLOW, SLOWNESS, START_S, connection, free_port, serving, until_ended, until_running
from sqlalchemy import text

from drishtiksha.cli import Exit
from drishtiksha.server.connections import HEAD_S
from drishtiksha.settings import ROOT
from drishtiksha.store.accounts import Accounts
from drishtiksha.store.db import open_store

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(tmp_path):
    weights = plain_weights(tmp_path / "w.pt")
    diary = str(tmp_path / "diary")
    models = {
        BRIGHT: entry(model_path=weights, num_frames=4),
        SLOW: entry("SlowDetector", weights, batch_size=1, num_frames=24, sparse=4, pause_s=0.25, diary=diary),
    }
    config = {"models": models, "data_dir": str(tmp_path / "data"), "device": "cpu"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "more").mkdir()
    for name, code in {"brightness": BRIGHTNESS, "slowness": SLOWNESS}.items():
        (tmp_path / "more" / f"{name}.py").write_text(code)
    own = {
        "DRISHTIKSHA_CONFIG": str(tmp_path / "config.yaml"),
        "DRISHTIKSHA_DETECTORS_DIR": str(tmp_path / "more"),
        "DRISHTIKSHA_WORKERS": "processes",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    return {**os.environ, **own}


@pytest.mark.parametrize("words", [["-m", "drishtiksha", "serve", "--port", "0"], ["app.py"]], ids=["serve", "app.py"])
def test_a_data_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path, words):
    (tmp_path / "file").touch()
    environment = {**os.environ, "DRISHTIKSHA_DATA_DIR": str(tmp_path / "file" / "data")}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    told = " ".join(done.stderr.split())
    assert done.returncode == Exit.FAILED
    assert "Set DRISHTIKSHA_DATA_DIR to a folder" in told
    assert "Not a directory" in told
    assert "Traceback" not in told


def children_of(process: int) -> list[int]:
    """The processes that it started, where /proc tells."""
    stats = [path.read_text().rpartition(")") for path in Path("/proc").glob("[0-9]*/stat")]
    return [int(head.split()[0]) for head, _, rest in stats if int(rest.split()[1]) == process]


def until_gone(processes: list[int]) -> None:
    for _ in range(600):
        if not any(alive(number) for number in processes):
            return
        time.sleep(0.05)
    raise AssertionError("a worker outlives its server")


def alive(process: int) -> bool:
    """Not one that has ended and that nobody asked for its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def told(view: dict) -> list[tuple]:
    """What a result says, without the times that it took."""
    [result] = view["results"]
    return [result["prediction"], result["p_fake"], [(s["index"], s["p_fake"], s["gap"]) for s in result["scores"]]]


def test_a_server_that_is_killed_or_told_to_stop_goes_on_with_its_job_at_the_next_start(environment, tmp_path, video):
    send = {"files": {"file": ("v.mp4", video)}, "data": {"model": SLOW}}
    diary = tmp_path / "diary"
    with serving(environment, tmp_path, "--no-ui") as (process, client):
        whole = until_ended(client, client.post("/api/analyze", **send).json()["job_id"])
        frames = len(diary.read_text().split())
        diary.unlink()
        job_id = client.post("/api/analyze", **send).json()["job_id"]
        until_running(client, job_id)
        while not diary.exists() or len(diary.read_text().split()) < frames // 2:
            time.sleep(0.05)
        workers = children_of(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        assert workers
        until_gone(workers)
    before = len(diary.read_text().split())
    assert before < frames

    with serving(environment, tmp_path, "--no-ui") as (process, client):
        again = until_ended(client, job_id)
        assert again["state"] == "done"
        assert told(again) == told(whole), "the same result"
        # What was stored is not judged again; only what was at work when the server died is.
        twice = [frame for frame, count in Counter(diary.read_text().split()).items() if count > 1]
        assert len(diary.read_text().split()) - frames <= frames // 4, twice

        job_id = client.post("/api/analyze", **send).json()["job_id"]
        until_running(client, job_id)
        with client.stream("GET", f"/api/jobs/{job_id}/events") as response:
            next(response.iter_lines())
            workers = children_of(process.pid)
            process.send_signal(signal.SIGTERM)
            process.wait(120)  # though somebody watches
    assert workers
    assert not any(map(alive, workers))
    store = open_store(None, tmp_path / "data")
    with store.read() as session:
        assert session.scalar(text("SELECT state FROM jobs WHERE id = :id"), {"id": job_id}) == "queued", (
            "it was put back"
        )
    store.close()

    with serving(environment, tmp_path, "--no-ui") as (_, client):
        assert until_ended(client, job_id)["state"] == "done"


def test_one_process_serves_the_page_and_the_api(environment, tmp_path, picture):
    with serving(environment, tmp_path) as (_, client), connection(client.base_url.port) as silent:
        assert "gradio" in client.get("/").text
        done = client.post("/api/analyze", files={"file": ("w.png", picture)}, data={"wait": "true"})
        assert done.json()["state"] == "done"
        assert client.get("/api/nowhere").json()["error"] == "not_found"
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
        silent.settimeout(HEAD_S + 20)
        assert silent.recv(1) == b"", "a connection without a request stays open"


def test_below_a_path_of_a_proxy_page_and_api_work(environment, tmp_path, picture):
    options = ("--root-path", "/desk", "--behind-proxy", "127.0.0.1")
    with (
        serving(environment, tmp_path, *options) as (_, client),
        proxied(client.base_url.port, "/desk") as address,
    ):
        page = httpx.get(f"{address}/", timeout=60)
        assert page.status_code == 200
        assert f'"root":"{address}"' in page.text
        assert BRIGHT in httpx.get(f"{address}/api/models").text
        desk = gradio_client.Client(f"{address}/", verbose=False)
        (tmp_path / "w.png").write_bytes(picture)
        result = desk.predict(gradio_client.handle_file(tmp_path / "w.png"), BRIGHT, api_name="/analyze")
        assert result["model_name"] == BRIGHT


def test_with_login_the_page_asks_for_a_password(environment, tmp_path):
    store = open_store(None, tmp_path / "data")
    Accounts(store).add_user("ana", "correct horse battery")
    store.close()
    own = {"DRISHTIKSHA_LOGIN": "true", "DRISHTIKSHA_WORKERS": "threads"}
    with serving(environment | own, tmp_path) as (_, client):
        assert client.get("/config").status_code == 401
        wrong = client.post("/login", data={"username": "ana", "password": "wrong"})
        assert wrong.status_code == 400
        right = client.post("/login", data={"username": "ana", "password": "correct horse battery"})
        assert right.status_code == 200
        assert client.get("/config").status_code == 200
        assert client.get("/api/cases").status_code == 401


def test_a_model_that_cannot_be_loaded_is_named_and_nothing_is_served(environment, tmp_path):
    (tmp_path / "w.pt").write_bytes(b"this is no checkpoint")
    command = [sys.executable, "-m", "drishtiksha", "serve", "--no-ui", "--port", str(free_port())]
    ran = subprocess.run(
        command,
        env={**environment, "DRISHTIKSHA_EAGER_MODELS": "true"},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ran.returncode == Exit.FAILED
    assert f"{BRIGHT} could not be loaded" in " ".join(ran.stderr.split())


def test_a_port_that_is_taken_is_told_before_anything_is_started(environment, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "drishtiksha", "serve", "--no-ui", "--port", port]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == Exit.FAILED
    assert f"Another program listens on port {port} of 127.0.0.1." in " ".join(ran.stderr.split())
    assert not (tmp_path / "data").exists(), "nor was the data folder made for it"
