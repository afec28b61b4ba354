"""The training of the voice detector on a small cache made here: the chain, the couples, the proof against cues, the run."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from drishtiksha.media.audio import read_audio
from drishtiksha.networks.voice_spoof import SAMPLE_RATE, WINDOW
from drishtiksha.settings import MediaLimits
from training.voice_spoof import dataset
from training.voice_spoof.calibrate import FALSE_ALARMS, thresholds
from training.voice_spoof.codecs import CODECS, through_codec
from training.voice_spoof.cues import MOST, cues_of, judge_cues
from training.voice_spoof.dataset import Mix
from training.voice_spoof.degrade import Chain
from training.voice_spoof.heldout import DELIVERIES, chosen, group_of, write_files
from training.voice_spoof.index import Recording, append, read_index
from training.voice_spoof.train import TrainConfig, train

pytestmark = pytest.mark.slow


def said(seed: int, seconds: float = 3.0) -> np.ndarray:
    """Pulses of a drawn pitch through a drawn resonance, in bursts, over noise: float32 (n,)."""
    rng = np.random.default_rng(seed)
    n = round(seconds * SAMPLE_RATE)
    pulses = np.zeros(n)
    pulses[:: int(rng.integers(80, 200))] = 1
    voiced = lfilter([1.0], [1, -rng.uniform(1.2, 1.7), 0.8], pulses) * (np.sin(np.arange(n) / 3000) > -0.5)
    return (0.1 * voiced + 1e-3 * rng.standard_normal(n)).astype(np.float32)


def row(
    path: str, label: str, corpus: str, system: str, speaker: str, origin: str = "", seconds: float = 3.0
) -> Recording:
    return Recording(path, label, corpus, system, speaker, "en", origin, "", seconds, SAMPLE_RATE)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real corpora of 12 people, a copy of each with a tone in it, an engine, and a system beside one corpus."""
    folder = tmp_path_factory.mktemp("cache")
    tone = (2e-4 * np.sin(2 * np.pi * 5000 / SAMPLE_RATE * np.arange(3 * SAMPLE_RATE))).astype(np.float32)
    made = []
    for corpus in ("one", "two"):
        for number in range(12):
            voice, speaker = said(number + 100 * (corpus == "two")), f"{corpus}{number}"
            real = f"{corpus}/human/{number}.npy"
            made.append((row(real, "real", corpus, "human", speaker), voice))
            made.append((row(f"{corpus}/buzz/{number}.npy", "fake", corpus, "buzz", speaker, real), voice + tone))
    for number in range(6):
        made.append(
            (row(f"engines/e/{number}.npy", "fake", "engines", "engine", "robot", seconds=2.0), said(300 + number, 2.0))
        )
        made.append((row(f"one/tts/{number}.npy", "fake", "one", "tts", f"one{number}"), said(400 + number)))
    append(folder, made)
    return folder


def test_the_chain_is_the_same_for_both_halves_and_for_the_same_seed() -> None:
    """What it adds to two waveforms does not depend on them: the difference of pairs through a linear chain is linear."""
    chain, voice = Chain([said(7), said(8), said(9)]), said(1)
    for seed in range(25):
        once, again = chain(voice, [5, seed]), chain(voice, [5, seed])
        assert np.array_equal(once, again)
        assert once.shape == voice.shape
        assert once.dtype == np.float32
        assert np.isfinite(once).all()
        assert np.abs(once).max() <= 1
        doubled = chain(2 * voice, [5, seed])
        assert np.corrcoef(once, doubled)[0, 1] > 0.8
    assert not np.array_equal(chain(voice, [5, 0]), chain(voice, [5, 1]))


@pytest.mark.parametrize("name", list(CODECS))
def test_codecs_keep_length_and_speech(name: str) -> None:
    voice, codec = said(3), CODECS[name]
    for rate in codec.rates:
        heard = through_codec(voice, name, rate, codec.bit_rates[-1] if codec.bit_rates else None)
        assert heard.shape == voice.shape
        lags = np.fft.irfft(np.fft.rfft(heard, 2**17) * np.fft.rfft(voice, 2**17).conj())
        assert lags.max() > 0.6 * np.linalg.norm(heard) * np.linalg.norm(voice)
        assert not np.array_equal(heard, voice)


def test_items_depend_on_seed_and_number_alone(cache: Path) -> None:
    rows = read_index(cache)
    first, second = Mix(rows, cache, 1, 100), Mix(rows, cache, 1, 100)
    assert first[3].shape == (2, WINDOW)
    assert torch.equal(first[3], second[3])
    assert not torch.equal(first[3], first[4])
    assert not torch.equal(first[3], Mix(rows, cache, 2, 100)[3])


def test_couples_are_of_one_recording_or_of_one_corpus(cache: Path) -> None:
    mix = Mix(read_index(cache), cache, 1, 100)
    couples = [mix.couple(np.random.default_rng(item)) for item in range(400)]
    for couple in couples:
        assert not couple.real.fake
        assert couple.fake.fake
        if couple.same:
            assert couple.fake.origin == couple.real.path
        elif couple.fake.corpus == "one":
            assert couple.real.corpus == "one"
    for corpus in ("one", "two"):
        copies = [couple for couple in couples if couple.same and couple.real.corpus == corpus]
        assert 0.2 < len(copies) / len(couples) < 0.4
    assert {couple.fake.system for couple in couples} == {"buzz", "engine", "tts"}


