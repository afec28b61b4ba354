"""Index, time, turn and colour of decoded frames, on real encoded files whose frames carry their index."""

import itertools
import os
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
from media_factory import coded_frames, read_code, speech_like, write_audio, write_video

from drishtiksha.errors import (
    AnalysisCancelledError,
    DecodeStalledError,
    MediaLimitError,
    UnreadableMediaError,
    WrongMediaKindError,
)
from drishtiksha.events import CancelToken
from drishtiksha.media.video import frames_at, iter_frames, read_index
from drishtiksha.settings import MediaLimits

FILES = {
    "h264.mp4": {},
    "short_groups.mp4": {"options": {"g": "5"}},
    "h264.mkv": {},
    "h264.avi": {},
    "h264.ts": {},
    "short_groups.ts": {"options": {"g": "5"}},
    "short_groups.mpg": {"codec": "mpeg2video", "options": {"g": "6", "bf": "2"}},
    "short_groups.webm": {"codec": "libvpx-vp9", "options": {"g": "5"}},
    "bare.h264": {},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=error"}},
    "hevc_open_groups.mp4": {
        "codec": "libx265",
        "options": {"x265-params": "keyint=8:open-gop=1:log-level=error"},
    },
    "hevc_10_bit.mp4": {
        "codec": "libx265",
        "pix_fmt": "yuv420p10le",
        "options": {"x265-params": "log-level=error"},
    },
    "vp8.webm": {"codec": "libvpx"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "av1.mp4": {"codec": "libsvtav1"},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mpeg4_b_frames.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "mpeg2.mpg": {"codec": "mpeg2video"},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "flash.flv": {},
}


@pytest.fixture(scope="module", params=FILES)
def coded_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("coded") / request.param
    return write_video(path, coded_frames(30), **FILES[request.param])


@pytest.mark.slow
def test_every_frame_has_its_index_and_time(coded_file: Path, limits: MediaLimits) -> None:
    frames = iter_frames(coded_file, limits=limits)
    seen = [(frame.index, read_code(frame.image), frame.time_s) for frame in frames]
    assert [index for index, _, _ in seen] == list(range(30))
    assert [code for _, code, _ in seen] == list(range(30))
    assert [time_s for _, _, time_s in seen] == pytest.approx([i / 25 for i in range(30)], abs=0.002)
    assert frames.report.frames_decoded == 30
    assert not frames.report.damaged
    assert frames.report.missing == []


def test_seeking_gives_the_same_as_decoding_through(coded_file: Path, limits: MediaLimits) -> None:
    wanted = [0, 3, 4, 11, 17, 29]
    through = list(iter_frames(coded_file, wanted, limits=limits))
    sought = list(frames_at(coded_file, wanted[::-1], limits=limits))
    assert [frame.index for frame in sought] == [frame.index for frame in through] == wanted
    for one, other in zip(through, sought, strict=True):
        assert one.time_s == other.time_s
        assert np.array_equal(one.image, other.image), f"frame {one.index} differs"


def test_index_agrees_with_the_decode(coded_file: Path, limits: MediaLimits) -> None:
    index = read_index(coded_file, limits=limits)
    assert len(index) == 30
    decoded = [frame.time_s for frame in iter_frames(coded_file, limits=limits)]
    assert index.times.tolist() == pytest.approx(decoded, abs=1e-9)
    assert not index.variable_rate


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path, limits: MediaLimits) -> None:
    steps = itertools.islice(itertools.cycle([0.02, 0.3, 0.04, 0.55]), 29)
    times = [0.0, *itertools.accumulate(steps)]
    path = write_video(tmp_path / "vfr.mp4", coded_frames(30), times=times)
    frames = list(iter_frames(path, limits=limits))
    assert [read_code(frame.image) for frame in frames] == list(range(30))
    assert [frame.time_s for frame in frames] == pytest.approx(times, abs=1e-3)
    index = read_index(path, limits=limits)
    assert index.variable_rate
    assert index.times.tolist() == pytest.approx(times, abs=1e-3)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_frames_come_upright(tmp_path: Path, limits: MediaLimits, rotation: int, mirrored: bool) -> None:
    stored = [np.rot90(image, rotation // 90) for image in coded_frames(3)]
    stored = [np.ascontiguousarray(image[:, ::-1] if mirrored else image) for image in stored]
    path = write_video(tmp_path / "turned.mp4", stored, rotation=rotation, mirrored=mirrored)
    frames = list(iter_frames(path, limits=limits))
    assert {frame.image.shape for frame in frames} == {(96, 128, 3)}
    assert [read_code(frame.image) for frame in frames] == [0, 1, 2]
    assert all(frame.image.flags.c_contiguous and frame.image.dtype == np.uint8 for frame in frames)


# Values of FFmpeg's AVColorSpace, AVColorRange, AVColorTransferCharacteristic (libavutil/pixfmt.h).
BT709, BT601, BT2020, LIMITED, FULL = 1, 6, 9, 1, 2


@pytest.mark.parametrize("range_", [LIMITED, FULL])
@pytest.mark.parametrize("matrix", [BT709, BT601, BT2020])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le"])
def test_colours_follow_the_tags(tmp_path: Path, limits: MediaLimits, pix_fmt: str, matrix: int, range_: int) -> None:
    colour = np.array([200, 40, 90])
    image = np.broadcast_to(colour, (64, 64, 3)).astype(np.uint8)
    path = write_video(
        tmp_path / "colour.mp4",
        [image],
        pix_fmt=pix_fmt,
        options={"qp": "0"},
        colour={"colorspace": matrix, "color_range": range_},
    )
    (frame,) = iter_frames(path, limits=limits)
    assert np.abs(frame.image.reshape(-1, 3).mean(axis=0) - colour).max() <= 3


@pytest.mark.parametrize(("height", "matrix"), [(720, BT709), (480, BT601)])
def test_an_untagged_matrix_is_taken_as_players_take_it(
    tmp_path: Path, limits: MediaLimits, height: int, matrix: int
) -> None:
    colour = np.array([200, 40, 90])
    image = np.broadcast_to(colour, (height, 64, 3)).astype(np.uint8)
    encoded = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv444p", dst_colorspace=matrix)
    path = tmp_path / "untagged.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, height, "yuv444p"
        encoded.colorspace = 2  # AVCOL_SPC_UNSPECIFIED
        encoded.pts = 0
        output.mux(stream.encode(encoded))
        output.mux(stream.encode(None))
    (frame,) = iter_frames(path, limits=limits)
    assert np.abs(frame.image[height // 2, 32].astype(int) - colour).max() <= 3


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("libx264rgb", "rgb24"), ("ffv1", "bgr0"), ("ffv1", "gbrp10le"), ("ffv1", "gbrp16le")]
)
def test_pictures_that_are_stored_as_rgb(tmp_path: Path, limits: MediaLimits, codec: str, pix_fmt: str) -> None:
    rows, columns = np.mgrid[0:48, 0:64]
    image = np.stack([columns * 4, rows * 5, (rows + columns) % 256], axis=-1).astype(np.uint8)
    options = {"qp": "0"} if codec == "libx264rgb" else {}
    path = write_video(tmp_path / "rgb.mkv", [image], codec=codec, pix_fmt=pix_fmt, options=options)
    (frame,) = iter_frames(path, limits=limits)
    assert np.abs(frame.image.astype(int) - image.astype(int)).max() <= 1


@pytest.mark.slow
def test_hdr_is_not_pale(tmp_path: Path, limits: MediaLimits) -> None:
    """HLG's reference white, 75 % of the signal, is shown as near white on an ordinary screen (ITU-R BT.2408)."""
    image = np.full((64, 64, 3), round(0.75 * 255), np.uint8)
    path = write_video(
        tmp_path / "hlg.mp4",
        [image],
        codec="libx265",
        pix_fmt="yuv420p10le",
        colour={"colorspace": BT2020, "color_range": LIMITED, "color_trc": 18, "color_primaries": 9},
        # Of one picture that others might refer to, x265 gives a decoding time that it never set.
        options={"x265-params": "log-level=error:bframes=0"},
    )
    (frame,) = iter_frames(path, limits=limits)
    assert frame.image.mean() > 205


def test_one_frame(tmp_path: Path, limits: MediaLimits) -> None:
    path = write_video(tmp_path / "one.mp4", coded_frames(1))
    (frame,) = iter_frames(path, limits=limits)
    assert (frame.index, frame.time_s, read_code(frame.image)) == (0, 0.0, 0)


def test_wanted_frames_come_sorted_and_once(tmp_path: Path, limits: MediaLimits) -> None:
    path = write_video(tmp_path / "clip.mp4", coded_frames(20))
    assert [frame.index for frame in iter_frames(path, [7, 2, 7, 19], limits=limits)] == [2, 7, 19]
    assert list(iter_frames(path, [], limits=limits)) == []
    with pytest.raises(ValueError, match="from 0"):
        iter_frames(path, [-1], limits=limits)


def test_a_few_frames_of_a_long_clip_do_not_decode_it_all(tmp_path: Path, limits: MediaLimits) -> None:
    path = write_video(tmp_path / "long.mp4", coded_frames(250), options={"g": "10"})
    frames = iter_frames(path, [5, 125, 245], limits=limits)
    assert [read_code(frame.image) for frame in frames] == [5, 125, 245]
    assert frames.report.frames_decoded < 60


def test_a_late_picture_keeps_its_distance_to_the_sound(tmp_path: Path, limits: MediaLimits) -> None:
    times = [0.5 + i / 25 for i in range(20)]
    path = write_video(tmp_path / "late.mp4", coded_frames(20), times=times, audio=(speech_like(1.5, 48_000), 48_000))
    assert [frame.time_s for frame in iter_frames(path, limits=limits)] == pytest.approx(times, abs=1e-3)


def test_a_live_clock_becomes_zero(tmp_path: Path, limits: MediaLimits) -> None:
    times = [5000 + i / 25 for i in range(20)]
    path = write_video(tmp_path / "live.mkv", coded_frames(20), times=times)
    assert [f.time_s for f in iter_frames(path, limits=limits)] == pytest.approx([i / 25 for i in range(20)], abs=2e-3)


def test_a_clip_trimmed_by_an_edit_list_begins_where_players_begin(tmp_path: Path, limits: MediaLimits) -> None:
    """Phones trim without re-encoding: frames back to the last keyframe are in the file but are not shown."""
    whole = write_video(tmp_path / "whole.mp4", coded_frames(30), options={"g": "5"})
    trimmed = tmp_path / "trimmed.mp4"
    with (
        av.open(str(whole)) as source,
        av.open(str(trimmed), "w", container_options={"avoid_negative_ts": "disabled"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        shift = round(7 / 25 / source.streams.video[0].time_base)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                target.mux(packet)
    for read in (iter_frames(trimmed, limits=limits), frames_at(trimmed, range(23), limits=limits)):
        seen = [(frame.index, read_code(frame.image), round(frame.time_s, 3)) for frame in read]
        assert seen == [(i, i + 7, round(i / 25, 3)) for i in range(23)]
        assert read.report.missing == []
    assert read_index(trimmed, limits=limits).declared == 23


def test_no_picture_is_the_wrong_kind(tmp_path: Path, limits: MediaLimits) -> None:
    path = write_audio(tmp_path / "talk.wav", speech_like(0.5), 16_000)
    with pytest.raises(WrongMediaKindError, match=r"talk\.wav has no moving picture"):
        list(iter_frames(path, limits=limits))


def test_limits_hold_while_decoding(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", coded_frames(20))
    with pytest.raises(MediaLimitError, match="10 frames"):
        list(iter_frames(path, limits=MediaLimits(max_frames=10)))
    with pytest.raises((MediaLimitError, UnreadableMediaError)):
        list(iter_frames(path, limits=MediaLimits(max_video_pixels=100)))


def test_cancelling_stops_the_decode(tmp_path: Path, limits: MediaLimits) -> None:
    path = write_video(tmp_path / "clip.mp4", coded_frames(200))
    token = CancelToken()
    with iter_frames(path, limits=limits, check=token.check) as frames:
        next(frames)
        token.cancel()
        with pytest.raises(AnalysisCancelledError):
            list(frames)
    assert not any(thread.name == f"decode {path.name}" for thread in threading.enumerate())


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_source_that_never_delivers_is_given_up(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    started = time.monotonic()
    with pytest.raises(DecodeStalledError, match=r"pipe\.mp4"):
        list(iter_frames(pipe, limits=MediaLimits(stall_s=0.5)))
    assert time.monotonic() - started < 3
    pipe.open("wb", buffering=0).close()  # lets the worker that still waits go


def test_the_shared_clip_agrees_with_opencv(clip_360p: Path, limits: MediaLimits) -> None:
    cv2 = pytest.importorskip("cv2")
    capture = cv2.VideoCapture(str(clip_360p))
    wanted = [0, 60, 137, 274]
    ours = {frame.index: frame.image for frame in iter_frames(clip_360p, wanted, limits=limits)}
    for index in range(275):
        there, image = capture.read()
        assert there
        if index in ours:
            assert np.abs(ours[index].astype(int) - image[:, :, ::-1]).max() <= 2
