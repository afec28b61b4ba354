"""A recording on the page, from the quick look to the pictures of its sound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from desk_names import BRIGHT
from detector_kit import BRIGHTNESS, LOUDNESS, dropped_in, entry, manager_of, plain_weights
from media_factory import tone, write_audio
from PIL import Image
from sample_results import media

from drishtiksha.casefile import LOCAL
from drishtiksha.media.audio import read_audio
from drishtiksha.registry import ModelManager
from drishtiksha.results import MediaKind
from drishtiksha.settings import ROOT, MediaLimits, load_settings
from drishtiksha.ui.analyze import handlers, seeking, watching
from drishtiksha.ui.shared import picker
from drishtiksha.ui.shared.desk import Desk

RATE = 16_000
CLIP = ROOT / "assets" / "clip_with_sound.mp4"
LOUD = "LOUD-V1"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, desk_on) -> Iterator[Desk]:
    """A desk with a detector that looks and, listed before it, one that listens."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    torch.save({"gain": torch.ones(1)}, tmp_path / "loud.pt")
    models = {
        LOUD: entry("LoudnessDetector", tmp_path / "loud.pt"),
        BRIGHT: entry(model_path=plain_weights(tmp_path / "w.pt")),
    }
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS, loudness=LOUDNESS):
        manager = manager_of(models, tmp_path, monkeypatch)
        with desk_on(manager) as desk:
            yield desk


def quick_look(desk: Desk, path: Path) -> str:
    case = handlers.take_example(desk, path, None, LOCAL)["case"]
    return handlers.look_quickly(desk, case, None, LOCAL)["facts"]


def test_a_recording_is_analyzed_drawn_and_sought(desk: Desk, tmp_path: Path) -> None:
    speech = read_audio(CLIP, RATE, limits=MediaLimits())
    wave = np.concatenate([speech, np.zeros(3 * RATE, np.float32), speech])
    taken = handlers.take_example(desk, write_audio(tmp_path / "call.wav", wave, RATE), BRIGHT, LOCAL)
    assert taken["models"]["value"] == LOUD, "the model on the page does not take sound"
    assert taken["audio"]["visible"]
    assert not taken["video"]["visible"]
    answers = list(watching.run(desk, taken["case"], LOUD, LOCAL, lambda count, desc: None))
    answer = next(update for update in answers if update.get("sentence"))
    text = re.sub(r"<[^>]+>", " ", answer["timeline"])
    assert "Each point stands for 1.0 s of sound. Hatched stretches could not be judged (no speech)." in text
    assert answer["timeline"].count('<svg class="dk-svg"') == 1
    pictures = answer["gallery"]["value"]
    assert len(pictures) == 4
    assert Image.open(pictures[0][0]).size == (720, 480)
    assert re.fullmatch(r"\d\d:\d\d\.\d-\d\d:\d\d\.\d, score 0\.\d\d", pictures[0][1])
    assert "low pitches at the bottom" in answer["gallery_caption"]
    start = float(pictures[0][1][3:7])
    sought = seeking.seek_finding(desk, answer["job"], LOCAL, 0)
    assert sought["audio"]["playback_position"] == pytest.approx(start, abs=0.05)


def test_a_video_goes_to_the_model_that_looks_and_names_the_one_that_listens(desk: Desk) -> None:
    taken = handlers.take_example(desk, CLIP, LOUD, LOCAL)
    assert taken["models"]["value"] == BRIGHT
    assert f"{LOUD} can listen to it" in taken["facts"]
    chosen = handlers.choose_model(desk, taken["case"], LOUD, LOCAL)
    assert "It listens to the sound alone" in chosen["facts"]


def test_the_quick_look_counts_seconds_of_speech(desk: Desk) -> None:
    told = re.search(r"speech: about (\d+) s of (\d+) s", quick_look(desk, CLIP))
    assert told is not None
    spoken, whole = map(int, told.groups())
    assert 2 <= spoken <= whole
    assert whole in (3, 4)


def test_the_quick_look_tells_silence_from_sound_without_speech(desk: Desk, tmp_path: Path) -> None:
    silence = write_audio(tmp_path / "silence.wav", np.zeros(3 * RATE, np.float32), RATE)
    assert "the sound track is silent" in quick_look(desk, silence)
    assert "no speech found" in quick_look(desk, write_audio(tmp_path / "tone.wav", tone(3.0, RATE), RATE))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (MediaKind.IMAGE, "FACE-BLEND-LITE-V1"),
        (MediaKind.VIDEO, "FACE-BLEND-LITE-V1"),
        (MediaKind.AUDIO, "VOICE-SPOOF-LITE-V1"),
    ],
)
def test_the_shipped_model_for_each_kind_of_file(kind: MediaKind, expected: str) -> None:
    statuses = ModelManager(load_settings()).describe()
    for current in (None, "FACE-BLEND-LITE-V1", "VOICE-SPOOF-LITE-V1"):
        assert picker.choose(statuses, current, media(kind=kind)) == expected
