"""The app as a Space starts it: the checkout is read-only, only the home folder may be written, visitors are strangers.

The packages are those of this environment; what requirements.txt asks for is tested in test_space.py.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.running_app import wait_until_up
from gradio_client import Client, handle_file

from drishtiksha import platform
from drishtiksha.settings import load_settings

ROOT = Path(__file__).parents[1]
SHIPPED = ("app.py", "drishtiksha", "configs", "models", "assets")
EPHEMERAL_BYTES = 300_000_000
"""What one analysis may leave on the disk: far below the 50 GB of a Space."""
WITHOUT_RIGHTS = (
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
)
"""For root, to whom file modes say nothing as long as it has these capabilities."""


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A copy of what ships, that nobody may write."""
    folder = tmp_path / "app"
    folder.mkdir()
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "screenshots", "reports")
            )
        else:
            shutil.copy(ROOT / name, folder)
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in paths:
        path.chmod(0o755)


@pytest.mark.slow
def test_a_space_with_a_read_only_checkout_answers_and_writes_to_its_home_only(checkout: Path, tmp_path: Path) -> None:
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is not installed: root may write everywhere")
        prefix = WITHOUT_RIGHTS
    home, temp = tmp_path / "home", tmp_path / "temp"
    home.mkdir()
    temp.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {key: value for key, value in os.environ.items() if not key.startswith(("DRISHTIKSHA_", "GRADIO_", "XDG_"))}
    environment = own | {
        **{"SPACE_ID": "somebody/desk", "SYSTEM": "spaces", "HOME": str(home), "TMPDIR": str(temp)},
        **{"GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": str(port), "PYTHONDONTWRITEBYTECODE": "1"},
    }
    log = tmp_path / "app.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*prefix, sys.executable, "app.py"], cwd=checkout, env=environment, stdout=out, stderr=out
        )
    try:
        wait_until_up(f"http://127.0.0.1:{port}", process, log)
        client = Client(f"http://127.0.0.1:{port}", verbose=False, download_files=str(tmp_path / "client"))
        answer = client.predict(handle_file(ROOT / "assets" / "portrait.jpg"), api_name="/examine")
    finally:
        process.terminate()
        process.wait(30)
    assert answer["state"] in ("signs", "unclear", "nothing_found"), log.read_text()
    assert (home / "drishtiksha" / "data" / "cases").is_dir()
    assert size(home) + size(temp) < EPHEMERAL_BYTES
    assert f'File "{checkout}' not in log.read_text(), "an error of our own; gradio's reloader for Spaces has some"


def test_a_space_keeps_cases_and_weights_on_its_persistent_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPACE_ID", "somebody/desk")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DRISHTIKSHA_DATA_DIR", raising=False)
    monkeypatch.setattr(platform, "SPACE_VOLUME", tmp_path / "volume")
    settings = load_settings()
    assert settings.data_root == tmp_path / "home" / "drishtiksha" / "data"
    (tmp_path / "volume").mkdir()
    settings = load_settings()
    assert settings.data_root == tmp_path / "volume" / "drishtiksha" / "data"
    assert settings.checkpoints_dir == tmp_path / "volume" / "drishtiksha" / "models"
    assert settings.checkpoint(Path("models/FACE-BLEND-LITE-V1.safetensors")).is_file(), "what ships is still found"
    assert load_settings(data_dir=tmp_path / "own").data_root == tmp_path / "own"


def test_a_machine_of_ones_own_is_no_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert not platform.on_space()
    assert not platform.on_zero_gpu()
    assert load_settings(data_dir=Path("data")).data_root.name == "data"
