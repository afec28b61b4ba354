"""A device that runs out of memory: smaller batches, then the CPU; no sample and no job is lost.

There is no GPU here, so an accelerator is stood in for: it computes as the CPU does, and raises what CUDA raises as soon as
more samples come at a time than it has room for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detector_kit import BRIGHTNESS, SEQUENCE, dropped_in, entry, manager_of, plain_weights
from media_factory import write_video

from drishtiksha.analysis import analyze, chunks, run
from drishtiksha.detectors import device
from drishtiksha.detectors.base import Detector
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult
from drishtiksha.settings import MediaLimits

FULL = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.77 GiB"
FRAMES = 24


class Gpu:
    """An accelerator with room for `room(n)` samples at its n-th batch, and for so many networks."""

    def __init__(self, room: Callable[[int], int] = lambda number: 1000, networks: int = 10) -> None:
        self.room, self.networks = room, networks
        self.batches: list[int] = []
        self.there: list[Detector] = []

    def plug_in(self, monkeypatch: pytest.MonkeyPatch, manager: ModelManager) -> None:
        work, load = Detector._work_at_once, Detector.load

        def work_at_once(detector: Detector, job: Callable[..., Any], batch: torch.Tensor) -> Any:
            if detector.runs_on.type == "cuda":
                self.batches.append(len(batch))
                if len(batch) > self.room(len(self.batches)):
                    raise torch.OutOfMemoryError(FULL)
            return work(detector, job, batch)

        def load_there(detector: Detector) -> Detector:
            if detector.runs_on.type == "cpu":
                return load(detector)
            self.there = [one for one in self.there if one is manager.loaded(one.model_name)]
            if len(self.there) >= self.networks:
                raise torch.OutOfMemoryError(FULL)
            self.there.append(detector)
            wanted, detector.config = detector.config, detector.config.model_copy(update={"device": "cpu"})
            load(detector)
            detector.config = wanted
            return detector

        monkeypatch.setattr(Detector, "runs_on", property(lambda detector: torch.device(detector.config.device)))
        monkeypatch.setattr(Detector, "_work_at_once", work_at_once)
        monkeypatch.setattr(Detector, "load", load_there)


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Builds a manager with tiny detectors on the accelerator, and on the CPU as `<name>-CPU`."""
    monkeypatch.setattr(chunks, "EVERY_S", 0.0)
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS, sequence=SEQUENCE):

        def build(gpu: Gpu) -> ModelManager:
            bright = plain_weights(tmp_path / "bright.pt")
            rising = tmp_path / "rising.pt"
            torch.save({"gain": torch.ones(1)}, rising)
            models = {
                "BRIGHT": entry(model_path=bright, num_frames=FRAMES, batch_size=8),
                "RISING": entry("SequenceDetector", model_path=rising, batch_size=8),
            }
            both = models | {"THIRD": models["BRIGHT"]}
            placed = {name: fields | {"device": "cuda:0"} for name, fields in both.items()}
            placed |= {f"{name}-CPU": fields | {"device": "cpu"} for name, fields in models.items()}
            manager = manager_of(placed, tmp_path, monkeypatch)
            gpu.plug_in(monkeypatch, manager)
            return manager

        yield build


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """A clip that grows brighter: every frame has another score."""
    levels = np.linspace(60, 250, 40).astype(int)
    path = tmp_path_factory.mktemp("clip") / "ramp.mkv"
    return Evidence.open(
        write_video(path, (np.full((64, 96, 3), level, np.uint8) for level in levels), 25), MediaLimits()
    )


def scores(result: AnalysisResult) -> list[float | None]:
    return [score.p_fake for score in result.scores]


@pytest.mark.parametrize("name", ["BRIGHT", "RISING"])
def test_batches_are_halved_until_they_fit_and_the_scores_stay(kit, clip: Evidence, name: str) -> None:
    gpu = Gpu(room=lambda number: 3)
    manager = kit(gpu)
    result = analyze(clip, manager.load_model(name), explain=False)
    assert scores(result) == scores(analyze(clip, manager.load_model(f"{name}-CPU"), explain=False))
    assert max(gpu.batches) > 3, "it was never full"
    assert result.coverage == 1.0
    assert not any("memory" in note for note in result.notes)


