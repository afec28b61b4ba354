"""Networks in ONNX Runtime: the same scores, or torch with the reason."""

from __future__ import annotations

import gc
import json
import logging
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detector_kit import BRIGHTNESS, SEQUENCE, dropped_in, entry, manager_of, plain_weights

from drishtiksha.analysis.recipe import recipe_of
from drishtiksha.detectors import engine
from drishtiksha.detectors.base import Detector
from drishtiksha.registry import ModelManager
from drishtiksha.render.facts import custody_facts

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

ROOT = Path(__file__).parents[2]
PORTRAIT, CLIP = ROOT / "assets" / "portrait.jpg", ROOT / "assets" / "clip_silent.mp4"
NAME = "ONE"
BRANCHES = BRIGHTNESS.replace(
    "        return self.gain * 10 * (x.mean(dim=(1, 2, 3)) - 0.5)",
    "        {}\n        return self.gain * 10 * (x.mean(dim=(1, 2, 3)) - 0.5)",
)
UNLIKE = BRANCHES.format("x = x * 0.9 if torch.compiler.is_exporting() else x").replace("Brightness", "Unlike")
UNFIT = BRANCHES.format("x = x * 0.9 if x.mean() > 2 else x").replace("Brightness", "Unfit")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("engines")
    with dropped_in(folder / "more", brightness=BRIGHTNESS, sequence=SEQUENCE, unlike=UNLIKE):
        yield folder


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The networks that were exported; tiny ones gain nothing, so that any speed will do."""
    done: list[Path] = []
    export = engine._export

    def noting(detector: Detector, work: Any, batch: torch.Tensor, path: Path) -> None:
        done.append(path)
        export(detector, work, batch, path)

    # What torch notes of every operator for its own tools takes longer to be captured by pytest than the export itself.
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "disabled", True)
    monkeypatch.setattr(engine, "LEAST_GAIN", 0.0)
    monkeypatch.setattr(engine, "_export", noting)
    return done


def manager(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str = "BrightnessDetector", **fields: Any
) -> ModelManager:
    folder.mkdir(exist_ok=True)
    models = {NAME: entry(kind, plain_weights(folder / "one.pt"), **fields)}
    return manager_of(models, folder, monkeypatch, engine="onnx")


@pytest.fixture
def quick(folder: Path, monkeypatch: pytest.MonkeyPatch, exports: list[Path]) -> Detector:
    """A detector with an engine; the first test exports it, the others find it in the folder."""
    return manager(folder, monkeypatch).load_model(NAME)


def plain_twin(detector: Detector) -> Detector:
    return type(detector)(detector.config.model_copy(update={"engine": "torch"})).load()


@pytest.mark.slow
def test_the_engine_gives_the_scores_of_torch_and_is_named(quick: Detector) -> None:
    plain = plain_twin(quick)
    for path in (PORTRAIT, CLIP):
        ours, theirs = quick.analyze(path, explain=False), plain.analyze(path, explain=False)
        assert ours.provenance.engine.startswith("onnxruntime 1.")
        assert theirs.provenance.engine == "torch"
        assert [score.p_fake for score in ours.scores] == pytest.approx(
            [score.p_fake for score in theirs.scores], abs=engine.MOST_P_FAKE
        )
    assert ("Engine", ours.provenance.engine) in custody_facts(ours)
    assert "Engine" not in dict(custody_facts(theirs))
    assert recipe_of(quick) != recipe_of(plain)
    assert quick.memory_bytes > plain.memory_bytes


@pytest.mark.slow
def test_what_was_exported_is_found_again(quick: Detector, folder: Path, monkeypatch, exports: list[Path]) -> None:
    exports.clear()
    again = manager(folder, monkeypatch)
    assert again.load_model(NAME).run_facts()["engine"] == quick.run_facts()["engine"]
    assert not exports
    again.unload(NAME)
    assert again.load_model(NAME).recipe() == quick.recipe()


@pytest.mark.slow
def test_a_changed_export_is_never_run(quick: Detector, folder: Path, monkeypatch, exports: list[Path]) -> None:
    (stored,) = (folder / "data" / "cache" / "engines").glob("*.onnx")
    genuine = stored.read_bytes()
    stored.write_bytes(genuine.replace(b"batch", b"catch"))
    exports.clear()
    assert manager(folder, monkeypatch).load_model(NAME).run_facts()["engine"] != "torch"
    assert len(exports) == 1
    assert b"catch" not in stored.read_bytes()


@pytest.mark.slow
def test_samples_of_another_shape_are_left_to_torch(quick: Detector) -> None:
    batch = torch.rand(2, 3, 20, 40)
    assert np.array_equal(quick.score(batch), plain_twin(quick).score(batch))


def test_a_batch_that_is_too_large_is_halved(quick: Detector) -> None:
    """What ONNX Runtime raises where memory is not enough, for all but single samples."""
    batch = torch.rand(5, 3, 32, 32)
    whole, inner = quick.score(batch), quick.engine
    sizes: list[int] = []

    class Small:
        part, batch_size = inner.part, 0

        def __call__(self, work: Any, part: torch.Tensor) -> Any:
            sizes.append(len(part))
            if len(part) > 1:
                raise RuntimeError("Non-zero status code. Failed to allocate memory for requested buffer of size 123")
            return inner(work, part)

    with quick.computing_with(Small()):
        assert np.allclose(quick.score(batch), whole, atol=1e-6)
    assert sizes == [5, 2, 1, 1, 3, 1, 2, 1, 1]


def test_an_unloaded_network_is_gone_at_once(quick: Detector, folder: Path, monkeypatch) -> None:
    models = manager(folder, monkeypatch)
    gone = weakref.ref(models.load_model(NAME).engine)
    gc.disable()
    try:
        models.unload(NAME)
        assert gone() is None
    finally:
        gc.enable()


def test_threads_share_an_engine(quick: Detector) -> None:
    batches = [torch.rand(3, 3, 32, 32) for _ in range(8)]
    alone = [quick.score(batch) for batch in batches]
    found: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        found[number] = quick.score(batches[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(found[number], alone[number]) for number in range(8))


@pytest.mark.slow
def test_of_sequences_each_frame_is_computed_by_the_engine(folder: Path, monkeypatch, exports: list[Path]) -> None:
    (folder / "sequences").mkdir(exist_ok=True)
    models = {NAME: entry("SequenceDetector", gain_alone(folder / "sequences" / "one.pt"))}
    detector = manager_of(models, folder / "sequences", monkeypatch, engine="onnx").load_model(NAME)
    assert detector.engine is not None
    assert detector.engine.part == "features"
    ours, theirs = (one.analyze(CLIP, explain=False) for one in (detector, plain_twin(detector)))
    assert ours.p_fake == pytest.approx(theirs.p_fake, abs=engine.MOST_P_FAKE)
    assert ours.provenance.engine != "torch"


def gain_alone(path: Path) -> Path:
    torch.save({"gain": torch.ones(1)}, path)
    return path


def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str = "BrightnessDetector", **fields: Any) -> str:
    """Why a detector that was asked to use the engine computes with torch; as a result tells it."""
    run = manager(tmp_path, monkeypatch, kind, **fields).load_model(NAME).analyze(PORTRAIT, explain=False).provenance
    assert run.engine == "torch"
    assert not list(tmp_path.rglob("*.onnx"))
    assert not list(tmp_path.rglob("*.new"))
    return run.engine_note


@pytest.mark.slow
def test_a_network_that_gains_too_little_stays_in_torch(folder: Path, tmp_path: Path, monkeypatch, exports) -> None:
    monkeypatch.setattr(engine, "LEAST_GAIN", 1e9)
    why = refused(tmp_path, monkeypatch)
    assert "times as fast as torch here, less than" in why
    exports.clear()
    assert refused(tmp_path, monkeypatch) == why
    assert not exports, "the decision was stored"


@pytest.mark.slow
def test_a_network_that_answers_otherwise_once_exported_stays_in_torch(folder, tmp_path, monkeypatch, exports) -> None:
    assert refused(tmp_path, monkeypatch, "UnlikeDetector") == "it does not give the scores of torch"


@pytest.mark.slow
def test_a_network_that_cannot_be_exported_stays_in_torch(tmp_path: Path, monkeypatch, exports: list[Path]) -> None:
    with dropped_in(tmp_path / "more", unfit=UNFIT):
        assert "cannot be exported" in refused(tmp_path, monkeypatch, "UnfitDetector")
    assert len(exports) == 1


def test_without_the_packages_the_reason_names_the_remedy(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None if name == "onnx" else object())
    assert refused(tmp_path, monkeypatch) == "onnx is not installed: pip install 'drishtiksha[onnx]'"
    assert not (tmp_path / "data" / "cache").exists()


def test_torch_computes_unless_asked_otherwise(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(engine, "find_engine", lambda *_: pytest.fail("nobody asked for it"))
    models = {NAME: entry(model_path=plain_weights(tmp_path / "one.pt"))}
    for settings in ({}, {"engine": "onnx"}):
        models[NAME]["engine"] = "torch" if settings else None
        facts = manager_of(models, tmp_path, monkeypatch, **settings).load_model(NAME).run_facts()
        assert (facts["engine"], facts["engine_note"]) == ("torch", "")


def test_the_folder_is_bounded_and_keeps_what_was_used_last(tmp_path: Path, monkeypatch) -> None:
    for age, name in enumerate(("new", "used", "old", "older")):
        (tmp_path / f"{name}.json").write_text("{}")
        (tmp_path / f"{name}.onnx").write_bytes(bytes(100))
        os.utime(tmp_path / f"{name}.json", (1e9 - age, 1e9 - age))
    monkeypatch.setattr(engine, "CACHE_BYTES", 250)
    engine._forget_unused(tmp_path, keep=tmp_path / "older.onnx")
    assert {file.stem for file in tmp_path.iterdir()} == {"new", "used", "older"}


@pytest.mark.large
def test_the_embedded_face_detector_scores_the_same(tmp_path: Path, monkeypatch, exports: list[Path]) -> None:
    from drishtiksha.settings import load_settings

    name = "FACE-BLEND-LITE-V1"
    ours = ModelManager(load_settings(device="cpu", engine="onnx", data_dir=tmp_path)).load_model(name)
    theirs = ModelManager(load_settings(device="cpu")).load_model(name)
    (stored,) = (tmp_path / "cache" / "engines").glob("*.json")
    assert json.loads(stored.read_text())["difference"] <= engine.MOST_P_FAKE
    mine, other = (detector.analyze(PORTRAIT, explain=True) for detector in (ours, theirs))
    assert mine.provenance.engine != other.provenance.engine == "torch"
    assert mine.p_fake == pytest.approx(other.p_fake, abs=1e-4)
    assert mine.heatmaps[0].data == other.heatmaps[0].data, "gradients stay in torch"
