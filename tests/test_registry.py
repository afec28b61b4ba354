"""The registry: discovery, one load for many threads, pins and eviction, and errors that say what to do."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import yaml
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights, stand_in_weights

from drishtiksha.detectors.discovery import discover
from drishtiksha.errors import ConfigError, ModelRegistryError, WeightsMissingError
from drishtiksha.registry import ModelManager
from drishtiksha.settings import ROOT, load_settings


@pytest.fixture
def brightness(tmp_path: Path):
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS):
        yield


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return plain_weights(tmp_path / "w.pt")


def test_discovery_finds_the_embedded_detector_and_no_base_class():
    found = discover()
    assert "FaceBlendDetector" in found
    assert "Detector" not in found


@pytest.mark.slow
def test_discovery_imports_neither_torch_nor_gradio():
    code = (
        "import sys, drishtiksha.registry, drishtiksha.detectors.discovery as d; d.discover();"
        "heavy = {'torch', 'timm', 'transformers', 'librosa', 'matplotlib', 'gradio', 'cv2', 'av'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.usefixtures("brightness")
def test_a_new_detector_is_one_file_and_one_entry(tmp_path, weights, monkeypatch):
    manager = manager_of({"BRIGHT-V1": entry(model_path=weights)}, tmp_path, monkeypatch)
    assert manager.get_available_models() == ["BRIGHT-V1"]
    assert manager.describe()[0].state == "ready"
    detector = manager.load_model("BRIGHT-V1")
    assert detector.model_name == detector.config.model_name == "BRIGHT-V1"
    result = detector.analyze(Path(__file__).parents[1] / "assets" / "portrait.jpg")
    assert result.model_name == "BRIGHT-V1"
    assert result.p_fake is not None


@pytest.mark.usefixtures("brightness")
def test_two_detectors_of_one_name_are_refused(tmp_path):
    with (
        dropped_in(tmp_path / "again", brightness_again=BRIGHTNESS),
        pytest.raises(ModelRegistryError, match="Rename one"),
    ):
        discover()


@pytest.mark.slow
def test_the_example_of_the_documentation_is_a_detector(tmp_path, monkeypatch):
    blocks = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs" / "ADDING_A_DETECTOR.md").read_text(), re.DOTALL)
    (code,) = (text for language, text in blocks if language == "python" and "(Detector)" in text)
    (settings,) = (yaml.safe_load(text) for language, text in blocks if language == "yaml" and "MyDetector" in text)
    with dropped_in(tmp_path / "mine", my_detector=code):
        cls = discover()["MyDetector"]
        path = stand_in_weights(cls, tmp_path / "my_model.pt")
        models = {name: one | {"model_path": str(path)} for name, one in settings["models"].items()}
        manager = manager_of(models, tmp_path, monkeypatch)
        result = manager.load_model("MY-MODEL-V1").analyze(ROOT / "assets" / "clip_silent.mp4")
    assert result.p_fake is not None
    assert len({score.p_fake for score in result.scores}) > 1


def test_a_file_that_cannot_be_imported_is_named(tmp_path):
    with (
        dropped_in(tmp_path / "broken", half_done="class Mine(Detector): pass"),
        pytest.raises(ModelRegistryError, match=r"half_done\.py cannot be imported \(NameError"),
    ):
        discover()


@pytest.mark.usefixtures("brightness")
def test_64_threads_ask_and_it_loads_once(tmp_path, weights, monkeypatch):
    manager = manager_of({"B": entry(model_path=weights)}, tmp_path, monkeypatch)
    cls = manager._registry["BrightnessDetector"]
    loads, original = [], cls.load

    def slow_load(self):
        loads.append(threading.get_ident())
        time.sleep(0.05)
        return original(self)

    monkeypatch.setattr(cls, "load", slow_load)
    together = threading.Barrier(64)

    def ask(_):
        together.wait()
        return manager.get_model("B")

    with ThreadPoolExecutor(64) as pool:
        detectors = list(pool.map(ask, range(64)))
    assert len(loads) == 1
    assert len({id(detector) for detector in detectors}) == 1


@pytest.mark.usefixtures("brightness")
def test_lazy_until_asked(tmp_path, weights, monkeypatch):
    manager = manager_of({"A": entry(model_path=weights), "B": entry(model_path=weights)}, tmp_path, monkeypatch)
    assert not manager.is_model_loaded("A")
    assert manager.get_loaded_model_names() == []
    manager.get_model("A")
    assert manager.get_loaded_model_names() == ["A"]
    assert manager.is_model_loaded("A")
    assert not manager.is_model_loaded("B")
    manager.unload("A")
    assert not manager.is_model_loaded("A")
    manager.preload(["B"])
    assert manager.get_loaded_model_names() == ["B"]
    manager.load_models()
    assert sorted(manager.get_loaded_model_names()) == ["A", "B"]


@pytest.mark.usefixtures("brightness")
def test_eviction_takes_the_least_recently_used_and_never_a_pinned_one(tmp_path, monkeypatch):
    half_mb = 125_000
    path = plain_weights(tmp_path / "heavy.pt", ballast=half_mb)
    models = {name: entry(model_path=path, ballast=half_mb) for name in "ABC"}
    manager = manager_of(models, tmp_path, monkeypatch, memory_budget_mb=1)
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with manager.use("A"):
            inside.set()
            leave.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    assert inside.wait(20)
    manager.load_model("B")
    manager.load_model("C")
    assert manager.is_model_loaded("A"), "a pinned model was evicted"
    assert not manager.is_model_loaded("B"), "the idle model was not evicted"
    assert manager.is_model_loaded("C")
    with pytest.raises(ModelRegistryError, match="at work"):
        manager.unload("A")
    leave.set()
    holder.join()
    manager.load_model("B")
    assert not manager.is_model_loaded("A"), "the pin outlived its use"


@pytest.mark.usefixtures("brightness")
def test_a_model_that_is_evicted_between_two_looks_is_no_error(tmp_path, weights, monkeypatch):
    manager = manager_of({"A": entry(model_path=weights)}, tmp_path, monkeypatch)
    first = manager.load_model("A")

    class Evicting(dict):
        """Another thread loads the model after the first look, and a third takes it away right after the next."""

        looks = 0

        def get(self, name, default=None):
            self.looks += 1
            return self.pop(name, default) if self.looks > 1 else default

        def __contains__(self, name):
            return self.pop(name, None) is not None

    manager._models = Evicting(A=first)
    assert manager.load_model("A") is first
    assert manager.load_model("A") is not first


def test_unknown_name_lists_what_is_configured(tmp_path, monkeypatch):
    manager = manager_of({}, tmp_path, monkeypatch)
    for ask in (manager.load_model, manager.get_model, manager.is_model_loaded, manager.status):
        with pytest.raises(ModelRegistryError, match="No model is called 'X'"):
            ask("X")


def test_a_removed_model_says_what_to_fetch_instead():
    with pytest.raises(ModelRegistryError, match=r"was removed: .*weights pull COMMUNITY-FORENSICS-384"):
        ModelManager(load_settings(device="cpu")).load_model("FACE-SYNTH-LITE-V1")
    with pytest.raises(ConfigError, match="was removed"):
        ModelManager(load_settings(active_models=["FACE-SYNTH-LITE-V1"]))


@pytest.mark.usefixtures("brightness")
def test_unknown_class_says_to_check_class_name(tmp_path, weights, monkeypatch):
    manager = manager_of(
        {"A": entry("NoSuchDetector", weights, own_field=1), "B": entry(model_path=weights)}, tmp_path, monkeypatch
    )
    with pytest.raises(ModelRegistryError, match="Check class_name"):
        manager.load_model("A")
    broken = manager.status("A")
    assert broken.state == "broken"
    assert "BrightnessDetector" in broken.remedy
    manager.load_model("B")


@pytest.mark.usefixtures("brightness")
def test_missing_weights_are_listed_with_a_remedy_and_stop_only_eager_loading(tmp_path, weights, monkeypatch):
    absent = entry(model_path=tmp_path / "absent.pt", weights={"url": "https://example.org/absent.pt"})
    manager = manager_of({"HERE": entry(model_path=weights), "GONE": absent}, tmp_path, monkeypatch)
    status = manager.status("GONE")
    assert status.state == "missing"
    assert "drishtiksha weights pull GONE" in status.remedy
    manager.load_model("HERE")
    with pytest.raises(ModelRegistryError, match="GONE") as caught:
        manager.load_models()
    assert isinstance(caught.value.__cause__, WeightsMissingError)


def test_whatever_stops_a_network_from_being_built_names_the_model(tmp_path, monkeypatch):
    """The heads do not share the width evenly: transformers says so in its own way."""
    fields = {"isVideo": True, "vision_width": 32, "vision_heads": 7, "vision_layers": 1}
    path = plain_weights(tmp_path / "w.pt")
    manager = manager_of({"ODD": entry("SiglipLSTMV1", path, **fields)}, tmp_path, monkeypatch)
    with pytest.raises(ModelRegistryError, match=r"ODD could not be loaded \(ValueError"):
        manager.load_model("ODD")


@pytest.mark.usefixtures("brightness")
def test_wrong_weights_fail_with_the_cause_chained(tmp_path, monkeypatch):
    torch.save({"gain": torch.ones(1), "other": torch.zeros(3)}, tmp_path / "wrong.pt")
    manager = manager_of({"A": entry(model_path=tmp_path / "wrong.pt")}, tmp_path, monkeypatch)
    with pytest.raises(ModelRegistryError, match="ballast") as caught:
        manager.load_model("A")
    assert caught.value.__cause__ is not None
    assert not manager.is_model_loaded("A")


@pytest.mark.usefixtures("brightness")
def test_all_bad_entries_are_reported_at_once(tmp_path, weights, monkeypatch):
    models = {
        "ONE": entry(model_path=weights, num_frames="many"),
        "TWO": entry(model_path=weights, misspelt=1),
        "FINE": entry(model_path=weights),
    }
    with pytest.raises(ConfigError) as caught:
        manager_of(models, tmp_path, monkeypatch)
    text = str(caught.value)
    assert "ONE: num_frames" in text
    assert "TWO: misspelt" in text
    assert "FINE" not in text


def test_only_active_models_are_offered(tmp_path, monkeypatch):
    models = {"A": entry(), "B": entry()}
    assert manager_of(models, tmp_path, monkeypatch, active_models=["B"]).get_available_models() == ["B"]
    with pytest.raises(ConfigError, match="Z: active_models"):
        manager_of(models, tmp_path, monkeypatch, active_models=["Z"])


def test_the_shipped_configuration_is_valid():
    manager = ModelManager(load_settings())
    assert "FACE-BLEND-LITE-V1" in manager.get_active_model_configs()
    assert all(status.state in ("ready", "missing") for status in manager.describe())


def test_the_default_model_of_a_chosen_track_looks_or_listens_as_it_takes():
    from sample_results import media

    from drishtiksha.results import TrackInfo, TrackKind

    tracks = (TrackInfo(number=1, kind=TrackKind.PICTURE), TrackInfo(number=2, kind=TrackKind.SOUND))
    manager, clip = ModelManager(load_settings()), media(tracks=tracks)
    assert manager.default_model(clip) == manager.default_model(clip, 1) == "FACE-BLEND-LITE-V1"
    assert manager.default_model(clip, 2) == "VOICE-SPOOF-LITE-V2"


def test_warming_up_builds_the_networks_that_ship_and_loads_nothing(monkeypatch):
    built = []
    manager = ModelManager(load_settings(device="cpu"))
    ships = [status.name for status in manager.describe() if status.embedded]
    for cls in {type(manager.unloaded(name)) for name in ships}:
        own = cls.build
        monkeypatch.setattr(cls, "build", lambda detector, own=own: built.append(detector.model_name) or own(detector))
    manager.warm_up()
    assert sorted(built) == sorted(ships)
    assert ships
    assert not manager.get_loaded_model_names()


def test_whoever_loads_a_model_waits_for_the_end_of_warming_up(monkeypatch):
    manager, done = ModelManager(load_settings(device="cpu")), []
    warming, go_on = threading.Event(), threading.Event()

    def warm_up() -> None:
        warming.set()
        assert go_on.wait(60)
        done.append("warm")
        raise RuntimeError("a library is broken")

    monkeypatch.setattr(manager, "warm_up", warm_up)
    monkeypatch.setattr(manager, "_load", lambda name: done.append(name) or manager.unloaded(name))
    manager.warm_up_beside()
    assert warming.wait(60)
    loading = threading.Thread(target=manager.load_model, args=("FACE-BLEND-LITE-V1",))
    loading.start()
    assert not done
    go_on.set()
    loading.join(60)
    assert done == ["warm", "FACE-BLEND-LITE-V1"]
