"""What a full disk, a torn log, a vanished folder, a clock that goes back and a second server do: no job is lost or done twice,
what people read is a sentence, and health tells the truth. Over HTTP, with a real database and real files."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from server_kit import BRIGHT, SLOW, refused, served, until_ended, until_running

pytestmark = pytest.mark.slow
SIZE = 30
"""MB of the small disk."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """`tmp_path/data` on a disk of its own."""
    place = tmp_path / "data"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no disk of its own can be made here: {made.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """As a disk that went read-only: whoever opens a file from now on may only read it. What is open stays open."""
    for command in (["mount", "--bind", folder, folder], ["mount", "-o", "remount,bind,ro", folder]):
        if (made := subprocess.run(command, capture_output=True, check=False)).returncode:
            if "remount,bind,ro" in command:
                subprocess.run(["umount", "-l", folder], check=True)
            pytest.skip(f"no folder can be made read-only here: {made.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all that is left."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            while True:
                try:
                    if not file.write(bytes(size)):
                        break
                except OSError:
                    break
    return path


def sent(client: httpx.Client, content: bytes, model: str, name: str = "a.mp4") -> httpx.Response:
    return client.post("/api/analyze", files={"file": (name, content)}, data={"model": model})


def ended(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    return until_ended(client, answer.raise_for_status().json()["job_id"])


def test_a_full_disk_refuses_uploads_in_words_and_nothing_is_left_of_them(app_of, small_disk, video, picture):
    with served(app_of()) as client:
        assert ended(client, sent(client, video, BRIGHT))["state"] == "done"
        filler = fill(small_disk)
        before = sorted(small_disk.rglob("original*"))
        answer = sent(client, picture + bytes(2_000_000), BRIGHT, "b.png")
        assert answer.status_code in (503, 507), answer.text
        assert "disk" in refused(answer, answer.status_code, answer.json()["error"]).lower()
        assert sorted(small_disk.rglob("original*")) == before
        filler.unlink()
        assert client.get("/readyz").json()["ready"] is True
        assert ended(client, sent(client, picture, BRIGHT, "b.png"))["state"] == "done"


def test_a_disk_that_fills_up_during_a_job_loses_none(app_of, small_disk, video):
    with served(app_of()) as client:
        job = sent(client, video, SLOW).raise_for_status().json()
        until_running(client, job["job_id"])
        filler = fill(small_disk)
        ready = client.get("/readyz")
        assert client.get("/healthz").status_code == 200
        if ready.status_code == 503:
            assert ready.json()["database"] == "cannot be written"
        time.sleep(1)
        filler.unlink()
        job = until_ended(client, job["job_id"])
        assert job["state"] in ("done", "failed")
        if job["state"] == "failed":
            assert "disk" in str(job).lower()
        assert client.get("/readyz").json()["ready"] is True
        assert ended(client, sent(client, video, BRIGHT))["state"] == "done"


def test_a_report_on_a_full_disk_says_so(app_of, small_disk, video):
    with served(app_of()) as client:
        job = ended(client, sent(client, video, BRIGHT))
        filler = fill(small_disk)
        answer = client.get(f"/api/cases/{job['case_id']}/report.zip")
        if answer.status_code != 200:
            message = refused(answer, answer.status_code, answer.json()["error"])
            assert "disk" in message.lower() or "room" in message.lower() or "space" in message.lower(), message
        filler.unlink()
        answer = client.get(f"/api/cases/{job['case_id']}/report.zip")
        assert answer.content[:2] == b"PK"


@pytest.mark.parametrize("tear", ["short", "noise", "gone"])
def test_a_torn_log_of_the_database_stops_no_start_and_doubles_no_job(app_of, tmp_path, video, tear):
    """As after a power cut: the log of what was written last is cut off, overwritten at its end, or gone. What was written
    last may be lost; the rest is there, and what was not finished is done."""
    crashed = tmp_path / "crashed"
    with served(app_of()) as client:
        jobs = [ended(client, sent(client, video, BRIGHT))["job_id"] for _ in range(2)]
        jobs.append(sent(client, video, SLOW).raise_for_status().json()["job_id"])
        until_running(client, jobs[-1])
        shutil.copytree(tmp_path / "data", crashed, ignore=shutil.ignore_patterns("*-shm"))
        client.post(f"/api/jobs/{jobs[-1]}/cancel")
    log = crashed / "drishtiksha.sqlite-wal"
    content = log.read_bytes()
    assert content
    if tear == "gone":
        log.unlink()
    else:
        log.write_bytes(content[: len(content) * 2 // 3] + (os.urandom(5000) if tear == "noise" else b""))
    with served(app_of(data_dir=crashed)) as client:
        assert client.get("/readyz").json()["ready"] is True
        for job in jobs:
            answer = client.get(f"/api/jobs/{job}")
            assert answer.status_code == 404 or until_ended(client, job)["state"] == "done"
        assert ended(client, sent(client, video, BRIGHT))["state"] == "done"


def test_a_data_folder_that_vanishes_and_comes_back(app_of, tmp_path, video, picture):
    data, away = tmp_path / "data", tmp_path / "away"
    with served(app_of()) as client:
        job = ended(client, sent(client, video, BRIGHT))
        data.rename(away)
        assert client.get("/readyz").status_code == 503
        assert client.get("/readyz").json()["database"] == "its file is gone"
        assert client.get("/healthz").status_code == 200
        answer = sent(client, video, BRIGHT)
        assert "nothing was taken" in refused(answer, 503, answer.json()["error"]).lower()
        assert not data.exists(), "no second folder is begun"
        away.rename(data)
        assert client.get("/readyz").json()["ready"] is True
        assert client.get(f"/api/jobs/{job['job_id']}").json()["state"] == "done"
        assert ended(client, sent(client, picture, BRIGHT, "b.png"))["state"] == "done"


def test_a_data_folder_that_is_made_read_only_and_writable_again(app_of, tmp_path, video):
    data = tmp_path / "data"
    with served(app_of()) as client:
        first = ended(client, sent(client, video, BRIGHT))
        running = sent(client, video, SLOW).raise_for_status().json()
        until_running(client, running["job_id"])
        with read_only(data):
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 503
            assert client.get("/readyz").json()["database"] == "cannot be written"
            answer = sent(client, video, BRIGHT)
            assert "nothing was taken" in refused(answer, 503, answer.json()["error"]).lower()
            assert client.get(f"/api/jobs/{first['job_id']}").json()["state"] == "done"
        assert client.get("/readyz").json()["ready"] is True
        assert until_ended(client, running["job_id"])["state"] == "done"
        again = ended(client, sent(client, video, BRIGHT))
        assert again["state"] == "done"
        assert len(client.get("/api/cases").json()) == 3
        results = [client.get(f"/api/cases/{job['case_id']}").json()["results"][0] for job in (first, again)]
        assert results[0]["p_fake"] == results[1]["p_fake"]


def test_a_clock_that_is_set_back_stops_no_job_and_deletes_no_case(app_of, monkeypatch, video):
    now = time.time
    with served(app_of()) as client:
        first = ended(client, sent(client, video, BRIGHT))
        monkeypatch.setattr(time, "time", lambda: now() - 3 * 86400)
        running = sent(client, video, SLOW).raise_for_status().json()
        second = ended(client, sent(client, video, BRIGHT))
        assert (first["state"], second["state"]) == ("done", "done")
        assert until_ended(client, running["job_id"])["state"] == "done"
        monkeypatch.undo()
        for job in (first, second):
            assert client.get(f"/api/cases/{job['case_id']}").status_code == 200


def test_two_servers_on_one_folder_do_each_job_once(app_of, tmp_path, video):
    with served(app_of()) as one, served(app_of()) as other:
        jobs = [sent(client, video, BRIGHT).raise_for_status().json() for client in (one, other) * 4]
        for number, job in enumerate(jobs):
            view = until_ended((one, other)[number % 2], job["job_id"])
            assert view["state"] == "done"
            assert view.get("attempts", 1) == 1
        seen = [client.get("/api/cases").json() for client in (one, other)]
        assert seen[0] == seen[1]
        assert [client.get("/readyz").json()["ready"] for client in (one, other)] == [True, True]
