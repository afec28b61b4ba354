"""Where scenes begin, and which frame a moment is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from media_factory import coded_frames, read_code, tone, write_audio, write_video
from PIL import Image

from drishtiksha.errors import WrongMediaKindError
from drishtiksha.forensics import scenes
from drishtiksha.forensics.frames import frame_at
from drishtiksha.media.evidence import Evidence
from drishtiksha.settings import ROOT, MediaLimits

LIMITS = MediaLimits()
CLIPS = ROOT.parent / "shared" / "data" / "clips"


def moving(colours: list[tuple[int, int, int]], lengths: list[int]) -> list[np.ndarray]:
    """Scenes of one colour scheme each, over which a bright square moves."""
    frames = []
    for colour, length in zip(colours, lengths, strict=True):
        for number in range(length):
            frame = np.zeros((96, 128, 3), np.uint8) + np.array(colour, np.uint8)
            frame[::8] //= 2
            frame[30:60, 5 + number % 80 : 35 + number % 80] = 230
            frames.append(frame)
    return frames


COLOURS = [(40, 90, 160), (150, 60, 40), (40, 90, 160), (30, 120, 50)]


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Scenes of 13, 20, 9 and 18 frames at 25 frames a second."""
    path = tmp_path_factory.mktemp("cut") / "cut.mp4"
    return Evidence.open(write_video(path, moving(COLOURS, [13, 20, 9, 18])), LIMITS)


def test_every_cut_is_found_at_its_frame(cut: Evidence) -> None:
    found = scenes.find_scenes(cut.reader(LIMITS))
    assert [scene.frame_index for scene in found.scenes] == [0, 13, 33, 42]
    assert [scene.time_s for scene in found.scenes] == pytest.approx([0, 0.52, 1.32, 1.68], abs=1e-3)
    assert (found.found, found.step_s, found.until_s) == (4, 0.0, pytest.approx(59 / 25))


def test_a_long_video_is_looked_at_coarsely_and_its_cuts_are_still_exact(
    cut: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenes, "MOST_COMPARED", 12)
    found = scenes.find_scenes(cut.reader(LIMITS))
    assert [scene.frame_index for scene in found.scenes] == [0, 13, 33, 42]
    assert found.step_s == pytest.approx(5 / 25)


def test_only_the_strongest_are_kept_and_the_rest_is_counted(cut: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "MOST_SCENES", 3)
    found = scenes.find_scenes(cut.reader(LIMITS))
    assert len(found.scenes) == 3
    assert found.found == 4


def test_where_the_time_is_up_it_is_told_how_far_it_got(cut: Evidence) -> None:
    found = scenes.find_scenes(cut.reader(LIMITS), budget_s=0.0)
    assert [scene.frame_index for scene in found.scenes] == [0]
    assert found.until_s == 0.0


@pytest.mark.slow
@pytest.mark.skipif(not CLIPS.is_dir(), reason="the shared clips are not beside this checkout")
def test_cuts_of_a_real_clip() -> None:
    stage = Evidence.open(CLIPS / "stage_360p.mp4", LIMITS)
    assert [scene.frame_index for scene in scenes.find_scenes(stage.reader(LIMITS)).scenes] == [0, 20, 82, 211]


def test_the_frame_of_a_moment_is_the_one_that_a_player_shows(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.2, 0.5, 0.54]  # at no steady rate
    video = Evidence.open(write_video(tmp_path / "v.mp4", coded_frames(5), times=times), LIMITS)
    shown = {0.0: 0, 0.03: 0, 0.04: 1, 0.19: 1, 0.2: 2, 0.498: 2, 0.5: 3, 0.6: 4, 99.0: 4, -1.0: 0}
    for time_s, number in shown.items():
        frame = frame_at(video, time_s, LIMITS)
        assert (frame.index, read_code(frame.image)) == (number, number)
        assert frame.time_s == pytest.approx(times[number], abs=1e-4)


def test_a_picture_has_one_frame_and_a_recording_none(tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 30, 3), 9, np.uint8)).save(tmp_path / "p.png")
    frame = frame_at(Evidence.open(tmp_path / "p.png", LIMITS), 5.0, LIMITS)
    assert (frame.index, frame.time_s, frame.image.shape) == (0, 0.0, (20, 30, 3))
    sound = Evidence.open(write_audio(tmp_path / "s.wav", tone(0.5), 16_000), LIMITS)
    with pytest.raises(WrongMediaKindError, match="no picture"):
        frame_at(sound, 0.0, LIMITS)


def test_a_plain_slide_between_two_levels_of_colour_is_one_scene(tmp_path: Path) -> None:
    slide = [np.full((96, 128, 3), (20, 60, 20), np.uint8) for _ in range(12)]
    found = scenes.find_scenes(Evidence.open(write_video(tmp_path / "s.mp4", slide), LIMITS).reader(LIMITS))
    assert [scene.frame_index for scene in found.scenes] == [0]
