"""The repository is a valid Hugging Face Space, and its requirements are those of its imports."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
# Source of the fields and their values: huggingface.co/docs/hub/spaces-config-reference
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
FIELDS = {
    *("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "suggested_hardware"),
    *("app_file", "app_port", "base_path", "fullWidth", "header", "short_description", "models", "datasets", "tags"),
    *("thumbnail", "pinned", "license", "hf_oauth", "disable_embedding", "startup_duration_timeout"),
    *("custom_headers", "preload_from_hub"),
}
BANNED = {
    "opencv-python": "needs libGL; take opencv-python-headless",
    "opencv-contrib-python": "needs libGL; take opencv-python-headless",
    "facenet-pytorch": "pins an old torch",
    "dlib": "compiles for minutes; its landmark file is for non-commercial use",
    "decord": "not maintained; PyAV decodes here",
    "tensorflow": "the tflite files run in cv2.dnn",
    "mediapipe": "the tflite files run in cv2.dnn",
}


INTO_A_FOLDER = {
    "ctranslate2": "ctranslate2",
    "kokoro_onnx": "kokoro-onnx",
    "onnxruntime": "onnxruntime",
    "piper": "piper-tts",
}
"""Imports of the training alone that `make train` installs into a folder of its own, and what brings them."""


def requirements(text: str) -> dict[str, Requirement]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    parsed = [Requirement(line) for line in lines if line]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


RUNTIME = requirements((ROOT / "requirements.txt").read_text())
CONSTRAINTS = requirements((ROOT / "constraints.txt").read_text())


@pytest.fixture(scope="module")
def card() -> dict[str, object]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    assert found, "README.md must begin with the Space's front matter"
    return yaml.safe_load(found[1])


def test_front_matter_has_the_fields_a_space_knows(card):
    assert set(card) <= FIELDS
    needed = {"title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "license"}
    assert needed <= set(card)
    assert card["sdk"] == "gradio"
    assert {card["colorFrom"], card["colorTo"]} <= COLOURS
    assert len(str(card["short_description"])) <= 60
    assert card["license"] == "apache-2.0"
    assert all(isinstance(tag, str) for tag in card["tags"])


def test_versions_are_text_so_that_yaml_does_not_round_them(card):
    assert isinstance(card["python_version"], str)
    assert isinstance(card["sdk_version"], str)


def test_sdk_version_is_the_gradio_that_was_tested(card):
    assert RUNTIME["gradio"].specifier.contains(card["sdk_version"])
    assert CONSTRAINTS["gradio"].specifier.contains(card["sdk_version"])


def test_python_version_is_one_the_package_allows(card):
    wanted = re.search(r'requires-python = "([^"]+)"', (ROOT / "pyproject.toml").read_text())
    assert wanted
    assert SpecifierSet(wanted[1]).contains(f"{card['python_version']}.0")
    assert card["python_version"] in ("3.10", "3.12"), "ZeroGPU runs these alone"


def test_app_file_launches_a_gradio_app(card):
    app = ROOT / str(card["app_file"])
    assert app.is_file()
    text = app.read_text(encoding="utf-8")
    assigned = {name.id for node in ast.walk(ast.parse(text)) for name in ast.walk(node) if isinstance(name, ast.Name)}
    assert "demo" in assigned
    assert ".launch(" in text
    assert len(text.splitlines()) < 40


def test_packages_txt_holds_debian_names_alone():
    """The Space hands each word to apt-get: no comments."""
    for line in (ROOT / "packages.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", line), line


def test_requirements_are_bounded_on_both_sides():
    for name, requirement in RUNTIME.items():
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators == {">=", "<"}, f"{name} wants a lower and an upper bound"
        assert requirement.url is None
        assert requirement.marker is None


def test_constraints_are_exact_and_within_the_ranges():
    for name, requirement in CONSTRAINTS.items():
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], name
    for name, requirement in RUNTIME.items():
        assert name in CONSTRAINTS, f"{name} has no tested version"
        pinned = next(iter(CONSTRAINTS[name].specifier)).version
        assert requirement.specifier.contains(pinned), f"{name} {pinned} lies outside {requirement.specifier}"


def test_what_is_installed_here_is_within_the_ranges():
    for name, requirement in RUNTIME.items():
        assert requirement.specifier.contains(Version(version(name)).base_version), name


def test_nothing_banned_is_required():
    for name in {*RUNTIME, *CONSTRAINTS}:
        assert name not in BANNED, f"{name}: {BANNED[name]}"


def third_party(folder: Path) -> dict[str, Path]:
    """Top names that the modules under `folder` import from outside, each with one file that does."""
    found: dict[str, Path] = {}
    for path in folder.rglob("*.py") if folder.is_dir() else [folder]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            found.update({name.split(".")[0]: path for name in names})
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names}


def undeclared(folder: Path, declared: set[str]) -> list[str]:
    own, distributions = {"drishtiksha", "app", "bench", "training"}, packages_distributions()
    return [
        f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name} imports {name}"
        for name, path in third_party(folder).items()
        if name not in own and not declared & {canonicalize_name(dist) for dist in distributions.get(name, [name])}
    ]


@pytest.mark.slow
def test_every_import_of_the_product_is_declared():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    optional = [line for name in ("batch", "dlib", "onnx", "ray", "remote", "zerogpu") for line in extras[name]]
    declared = set(RUNTIME) | set(requirements("\n".join(optional))) | {"dlib"}
    assert [line for part in (ROOT / "app.py", ROOT / "drishtiksha") for line in undeclared(part, declared)] == []


@pytest.mark.slow
def test_every_import_of_training_is_declared():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    train = set(requirements("\n".join(extras["train"])))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for distribution in INTO_A_FOLDER.values():
        assert f"{distribution}==" in makefile, f"{distribution} is installed by nobody"
    assert (
        undeclared(ROOT / "training", set(RUNTIME) | train | {canonicalize_name(name) for name in INTO_A_FOLDER}) == []
    )


@pytest.mark.slow
def test_an_undeclared_import_is_caught(tmp_path):
    (tmp_path / "module.py").write_text("import os, cv2\nfrom sklearn.metrics import auc\nfrom . import x\n")
    assert undeclared(tmp_path, set(RUNTIME)) == ["module.py imports sklearn"]
    assert undeclared(tmp_path, set(RUNTIME) | {"scikit-learn"}) == []