@pytest.mark.parametrize("name", ["BRIGHT", "RISING"])
def test_without_room_for_one_sample_the_cpu_goes_on_and_the_result_says_so(kit, clip: Evidence, name: str) -> None:
    gpu = Gpu(room=lambda number: 8 if number == 1 else 0)
    manager = kit(gpu)
    chunks_kept: list[bytes] = []
    result = analyze(clip, manager.load_model(name), explain=False, on_chunk=chunks_kept.append)
    assert scores(result) == scores(analyze(clip, manager.load_model(f"{name}-CPU"), explain=False))
    assert any("memory of cuda:0 was not enough" in note for note in result.notes)
    assert chunks_kept, "what was judged on either device is kept"
    assert gpu.batches.count(1) == 1, "the device was asked again after it was given up"
    again = analyze(clip, manager.load_model(name), explain=False, resume=chunks_kept)
    assert scores(again) == scores(result)


def test_heatmaps_are_made_on_the_cpu_where_the_device_is_full(kit, clip: Evidence) -> None:
    manager = kit(Gpu(room=lambda number: 8 if number <= FRAMES // 8 else 0))
    result = analyze(clip, manager.load_model("BRIGHT"))
    assert result.heatmaps
    assert any("memory of cuda:0 was not enough" in note for note in result.notes)


def test_frames_that_take_much_memory_do_not_wait_for_a_full_batch_or_for_their_map(
    kit, clip: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Gpu()
    manager = kit(gpu)
    detector, size = manager.load_model("BRIGHT"), 64 * 96 * 3
    wanted = analyze(clip, detector)
    assert max(gpu.batches) == 8
    gpu.batches.clear()
    monkeypatch.setattr(run, "WAITING_BYTES", 2 * size)
    monkeypatch.setattr(run, "SUSPECT_BYTES", size - 1)
    result = analyze(clip, detector)
    assert max(gpu.batches[: FRAMES // 3]) == 3
    assert scores(result) == scores(wanted)
    assert [one.model_dump() for one in result.heatmaps] == [one.model_dump() for one in wanted.heatmaps]


def test_another_failure_of_the_device_stays_a_failure(kit, clip: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = kit(Gpu())
    detector = manager.load_model("BRIGHT")

    def broken(job: Callable[..., Any], batch: torch.Tensor) -> Any:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(detector, "_work_at_once", broken)
    with pytest.raises(RuntimeError, match="illegal"):
        analyze(clip, detector, explain=False)


def test_idle_models_make_room_on_a_full_device(kit) -> None:
    manager = kit(Gpu(networks=2))
    for name in ("BRIGHT", "RISING", "THIRD"):
        assert manager.load_model(name).remark == ""
    assert "BRIGHT" not in manager.get_loaded_model_names()


def test_a_model_goes_to_the_cpu_where_those_at_work_fill_the_device(kit, clip: Evidence) -> None:
    manager = kit(Gpu(networks=2))
    with manager.use("BRIGHT"), manager.use("RISING"):
        result = analyze(clip, manager.load_model("THIRD"), explain=False)
    assert scores(result) == scores(analyze(clip, manager.load_model("BRIGHT-CPU"), explain=False))
    assert any("memory of cuda:0 was not enough" in note for note in result.notes)


def test_a_gpu_with_room_judges_more_samples_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of 4 took 400 MB of what is free: 2 GB, and 0.4 GB that the allocator keeps."""
    cuda = torch.device("cuda:0")
    facts = {"max_memory_allocated": 900e6, "memory_allocated": 500e6, "memory_reserved": 900e6}
    for name, value in facts.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, value=value: value)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2e9, 16e9))
    assert device.batch_that_fits(cuda, 4) == 8
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (70e9, 80e9))
    assert device.batch_that_fits(cuda, 4) == device.MOST_AT_ONCE
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1e6, 80e9))
    assert device.batch_that_fits(cuda, 40) >= 1
    assert device.batch_that_fits(torch.device("cpu"), 4) == 1
