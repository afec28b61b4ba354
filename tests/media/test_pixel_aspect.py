"""Pixels that are not square or not shown, against twins without such."""

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from media_factory import (
    assert_upright,
    clean_aperture,
    coded_frames,
    cropped_matroska,
    grown,
    read_code,
    write_video,
)
from PIL import Image

from drishtiksha.errors import MediaLimitError
from drishtiksha.media.colour import square_size
from drishtiksha.media.image import read_image
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


ROWS, COLUMNS = np.mgrid[0:96, 0:160]
RAMPS = np.stack([ROWS * 2, COLUMNS, (ROWS + COLUMNS) % 256], axis=-1).astype(np.uint8)
BOX, SMALL_BOX = (4, 2, 154, 94), (40, 30, 152, 90)
MIDDLE = RAMPS[2:94, 4:154].astype(int)
LAID_OUT = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"]


def ramps(path: Path, **options: object) -> bytes:
    """The bytes of a video of `RAMPS`."""
    return write_video(path, [RAMPS] * 3, pix_fmt="yuv444p", options=LOSSLESS, **options).read_bytes()


def on_screen_in_mp4(content: bytes, width: int, height: int) -> bytes:
    """The same MP4 with another size on screen in the header of its first track."""
    at = content.index(b"tkhd") + 80
    return content[:at] + (width << 16).to_bytes(4, "big") + (height << 16).to_bytes(4, "big") + content[at + 8 :]


@pytest.mark.parametrize(
    "way",
    ["clap", "clap, size on screen", "clap, squeezed", "clap, pasp", "Matroska", "Matroska, size on screen", "turned"],
)
def test_the_part_is_judged_that_players_show(tmp_path: Path, limits: MediaLimits, way: str) -> None:
    path = tmp_path / ("a.mkv" if way.startswith("Matroska") else "a.mp4")
    content = ramps(path, rotation=90 if way == "turned" else 0)
    expected = np.rot90(MIDDLE, -1) if way == "turned" else MIDDLE
    if path.suffix == ".mkv":
        made = cropped_matroska(content, (4, 2, 6, 2), (150, 92) if way.endswith("on screen") else None)
    else:
        made = grown(content, LAID_OUT, clean_aperture((160, 96), BOX))
    if way == "clap, size on screen":
        made = on_screen_in_mp4(made, 150, 92)
    if way == "clap, pasp":
        made = grown(made, LAID_OUT, struct.pack(">I4sII", 16, b"pasp", 2, 1))
    if way == "clap, squeezed":
        made = on_screen_in_mp4(made, 300, 92)
    if way in ("clap, squeezed", "clap, pasp"):
        expected = np.asarray(Image.fromarray(MIDDLE.astype(np.uint8)).resize((300, 92), Image.Resampling.BICUBIC))
    path.write_bytes(made)
    media = probed(path, limits)
    assert (media.height, media.width) == expected.shape[:2]
    assert (media.stored_size, media.shown_box) == ((160, 96), BOX)
    (note,) = media.notes
    assert "10.2% of its stored picture" in note
    assert note.endswith("what lies there was not judged.")
    with iter_frames(path, limits=limits) as frames:
        for frame in frames:
            assert frame.image.shape == expected.shape
            assert np.abs(frame.image - expected.astype(int)).mean() < 1.5


@pytest.mark.parametrize("size", [None, (112, 60)], ids=["", "size on screen"])
def test_where_much_is_left_out_all_is_judged_since_browsers_show_it(
    tmp_path: Path, limits: MediaLimits, size: tuple[int, int] | None
) -> None:
    path = tmp_path / "a.mp4"
    made = grown(ramps(path), LAID_OUT, clean_aperture((160, 96), SMALL_BOX))
    path.write_bytes(on_screen_in_mp4(made, *size) if size else made)
    media = probed(path, limits)
    assert (media.width, media.height, media.stored_size, media.shown_box) == (160, 96, None, None)
    (note,) = media.notes
    assert "56.2% of its stored picture" in note
    assert note.endswith("so that was judged, too.")
    assert np.abs(next(iter_frames(path, limits=limits)).image - RAMPS.astype(int)).mean() < 1.5


