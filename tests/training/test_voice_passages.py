"""How forged passages are counted: what is spliced, what is found, and how often genuine speech is called."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from drishtiksha.networks.voice_spoof import SAMPLE_RATE
from drishtiksha.networks.voice_whisper import VoiceWhisperNetwork
from drishtiksha.settings import ROOT
from training.voice_spoof.heldout_second import RUN
from training.voice_spoof.passages import Piece, alarms, by_second, figures, found, joined, passages, threshold_for


def test_a_passage_is_the_mean_of_three_seconds_and_quiet_ones_have_none():
    logits = np.array([0.0] * 4 + [3.0] * 5 + [0.0] * 4 + [np.nan] * 6)
    scores = passages(logits, "absolute")
    assert scores.argmax() == 4
    assert scores.max() == pytest.approx(3)
    assert scores[-1] == -np.inf
    assert passages(logits + 7, "relative").max() == pytest.approx(3)
    assert not passages(logits[:4], "absolute").size


def test_neighbouring_passages_are_one_alarm_and_the_threshold_allows_so_many():
    one = np.array([0, 5, 5, 0, 4, 0, -np.inf])
    assert [alarms(one, value) for value in (6, 5, 4, -1)] == [0, 1, 2, 1]
    assert threshold_for([one], hours=1.0) == 5
    assert threshold_for([one], hours=0.5) > 5


def test_only_a_passage_inside_the_forged_one_finds_it():
    piece = Piece(np.zeros(10 * SAMPLE_RATE), "x", known=False, forged=(4.0, 8.0))
    scores = np.full(15, -1.0)
    scores[1] = 5  # 0.5 s to 3.5 s
    assert not found(piece, scores, 3)
    scores[8] = 5
    assert found(piece, scores, 3)


def test_the_threshold_comes_from_known_people_alone():
    sound, quiet, loud = np.zeros(SAMPLE_RATE * 36, np.float32), np.zeros(9), np.full(9, 2.0)
    genuine = [(Piece(sound, "human", known), quiet + known) for known in (True, False) for _ in range(3)]
    forged = [(Piece(sound, "a", known, (0.0, 5.0)), loud) for known in (True, False)]
    told = figures(genuine + forged)
    assert (told["found"], told["forged"], told["known_found"], told["false_alarms"], told["hours"]) == (
        1,
        1,
        1,
        0,
        0.03,
    )
    assert 1 <= told["threshold"] < 2
    assert told["auc"] == 1.0


def test_every_half_second_has_a_score():
    torch.manual_seed(0)
    sound = joined([np.random.default_rng(0).normal(0, 0.05, 3 * SAMPLE_RATE).astype(np.float32)] * 2)
    sound[4 * SAMPLE_RATE : round(5.2 * SAMPLE_RATE)] = 0
    logits = by_second(VoiceWhisperNetwork().eval(), sound)
    assert logits.shape == (11,)
    assert np.flatnonzero(np.isnan(logits)).tolist() == [8]


def test_the_card_tells_what_was_measured():
    told = json.loads(RUN.read_text())["passages"]["relative"]
    card = " ".join((ROOT / "models/VOICE-SPOOF-LITE-V2.md").read_text().split())
    clean, message = told["clean"], told["message_9k"]
    assert f"it found {clean['found']} of {clean['forged']} sentences" in card
    assert re.search(rf"and {message['found']} of {message['forged']} as voice messages", card)
