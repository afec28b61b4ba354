"""Detectors from elsewhere: a package that somebody else wrote and pip installed, and files in a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights

from drishtiksha.detectors.discovery import discover, plugins
from drishtiksha.errors import ConfigError, ModelRegistryError
from drishtiksha.settings import ROOT

PORTRAIT = ROOT / "assets" / "portrait.jpg"
PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "1.0"

[project.entry-points."drishtiksha.detectors"]
{entries}

[tool.setuptools]
py-modules = ["{module}"]
"""


def install(folder: Path, name: str, code: str, entries: str) -> Path:
    """What `pip install` makes of a package of one module, as a folder for sys.path."""
    module = name.replace("-", "_")
    source, target = folder / f"{name}-source", folder / "site"
    source.mkdir()
    (source / "pyproject.toml").write_text(PYPROJECT.format(name=name, module=module, entries=entries))
    (source / f"{module}.py").write_text(code)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*command, "--no-build-isolation", "--target", target, source], check=True)
    return target


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, forgotten afterwards together with the modules that came from it."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


def info(site: Path, name: str, entries: str, **modules: str) -> None:
    """An installed package as pip leaves it, without running pip."""
    folder = site / f"{name}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[drishtiksha.detectors]\n{entries}\n")
    for module, code in modules.items():
        (site / f"{module}.py").write_text(code)


@pytest.mark.slow
def test_a_package_that_somebody_installed_brings_its_detector(tmp_path):
    target = install(tmp_path, "bright-pack", BRIGHTNESS, 'bright = "bright_pack"')
    models = {"BRIGHT-V1": entry(model_path=plain_weights(tmp_path / "w.pt"))}
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"models": models, "data_dir": str(tmp_path / "data")}))
    environment = {**os.environ, "DRISHTIKSHA_CONFIG": str(config), "PYTHONPATH": f"{target}{os.pathsep}{ROOT}"}

    def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "drishtiksha", *words]
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    listed = command("models", "--json")
    assert listed.returncode == 0, listed.stderr
    assert [(model["name"], model["state"]) for model in json.loads(listed.stdout)] == [("BRIGHT-V1", "ready")]
    done = command("predict", PORTRAIT, "-m", "BRIGHT-V1", "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["p_fake"] is not None


@pytest.mark.parametrize("value", ["one_pack", "one_pack:BrightnessDetector"], ids=["module", "class"])
def test_an_entry_point_names_a_module_or_a_class(site, value):
    info(site, "one-pack", f"any = {value}", one_pack=BRIGHTNESS)
    found = plugins(discover())
    assert set(found.detectors) == {"BrightnessDetector"}
    assert found.faults == ()


def test_a_file_in_the_folder_of_the_settings_is_a_detector(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "bright.py").write_text(BRIGHTNESS)
    (folder / "_helpers.py").write_text("raise RuntimeError('no detector, so never imported')")
    models = {"BRIGHT-V1": entry(model_path=plain_weights(tmp_path / "w.pt"))}
    for _ in range(2):  # another manager of the same process gets the same class
        manager = manager_of(models, tmp_path, monkeypatch, detectors_dir=folder)
        assert manager.describe()[0].state == "ready"
        assert manager.load_model("BRIGHT-V1").analyze(PORTRAIT).p_fake is not None


def test_a_broken_plug_in_is_named_and_does_not_stop_the_rest(site, tmp_path, monkeypatch, caplog):
    info(site, "broken-pack", "any = broken_pack", broken_pack="import a_library_that_nobody_has")
    info(site, "empty-pack", "any = empty_pack:number", empty_pack="number = 3")
    info(site, "good-pack", "any = good_pack", good_pack=BRIGHTNESS)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "leaves.py").write_text("raise SystemExit(3)")
    models = {
        "BRIGHT-V1": entry(model_path=plain_weights(tmp_path / "w.pt")),
        "LOST-V1": entry("LostDetector", tmp_path / "w.pt"),
    }
    manager = manager_of(models, tmp_path, monkeypatch, detectors_dir=folder)
    bright, lost = manager.describe()
    assert bright.state == "ready"
    assert lost.state == "broken"
    for named in ("broken-pack", "a_library_that_nobody_has", "empty-pack", "leaves.py"):
        assert named in lost.remedy
        assert named in caplog.text
    assert "good-pack" not in lost.remedy
    with pytest.raises(ModelRegistryError, match="broken-pack"):
        manager.load_model("LOST-V1")


def test_a_name_that_two_define_is_refused_whoever_comes_first(site):
    info(site, "a-pack", "any = a_pack", a_pack=BRIGHTNESS)
    info(site, "b-pack", "any = b_pack", b_pack=BRIGHTNESS)
    found = plugins(discover())
    assert found.detectors == {}
    (fault,) = found.faults
    assert "Two detectors are called BrightnessDetector" in fault
    assert "a-pack" in fault
    assert "b-pack" in fault


def test_a_plug_in_never_takes_the_place_of_a_detector_that_ships(site, tmp_path):
    info(site, "rival", "any = rival", rival=BRIGHTNESS)
    with dropped_in(tmp_path / "own", brightness=BRIGHTNESS):
        found = plugins(discover())
    assert found.detectors == {}
    assert "in drishtiksha and in the package rival" in found.faults[0]


def test_a_folder_that_is_none_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="detectors_dir"):
        plugins((), tmp_path / "absent")
