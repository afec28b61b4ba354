"""The project's own ground: make, continuous integration, licences, example evidence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import av
import numpy as np
import pytest
import yaml
from PIL import Image

from drishtiksha import cli
from drishtiksha.settings import MediaLimits, Settings

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "assets"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


# --- make ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what make looks at, with a Python that has been set up already."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "requirements.txt", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    return tmp_path


def dry_run(project: Path, *words: str) -> str:
    # A test run by make inherits its flags; this one is on its own.
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    ran = subprocess.run(["make", "-n", *words], cwd=project, env=clean, capture_output=True, text=True, check=True)
    return ran.stdout


@pytest.mark.parametrize(("target", "stamp"), [("run", ".run-stamp"), ("test", ".dev-stamp")])
def test_make_installs_once_and_again_when_requirements_change(project, target, stamp):
    assert "pip --disable-pip-version-check install" in dry_run(project, target)
    (project / ".venv" / stamp).touch()
    assert "pip" not in dry_run(project, target)
    later = time.time() + 5
    os.utime(project / "requirements.txt", (later, later))
    assert "--constraint constraints.txt --editable" in dry_run(project, target)


def test_make_makes_the_environment_where_there_is_none(project):
    shutil.rmtree(project / ".venv")
    assert "-m venv .venv" in dry_run(project, "run")
    assert "-m venv .venv" not in dry_run(project, "run", "VENV=" + os.environ.get("VIRTUAL_ENV", sys.prefix))


def test_make_says_what_to_do_without_python(project):
    shutil.rmtree(project / ".venv")
    ran = subprocess.run(["make", "run", "PYTHON="], cwd=project, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "apt-get install python3" in ran.stdout


def test_check_types_for_both_pythons_and_keeps_the_layers(project):
    commands = dry_run(project, "check")
    for wanted in (
        "ruff check",
        "ruff format --check",
        "--python-version 3.11",
        "--python-version 3.12",
        "test_layers",
    ):
        assert wanted in commands


def test_ci_calls_the_readmes_test_command():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()
    assert "make test" in script.read_text()
    assert "make test" in read("README.md")
    subprocess.run(["bash", "-n", script], check=True)


def test_pre_commit_works_offline():
    repositories = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    hooks = repositories[0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks)


def test_the_command_is_there():
    assert tomllib.loads(read("pyproject.toml"))["project"]["scripts"] == {"drishtiksha": "drishtiksha.cli:main"}
    assert callable(cli.main)


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_links_of_the_documentation_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", read(page))
    folder = (ROOT / page).parent
    assert links
    assert [link for link in links if not link.startswith("http") and not (folder / link).exists()] == []


def test_env_example_names_real_settings():
    names = re.findall(r"^# DRISHTIKSHA_(\w+)=", read(".env.example"), re.MULTILINE)
    assert len(names) > 5
    groups = {"limits": MediaLimits}
    for name in set(names) - {"CONFIG"}:
        group, _, field = name.lower().rpartition("__")
        assert field in (groups[group] if group else Settings).model_fields, name


def test_the_licence_is_whole():
    text = read("LICENSE")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text) > 10_000


def test_every_embedded_weight_is_in_the_notice():
    notice = read("NOTICE")
    for path in (*ROOT.glob("models/*.tflite"), *ROOT.glob("models/*.safetensors")):
        assert path.name in notice, f"{path.name}: say in NOTICE whose it is and under which licence"


def test_changelog_names_the_version_or_what_is_to_come():
    assert re.search(r"^## \[(Unreleased|\d+\.\d+\.\d+)\]", read("CHANGELOG.md"), re.MULTILINE)


# --- example evidence ------------------------------------------------------------------------------------------------

CLIPS = {"clip_with_sound.mp4": True, "clip_silent.mp4": False, "no_face.mp4": False}


def test_examples_are_small_and_named_in_their_readme():
    examples = [path for path in ASSETS.iterdir() if path.suffix in (".jpg", ".mp4")]
    assert {path.name for path in examples} == {"portrait.jpg", "portrait_altered.jpg", "portrait_touched.jpg", *CLIPS}
    assert sum(path.stat().st_size for path in examples) < 1_500_000
    described = (ASSETS / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in examples if f"`{path.name}`" not in described] == []


@pytest.mark.parametrize(("name", "has_sound"), CLIPS.items())
def test_clips_decode_and_have_the_sound_they_promise(name, has_sound):
    with av.open(str(ASSETS / name)) as container:
        frames = sum(1 for _ in container.decode(video=0))
        assert container.streams.video[0].codec_context.name == "h264"
        assert frames == 90
    with av.open(str(ASSETS / name)) as container:
        assert bool(container.streams.audio) is has_sound
        if has_sound:
            loudest = max(float(np.abs(frame.to_ndarray()).max()) for frame in container.decode(audio=0))
            assert loudest > 0.05


def test_the_altered_portrait_is_altered_in_the_face_and_says_so():
    real, altered = (Image.open(ASSETS / name) for name in ("portrait.jpg", "portrait_altered.jpg"))
    assert "Altered on purpose" in altered.getexif()[0x010E]
    difference = np.abs(np.asarray(real, np.float32) - np.asarray(altered, np.float32)).mean(axis=2)
    rows, columns = np.mgrid[:512, :512]
    from_face = np.hypot((columns - 225) / 39, (rows - 128) / 48)
    assert difference[from_face < 0.8].mean() > 5
    assert difference[(from_face > 1.6) & (rows < 480)].mean() < 0.5


# --- git -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_git_leaves_the_environment_alone_be_it_a_folder_or_a_link(tmp_path, kind):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    subprocess.run(["git", "init", "-q", tmp_path / "clone"], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path / "clone")
    environment = tmp_path / "clone" / ".venv"
    elsewhere = environment if kind == "folder" else tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pyvenv.cfg").touch()
    if kind == "link":
        environment.symlink_to(elsewhere)
    command = ["git", "status", "--porcelain", "--untracked-files=all"]
    seen = subprocess.run(command, cwd=tmp_path / "clone", capture_output=True, text=True, check=True).stdout
    assert seen.split() == ["??", ".gitignore"]
