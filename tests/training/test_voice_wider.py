"""Copies by neural vocoders: what happens to frames on their way, and what is made of people."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from drishtiksha.settings import ROOT
from training import loop
from training.voice_spoof.index import SAMPLE_RATE, Recording, append, read_index, waveform
from training.voice_spoof.vocoder_networks import FAMILIES
from training.voice_spoof.vocoder_training import read_speech, train_vocoder
from training.voice_spoof.vocoders import training_files
from training.voice_spoof.wider import FARGAN, WAYS, add_copies, fargan, shaped

OPUS = ROOT / "runs/opus-1.5.2/fargan_demo"


def frames() -> np.ndarray:
    """(T, 20): slow curves under some noise."""
    rng = np.random.default_rng(5)
    slow = np.cumsum(rng.normal(size=(300, 20)), axis=0)
    return (slow + rng.normal(size=slow.shape)).astype(np.float32)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(4))
def test_frames_are_changed_as_the_way_says(way: str, seed: int):
    before = frames()
    after = shaped(before, way, np.random.default_rng(seed))
    assert after.shape == before.shape
    assert after.dtype == np.float32
    assert np.array_equal(after, shaped(before, way, np.random.default_rng(seed)))
    change = np.abs(np.diff(after, axis=0)).mean() / np.abs(np.diff(before, axis=0)).mean()
    likeness = np.corrcoef(after.ravel(), before.ravel())[0, 1]
    assert likeness > 0.9
    if way == "whole":
        assert np.array_equal(after, before)
    elif way == "blurred":
        assert change < 0.7
        assert np.linalg.matrix_rank(after - after.mean(0), tol=1e-2) <= 12
    elif way == "noisy":
        assert change > 1
    else:
        assert not np.array_equal(after, before)


def test_quiet_frames_stay_frames():
    for way in WAYS:
        assert np.isfinite(shaped(np.full((40, 20), -11.5, np.float32), way, np.random.default_rng(0))).all()


@pytest.mark.skipif(not OPUS.exists(), reason="Opus 1.5.2 is not built; see training/voice_spoof/wider.py")
def test_fargan_says_a_recording_again_at_its_time(shared: Path):
    speech = read_speech(training_files(shared / "data")[0])[: 4 * SAMPLE_RATE]
    made = fargan(OPUS, "whole", speech, np.random.default_rng(0))
    assert abs(len(made) - len(speech)) <= 2 * SAMPLE_RATE // 100
    assert np.isfinite(made).all()

    def loudness(sound: np.ndarray) -> np.ndarray:
        return np.sqrt(np.mean(sound[: len(speech) // 160 * 160 - 1600].reshape(-1, 160) ** 2, axis=1))

    alike = [np.corrcoef(loudness(speech), loudness(np.roll(made, shift)))[0, 1] for shift in (-640, 0, 640)]
    assert alike[1] > 0.9
    assert alike[1] == max(alike)


@pytest.mark.slow
@pytest.mark.skipif(not OPUS.exists(), reason="Opus 1.5.2 is not built; see training/voice_spoof/wider.py")
def test_each_vocoder_copies_a_person_once(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=count().__next__))
    files = training_files(shared / "data")[:3]
    for family in FAMILIES:
        train_vocoder(family, files, tmp_path, minutes=3 / 60, seed=1)
    person = Recording("librispeech/human/0001.npy", "real", "librispeech", "human", "one", "en", "", "", 2.0, 16000)
    append(tmp_path, [(person, read_speech(files[0])[: 2 * SAMPLE_RATE])])
    assert add_copies(tmp_path, [person], tmp_path, OPUS) == len(FAMILIES) + 1
    assert add_copies(tmp_path, [person], tmp_path, OPUS) == 0
    made = read_index(tmp_path)[1:]
    assert {row.system.rpartition("_")[0] for row in made} == {*FAMILIES, FARGAN}
    assert {row.system.rpartition("_")[2] for row in made} <= set(WAYS)
    for row in made:
        assert (row.label, row.origin, row.speaker) == ("fake", person.path, "one")
        assert len(waveform(tmp_path, row)) == 2 * SAMPLE_RATE
