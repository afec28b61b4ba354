import itertools
from pathlib import Path

import av
import cv2
import golden
import numpy as np
import pytest
from media_factory import coded_frames, write_video

from drishtiksha.media.colour import RgbConverter, clockwise_degrees, turn
from drishtiksha.media.gamut import PRIMARIES, to_srgb_matrix
from drishtiksha.media.video import iter_frames
from drishtiksha.settings import MediaLimits

SDR_TAGS = list(itertools.product([0, 1, 2, 3, 5, 6, 9, 10, 14, 17, 100], [1, 2, 3], [0, 2, 9, 100]))
HDR_TAGS = [(9, 16, 9), (3, 18, 100)]
"""Few: swscale builds a table for each, which takes a second."""


@pytest.mark.slow
@pytest.mark.parametrize(("matrix", "transfer", "primaries"), [*SDR_TAGS, *HDR_TAGS])
def test_every_tag_gives_a_picture(matrix: int, transfer: int, primaries: int) -> None:
    """Files carry reserved and mistaken tags; a mid grey stays a grey under all of them."""
    frame = av.VideoFrame(32, 32, "yuv420p10le")
    for plane in frame.planes:
        plane.update(np.full(plane.buffer_size // 2, 512, np.uint16).tobytes())
    frame.colorspace, frame.color_trc, frame.color_primaries = matrix, transfer, primaries
    image = RgbConverter()(frame)
    assert image.shape == (32, 32, 3)
    grey = image.reshape(-1, 3).mean(axis=0)
    assert np.ptp(grey) < 6
    assert 90 < grey.mean() < 210


@pytest.mark.parametrize(("code", "matrix"), [(9, 9), (12, 1)])
def test_wide_primaries_without_hdr_are_not_pale(code: int, matrix: int) -> None:
    """Each colour as its twin in BT.709, in a picture with 10 bits."""
    colours = np.array([[200, 150, 130], [180, 60, 50], [60, 120, 60], [70, 80, 160], [230, 220, 90], [128, 128, 128]])
    lit = (colours / 255) ** 2.4
    stored = np.clip(lit @ np.linalg.inv(to_srgb_matrix(PRIMARIES[code])).T, 0, 1) ** (1 / 2.4)
    pixels = np.repeat(np.repeat((stored * 65535).round().astype(np.uint16)[None], 16, axis=0), 16, axis=1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb48le").reformat(
        format="yuv444p10le", dst_colorspace=matrix, dst_color_range=1
    )
    frame.colorspace, frame.color_range, frame.color_trc, frame.color_primaries = matrix, 1, 1, code
    found = RgbConverter()(frame)[8, 8::16].astype(int)
    assert np.abs(found - colours).max() <= 4
    frame.color_primaries = 1
    assert np.abs(RgbConverter()(frame)[8, 8::16].astype(int) - colours).max() > 10, "taken for BT.709 they are pale"


def test_stored_rgb_is_unchanged(tmp_path: Path, limits: MediaLimits) -> None:
    frames = coded_frames(3)
    path = write_video(tmp_path / "lossless.mkv", frames, codec="ffv1", pix_fmt="bgr0")
    for frame, original in zip(iter_frames(path, limits=limits), frames, strict=True):
        assert np.array_equal(frame.image, original)


@pytest.mark.parametrize(("name", "tagged"), [("stage_360p.mp4", True), ("street_faces_1080p.mp4", False)])
def test_opencv_and_with_it_the_reference_reads_untagged_hd_by_the_matrix_of_sd(
    limits: MediaLimits, name: str, tagged: bool
) -> None:
    """Where the matrix is tagged, the pixels are the same; for HD without a tag players take BT.709, and so do we."""
    path = golden.clip(name)
    _, theirs = cv2.VideoCapture(str(path)).read()
    with iter_frames(path, [0], limits=limits) as frames:
        ours = next(frames).image
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        sd = frame.reformat(format="rgb24", src_colorspace="ITU601", dst_colorspace="ITU601").to_ndarray()
    unspecified = 2
    assert (frame.colorspace != unspecified) is tagged
    assert np.array_equal(theirs[..., ::-1], ours if tagged else sd)
    assert np.array_equal(ours, sd) is False


def test_turns() -> None:
    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    assert np.array_equal(turn(image, (1, 0, 0, 1)), image)
    assert np.array_equal(turn(image, (0, 1, -1, 0)), np.rot90(image, -1))
    assert np.array_equal(turn(image, (-1, 0, 0, -1)), np.rot90(image, 2))
    assert np.array_equal(turn(image, (0, -1, 1, 0)), np.rot90(image, 1))
    assert np.array_equal(turn(image, (-1, 0, 0, 1)), image[:, ::-1])
    assert [clockwise_degrees(m) for m in ((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0))] == [
        0,
        90,
        180,
        270,
    ]
