"""Time stamps that restart or jump: nothing is dropped, nothing is made up, picture and sound stay together."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_factory import click_at, coded_frames, onset_s, read_code, speech_like, tone, write_audio, write_video

from drishtiksha.media.audio import read_audio, read_sound
from drishtiksha.media.probe import probe
from drishtiksha.media.video import frames_at, iter_frames, read_index
from drishtiksha.results import MediaInfo
from drishtiksha.settings import MediaLimits

RATE = 48_000
PLAIN = {"bf": "0", "g": "12"}


def facts(path: Path, limits: MediaLimits) -> MediaInfo:
    return probe(path, path.name, "0" * 64, limits)


def recording(path: Path, codes: range, click_s: float, begin_s: float = 0.0, options: dict | None = None) -> Path:
    """A transport stream of coded frames, 25 a second, with a click in its sound."""
    frames = [frame for i, frame in enumerate(coded_frames(codes.stop)) if i in codes]
    sound = click_at(click_s, len(frames) / 25, RATE)
    times = [begin_s + i / 25 for i in range(len(frames))]
    return write_video(
        path,
        frames,
        times=times,
        audio=(sound, RATE),
        audio_start_s=begin_s,
        container="mpegts",
        options=options or PLAIN,
    )


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize("options", [PLAIN, {"bf": "2", "g": "12"}], ids=["in order", "reordered"])
def test_stamps_that_restart_lose_no_frame(tmp_path: Path, limits: MediaLimits, options: dict[str, str]) -> None:
    one = recording(tmp_path / "a.ts", range(50), 0.5, options=options)
    other = recording(tmp_path / "b.ts", range(50, 100), 1.0, options=options)
    path = joined(tmp_path / "ab.ts", one, other)
    with iter_frames(path, limits=limits) as stream:
        frames = list(stream)
    plain = [read_code(f.image) for part in (one, other) for f in iter_frames(part, limits=limits)]
    codes = [read_code(frame.image) for frame in frames]
    assert len(set(codes)) == len(codes)
    # FFmpeg's parser takes the last picture before a joint for damaged in some streams; it is the only one.
    assert len(plain) - len(codes) <= 1
    assert [frame.index for frame in frames] == list(range(len(codes)))
    assert stream.report.missing == []
    steps = np.diff([frame.time_s for frame in frames])
    assert steps.min() > 0
    assert np.median(steps) == pytest.approx(0.04, abs=0.001)
    assert steps.max() < 0.2
    media = facts(path, limits)
    assert media.duration_s == pytest.approx(4.0, abs=0.2)
    assert media.frame_count == len(codes)
    assert media.time_breaks == 1
    assert facts(one, limits).time_breaks == 0
    with frames_at(path, [70, 71], limits=limits) as sought:
        assert [read_code(frame.image) for frame in sought] == [codes[70], codes[71]]


def test_picture_and_sound_stay_together_over_a_joint(tmp_path: Path, limits: MediaLimits) -> None:
    path = joined(
        tmp_path / "ab.ts",
        recording(tmp_path / "a.ts", range(50), 0.5),
        recording(tmp_path / "b.ts", range(50, 100), 1.0),
    )
    with iter_frames(path, limits=limits) as stream:
        begins = next(frame.time_s for frame in stream if read_code(frame.image) == 50)
    sound = read_audio(path, RATE, limits=limits)
    assert onset_s(sound, RATE) == pytest.approx(0.5, abs=0.05)
    assert onset_s(sound[round((begins + 0.3) * RATE) :], RATE) + 0.3 == pytest.approx(1.0, abs=0.05)
    assert len(sound) / RATE == pytest.approx(4.0, abs=0.15)


@pytest.mark.parametrize("jump_s", [5, 100, 36_000])
def test_a_jump_forward_is_neither_length_nor_silence(tmp_path: Path, limits: MediaLimits, jump_s: int) -> None:
    path = joined(
        tmp_path / "ab.ts",
        recording(tmp_path / "a.ts", range(50), 0.5),
        recording(tmp_path / "b.ts", range(50, 100), 1.0, begin_s=2.0 + jump_s),
    )
    media = facts(path, limits)
    assert media.duration_s == pytest.approx(4.0, abs=0.2)
    assert media.time_breaks >= 1
    sound = read_sound(path, 16_000, limits=limits)
    assert len(sound.waveform) / 16_000 == pytest.approx(4.0, abs=0.15)
    assert sum(stop - start for start, stop in sound.filled) < 0.2
    codes = [read_code(frame.image) for frame in iter_frames(path, limits=limits)]
    assert codes == sorted(codes)
    assert len(codes) >= 99


def test_a_pause_in_an_ordinary_container_is_no_length_when_it_is_hours_long(
    tmp_path: Path, limits: MediaLimits
) -> None:
    path = tmp_path / "pause.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for start_s in (0, 36_000):
            values = (tone(2.0) * 32_767).astype(np.int16)
            for offset in range(0, len(values), 800):
                frame = av.AudioFrame.from_ndarray(values[None, offset : offset + 800], format="s16", layout="mono")
                frame.sample_rate, frame.pts = 16_000, start_s * 16_000 + offset
                output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    assert facts(path, limits).duration_s == pytest.approx(4.0, abs=0.1)
    assert len(read_audio(path, 16_000, limits=limits)) == pytest.approx(64_000, abs=400)


def test_two_voice_notes_in_one_file_have_one_length(tmp_path: Path, limits: MediaLimits) -> None:
    notes = [write_audio(tmp_path / f"{seed}.opus", speech_like(4.0, RATE, seed), RATE) for seed in (0, 1)]
    path = joined(tmp_path / "notes.ogg", *notes)
    media = facts(path, limits)
    assert media.duration_s == pytest.approx(8.0, abs=0.1)
    assert len(read_audio(path, 16_000, limits=limits)) / 16_000 == pytest.approx(media.duration_s, abs=0.05)
    assert facts(notes[0], limits).duration_s == pytest.approx(4.0, abs=0.05)


def test_the_longest_track_of_another_kind_is_not_the_length(tmp_path: Path, limits: MediaLimits) -> None:
    path = tmp_path / "late.ts"
    with av.open(str(path), "w", format="mpegts") as output:
        video = output.add_stream("libx264", rate=25, options=PLAIN)
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        data = output.add_data_stream("bin_data")
        for number, image in enumerate(coded_frames(25)):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        packet = av.Packet(b"told in an hour and a half")
        packet.stream, packet.time_base = data, Fraction(1, 90_000)
        packet.pts = packet.dts = 5400 * 90_000
        output.mux(packet)
    assert facts(path, limits).duration_s == pytest.approx(1.0, abs=0.1)


def test_frames_of_one_stamp_are_all_there(tmp_path: Path, limits: MediaLimits) -> None:
    times = [0.0, 0.04, 0.08, 0.08, 0.12, 0.16, 0.16, 0.16, 0.2]
    plain = write_video(tmp_path / "plain.mkv", coded_frames(9), codec="mjpeg", pix_fmt="yuvj420p")
    path = tmp_path / "same.mkv"
    with av.open(str(plain)) as source, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for time_s, packet in zip(times, [one for one in source.demux(video=0) if one.size], strict=True):
            packet.pts = packet.dts = round(time_s / packet.time_base)
            packet.stream = stream
            output.mux(packet)
    frames = list(iter_frames(path, limits=limits))
    assert [read_code(frame.image) for frame in frames] == list(range(9))
    assert [frame.index for frame in frames] == list(range(9))
    assert len(read_index(path, limits=limits)) == 9
