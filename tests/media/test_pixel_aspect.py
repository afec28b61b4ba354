"""Pixels that are not square or not shown, against twins without such."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from media_factory import assert_upright, coded_frames, read_code, write_video
from PIL import Image

from drishtiksha.errors import MediaLimitError
from drishtiksha.media.colour import square_size
from drishtiksha.media.probe import probe
from drishtiksha.media.video import iter_frames
from drishtiksha.results import MediaInfo
from drishtiksha.settings import MediaLimits

WIDE, HIGH = 192, 144
FRAMES = coded_frames(4, WIDE, HIGH)
LOSSLESS = {"crf": "0", "preset": "ultrafast"}


def squeezed(path: Path, width: int, height: int, aspect: str, **options: object) -> Path:
    small = [np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC)) for frame in FRAMES]
    return write_video(
        path, small, pix_fmt="yuv444p", options=LOSSLESS, colour={"sample_aspect_ratio": Fraction(aspect)}, **options
    )


def probed(path: Path, limits: MediaLimits) -> MediaInfo:
    return probe(path, path.name, "0" * 64, limits)


@pytest.mark.parametrize(
    ("suffix", "stored", "aspect"),
    [
        (".mp4", (WIDE, HIGH // 2), "1/2"),
        (".mkv", (WIDE // 2, HIGH), "2"),
        (".ts", (WIDE * 3 // 4, HIGH), "4/3"),
        (".avi", (WIDE, HIGH // 2), "1/2"),
    ],
)
def test_squeezed_pictures_come_in_their_true_shape(
    tmp_path: Path, limits: MediaLimits, suffix: str, stored: tuple[int, int], aspect: str
) -> None:
    path = squeezed(tmp_path / f"a{suffix}", *stored, aspect)
    plain = write_video(tmp_path / f"plain{suffix}", FRAMES, pix_fmt="yuv444p", options=LOSSLESS)
    media, twin = probed(path, limits), probed(plain, limits)
    assert (media.width, media.height, media.stored_size) == (WIDE, HIGH, stored)
    assert (twin.width, twin.height, twin.stored_size) == (WIDE, HIGH, None)
    for one, other in zip(iter_frames(path, limits=limits), iter_frames(plain, limits=limits), strict=True):
        assert read_code(one.image) == one.index
        assert np.abs(one.image.astype(int) - other.image).mean() < 3


def test_a_turned_one(tmp_path: Path, limits: MediaLimits) -> None:
    path = squeezed(tmp_path / "a.mp4", WIDE, HIGH // 2, "1/2", rotation=90)
    media = probed(path, limits)
    assert (media.width, media.height, media.stored_size) == (HIGH, WIDE, (WIDE, HIGH // 2))
    frame = next(iter_frames(path, limits=limits))
    assert frame.image.shape == (WIDE, HIGH, 3)
    assert_upright(np.rot90(frame.image))


def test_a_broadcast_whose_pixels_change_on_the_way(tmp_path: Path, limits: MediaLimits) -> None:
    parts = [squeezed(tmp_path / f"{n}.ts", WIDE // 2, HIGH, aspect) for n, aspect in enumerate(["2", "3/2"])]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    shapes = [frame.image.shape[:2] for frame in iter_frames(joined, limits=limits)]
    assert shapes == [(HIGH, WIDE)] * len(FRAMES) + [(HIGH, WIDE * 3 // 4)] * len(FRAMES)


def test_square_and_impossible_pixels_stay() -> None:
    for aspect in ("1", "1281/1280", "853/854", "100", "1/500"):
        assert square_size(1280, 720, Fraction(aspect)) == (1280, 720)
    assert square_size(704, 288, Fraction(6, 11)) == (704, 528)
    assert square_size(1440, 1080, Fraction(4, 3)) == (1920, 1080)


def test_the_limit_holds_for_the_true_size(tmp_path: Path) -> None:
    path = squeezed(tmp_path / "a.mp4", WIDE, HIGH // 2, "1/2")
    with pytest.raises(MediaLimitError, match=f"{WIDE} x {HIGH};"):
        probed(path, MediaLimits(max_video_pixels=WIDE * HIGH - 1))


@pytest.mark.parametrize("form", ["mp4", "mkv", "ts"])
def test_a_picture_is_cropped_to_the_pixel_as_its_stream_says(tmp_path: Path, limits: MediaLimits, form: str) -> None:
    rows, columns = np.mgrid[0:96, 0:160]
    image = np.stack([rows * 2, columns, (rows + columns) % 256], axis=-1).astype(np.uint8)
    plain, path = tmp_path / f"plain.{form}", tmp_path / f"cropped.{form}"
    write_video(plain, [image] * 3, pix_fmt="yuv444p", options=LOSSLESS)
    options = LOSSLESS | {"x264-params": "crop-rect=40,30,8,6"}
    write_video(path, [image] * 3, pix_fmt="yuv444p", options=options)
    with iter_frames(path, [0], limits=limits) as cropped, iter_frames(plain, [0], limits=limits) as whole:
        pixels, expected = next(cropped).image.astype(int), next(whole).image[30:90, 40:152].astype(int)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).mean() < 0.5