def test_halves_are_as_long_as_each_other(cache: Path) -> None:
    mix = Mix(read_index(cache), cache, 1, 100)
    lengths = [tuple(map(len, mix.halves(item)[:2])) for item in range(40)]
    assert all(real == fake for real, fake in lengths)
    assert len({real for real, _ in lengths}) > 5


def test_cues_measure_what_they_say() -> None:
    voice = said(2)
    quiet, plain = cues_of(0.1 * voice), cues_of(voice)
    assert plain[0] - quiet[0] == pytest.approx(20, abs=0.1)
    assert np.allclose(plain[1:4], quiet[1:4], atol=0.1)
    noisy = cues_of(voice + 0.02 * np.random.default_rng(0).standard_normal(len(voice)).astype(np.float32))
    assert noisy[2] > plain[2] + 5
    assert noisy[1] > plain[1]
    assert plain[3] == 3.0


def test_the_proof_finds_a_planted_leak_and_passes_a_fair_mix(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "COPY_SHARE", 1.0)
    mix = Mix(read_index(cache), cache, 1, 1000)
    items = [mix.halves(item) for item in range(150)]
    people = np.array([couple.real.speaker for *_, couple in items]).repeat(2)
    fake = np.tile([False, True], len(items))
    fair = np.array([cues_of(half) for real, made, _ in items for half in (real, made)])
    leaking = np.array([cues_of(half) for real, made, _ in items for half in (real, 0.4 * made)])
    assert judge_cues(fair, fake, people)["passed"]
    report = judge_cues(leaking, fake, people)
    assert not report["passed"]
    assert report["alone"]["loudness_db"] > MOST
    assert report["boosting"] > MOST


def test_training_lowers_the_loss_and_goes_on_where_it_stopped(cache: Path, tmp_path: Path) -> None:
    rows = read_index(cache)
    config = TrainConfig(minutes=9, seed=1, couples=4, workers=0, max_steps=4)
    train(rows, cache, tmp_path, config)
    weights = train(rows, cache, tmp_path, TrainConfig(minutes=9, seed=1, couples=4, workers=0, max_steps=6))
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state["step"] == 6
    assert np.isfinite(state["losses"]["loss"])
    assert all(torch.isfinite(value).all() for value in weights.values())
    with (tmp_path / "log.csv").open() as file:
        assert [int(line["step"]) for line in csv.DictReader(file)] == [4, 6]


def test_held_out_files_can_be_played_and_are_the_same_each_time(cache: Path, tmp_path: Path) -> None:
    rows = chosen(read_index(cache), ["two/human/1.npy", "two/human/2.npy", "one/tts/3.npy"])
    assert {row.path for row in rows} >= {"two/buzz/1.npy", "two/buzz/2.npy"}
    manifest = write_files(rows, cache, tmp_path / "a", 2, 1)
    with manifest.open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == (2 + 1 + 1) * len(DELIVERIES)
    assert {line["group"].split("/")[0] for line in lines} == {"real-two-en", "buzz", "tts"}
    assert all(line["label"] == ("real" if line["group"].startswith("real") else "fake") for line in lines)
    for line in lines:
        samples = read_audio(tmp_path / "a" / line["file"], SAMPLE_RATE, limits=MediaLimits())
        assert len(samples) / SAMPLE_RATE == pytest.approx(3.0, abs=0.15)
        assert np.abs(samples).max() > 0.001
    again = write_files(rows, cache, tmp_path / "b", 2, 1)
    assert again.read_text() == manifest.read_text()
    for line in lines:
        assert (tmp_path / "b" / line["file"]).read_bytes() == (tmp_path / "a" / line["file"]).read_bytes()


def test_no_genuine_group_exceeds_the_bar_at_the_threshold() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(["real-a/clean", "real-b/clean"], 100)
    p_fake = np.concatenate([rng.beta(2, 8, 100), rng.beta(8, 4, 100)])
    found = thresholds(p_fake, groups)
    for name in set(groups):
        assert np.mean(p_fake[groups == name] >= found["fake"]) <= FALSE_ALARMS
    assert np.mean(p_fake[groups == "real-b/clean"] >= found["fake"] - 0.05) > FALSE_ALARMS
    assert not np.any(p_fake <= found["real"])


def test_the_run_that_ships_keeps_people_apart() -> None:
    path = Path(__file__).parents[2] / "models/reports/VOICE-SPOOF-LITE-V1/run.json"
    if not path.exists():
        pytest.skip("the trained run is not here")
    run = json.loads(path.read_text())
    sides = {side: set(names) for side, names in run["split"].items()}
    assert not sides["train"] & sides["test"]
    assert not sides["train"] & sides["val"]
    assert not sides["val"] & sides["test"]
    assert max(run["cues"]["logistic"], run["cues"]["boosting"]) <= MOST


def test_groups_name_what_is_reported() -> None:
    assert group_of(row("a", "real", "one", "human", "x")) == "real-one-en"
    assert group_of(row("a", "fake", "one", "tts", "x")) == "tts"
