"""Interlaced pictures, flagged or not, against the moments that they were made of."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from media_factory import coded_frames, write_video
from PIL import Image

from drishtiksha.media.interlace import is_combed
from drishtiksha.media.probe import probe
from drishtiksha.media.video import frames_at, iter_frames
from drishtiksha.settings import MediaLimits

REPOSITORY = Path(__file__).resolve().parents[2]
STEP = 6
"""px by which the picture moves from one moment to the next."""


@pytest.fixture(scope="module")
def moments() -> list[np.ndarray]:
    """A portrait that moves to the side, (240, 320, 3)."""
    with Image.open(REPOSITORY / "assets/portrait.jpg") as picture:
        wide = np.asarray(picture.convert("RGB").resize((480, 360)))
    return [np.ascontiguousarray(wide[60:300, STEP * n : STEP * n + 320]) for n in range(14)]


def woven(moments: list[np.ndarray]) -> list[np.ndarray]:
    """Frames of two moments each, the first in the even rows."""
    frames = [one.copy() for one in moments[::2]]
    for frame, second in zip(frames, moments[1::2], strict=True):
        frame[1::2] = second[1::2]
    return frames


def error(image: np.ndarray, moment: np.ndarray) -> float:
    return float(np.abs(image.astype(int) - moment).mean())


@pytest.mark.parametrize("flagged", [True, False])
def test_each_picture_shows_one_moment(
    tmp_path: Path, limits: MediaLimits, moments: list[np.ndarray], flagged: bool
) -> None:
    options = {"crf": "4", **({"x264-params": "tff=1"} if flagged else {})}
    path = write_video(tmp_path / "a.mp4", woven(moments), pix_fmt="yuv444p", options=options)
    plain = write_video(tmp_path / "plain.mp4", moments[::2], pix_fmt="yuv444p", options={"crf": "4"})
    assert probe(path, path.name, "0" * 64, limits).interlaced
    assert not probe(plain, plain.name, "0" * 64, limits).interlaced
    frames, twins = (list(iter_frames(one, limits=limits)) for one in (path, plain))
    assert [(frame.index, frame.time_s) for frame in frames] == [(twin.index, twin.time_s) for twin in twins]
    for number, frame in list(enumerate(frames))[1:-1]:
        # Which moment comes first is told by a flag, which encoders get wrong.
        rest = min(error(frame.image, moments[2 * number]), error(frame.image, moments[2 * number + 1]))
        assert rest < 4
        assert rest < error(woven(moments)[number], moments[2 * number]) / 2
    for number, twin in enumerate(twins):
        assert error(twin.image, moments[2 * number]) < 1.5


def test_a_few_frames_come_as_all_do(tmp_path: Path, limits: MediaLimits, moments: list[np.ndarray]) -> None:
    path = write_video(tmp_path / "a.mp4", woven(moments), options={"crf": "4", "x264-params": "tff=1"})
    every = {frame.index: frame.image for frame in iter_frames(path, limits=limits)}
    assert list(every) == list(range(7))
    with frames_at(path, [2, 6], limits=limits) as some:
        for frame in some:
            assert np.array_equal(frame.image, every[frame.index])
    assert not some.report.missing


def test_a_single_picture_stays_as_it_is(tmp_path: Path, limits: MediaLimits, moments: list[np.ndarray]) -> None:
    options = {"crf": "4", "x264-params": "tff=1"}
    path = write_video(tmp_path / "a.mp4", woven(moments)[:1], pix_fmt="yuv444p", options=options)
    (frame,) = iter_frames(path, limits=limits)
    assert error(frame.image, woven(moments)[0]) < 1.5


def test_textures_and_coded_frames_are_no_comb() -> None:
    rng = np.random.default_rng(0)
    thick = np.zeros((240, 320, 3), np.uint8)
    thick[::4] = thick[1::4] = 255
    pictures = [rng.integers(0, 256, (240, 320, 3), np.uint8), thick, *coded_frames(2, 320, 240)]
    for picture in pictures:
        assert not is_combed(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p"))


def test_of_film_that_was_spread_over_video_each_picture_shows_one_moment(
    tmp_path: Path, limits: MediaLimits, moments: list[np.ndarray]
) -> None:
    """Four moments make five frames (3:2 pulldown), two of them woven of two moments and not flagged."""
    frames, combed = [], []
    for a, b, c, d in (moments[start : start + 4] for start in (0, 4, 8)):
        frames += [a, b, *woven([b, c, c, d]), d]
        combed += [False, False, True, True, False]
    path = write_video(tmp_path / "a.mp4", frames, pix_fmt="yuv444p", options={"crf": "4"})
    assert probe(path, path.name, "0" * 64, limits).interlaced
    for number, frame in list(enumerate(iter_frames(path, limits=limits)))[1:-1]:
        rest = min(error(frame.image, moment) for moment in moments)
        assert rest < (4 if combed[number] else 1.5)
