"""Servers and a worker on several hosts share one PostgreSQL database and a bucket with the evidence; a host may die."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
import yaml
from databases import new_database
from detector_kit import entry
from gated_detector import GATED, counted
from server_kit import START_S, serving, until_ended
from sqlalchemy import text

from drishtiksha.settings import ROOT
from drishtiksha.store.db import open_store

pytestmark = pytest.mark.slow  # three programs start, and a host is held dead once it was silent for 15 s

FRAMES, HELD = 12, 4
"""Frames of a job, and how many are scored before the gate."""
SITE = 'import os, socket\nsocket.gethostname = lambda: os.environ["TEST_HOST"]\n'
"""Hosts tell each other's processes apart by name and boot; those of one name see each other end at once."""


def table_of(host: str) -> str:
    """How a host signs, as `queue._process_table` makes it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    return hashlib.sha256(f"{host} {boot} {Path('/proc/self/ns/pid').readlink()}".encode()).hexdigest()[:16]


def until(met: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + START_S
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="needs /proc of Linux")
def test_a_job_runs_once_is_seen_from_every_host_and_survives_the_death_of_its_own(postgresql, bucket, tmp_path, video):
    gate, diary = tmp_path / "gate", tmp_path / "counted"
    torch.save({"gain": torch.ones(1)}, tmp_path / "gain.pt")
    held = {"gate": str(gate), "counted": str(diary), "hold_from": HELD, "num_frames": FRAMES}
    models = {"GATED": entry("GatedDetector", tmp_path / "gain.pt", **held)}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"models": models, "device": "cpu"}))
    for name, code in {"more/gated.py": GATED, "site/sitecustomize.py": SITE}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code)

    with new_database(postgresql) as url, ExitStack() as hosts:

        def host(name: str) -> dict[str, str]:
            own = {
                "DRISHTIKSHA_CONFIG": str(tmp_path / "config.yaml"),
                "DRISHTIKSHA_DETECTORS_DIR": str(tmp_path / "more"),
                "DRISHTIKSHA_DATA_DIR": str(tmp_path / name),
                "DRISHTIKSHA_EVIDENCE_URL": f"{bucket}/cases",
                "DRISHTIKSHA_DATABASE_URL": url,
                "DRISHTIKSHA_WORKERS": "processes",
                "PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}",
                "TEST_HOST": name,
            }
            return {**os.environ, **own}

        worker = subprocess.Popen([sys.executable, "-m", "drishtiksha", "worker"], cwd=tmp_path, env=host("c"))
        hosts.callback(worker.wait)
        hosts.callback(worker.kill)
        _, first = hosts.enter_context(serving(host("a"), tmp_path, "--no-ui"))
        _, second = hosts.enter_context(serving(host("b"), tmp_path, "--no-ui"))
        store = open_store(url, tmp_path / "data")
        hosts.callback(store.close)
        name_of = {table_of(name): name for name in "abc"}

        def running() -> dict[str, str]:
            """Job by the host that runs it."""
            with store.read() as session:
                rows = session.execute(text("SELECT id, worker FROM jobs WHERE state = 'running'")).all()
            return {name_of[row.worker.partition(":")[0]]: row.id for row in rows}

        def send(client, count: int) -> list[str]:
            sent = {"files": {"file": ("v.mp4", video)}, "data": {"model": "GATED"}}
            return [client.post("/api/analyze", **sent).raise_for_status().json()["job_id"] for _ in range(count)]

        def seen(client, job_id: str) -> tuple:
            view = client.get(f"/api/jobs/{job_id}").raise_for_status().json()
            return view["state"], view["model_name"], view["progress"]

        jobs = [*send(first, 2), *send(second, 1)]
        until(lambda: set(running()) == set("abc"), "a host takes no job")
        assert set(running().values()) == set(jobs)
        at_the_gate = [("running", "GATED", HELD)] * 6
        until(
            lambda: [seen(client, job) for client in (first, second) for job in jobs] == at_the_gate,
            "the progress is not seen from both hosts",
        )
        fetched = [path.read_bytes() for path in (tmp_path / "c").rglob("original.*")]
        assert fetched == [video], "it has no folder in common with those that took the file in"
        lost = running()["c"]
        worker.kill()
        worker.wait()
        gate.touch()
        views = {job: until_ended(second if job == jobs[0] else first, job) for job in jobs if job != lost}
        assert seen(first, lost)[0] == "running", "that its host is dead shows by its silence alone"
        until(lambda: seen(first, lost)[0] == "done", "nobody took the job over")
        views[lost] = first.get(f"/api/jobs/{lost}").json()
        assert [view["errors"] for view in views.values()] == [{}] * 3
        results = [view["results"][0] for view in views.values()]
        assert len({str([result["p_fake"], result["scores"]]) for result in results}) == 1
        times = Counter(counted(diary))
        assert set(times) == set(range(FRAMES))
        assert sum(times.values()) <= 3 * FRAMES + HELD, "the job that was taken over goes on from what is kept"

        diary.unlink()
        more = [job for client in (first, second) * 3 for job in send(client, 1)]
        assert {until_ended(first, job)["state"] for job in more} == {"done"}
        assert Counter(counted(diary)) == dict.fromkeys(range(FRAMES), len(more)), "each ran once"