@pytest.mark.parametrize("box", [(0, 0, 160, 96), (40, 30, 161, 90), (-1, 0, 100, 90), (40, 30, 40, 90)])
def test_what_shows_all_or_no_part_of_a_picture_is_passed_over(
    tmp_path: Path, limits: MediaLimits, box: tuple[int, int, int, int]
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(grown(ramps(path), LAID_OUT, clean_aperture((160, 96), box)))
    media = probed(path, limits)
    assert (media.width, media.height, media.stored_size, media.notes) == (160, 96, None, ())
    assert next(iter_frames(path, limits=limits)).image.shape == (96, 160, 3)


def test_a_crop_of_pictures_of_another_size_is_passed_over(tmp_path: Path, limits: MediaLimits) -> None:
    """H.264 itself has left out what is not to be shown: once is enough."""
    path = tmp_path / "a.mp4"
    options = LOSSLESS | {"x264-params": "crop-rect=4,2,6,2"}
    write_video(path, [RAMPS] * 3, pix_fmt="yuv444p", options=options)
    path.write_bytes(grown(path.read_bytes(), LAID_OUT, clean_aperture((160, 96), BOX)))
    media = probed(path, limits)
    assert (media.width, media.height, media.stored_size) == (150, 92, None)
    assert np.abs(next(iter_frames(path, limits=limits)).image - MIDDLE).mean() < 1.5


@pytest.mark.parametrize("form", ["AVIF", "HEIF"])
def test_a_still_is_cropped_as_viewers_do(tmp_path: Path, limits: MediaLimits, form: str) -> None:
    path = tmp_path / f"a.{form.lower()}"
    Image.fromarray(RAMPS).save(path, form, quality=95)
    content = path.read_bytes()
    aperture = clean_aperture((160, 96), BOX)
    made = bytearray(grown(content, [b"meta", b"iprp", b"ipco"], aperture))
    count, place = 0, content.index(b"ipco") + 4
    while content[place + 4 : place + 8] != b"ipma":
        place, count = place + int.from_bytes(content[place : place + 4], "big"), count + 1
    made = bytearray(grown(bytes(made), [b"meta", b"iprp", b"ipma"], bytes([0x80 | count + 1])))
    made[made.index(b"ipma") + 14] += 1
    data = content.index(b"mdat") + 4
    at = made.index(data.to_bytes(4, "big"), made.index(b"iloc"))
    made[at : at + 4] = (data + len(aperture) + 1).to_bytes(4, "big")
    plain = read_image(path, limits=limits)
    path.write_bytes(made)
    image = read_image(path, limits=limits)
    assert plain.shape == (96, 160, 3)
    assert image.shape == (92, 150, 3)
    assert np.abs(image - plain[2:94, 4:154].astype(int)).mean() < 1
    media = probed(path, limits)
    assert (media.width, media.height) == (150, 92)
    assert (media.stored_size, media.shown_box, len(media.notes)) == ((160, 96), BOX, 1)


def test_what_an_encoder_fills_up_is_no_crop(tmp_path: Path, limits: MediaLimits) -> None:
    path = tmp_path / "a.heic"
    Image.fromarray(RAMPS[:95, :159]).save(path, "HEIF")
    assert b"clap" in path.read_bytes()
    media = probed(path, limits)
    assert (media.width, media.height, media.stored_size, media.notes) == (159, 95, None, ())
    assert read_image(path, limits=limits).shape == (95, 159, 3)


@pytest.mark.parametrize("form", ["mp4", "mkv", "ts"])
def test_a_picture_is_cropped_to_the_pixel_as_its_stream_says(tmp_path: Path, limits: MediaLimits, form: str) -> None:
    plain, path = tmp_path / f"plain.{form}", tmp_path / f"cropped.{form}"
    write_video(plain, [RAMPS] * 3, pix_fmt="yuv444p", options=LOSSLESS)
    options = LOSSLESS | {"x264-params": "crop-rect=4,2,6,2"}
    write_video(path, [RAMPS] * 3, pix_fmt="yuv444p", options=options)
    with iter_frames(path, [0], limits=limits) as cropped, iter_frames(plain, [0], limits=limits) as whole:
        pixels, expected = next(cropped).image.astype(int), next(whole).image[2:94, 4:154].astype(int)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).mean() < 0.5
