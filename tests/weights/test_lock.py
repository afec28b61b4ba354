"""Pins, remembered hashes, and taking in files that a person fetched."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of, plain_weights

from drishtiksha import weights
from drishtiksha.contract import WeightsSource
from drishtiksha.errors import DownloadError, ModelRegistryError, WeightsMismatchError
from drishtiksha.weights import lock

NOBODY = WeightsSource(licence="CC0-1.0")
TWO_PARTS = '''
"""A network of which a second file holds a part, and a third is folded in."""

import torch
from torch import nn

from drishtiksha.contract import FramePlan
from drishtiksha.detectors.base import Detector


class PartsDetector(Detector):
    def sampling(self, media):
        return FramePlan()

    def build(self):
        return nn.ModuleDict({"head": nn.Linear(3, 1), "tower": nn.Linear(4, 3)})

    def preprocess(self, sample):
        return [torch.zeros(4)]

    def forward(self, batch):
        return self.network["head"](self.network["tower"](batch))[:, 0]

    def merge(self, state_dict):
        return dict(state_dict) | {f"tower.{key}": tensor for key, tensor in self.read_companion("tower").items()}
'''


@pytest.fixture
def large(tmp_path, monkeypatch) -> Path:
    """A file whose hash is worth remembering, changed some time ago."""
    monkeypatch.setattr(lock, "WORTH_REMEMBERING", 10)
    path = tmp_path / "net.pth"
    path.write_bytes(b"x" * 1000)
    old = time.time() - 60
    os.utime(path, (old, old))
    return path


@pytest.fixture
def hashed(monkeypatch) -> list[Path]:
    """The files that were really read."""
    read: list[Path] = []

    def reading(path: Path) -> str:
        read.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(lock, "sha256_of", reading)
    return read


def test_a_hash_is_remembered_until_the_file_changes(large, hashed):
    first = weights.fingerprint(large)
    assert weights.fingerprint(large) == first == hashlib.sha256(b"x" * 1000).hexdigest()
    assert len(hashed) == 1
    assert weights.fingerprint(large, fresh=True) == first
    assert len(hashed) == 2
    times = large.stat()
    large.write_bytes(b"y" * 1000)
    os.utime(large, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert weights.fingerprint(large) != first, "same size and time, other bytes"


def test_a_file_just_written_is_not_remembered(large, hashed):
    large.write_bytes(b"z" * 1000)
    weights.fingerprint(large)
    weights.fingerprint(large)
    assert len(hashed) == 2


def test_a_damaged_cache_is_no_hindrance(large):
    (large.parent / lock.CACHE).write_text("{")
    assert weights.fingerprint(large) == weights.sha256_of(large)


def test_a_folder_has_the_hash_of_what_sha256sum_prints(tmp_path):
    for name in ("b.json", "a.safetensors"):
        (tmp_path / name).write_bytes(name.encode())
    lines = "".join(f"{hashlib.sha256(n.encode()).hexdigest()}  {n}\n" for n in ("a.safetensors", "b.json"))
    assert weights.fingerprint(tmp_path) == hashlib.sha256(lines.encode()).hexdigest()


def test_nothing_is_written_beside_a_file_that_is_offered(large, tmp_path):
    before = set(large.parent.iterdir())
    weights.accept(large, tmp_path / "in" / "net.pth", WeightsSource())
    assert set(large.parent.iterdir()) == before


def test_a_pin_says_what_was_accepted(tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(b"abc")
    weights.pin(path, weights.sha256_of(path), NOBODY)
    (kept,) = json.loads((tmp_path / lock.LOCK).read_text()).items()
    assert kept[0] == "net.pth"
    assert kept[1]["bytes"] == 3
    assert kept[1]["licence"] == "CC0-1.0"
    assert weights.prove(path, NOBODY) == weights.pinned(path).sha256
    path.write_bytes(b"abd")
    with pytest.raises(WeightsMismatchError, match="unpin"):
        weights.prove(path, NOBODY)
    assert weights.unpin(path)
    assert not weights.unpin(path)
    weights.prove(path, NOBODY)


def test_a_lock_that_cannot_be_understood_is_not_passed_over(tmp_path):
    (tmp_path / "net.pth").write_bytes(b"abc")
    (tmp_path / lock.LOCK).write_text('{"net.pth": {"sha256": "short"}}')
    with pytest.raises(WeightsMismatchError, match="Mend it"):
        weights.prove(tmp_path / "net.pth", NOBODY)


def test_many_threads_pin_and_none_is_lost(tmp_path):
    paths = [tmp_path / f"{i}.pth" for i in range(24)]
    for path in paths:
        path.write_bytes(path.name.encode())
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda path: weights.pin(path, weights.sha256_of(path), NOBODY), paths))
    assert sorted(json.loads((tmp_path / lock.LOCK).read_text())) == sorted(path.name for path in paths)


def test_a_folder_that_cannot_be_written_is_done_without(large, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", refuse)
    assert weights.fingerprint(large)
    assert not weights.pin(large, weights.sha256_of(large), NOBODY)
    assert weights.prove(large, NOBODY)


@pytest.fixture
def brightness(tmp_path):
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS, parts=TWO_PARTS):
        yield


@pytest.mark.usefixtures("brightness")
def test_a_checkpoint_is_pinned_once_it_fitted(tmp_path, monkeypatch):
    path = tmp_path / "w.pt"
    torch.save({"other": torch.zeros(1)}, path)
    manager = manager_of({"A": entry(model_path=path)}, tmp_path, monkeypatch)
    with pytest.raises(ModelRegistryError, match="does not fit"):
        manager.load_model("A")
    assert weights.pinned(path) is None, "a file that does not fit must not bind the user"
    plain_weights(path)
    manager.load_model("A")
    assert weights.pinned(path).sha256 == weights.sha256_of(path)
    manager.unload("A")
    torch.save({"gain": torch.zeros(1), "ballast": torch.zeros(1)}, path)
    with pytest.raises(ModelRegistryError, match="used here first"):
        manager.load_model("A")


@pytest.fixture
def two_parts(tmp_path, monkeypatch, brightness):
    torch.manual_seed(0)
    torch.save({"head.weight": torch.zeros(1, 3), "head.bias": torch.zeros(1)}, tmp_path / "got_head.pt")
    torch.save({"weight": torch.zeros(3, 4), "bias": torch.zeros(3)}, tmp_path / "got_tower.pt")
    tower = {"path": str(tmp_path / "in/tower.pt"), "weights": {"by_hand": "Ask for the tower."}}
    return manager_of(
        {"P": entry("PartsDetector", tmp_path / "in/head.pt", companions={"tower": tower})}, tmp_path, monkeypatch
    )


def test_both_files_of_a_model_are_asked_for_and_taken_in(tmp_path, two_parts):
    assert two_parts.status("P").state == "missing"
    two_parts.import_file("P", tmp_path / "got_head.pt")
    status = two_parts.status("P")
    assert status.state == "missing"
    assert "Ask for the tower." in status.remedy
    assert "weights import FILE P --part tower" in status.remedy
    with pytest.raises(WeightsMismatchError, match=r"tower\.head\.weight"):
        two_parts.import_file("P", tmp_path / "got_head.pt", "tower")
    two_parts.import_file("P", tmp_path / "got_tower.pt", "tower")
    assert two_parts.status("P").state == "ready"
    two_parts.load_model("P")
    assert sorted(json.loads((tmp_path / "in" / lock.LOCK).read_text())) == ["head.pt", "tower.pt"]
    with pytest.raises(WeightsMismatchError, match="of another shape"):
        two_parts.import_file("P", tmp_path / "got_tower.pt", force=True)


def test_another_file_is_only_replaced_when_asked(tmp_path, two_parts):
    path = two_parts.import_file("P", tmp_path / "got_head.pt")
    two_parts.import_file("P", tmp_path / "got_head.pt")
    torch.save({"head.weight": torch.ones(1, 3), "head.bias": torch.ones(1)}, tmp_path / "newer.pt")
    before = path.read_bytes()
    with pytest.raises(WeightsMismatchError, match="--force"):
        two_parts.import_file("P", tmp_path / "newer.pt")
    assert path.read_bytes() == before
    path.unlink()
    with pytest.raises(WeightsMismatchError, match="used here first"):
        two_parts.import_file("P", tmp_path / "newer.pt")
    two_parts.import_file("P", tmp_path / "newer.pt", force=True)
    assert path.read_bytes() == (tmp_path / "newer.pt").read_bytes()


def test_too_little_room_leaves_nothing_behind(tmp_path, two_parts, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 10}))
    with pytest.raises(DownloadError, match="10 bytes free"):
        two_parts.import_file("P", tmp_path / "got_head.pt")
    assert list((tmp_path / "in").iterdir()) == []


def test_a_stated_hash_counts_even_with_force(tmp_path):
    (tmp_path / "given.pth").write_bytes(b"abc")
    with pytest.raises(WeightsMismatchError, match="SHA-256"):
        weights.accept(tmp_path / "given.pth", tmp_path / "in.pth", WeightsSource(sha256="0" * 64), force=True)
