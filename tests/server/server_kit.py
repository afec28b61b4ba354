"""A real server on a real port, and a detector slow enough to be watched, stopped and killed."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from detector_kit import BRIGHTNESS
from fastapi import FastAPI

START_S = 400
"""Generous: the machine may be training a network at the same time."""

BRIGHT, SLOW, ABSENT = "BRIGHT-V1", "SLOW-V1", "ABSENT-V1"

SLOWNESS = (
    BRIGHTNESS.replace(
        "class BrightnessConfig(DetectorConfig):",
        "class SlowConfig(DetectorConfig):\n    pause_s: float = 0.1\n    diary: str = ''",
    )
    .replace("class BrightnessDetector", "class SlowDetector")
    .replace("Config = BrightnessConfig", "Config = SlowConfig")
    .replace(
        "    def preprocess(self, sample):\n",
        "    def preprocess(self, sample):\n"
        "        time.sleep(self.config.pause_s)\n"
        "        if self.config.diary:\n"
        "            with open(self.config.diary, 'a') as diary:\n"
        "                diary.write(f'{sample.frame_index}\\n')\n",
    )
    .replace("import numpy", "import time\n\nimport numpy")
)
"""Judges as the brightness detector does, but takes its time over each frame and notes it in a diary."""


@contextmanager
def served(app: FastAPI, key: str | None = None, **config: Any) -> Iterator[httpx.Client]:
    """A client of the app on a free port of this machine; `app.state.failure` is raised when it does not start. config: of
    uvicorn."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, lifespan="on", log_level="warning", timeout_graceful_shutdown=2, **config)
    )

    def run() -> None:
        with suppress(SystemExit):  # how uvicorn leaves when the app does not start
            server.run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise app.state.failure or RuntimeError("the server did not start")
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        # without the certificates, which take 20 ms to read and which HTTP has no use for
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, headers=headers, verify=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive(), "the server did not stop"


def connection(port: int) -> closing[socket.socket]:
    return closing(socket.create_connection(("127.0.0.1", port), timeout=10))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@contextmanager
def serving(
    environment: Mapping[str, str], tmp_path: Path, *arguments: str
) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """`drishtiksha serve` as a process on a port of its own, killed at the end, and a client of it once it is ready."""
    port = free_port()
    command = [sys.executable, "-m", "drishtiksha", "serve", "--port", str(port), *arguments]
    log = (tmp_path / "log").open("ab")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=tmp_path)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, verify=False) as client:
            deadline = time.monotonic() + START_S
            while True:
                try:
                    if client.get("/readyz").status_code == 200:
                        break
                except httpx.TransportError:
                    assert process.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.1)
            yield process, client
    finally:
        process.kill()
        process.wait(30)
        log.close()


def until_ended(client: httpx.Client, job_id: str, **headers: str) -> dict[str, Any]:
    """The job once it has ended."""
    for _ in range(600):
        view = client.get(f"/api/jobs/{job_id}", headers=headers).raise_for_status().json()
        if view["state"] in ("done", "failed", "cancelled"):
            return view
        time.sleep(0.1)
    raise AssertionError(f"the job did not end: {view}")


def until_running(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """The job once it is at work on a sample."""
    for _ in range(600):
        view = client.get(f"/api/jobs/{job_id}").raise_for_status().json()
        if view["state"] == "running" and view["progress"] > 0:
            return view
        assert view["state"] in ("queued", "running"), view
        time.sleep(0.05)
    raise AssertionError(f"the job did not start: {view}")


def refused(response: httpx.Response, status: int, kind: str) -> str:
    """The message of a typed error, once it is sure that it is one."""
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error", "message"}
    assert body["error"] == kind, body
    assert "/work" not in body["message"]
    assert "/tmp" not in body["message"]
    assert "Traceback" not in body["message"]
    return body["message"]
