"""A recording on the page, from the quick look to the pictures of its sound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from desk_names import BRIGHT
from detector_kit import BRIGHTNESS, LOUDNESS, dropped_in, entry, manager_of, plain_weights
from media_factory import write_audio
from PIL import Image

from drishtiksha.casefile import LOCAL
from drishtiksha.media.audio import read_audio
from drishtiksha.settings import ROOT, MediaLimits
from drishtiksha.ui.analyze import handlers
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
        LOUD: entry("LoudnessDetector", tmp_path / "loud.pt", thresholds={"real": 0.01, "fake": 0.02}),
        BRIGHT: entry(model_path=plain_weights(tmp_path / "w.pt")),
    }
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS, loudness=LOUDNESS):
        manager = manager_of(models, tmp_path, monkeypatch)
        with desk_on(manager) as desk:
            yield desk


@pytest.mark.slow
def test_a_recording_is_examined_drawn_and_shown(desk: Desk, tmp_path: Path) -> None:
    speech = read_audio(CLIP, RATE, limits=MediaLimits())
    wave = np.concatenate([speech, np.zeros(3 * RATE, np.float32), speech])
    page: dict[str, Any] = {}
    for update in handlers.take(desk, write_audio(tmp_path / "call.wav", wave, RATE), LOCAL):
        page |= update
    assert "<audio" in page["player"]
    assert LOUD in page["details"]
    assert BRIGHT not in page["details"], "it does not take sound"
    assert page["chart"].count('<svg class="dk-svg"') == 1
    assert 'data-state="signs"' in page["answer"]
    assert "low pitches at the bottom" in page["moments"]
    path = unquote(re.findall(r'src="gradio_api/file=([^"]+)"', page["moments"])[0])
    assert Image.open(path).size == (720, 480)
    starts = [float(one) for one in re.findall(r'data-start="([0-9.]+)"', page["moments"])]
    assert len(starts) == 4
    assert all(0 <= start < len(wave) / RATE for start in starts)


def test_a_video_goes_to_the_one_that_looks_and_to_the_one_that_listens(desk: Desk) -> None:
    page = next(iter(handlers.take(desk, CLIP, LOCAL)))
    assert set(desk.workbench.seen_by(LOCAL).job(page["job"]).models) == {LOUD, BRIGHT}
