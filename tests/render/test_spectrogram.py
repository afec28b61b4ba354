"""Sound as a picture: what is loud is where its time and pitch are, and so is the heatmap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from media_factory import tone, write_audio
from PIL import Image
from sample_results import recording

from drishtiksha.media.evidence import Evidence
from drishtiksha.render.findings import findings
from drishtiksha.render.moments import moment_pictures, write_moments
from drishtiksha.render.spectrogram import draw_window
from drishtiksha.results import Heatmap
from drishtiksha.settings import MediaLimits

RATE = 16_000


def brightness(picture: np.ndarray) -> np.ndarray:
    return picture.astype(float).sum(axis=2)


def warm(values: np.ndarray, **fields: float) -> Heatmap:
    return Heatmap.from_array(values, sample_index=0, p_fake=0.9, method="time-frequency", caption="c", **fields)


@pytest.mark.parametrize(("hz", "low"), [(1000, True), (7000, False)])
def test_low_pitches_are_at_the_bottom(hz: float, low: bool) -> None:
    picture = draw_window(tone(4.0, RATE, hz), RATE, 0.0, None)
    assert picture.shape == (480, 720, 3)
    rows = brightness(picture[40:420, 200:600]).mean(axis=1)
    assert (rows.argmax() > 190) == low


@pytest.mark.slow
@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("high", [True, False])
def test_the_heatmap_lies_at_its_own_time_and_pitch(late: bool, high: bool) -> None:
    values = np.zeros((16, 16))
    values[slice(12, 16) if high else slice(0, 4), slice(12, 16) if late else slice(0, 4)] = 1.0
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32)
    cold = draw_window(noise, RATE, 6.0, warm(np.zeros((16, 16)), time_s=6.0, end_s=10.0, top_hz=8000))
    hot = draw_window(noise, RATE, 6.0, warm(values, time_s=6.0, end_s=10.0, top_hz=8000))
    changed = np.abs(hot.astype(int) - cold).sum(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert rows.min() > 240, "the sound itself, above, stays as it is"
    assert (columns.mean() > 360) == late
    assert (rows.mean() < 350) == high


def test_silence_and_a_very_short_stretch_are_drawn() -> None:
    assert draw_window(np.zeros(4 * RATE, np.float32), RATE, 0.0, warm(np.zeros((4, 4)))).shape == (480, 720, 3)
    assert draw_window(np.zeros(100, np.float32), RATE, 0.0, None).shape == (480, 720, 3)


def test_findings_of_a_recording_are_its_highest_windows() -> None:
    found = findings(recording(), count=3)
    assert [finding.title() for finding in found] == [
        "00:06.0-00:10.0, score 0.90",
        "00:08.0-00:12.0, score 0.70",
        "00:00.0-00:04.0, score 0.50",
    ]
    assert found[0].is_sound
    assert found[0].heatmap is not None


@pytest.mark.slow
def test_moments_of_a_recording_are_drawn_from_its_own_sound(tmp_path: Path) -> None:
    wave = np.concatenate([tone(6.0, RATE, 1000), tone(8.0, RATE, 7000)])
    evidence = Evidence.open(write_audio(tmp_path / "call.wav", wave, RATE), MediaLimits())
    pictures = [picture for _, picture in moment_pictures(evidence, recording(), MediaLimits())]
    assert len(pictures) == 4
    (first, *_), last = pictures, pictures[2]
    assert brightness(first[40:200, 200:600]).mean(axis=1).argmax() < 80, "7 kHz from second 6 on"
    assert brightness(last[40:420, 200:600]).mean(axis=1).argmax() > 190, "1 kHz until then"
    paths = write_moments(evidence, recording(), tmp_path / "why", MediaLimits())
    assert [Image.open(path).size for path in paths] == [(720, 480)] * 4
