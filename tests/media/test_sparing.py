"""Pictures that nothing refers to are left out of a decode, and what is asked for is the same to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from media_factory import coded_frames, read_code, write_video

from drishtiksha.media import frameindex
from drishtiksha.media.video import DecodeReport, frames_at, iter_frames, read_index
from drishtiksha.settings import MediaLimits

COUNT = 40
GROUPS = {
    "default": {},
    "two references": {"x264-params": "bframes=8:b-adapt=0:b-pyramid=normal:ref=2"},
    "no pyramid": {"x264-params": "bframes=3:b-adapt=0:b-pyramid=none:keyint=24:min-keyint=24:scenecut=0"},
    "open": {"x264-params": "open-gop=1:keyint=12:min-keyint=12:bframes=3:b-adapt=0:scenecut=0"},
    "refresh": {"x264-params": "intra-refresh=1:keyint=20"},
    "slices": {"x264-params": "slices=4:bframes=3:b-adapt=0"},
    "no B": {"x264-params": "bframes=0"},
    "interlaced": {"x264-params": "tff=1:bframes=3:b-adapt=0"},
}
FILES = [(groups, "mp4") for groups in GROUPS] + [
    (groups, suffix) for groups in ("default", "open") for suffix in ("mkv", "ts", "avi")
]


def scene(count: int = COUNT) -> list[np.ndarray]:
    """Coded frames with something that moves, so that one picture is predicted from others."""
    frames = coded_frames(count)
    y, x = np.mgrid[:96, :128]
    for number, frame in enumerate(frames):
        wave = (np.sin((x + 3 * number) / 9) + np.cos((y - 2 * number) / 7)) * 20
        frame[60:] = np.clip(frame[60:] + wave[60:, :, None], 0, 255)
    return frames


def frames_of(
    path: Path, wanted: Sequence[int] | None, read=iter_frames
) -> tuple[list[tuple[int, float, bytes]], DecodeReport]:
    limits = MediaLimits()
    with read(path, wanted, limits=limits) as stream:
        return [(frame.index, frame.time_s, frame.image.tobytes()) for frame in stream], stream.report


def assert_same_as_a_plain_decode(
    path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Sequence[int]
) -> tuple[int, int]:
    """Returns how many pictures were decoded, and how many by the plain decode."""
    for read in (frames_at, iter_frames):
        spared, report = frames_of(path, wanted, read)
        with monkeypatch.context() as patch:
            patch.setattr(frameindex, "UNBROKEN", ())
            plain, plain_report = frames_of(path, wanted, read)
        assert spared == plain, read.__name__
        assert (report.missing, report.damaged) == (plain_report.missing, plain_report.damaged)
    return report.frames_decoded, plain_report.frames_decoded


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "suffix"), FILES)
def test_the_frames_are_the_same_to_the_bit(groups: str, suffix: str, tmp_path: Path, monkeypatch) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", scene(), options=GROUPS[groups])
    for wanted in (range(0, COUNT, 7), [1, 2, 3, 31, 38], range(COUNT)):
        decoded, plainly = assert_same_as_a_plain_decode(path, monkeypatch, list(wanted))
        assert decoded <= plainly


def test_a_large_part_is_left_out(tmp_path: Path, monkeypatch) -> None:
    options = GROUPS["no pyramid"]
    path = write_video(tmp_path / "clip.mp4", scene(), options=options)
    decoded, plainly = assert_same_as_a_plain_decode(path, monkeypatch, [0, 15, 30])
    assert decoded < 0.5 * plainly


def test_a_variable_rate_keeps_its_frames(tmp_path: Path, monkeypatch) -> None:
    times = np.cumsum([0, *([0.04, 0.013, 0.2, 0.021] * COUNT)])[:COUNT].tolist()
    path = write_video(tmp_path / "clip.mkv", scene(), times=times, options=GROUPS["no pyramid"])
    decoded, plainly = assert_same_as_a_plain_decode(path, monkeypatch, list(range(0, COUNT, 11)))
    assert decoded < plainly


def test_stamps_that_restart_leave_nothing_out(tmp_path: Path, monkeypatch) -> None:
    one = write_video(tmp_path / "one.ts", scene(30), options=GROUPS["no pyramid"])
    path = tmp_path / "both.ts"
    path.write_bytes(one.read_bytes() * 2)
    assert read_index(path, limits=MediaLimits()).breaks
    decoded, plainly = assert_same_as_a_plain_decode(path, monkeypatch, list(range(0, 60, 9)))
    assert decoded == plainly


@pytest.mark.slow
def test_a_damaged_file_is_decoded_as_before(tmp_path: Path, monkeypatch) -> None:
    path = write_video(tmp_path / "clip.mp4", scene(), options=GROUPS["no pyramid"])
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size and not p.is_keyframe]
    content = bytearray(path.read_bytes())
    place, size = max(packets[10:30], key=lambda packet: packet[1])
    content[place + 8 : place + size] = bytes(size - 8)
    path.write_bytes(content)
    assert frames_of(path, None)[1].damaged
    for wanted in (list(range(0, COUNT, 7)), [i for i in range(COUNT) if i % 3]):
        assert_same_as_a_plain_decode(path, monkeypatch, wanted)


def test_frames_are_those_that_were_asked_for(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", coded_frames(COUNT), options=GROUPS["two references"])
    with iter_frames(path, range(0, COUNT, 13), limits=MediaLimits()) as stream:
        assert [(frame.index, read_code(frame.image)) for frame in stream] == [(i, i) for i in range(0, COUNT, 13)]
