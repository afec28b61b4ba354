"""Traces of joining and cutting in real videos: put together, trimmed and interrupted here."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from media_factory import coded_frames, cut_short, noise, write_video

from drishtiksha.casefile import Provenance
from drishtiksha.provenance.boxes import read_tracks

STEADY = {"g": "10", "keyint_min": "10", "sc_threshold": "0", "bf": "0"}
"""x264: a complete picture each ten, and none where scenes change."""


def notable(found: Provenance) -> list[str]:
    return [finding.title for finding in found.findings if finding.notable]


def titles(found: Provenance) -> list[str]:
    return [finding.title for finding in found.findings]


def test_a_steady_rhythm_is_no_trace(tmp_path, look):
    found = look(write_video(tmp_path / "c.mp4", coded_frames(100), options=STEADY))
    assert "Its key pictures come at a steady rhythm" in titles(found)
    assert notable(found) == []


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "webm"])
def test_ordinary_videos_raise_no_alarm(suffix, tmp_path, look):
    codec = "libvpx" if suffix == "webm" else "mpeg4" if suffix == "avi" else "libx264"
    assert notable(look(write_video(tmp_path / f"c.{suffix}", coded_frames(100), codec=codec))) == []


def test_clips_from_the_network_raise_no_alarm(clip_360p, clip_1080p, look):
    assert [notable(look(clip)) for clip in (clip_360p, clip_1080p)] == [[], []]


def test_a_broken_rhythm_is_told_with_its_time(tmp_path, look):
    """Cut at 2.6 s without encoding anew: the pictures of the second part keep their own rhythm."""
    first = write_video(tmp_path / "a.ts", coded_frames(65), options=STEADY)
    second = write_video(tmp_path / "b.ts", coded_frames(65), times=[2.6 + n / 25 for n in range(65)], options=STEADY)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    found = look(joined)
    broken = next(finding for finding in found.findings if "rhythm" in finding.title)
    assert broken.notable
    assert "Each 10 pictures" in broken.detail


def test_a_new_scene_that_the_encoder_saw_is_not_held_against_a_video(scene, tmp_path, look):
    scenes = [np.asarray(scene.crop((left, 0, left + 128, 96))) for left in (0, 400)]
    frames = [scenes[0]] * 230 + [scenes[1]] * 270
    clip = write_video(tmp_path / "c.mp4", frames, options={"g": "50", "keyint_min": "1", "bf": "0"})
    found = look(clip)
    broken = next(finding for finding in found.findings if "rhythm" in finding.title)
    assert "not at 00:09.2" in broken.detail
    assert "the encoder saw a new scene" in broken.tells
    assert notable(found) == []


def test_a_jump_in_the_amount_of_data(tmp_path, look):
    random = np.random.default_rng(0)
    still = coded_frames(1) * 60
    busy = [random.integers(0, 255, (96, 128, 3), dtype=np.uint8) for _ in range(60)]
    found = look(write_video(tmp_path / "c.mp4", still + busy, options=STEADY))
    jump = next(finding for finding in found.findings if "much more data" in finding.title)
    assert "00:02.4" in jump.detail
    assert not jump.notable


def test_two_encoders_behind_each_other(tmp_path, look):
    first = write_video(tmp_path / "a.ts", coded_frames(60), options=STEADY)
    second = write_video(tmp_path / "b.ts", coded_frames(60), options={**STEADY, "bf": "3", "profile": "main"})
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    found = notable(look(joined))
    assert "Its picture was encoded with more than one set of settings" in found
    assert "Its time stamps go back" in found


@pytest.mark.parametrize("turned", [False, True])
def test_each_part_of_a_stream_that_changes_its_codec_is_read(tmp_path, look, turned):
    parts = [
        write_video(tmp_path / "a.ts", coded_frames(100), options=STEADY),
        write_video(tmp_path / "b.ts", coded_frames(100), codec="mpeg2video", options={"g": "10", "bf": "0"}),
    ]
    parts = parts[::-1] if turned else parts
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    found = look(path)
    assert "It is joined of 2 recordings" in notable(found)
    assert {"h264", "mpeg2video"} <= {value.split()[0] for value in found.fields.values()}
    assert "the encoder x264" in next(title for title in titles(found) if title.startswith("It was written by"))
    for part in parts:
        assert "It is joined of 2 recordings" not in titles(look(part))


def test_a_rhythm_that_breaks_at_a_joint_is_told_with_its_time(tmp_path, look):
    first = write_video(tmp_path / "a.ts", coded_frames(65), options=STEADY)
    second = write_video(tmp_path / "b.ts", coded_frames(100), codec="mpeg2video", options={"g": "10", "bf": "0"})
    path = tmp_path / "joined.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    broken = next(finding for finding in look(path).findings if "rhythm" in finding.title)
    assert broken.title == "The rhythm of its key pictures is broken"
    assert "not at 00:02.6" in broken.detail


def test_each_note_of_recordings_in_one_file_is_read(tmp_path, look):
    for number, channels in enumerate((1, 2)):
        with av.open(str(tmp_path / f"{number}.ogg"), "w") as output:
            output.metadata["title"] = f"note {number}"
            stream = output.add_stream("libopus", rate=48_000, layout="mono" if channels == 1 else "stereo")
            for start in range(0, 48_000, 960):
                sound = noise(0.02 * channels, 48_000)[None, : 960 * channels]
                frame = av.AudioFrame.from_ndarray(sound, "flt", "mono" if channels == 1 else "stereo")
                frame.sample_rate, frame.pts = 48_000, start
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    path = tmp_path / "two.ogg"
    path.write_bytes((tmp_path / "0.ogg").read_bytes() + (tmp_path / "1.ogg").read_bytes())
    found = look(path)
    assert {"note 0", "note 1"} <= set(found.fields.values())
    assert "It is joined of 2 recordings" in notable(found)
    assert "note 1" not in look(tmp_path / "0.ogg").fields.values()


def test_out_of_order_pictures_in_one_part_only(tmp_path, look):
    first = write_video(tmp_path / "a.ts", coded_frames(60), options=STEADY)
    times = [10 + n / 25 for n in range(60)]
    second = write_video(tmp_path / "b.ts", coded_frames(60), times=times, options={**STEADY, "bf": "3"})
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    assert "Two parts of it were encoded in different ways" in notable(look(joined))


def test_a_hole_in_time(tmp_path, look):
    times = [n / 25 + (3 if n > 40 else 0) for n in range(80)]
    found = look(write_video(tmp_path / "c.mp4", coded_frames(80), times=times))
    (hole,) = [finding for finding in found.findings if finding.notable]
    assert hole.title == "Pictures are missing in its time line"
    assert "3.0 s at 00:01.6" in hole.detail


def test_a_time_is_rounded_into_the_next_minute(tmp_path, look):
    times = [0.0, *(n + 0.97 for n in range(60)), *(float(n) for n in range(80, 90))]
    found = look(write_video(tmp_path / "c.mp4", coded_frames(len(times)), times=times))
    hole = next(finding for finding in found.findings if "missing in its time line" in finding.title)
    assert hole.detail == "No picture is stored for 20.0 s at 01:00.0."


def test_a_slide_show_has_no_holes(tmp_path, look):
    times = [n * (0.04 if n % 2 else 1.0) for n in range(0, 40, 2)]
    assert notable(look(write_video(tmp_path / "c.mp4", coded_frames(20), times=times))) == []


def with_edit(path: Path, hidden_s: float) -> Path:
    """Let the first edit begin `hidden_s` later and last as much shorter, as trimming on a phone does."""
    data = bytearray(path.read_bytes())
    movie = int.from_bytes(data[(at := data.index(b"mvhd") + 16) : at + 4], "big")
    media = int.from_bytes(data[(at := data.index(b"mdhd") + 16) : at + 4], "big")
    at = data.index(b"elst") + 12
    for place, units in ((at, -round(hidden_s * movie)), (at + 4, round(hidden_s * media))):
        value = int.from_bytes(data[place : place + 4], "big") + units
        data[place : place + 4] = value.to_bytes(4, "big")
    path.write_bytes(data)
    return path


def test_pictures_that_an_edit_list_hides(tmp_path, look):
    clip = with_edit(write_video(tmp_path / "c.mp4", coded_frames(100)), 1.5)
    (track,) = read_tracks(clip)
    assert track.kind == "vide"
    assert track.length_s == pytest.approx(4, abs=0.1)
    hidden = next(finding for finding in look(clip).findings if "Players show less" in finding.title)
    assert hidden.notable
    assert "hides 1.5 s" in hidden.detail


def test_boxes_of_damaged_files_are_passed_over(tmp_path):
    clip = write_video(tmp_path / "c.mp4", coded_frames(20))
    data = clip.read_bytes()
    random = np.random.default_rng(2)
    for _ in range(60):
        broken = bytearray(data)
        at = data.index(b"moov")
        for place in random.integers(at - 4, len(data), 6):
            broken[place] = random.integers(256)
        (tmp_path / "b.mp4").write_bytes(broken)
        assert isinstance(read_tracks(tmp_path / "b.mp4"), list)
    assert read_tracks(cut_short(clip, tmp_path / "cut.mp4", 0.5)) == []


def test_noise_of_every_picture_complete_has_no_rhythm(tmp_path, look):
    random = np.random.default_rng(0)
    frames = [random.integers(0, 255, (96, 128, 3), dtype=np.uint8) for _ in range(20)]
    found = look(write_video(tmp_path / "c.mp4", frames, options={"g": "1"}, audio=(noise(1), 16_000)))
    assert not any("rhythm" in title for title in titles(found))
