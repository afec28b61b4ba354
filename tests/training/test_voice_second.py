"""The training of VOICE-SPOOF-LITE-V2 on a few recordings made here: sides, stored windows, folds, the head, the run that ships."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from drishtiksha.errors import WeightsMissingError
from drishtiksha.networks.voice_spoof import SAMPLE_RATE, WINDOW, preprocess_voice
from drishtiksha.networks.voice_whisper import DEPTH, coarse
from drishtiksha.networks.whisper_encoder import WhisperEncoder
from drishtiksha.settings import ROOT
from training.voice_spoof.codecs import MESSENGERS, through_codec
from training.voice_spoof.cues import MOST
from training.voice_spoof.dataset import Mix
from training.voice_spoof.degrade import MESSENGER, Chain, gate, rms
from training.voice_spoof.heads import STRETCHES, HeadConfig, logits, logits_of_windows, new_network, pooled, train
from training.voice_spoof.heldout_second import write_heldout
from training.voice_spoof.index import Recording, append
from training.voice_spoof.pools import FOLDS, Fold, copies_of, false_alarms, judged
from training.voice_spoof.split import second_split
from training.voice_spoof.views import View, Views

RUN = ROOT / "models/reports/VOICE-SPOOF-LITE-V2/run.json"


def row(path: str, label: str, origin: str = "", speaker: str = "", language: str = "en") -> Recording:
    corpus, system, name = path.split("/")
    who = speaker or f"{corpus}_{name[:4]}"
    return Recording(path, label, corpus, system, who, language, origin, "", 3.0, SAMPLE_RATE)


def spoken(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = 3 * SAMPLE_RATE
    return (0.1 * np.sin(np.cumsum(rng.uniform(0.02, 0.08, n))) * (np.sin(np.arange(n) / 3000) > -0.5)).astype(
        np.float32
    )


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Mix:
    folder, made = tmp_path_factory.mktemp("cache"), []
    for number in range(3):
        real = f"librispeech/human/000{number}.npy"
        made.append((row(real, "real"), spoken(number)))
        made.append((row(f"librispeech/world/000{number}.npy", "fake", real), spoken(10 + number)))
        made.append((row(f"demos/tts/000{number}.npy", "fake"), spoken(20 + number)))
    append(folder, made)
    return Mix([one for one, _ in made], folder, 1, 100, more=MESSENGER)


def test_readings_and_copies_share_the_side_of_their_words_and_kept_systems_are_for_test_alone():
    index = [row(f"librispeech/human/{n:04d}.npy", "real") for n in range(10)]
    for real in list(index):
        for system in ("piper", "espeak-read", "flite", "lpc", "kokoro", "festival-read", "world"):
            index.append(row(f"librispeech/{system}/{real.path[-8:]}", "fake", real.path, real.speaker))
    index += [row("tortoise/tortoise/0001.npy", "fake"), row("demos/portaspeech/0002.npy", "fake", speaker="demos_lj")]
    sides = second_split(index, 3)
    words = {side: {one.origin or one.path for one in rows} for side, rows in sides.items()}
    assert not words["train"] & words["test"]
    assert not words["train"] & words["val"]
    assert not words["val"] & words["test"]
    learned = {one.system for one in sides["train"] if one.fake}
    assert learned == {"festival-read", "kokoro", "piper", "world", "portaspeech"}
    assert {"espeak-read", "flite", "lpc", "tortoise"} < {one.system for one in sides["test"]} - learned
    plan = copies_of(index)
    made = {copy.system for one in sides["train"] if not one.fake for copy in plan(one)}
    assert "lpc" not in made


def test_windows_are_stored_as_the_network_takes_them_and_a_cut_off_pool_goes_on(mix: Mix, tmp_path: Path):
    views = Views(tmp_path / "pool")
    views.make(mix, 2)
    with (views.folder / "windows.i16").open("ab") as file:
        file.write(b"half a window")
    views.make(mix, 4)
    rows = views.rows()
    assert [one.fake for one in rows] == [False, True] * 4
    stored = views.windows(range(8))
    for item in range(4):
        real, fake, couple = mix.halves(item)
        assert rows[2 * item + 1].path == couple.fake.path
        for place, half in ((2 * item, real), (2 * item + 1, fake)):
            assert np.allclose(stored[place], coarse(preprocess_voice(half)).numpy(), atol=1e-6)
    again = Views(tmp_path / "again")
    again.make(mix, 4)
    assert np.array_equal(again.windows(range(8)), stored)


def test_a_fold_learns_nothing_from_what_it_leaves_out():
    def view(corpus: str, system: str, number: int, origin: str = "") -> View:
        path = f"{corpus}/{system}/{number}.npy"
        return View(path, system != "human", corpus, system, f"{corpus}{number}", origin or path)

    real, other = view("librispeech", "human", 1), view("asterisk", "human", 2)
    rows = [real, view("librispeech", "festival-read", 1, real.path), other, view("demos", "portaspeech", 3)]
    rows += [real, view("librispeech", "world", 1, real.path), other, view("asterisk", "world", 2, other.path)]
    assert FOLDS["read"].couples(rows) == [2]
    assert FOLDS["demos"].couples(rows) == [0, 2, 3]
    assert FOLDS["librispeech"].couples(rows) == [1, 3]
    assert FOLDS["readers"].couples([*rows, real, view("librispeech", "kokoro", 1, real.path)]) == [0, 1, 2, 3]
    assert [FOLDS["read"].judges(one) for one in rows] == [False, True, True, False, False, False, True, False]
    assert Fold().couples(rows) == [0, 1, 2, 3]


def test_left_out_systems_are_judged_one_by_one_with_an_interval():
    def view(fake: bool, system: str, number: int) -> View:
        path = f"{system}/{number}"
        return View(path, fake, "corpus", system, path, path)

    rows = [view(False, "human", n) for n in range(20)] + [view(True, "good", n) for n in range(10)]
    rows += [view(True, "bad", n) for n in range(10)]
    logits = np.concatenate([np.linspace(-1, 1, 20), np.full(10, 3.0), np.linspace(-1, 1, 10)])
    found = judged(rows, logits)
    assert found["good"]["auc"] == [1.0, 1.0, 1.0]
    assert found["good"]["eer"][0] == 0
    assert found["bad"]["auc"][0] == pytest.approx(0.5, abs=0.01)
    assert found["bad"]["auc"][1] < 0.4 < 0.6 < found["bad"]["auc"][2]
    assert false_alarms(rows, logits, 0.95) == {"corpus": (0.05, 20)}


def test_a_gate_turns_down_what_is_quiet_and_leaves_the_speech():
    loud, hush = spoken(1)[:SAMPLE_RATE], 1e-4 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)
    for seed in range(5):
        heard = gate(np.concatenate([loud, hush]), np.random.default_rng(seed))
        assert rms(heard[SAMPLE_RATE + 4000 :]) < 0.4 * rms(hush)
        assert rms(heard[:SAMPLE_RATE]) > 0.7 * rms(loud)


@pytest.mark.parametrize("bit_rate", MESSENGERS["opus_voip"].bit_rates)
def test_messages_of_each_rate_are_as_long_and_still_speech(bit_rate: int):
    voice = spoken(3)
    heard = through_codec(voice, "opus_voip", 16_000, bit_rate)
    assert heard.shape == voice.shape
    assert 0.3 < rms(heard) / rms(voice) < 1.5


def test_more_steps_at_the_end_leave_the_chain_before_them_as_it_was():
    nothing = tuple(replace(step, share=0.0) for step in MESSENGER)
    for seed in range(4):
        assert np.array_equal(Chain()(spoken(2), [seed]), Chain(more=nothing)(spoken(2), [seed]))


@pytest.mark.slow
def test_the_head_learns_the_encoder_stays_and_training_goes_on(mix: Mix, tmp_path: Path):
    views = Views(tmp_path / "pool")
    views.make(mix, 3)
    torch.manual_seed(0)
    whisper = WhisperEncoder(DEPTH).state_dict()
    network = new_network(whisper, drop_rate=0.1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    config = HeadConfig(couples=2, steps=2)
    train(network, views, [0, 2], tmp_path / "run", config)
    weights = train(network, views, [0, 2], tmp_path / "run", replace(config, steps=3))
    assert torch.load(tmp_path / "run/last.pt", weights_only=True)["step"] == 3
    assert all(torch.equal(before[name], weights[name]) for name in before if name.startswith("encoder"))
    assert not torch.equal(before["head.perceptron.1.weight"], weights["head.perceptron.1.weight"])
    assert torch.equal(weights["encoder.positions"], whisper["positions"][:200])
    assert pooled(network, views).shape == (6, 1 + STRETCHES, 1536)
    kept, anew = logits(network, views), logits_of_windows(network, views, range(6))
    assert np.allclose(kept, anew, atol=0.05), "what was kept, in bfloat16, is what the network says of the windows"
    assert views.windows([0]).shape == (1, WINDOW)


def test_the_run_that_ships_keeps_people_words_and_systems_apart():
    if not RUN.exists():
        pytest.skip("the trained run is not here")
    run = json.loads(RUN.read_text())
    sides = {side: set(names) for side, names in run["split"].items()}
    assert not sides["train"] & sides["test"]
    assert not sides["train"] & sides["val"]
    learned = {name.split("/")[1] for name in sides["train"]}
    assert len(set(run["test_systems"]) - learned) >= 8
    judged_by_folds = [system for fold in run["folds"].values() for system in fold["systems"]]
    assert len(judged_by_folds) == len(set(judged_by_folds)) == run["left_out"]["systems"]
    assert {"kokoro", "piper"} == set(run["folds"]["readers"]["systems"])
    words = {
        side: {re.findall(r"\d{4}", name)[0] for name in names if name.startswith("librispeech/")}
        for side, names in sides.items()
    }
    assert not words["train"] & words["test"]
    assert not words["train"] & words["val"]
    assert max(run["cues"]["logistic"], run["cues"]["boosting"]) <= MOST


def test_without_its_cache_nothing_is_measured(tmp_path: Path):
    with pytest.raises(WeightsMissingError, match="make train"):
        write_heldout(tmp_path / "data", tmp_path / "runs/heldout")
