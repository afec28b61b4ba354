"""The neural vocoders keep length and words, learn from real speech, go on where they stopped, and repeat themselves."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from training import loop
from training.voice_spoof import vocoder_training, vocoders
from training.voice_spoof.index import Recording, append, read_index
from training.voice_spoof.vocoder_networks import FAMILIES, SAMPLE_RATE, Mel, build
from training.voice_spoof.vocoder_training import Crops, read_speech, spectral_loss, train_vocoder
from training.voice_spoof.vocoders import add_copies, resynthesise, training_files

pytestmark = pytest.mark.slow

A_LONG_TIME = 600.0


@pytest.fixture(scope="module")
def speech(shared: Path) -> list[Path]:
    return training_files(shared / "data")[:3]


@pytest.fixture
def second_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of training goes by steps, so that a busy machine takes as many."""
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=count().__next__))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_generator_gives_a_hop_of_samples_a_frame(family: str) -> None:
    hop = FAMILIES[family].hop
    waveform = torch.rand(2, 12 * hop) - 0.5
    made = build(family)(Mel(hop)(waveform))
    assert made.shape == waveform.shape
    assert made.dtype == torch.float32
    assert made.abs().max() <= 1
    assert 0.5e6 <= sum(p.numel() for p in build(family).parameters()) <= 2e6


def test_mel_frames_are_centred_on_their_hops() -> None:
    click = torch.zeros(1, 2560)
    click[0, 1280] = 1
    assert Mel(256)(click)[0, :, 0].sum(dim=0).argmax() == 5


@pytest.mark.parametrize("family", FAMILIES)
def test_twenty_steps_bring_it_nearer_to_real_speech(family: str, speech: list[Path], tmp_path: Path) -> None:
    mel, real = Mel(FAMILIES[family].hop), Crops(speech, FAMILIES[family], seed=99).batch(0)

    def distance(steps: int) -> float:
        run = train_vocoder(family, speech, tmp_path, A_LONG_TIME, seed=1, max_steps=steps)
        with torch.inference_mode():
            return float(spectral_loss(mel, run.networks["generator"](mel(real)), real))

    assert distance(20) < 0.9 * distance_of_fresh(family, mel, real)


def distance_of_fresh(family: str, mel: Mel, real: torch.Tensor) -> float:
    torch.manual_seed(1)
    with torch.inference_mode():
        return float(spectral_loss(mel, build(family)(mel(real)), real))


def test_a_seed_repeats_itself_and_a_cut_run_goes_on(speech: list[Path], tmp_path: Path) -> None:
    def train(place: str, steps: int, seed: int = 3) -> torch.Tensor:
        run = train_vocoder("subpixel", speech, tmp_path / place, A_LONG_TIME, seed, max_steps=steps)
        assert run.step == steps
        return torch.cat([value.flatten() for value in run.ema["generator"].values()])

    whole, again, other = train("whole", 4), train("again", 4), train("other", 4, seed=4)
    assert torch.equal(whole, again)
    assert not torch.allclose(whole, other, atol=1e-3)
    train("cut", 2)
    assert torch.allclose(train("cut", 4), whole, atol=1e-4)


def test_the_discriminator_joins_in(speech: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = train_vocoder("istft", speech, tmp_path / "alone", A_LONG_TIME, seed=1, max_steps=2)
    monkeypatch.setattr(vocoder_training, "ADVERSARIAL_FROM", 0.0)
    judged = train_vocoder("istft", speech, tmp_path / "judged", A_LONG_TIME, seed=1, max_steps=2)
    fresh = vocoder_training._start("istft", tmp_path / "fresh", vocoder_training.Schedule(1, seed=1))
    before = fresh.networks["discriminator"].state_dict()
    for run, learns in ((alone, False), (judged, True)):
        after = run.networks["discriminator"].state_dict()
        assert any(not torch.equal(before[name], after[name]) for name in before) == learns
    assert judged.losses["adversarial"] > 0 == alone.losses["adversarial"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_copy_is_as_long_and_as_loud_as_its_recording(
    family: str, speech: list[Path], tmp_path: Path, second_a_step: None
) -> None:
    train_vocoder(family, speech, tmp_path, minutes=4 / 60, seed=1)
    waveform = read_speech(speech[0])[: SAMPLE_RATE + 37]
    copies = {state: resynthesise(family, tmp_path, waveform, state) for state in vocoder_training.STATES}
    for copy in copies.values():
        assert copy.shape == waveform.shape
        assert copy.dtype == np.float32
        assert np.isfinite(copy).all()
        assert np.mean(copy**2) == pytest.approx(np.mean(waveform**2), rel=1e-3)
    assert not np.array_equal(copies["early"], copies["last"])
    assert np.array_equal(copies["last"], resynthesise(family, tmp_path, waveform))


def test_every_recording_of_a_person_is_copied_once(speech: list[Path], tmp_path: Path, second_a_step: None) -> None:
    for family in FAMILIES:
        train_vocoder(family, speech, tmp_path, minutes=2 / 60, seed=1)
    person = Recording("librispeech/human/0001.npy", "real", "librispeech", "human", "one", "en", "", "", 1.5, 16000)
    coded = replace(
        person, path="librispeech/human+g711/human_0001.npy", system="g711", codec="g711", origin=person.path
    )
    machine = replace(person, path="libritts/ns2/0002.npy", label="fake", system="ns2", speaker="two")
    samples = read_speech(speech[0])[:24000]
    append(tmp_path, [(row, samples) for row in (person, coded, machine)])
    assert add_copies(tmp_path, tmp_path) == 6
    assert add_copies(tmp_path, tmp_path) == 0
    copies = read_index(tmp_path)[3:]
    assert {row.system.split("_")[0] for row in copies} == set(FAMILIES)
    assert sum(row.system in FAMILIES for row in copies) == 3
    for row in copies:
        assert (row.label, row.origin, row.speaker) == ("fake", person.path, "one")
        assert (tmp_path / row.path).exists()


def test_what_is_missing_or_unfit_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train the istft vocoder first"):
        resynthesise("istft", tmp_path, np.zeros(SAMPLE_RATE, np.float32))
    with pytest.raises(ValueError, match="too few"):
        resynthesise("istft", tmp_path, np.zeros(100, np.float32))
    soundfile.write(tmp_path / "phone.wav", np.zeros(8000), 8000)
    with pytest.raises(ValueError, match="need 16000 Hz mono"):
        read_speech(tmp_path / "phone.wav")
    soundfile.write(tmp_path / "short.wav", np.zeros(800), SAMPLE_RATE)
    with pytest.raises(ValueError, match="none of 1 files"):
        train_vocoder("istft", [tmp_path / "short.wav"], tmp_path, 1, seed=1)


def test_vocoders_learn_from_training_speakers_only(shared: Path) -> None:
    numbers = {int(path.stem) % 10 for path in training_files(shared / "data")}
    assert numbers == set(range(vocoders.TRAINING_TENTHS))
