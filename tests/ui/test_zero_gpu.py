"""ZeroGPU without its platform: the package `spaces` itself, which forks a process for each call, before a loopback device API.

What needs the platform's hardware is left out: moving tensors to the GPU in the forked process. So detectors stay on the CPU,
and what is tested is everything around them: who asks, what crosses the border, and what happens without a GPU.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from browser.running_app import wait_until_up
from gradio_client import Client, handle_file

from drishtiksha.errors import DrishtikshaError
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.settings import ROOT, MediaLimits, load_settings
from drishtiksha.ui.zero_gpu import MOST_S, LentGpu, gpu_seconds, steps

APP = """
import runpy, sys
import spaces
from spaces.zero import torch as gpu
gpu.init = gpu.move = lambda *_, **__: None  # there is no CUDA here
sys.argv = ["app.py"]
sys.path.insert(0, ".")
runpy.run_path("app.py", run_name="__main__")
"""
TOKEN = "e30.e30.c2lnbmF0dXJl"
PICTURE = ROOT / "assets" / "portrait.jpg"
MODEL = "FACE-BLEND-LITE-V1"


@dataclass
class DeviceApi:
    """The platform's side: it lends a GPU, or refuses, and notes who asked for how long."""

    quota: bool = True
    asked: list[dict[str, str]] = field(default_factory=list)
    released: list[dict[str, str]] = field(default_factory=list)
    started: bool = False
    url: str = ""

    def answer(self, path: str, given: dict[str, str]) -> tuple[int, object]:
        if path == "/startup-report":
            self.started = True
        if path == "/schedule":
            self.asked.append(given)
            if not self.quota:
                return 429, {"left": 3, "wait": 3600}
            return 200, {"idle": False, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": "allowed"}
        if path == "/release":
            self.released.append(given)
        return 200, {}


@pytest.fixture(scope="module")
def api() -> Iterator[DeviceApi]:
    device = DeviceApi()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            place = urlsplit(self.path)
            status, body = device.answer(place.path, {key: values[0] for key, values in parse_qs(place.query).items()})
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing is written."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    device.url = f"http://127.0.0.1:{server.server_port}"
    yield device
    server.shutdown()


@pytest.fixture(scope="module")
def address(api: DeviceApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`app.py` on ZeroGPU."""
    folder = tmp_path_factory.mktemp("zero")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        **{"SPACES_ZERO_GPU": "1", "SPACES_ZERO_DEVICE_API_URL": api.url, "HOME": str(folder)},
        **{
            "GRADIO_SERVER_NAME": "127.0.0.1",
            "GRADIO_SERVER_PORT": str(port),
            "GRADIO_TEMP_DIR": str(folder / "gradio"),
        },
        **{"DRISHTIKSHA_DATA_DIR": str(folder / "data"), "DRISHTIKSHA_DEVICE": "cpu"},
    }
    log = folder / "app.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", APP], cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True
        )
    try:
        wait_until_up(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the forked process that had the GPU waits for the next call
        process.wait(30)


def analyzed(address: str, token: str | None = None) -> dict:
    headers = {"x-ip-token": token} if token else {}
    client = Client(address, headers=headers, verbose=False, download_files=False)
    return client.predict(handle_file(PICTURE), MODEL, api_name="/analyze")


@pytest.mark.slow
def test_the_app_reports_its_gpu_function_and_uses_the_quota_of_the_visitor(address: str, api: DeviceApi) -> None:
    assert api.started, "an app without a function under @spaces.GPU is stopped at start-up"
    api.quota = True
    api.asked.clear()
    api.released.clear()
    lent = analyzed(address, TOKEN)
    assert [call.get("token") for call in api.asked] == [TOKEN]
    assert 0 < int(api.asked[0]["durationSeconds"]) <= MOST_S
    assert [call["fail"] for call in api.released] == ["false"]
    assert not any("GPU" in note for note in lent["notes"])
    api.quota = False
    alone = analyzed(address, TOKEN)
    (note,) = (note for note in alone["notes"] if "No GPU was to be had" in note)
    assert "quota of GPU time is used up" in note
    assert alone["p_fake"] == lent["p_fake"]
    api.quota = True


@pytest.fixture
def manager(tmp_path: Path) -> ModelManager:
    return ModelManager(load_settings(data_dir=tmp_path, device="cpu"))


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return Evidence.open(ROOT / "assets" / "clip_silent.mp4", MediaLimits())


@pytest.mark.slow
def test_a_run_is_told_step_by_step_in_values_that_can_be_pickled(manager: ModelManager, evidence: Evidence) -> None:
    told = list(steps((MODEL,), pickle.loads(pickle.dumps(evidence)), {}, "analyze", manager))
    assert [call for call, _ in told].count("answered") == 1
    assert {"progress", "answered"} <= {call for call, _ in told} <= {"progress", "answered", "chunk"}
    for call, values in told:
        assert pickle.loads(pickle.dumps(values)) is not None, call


def test_a_run_that_nobody_reads_any_more_is_cancelled(manager: ModelManager, evidence: Evidence) -> None:
    before = threading.active_count()
    run = steps((MODEL,), evidence, {}, "analyze", manager)
    next(run)
    run.close()
    assert threading.active_count() <= before


@pytest.mark.slow
def test_what_a_model_raises_is_its_failure_and_ends_no_run(manager: ModelManager, evidence: Evidence) -> None:
    told = list(steps(("VOICE-SPOOF-LITE-V1", MODEL), evidence, {}, "analyze", manager))
    failed = [values for call, values in told if call == "failed"]
    assert [name for name, _ in failed] == ["VOICE-SPOOF-LITE-V1"]
    assert isinstance(failed[0][1], DrishtikshaError)
    assert [values[0] for call, values in told if call == "answered"] == [MODEL]


def test_how_long_a_gpu_is_asked_for_grows_with_the_work_and_is_bounded(evidence: Evidence) -> None:
    one, two = (gpu_seconds(("A",) * count, evidence, {}, "analyze") for count in (1, 2))
    assert 0 < one < two
    assert gpu_seconds(("A",), evidence, {}, "stress") > one
    assert gpu_seconds(("A",) * 50, evidence, {}, "analyze") == MOST_S


@pytest.mark.slow
def test_where_spaces_is_not_on_zero_gpu_its_decorator_changes_nothing(
    manager: ModelManager, evidence: Evidence
) -> None:
    """So that the same code path is tried wherever the tests run."""
    asked: list[float] = []

    def lend(duration):
        def decorated(task):
            def call(*given):
                asked.append(duration(*given))
                yield from task(*given)

            return call

        return decorated

    told = LentGpu(manager, lend)._borrowed([MODEL], evidence, {}, "analyze")
    assert "answered" in [call for call, _ in told]
    assert asked == [gpu_seconds((MODEL,), evidence, {}, "analyze")]
