"""The package as pip installs it: a wheel, in an environment that does not know the repository."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from drishtiksha.cli import app

ROOT = Path(__file__).parents[1]
SOURCES = ("drishtiksha", "configs", "models", "assets", "training", "bench", "tests")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Installed:
    """An environment of its own with the wheel in it; `home` stands in for the user's."""

    wheel: Path
    folder: Path
    home: Path

    def environment(self, **more: str) -> dict[str, str]:
        own = {"HOME": str(self.home), "XDG_DATA_HOME": str(self.home / "share"), "PYTHONUNBUFFERED": "1"}
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DRISHTIKSHA_", "PYTHON", "XDG_"))}
        return kept | own | more

    def program(self, name: str) -> Path:
        return self.folder / ("Scripts" if os.name == "nt" else "bin") / name

    def run(self, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        command = [self.program("drishtiksha"), *words]
        return subprocess.run(
            command, cwd=self.home, env=self.environment(**more), capture_output=True, text=True, check=False
        )

    def ask(self, code: str) -> str:
        command = [self.program("python"), "-c", code]
        done = subprocess.run(
            command, cwd=self.home, env=self.environment(), capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Built from a copy, so that nothing is left in the repository; only the libraries are shared with this Python."""
    folder = tmp_path_factory.mktemp("wheel")
    source, home = folder / "source", folder / "home"
    source.mkdir()
    home.mkdir()
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, source)
    for name in SOURCES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "reports"))
    (source / "models" / "downloaded.safetensors").write_bytes(b"a checkpoint of the user")
    offline = ("--no-deps", "--no-index")
    subprocess.run([*PIP, "wheel", *offline, "--no-build-isolation", "-q", "-w", folder, source], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    found = Installed(wheel, folder / "env", home)
    subprocess.run([*PIP, "--python", found.program("python"), "install", "-q", *offline, wheel], check=True)
    (own,) = (folder / "env").glob("**/site-packages")
    libraries = {sysconfig.get_paths()[kind] for kind in ("purelib", "platlib")}
    (own / "libraries.pth").write_text("\n".join(libraries) + "\n")
    return found


def test_it_holds_the_package_and_what_ships_and_nothing_else(installed):
    names = {name for name in zipfile.ZipFile(installed.wheel).namelist() if ".dist-info/" not in name}
    package = {path for path in (ROOT / "drishtiksha").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    inside = {path.relative_to(ROOT).as_posix() for path in package}
    assert inside <= names, "every module, template, style and script"
    shipped = {name.removeprefix("drishtiksha/shipped/") for name in names - inside}
    assert {"configs/config.yaml", "assets/portrait.jpg", "models/mtcnn.safetensors", "models/README.md"} <= shipped
    embedded = {path.name for path in ROOT.glob("models/*.tflite")} | {
        path.with_suffix(".safetensors").name for path in ROOT.glob("models/[!.]*.json")
    }
    assert {f"models/{name}" for name in embedded} <= shipped
    assert "models/downloaded.safetensors" not in shipped
    assert {name.split("/")[0] for name in shipped} == {"configs", "assets", "models"}


def test_it_is_its_own_and_keeps_its_data_with_the_user(installed):
    code = "import drishtiksha.settings as s; print(s.__file__, s.ROOT, s.HOME, s.load_settings().data_root, sep='\\n')"
    module, root, home, data = map(Path, installed.ask(code).splitlines())
    assert module.is_relative_to(installed.folder)
    assert root == module.parent / "shipped"
    assert home.is_relative_to(installed.home)
    assert data == home / "data"


def test_models_are_listed_and_the_embedded_are_ready(installed):
    done = installed.run("models", "--json")
    assert done.returncode == 0, done.stderr
    states = {model["name"]: model["state"] for model in json.loads(done.stdout)}
    names = [path.stem for path in ROOT.glob("models/*-V1.json")]
    assert names
    assert {states[name] for name in names} == {"ready"}


def test_a_picture_gets_the_score_that_it_has_in_the_repository(installed):
    words = ["predict", ROOT / "assets" / "portrait_altered.jpg", "--device", "cpu", "--json", "-"]
    done = installed.run(*words)
    assert done.returncode == 0, done.stderr
    ours = CliRunner().invoke(app, [str(word) for word in words])
    theirs, wanted = json.loads(done.stdout), json.loads(ours.stdout)
    assert theirs["p_fake"] == wanted["p_fake"] is not None


@pytest.fixture
def page(installed) -> Iterator[httpx.Client]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = str(found.getsockname()[1])
    log = installed.home / "log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [installed.program("drishtiksha"), "serve", "--port", port],
            cwd=installed.home,
            env=installed.environment(),
            stdout=out,
            stderr=out,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, verify=False) as client:
            until = time.monotonic() + 120
            while True:
                try:
                    if client.get("/readyz").is_success:
                        break
                except httpx.TransportError:
                    pass
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.wait(30)


def test_serve_gives_the_page_and_scores_what_is_sent(installed, page):
    answer = page.get("/")
    assert answer.status_code == 200
    assert "Drishtiksha" in answer.text
    assert "or open a finished example" in page.get("/config").text, "the examples are there"
    picture = ROOT / "assets" / "portrait.jpg"
    result = page.post("/api/analyze", files={"file": (picture.name, picture.read_bytes())}, data={"wait": "true"})
    assert result.status_code == 200, result.text
    assert result.json()["results"][0]["p_fake"] is not None
    home = Path(installed.ask("import drishtiksha.settings as s; print(s.HOME)"))
    assert (home / "data" / "drishtiksha.sqlite").is_file()


def test_another_data_folder_is_used_when_it_is_named(installed, tmp_path):
    done = installed.run("keys", "list", DRISHTIKSHA_DATA_DIR=str(tmp_path / "elsewhere"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "elsewhere" / "drishtiksha.sqlite").is_file()
