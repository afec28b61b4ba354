"""Tracks that begin, change or are stated in ways that readers do not expect: each held against its plain twin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from media_factory import (
    click_at,
    coded_frames,
    long_tables,
    onset_s,
    read_code,
    remuxed,
    speech_like,
    tone,
    write_audio,
    write_video,
)

from drishtiksha.media import transport
from drishtiksha.media.audio import read_audio, read_sound
from drishtiksha.media.embedded import embedded_files
from drishtiksha.media.probe import probe
from drishtiksha.media.video import iter_frames
from drishtiksha.results import MediaInfo, MediaKind, TrackKind
from drishtiksha.settings import ROOT, MediaLimits

RATE = 48_000
PLAIN = {"bf": "0", "g": "12"}
LATE_S = 8.0
"""FFmpeg looks for tracks within 7 s."""


def facts(path: Path, limits: MediaLimits) -> MediaInfo:
    return probe(path, path.name, "0" * 64, limits)


def stream(path: Path, begin_s: float, length_s: float, click_s: float | None, codec: str = "libx264") -> Path:
    """A transport stream of pictures, 5 a second, with a click in its sound; None: without sound."""
    count = round(length_s * 5)
    return write_video(
        path,
        coded_frames(count, 64, 48),
        fps=5 if codec == "libx264" else 25,
        times=[begin_s + i / 5 for i in range(count)] if codec == "libx264" else None,
        audio=None if click_s is None else (click_at(click_s, length_s, RATE), RATE),
        audio_start_s=begin_s,
        codec=codec,
        container="mpegts",
        options=PLAIN if codec == "libx264" else {},
    )


@pytest.mark.parametrize("begin_s", [LATE_S, 0.0], ids=["stamps run on", "stamps restart"])
def test_sound_that_begins_in_the_second_part_of_a_broadcast_is_heard(tmp_path, limits, begin_s):
    silent = stream(tmp_path / "a.ts", 0.0, LATE_S, None)
    spoken = stream(tmp_path / "b.ts", begin_s, 2.0, 0.5)
    path = tmp_path / "ab.ts"
    path.write_bytes(silent.read_bytes() + spoken.read_bytes())
    media = facts(path, limits)
    assert (media.sample_rate, media.channels) == (RATE, 1)
    assert media.duration_s == pytest.approx(LATE_S + 2, abs=0.1)
    with iter_frames(path, limits=limits) as frames:
        assert len(list(frames)) >= 49
    plain = onset_s(read_audio(spoken, 16_000, limits=limits), 16_000)
    sound = read_audio(path, 16_000, limits=limits)
    assert onset_s(sound, 16_000) == pytest.approx(LATE_S + plain, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "codec", "fps", "sound"), [("late.ts", "libx264", 5, "aac"), ("late.mpg", "mpeg2video", 25, "mp2")]
)
def test_a_sound_track_that_begins_late_is_heard(tmp_path, limits, name, codec, fps, sound):
    def made(begin_s: float) -> Path:
        return write_video(
            tmp_path / f"{begin_s}{name}",
            coded_frames(50 if fps == 5 else 210, 64, 48),
            fps=fps,
            codec=codec,
            container=None if name.endswith("ts") else "mpeg",
            audio=(click_at(0.5, 2, RATE), RATE),
            audio_codec=sound,
            audio_start_s=begin_s,
        )

    late, plain = made(LATE_S), made(0.0)
    assert facts(late, limits).audio_codec == facts(plain, limits).audio_codec == sound
    apart = [onset_s(read_audio(path, 16_000, limits=limits), 16_000) for path in (late, plain)]
    assert apart[0] - apart[1] == pytest.approx(LATE_S, abs=0.05)


def test_a_picture_that_begins_late_makes_it_a_video(tmp_path, limits):
    path = write_video(
        tmp_path / "late.ts",
        coded_frames(10),
        fps=5,
        times=[LATE_S + i / 5 for i in range(10)],
        audio=(tone(LATE_S + 2, RATE), RATE),
        container="mpegts",
        options=PLAIN,
    )
    media = facts(path, limits)
    assert (media.kind, media.frame_count) == (MediaKind.VIDEO, 10)
    with iter_frames(path, limits=limits) as frames:
        assert [read_code(frame.image) for frame in frames] == list(range(10))


NULL = b"G\x1f\xff\x10" + b"\xff" * 184
"""A packet of no stream."""


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["h264", "mpeg2"])
def test_tracks_far_behind_the_beginning_are_found_without_keeping_what_lies_before(tmp_path, limits, codec):
    near, far = tmp_path / "near", tmp_path / "far"
    if codec == "h264":
        parts = [stream(tmp_path / "a.ts", 0.0, LATE_S, None), stream(tmp_path / "b.ts", LATE_S, 2.0, 0.5)]
        pieces, between = [part.read_bytes() for part in parts], NULL * (4_000_000 // len(NULL))
    else:
        whole = write_video(
            tmp_path / "ab.mpg",
            coded_frames(250, 64, 48),
            codec="mpeg2video",
            audio=(click_at(0.5, 2, RATE), RATE),
            audio_codec="mp2",
            audio_start_s=LATE_S,
        ).read_bytes()
        at = whole.index(b"\0\0\1\xba", len(whole) // 2)
        pieces, between = [whole[:at], whole[at:]], (b"\0\0\1\xbe\x20\0" + b"\xff" * 0x2000) * (4_000_000 // 0x2006)
    for path, times in ((near, 1), (far, 30)):
        with path.open("wb") as file:
            file.write(pieces[0])
            for _ in range(times):
                file.write(between)
            file.write(pieces[1])
    media, plain = facts(far, limits), facts(near, limits)
    assert media.audio_codec == plain.audio_codec == ("aac" if codec == "h264" else "mp2")
    assert (media.frame_count, media.duration_s) == (plain.frame_count, pytest.approx(plain.duration_s, abs=0.01))
    assert not media.notes
    heard = [read_audio(path, 16_000, limits=limits) for path in (far, near)]
    assert onset_s(heard[0], 16_000) == pytest.approx(LATE_S + 0.5, abs=0.1)
    assert np.array_equal(*heard)
    with iter_frames(far, limits=limits) as frames:
        assert [read_code(frame.image) for frame in frames][:40] == list(range(40))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs the memory figures of Linux")
def test_memory_does_not_grow_with_how_late_a_track_begins(tmp_path, limits):
    frames = np.random.default_rng(0).integers(0, 256, (4, 480, 640, 3), np.uint8)
    silent = write_video(tmp_path / "a.ts", frames, options={"qp": "1", "preset": "ultrafast"})
    spoken = stream(tmp_path / "b.ts", LATE_S, 2.0, 0.5)
    content = silent.read_bytes()
    path = tmp_path / "far.ts"
    path.write_bytes(content * (90_000_000 // len(content)) + spoken.read_bytes())
    script = (
        "import sys; from pathlib import Path; from bench.attack import memory, reset_peak;"
        "from drishtiksha.media.container import open_container; from drishtiksha.settings import MediaLimits\n"
        "reset_peak(); before = memory('VmRSS')\n"
        "with open_container(Path(sys.argv[1]), 'far', MediaLimits()) as found: print(found.streams.audio[0].sample_rate)\n"
        "print(memory('VmHWM') - before)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(path)], check=True, capture_output=True, text=True, cwd=ROOT
    )
    rate, grown = map(int, told.stdout.split())
    assert rate == RATE
    assert grown < 50_000_000


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def codes(path: Path, limits: MediaLimits, wanted: list[int] | None = None) -> list[tuple[int, float, int]]:
    with iter_frames(path, wanted, limits=limits) as frames:
        return [(frame.index, frame.time_s, read_code(frame.image)) for frame in frames]


@pytest.mark.slow
@pytest.mark.parametrize("turned", [False, True])
def test_what_follows_in_another_codec_is_judged_behind_the_first(tmp_path, limits, turned):
    parts = [
        stream(tmp_path / "a.ts", 0.0, 2.0, 0.5),
        stream(tmp_path / "b.ts", 0.0, 3.0, 1.5, codec="mpeg2video"),
    ]
    parts = parts[::-1] if turned else parts
    path = joined(tmp_path / "ab.ts", *parts)
    media, plain = facts(path, limits), [facts(part, limits) for part in parts]
    assert media.frame_count == sum(part.frame_count for part in plain)
    assert media.duration_s == pytest.approx(sum(part.duration_s for part in plain), abs=0.01)
    assert (media.time_breaks, media.decoded_share, media.damaged, media.tracks) == (1, 1.0, False, ())
    assert "different codecs" in media.notes[0]
    assert media.video_codec == plain[0].video_codec
    assert not embedded_files(path, path.name, limits)

    first, second = (codes(part, limits) for part in parts)
    found = codes(path, limits)
    assert [code for *_, code in found] == [code for *_, code in (*first, *second)]
    assert [index for index, *_ in found] == list(range(len(found)))
    later = [time_s - found[len(first)][1] for _, time_s, _ in found[len(first) :]]
    assert later == pytest.approx([time_s - second[0][1] for _, time_s, _ in second], abs=0.001)
    assert found[len(first)][1] == pytest.approx(plain[0].duration_s + second[0][1], abs=0.05)
    some = [1, len(first) - 1, len(first), len(found) - 1]
    assert codes(path, limits, some) == [found[i] for i in some]

    sounds = [read_audio(part, 16_000, limits=limits) for part in (*parts, path)]
    begin = round(plain[0].duration_s * 16_000)
    assert onset_s(sounds[2][begin:], 16_000) == pytest.approx(onset_s(sounds[1], 16_000), abs=0.02)
    assert np.abs(sounds[2][: len(sounds[0]) - 100] - sounds[0][:-100]).max() < 0.001


def test_sound_may_change_its_codec_on_the_way(tmp_path, limits):
    parts = [
        write_video(
            tmp_path / f"{codec}.ts",
            coded_frames(50, 64, 48),
            audio=(click_at(click_s, 2, RATE), RATE),
            audio_codec=codec,
            options=PLAIN,
        )
        for codec, click_s in (("aac", 0.5), ("mp2", 1.5))
    ]
    path = joined(tmp_path / "ab.ts", *parts)
    plain = [facts(part, limits) for part in parts]
    assert facts(path, limits).duration_s == pytest.approx(sum(part.duration_s for part in plain), abs=0.01)
    assert [code for *_, code in codes(path, limits)] == [*range(50), *range(50)]
    sound = read_sound(path, 16_000, limits=limits)
    begin = round(plain[0].duration_s * 16_000)
    for half, part in ((sound.waveform[:begin], parts[0]), (sound.waveform[begin:], parts[1])):
        assert onset_s(half, 16_000) == pytest.approx(
            onset_s(read_audio(part, 16_000, limits=limits), 16_000), abs=0.02
        )


def test_a_picture_behind_a_recording_in_the_same_packets_is_found(tmp_path, limits):
    """FFmpeg numbers the first stream 256, whatever it is."""
    plain = write_audio(tmp_path / "a.m4a", tone(2, RATE), RATE)
    heard = remuxed(tmp_path / "a.ts", [plain])
    seen = stream(tmp_path / "b.ts", 0.0, 2.0, None)
    media = facts(joined(tmp_path / "ab.ts", heard, seen), limits)
    assert (media.kind, media.frame_count, media.audio_codec) == (MediaKind.VIDEO, 10, "aac")
    lengths = [facts(part, limits).duration_s for part in (heard, seen)]
    assert media.duration_s == pytest.approx(sum(lengths), abs=0.05)
    assert codes(tmp_path / "ab.ts", limits)[0][1] == pytest.approx(lengths[0], abs=0.05)


def test_a_table_of_several_packets_is_read(tmp_path, limits):
    parts = [stream(tmp_path / f"{codec}.ts", 0.0, 1.0, 0.5, codec=codec) for codec in ("libx264", "mpeg2video")]
    for part in parts:
        part.write_bytes(long_tables(part.read_bytes()))
    counts = [len(codes(part, limits)) for part in parts]
    assert counts[0] == counts[1] == 5
    media = facts(joined(tmp_path / "ab.ts", *parts), limits)
    assert media.frame_count == len(codes(tmp_path / "ab.ts", limits)) == sum(counts)


def test_a_second_part_that_nobody_can_decode_lowers_what_was_judged(tmp_path, limits):
    first = stream(tmp_path / "a.ts", 0.0, 1.0, 0.5)
    # AVS2, of which FFmpeg has no decoder here.
    other = stream(tmp_path / "b.ts", 0.0, 1.0, 0.5)
    other.write_bytes(long_tables(other.read_bytes(), {0x1B: 0xD2}))
    path = joined(tmp_path / "ab.ts", first, other)
    media = facts(path, limits)
    assert media.decoded_share == pytest.approx(first.stat().st_size / path.stat().st_size, abs=0.01)
    assert "could be read" in media.notes[0]
    assert media.duration_s == pytest.approx(2.05, abs=0.1)
    assert len(codes(path, limits)) == 5


def test_a_damaged_table_is_no_other_codec(tmp_path, limits):
    path = stream(tmp_path / "a.ts", 0.0, 3.0, 0.5)
    content = bytearray(path.read_bytes())
    place = content.rindex(b"\x1b\xe1\0")  # H.264 in packets of number 256
    content[place] = 2
    path.write_bytes(content)
    media = facts(path, limits)
    assert (media.frame_count, media.notes) == (15, ())


@pytest.mark.slow
@pytest.mark.parametrize("bound", ["MOST_GAPS", "MOST_TABLES", "MOST_PACKETS"])
def test_what_is_not_looked_through_to_its_end_is_told(tmp_path, limits, monkeypatch, bound):
    whole = stream(tmp_path / "a.ts", 0.0, 8.0, 0.5).read_bytes()
    path = tmp_path / "bounded"
    if bound == "MOST_GAPS":
        path.write_bytes(whole + 30 * (whole[: 4 * 188] + b"x" * 20) + whole)
    elif bound == "MOST_TABLES":
        kinds = [long_tables(whole, {0x1B: kind}) for kind in (0x1B, 0x24)]
        path.write_bytes(b"".join(kinds) * 3)
        monkeypatch.setattr(transport, "BLOCK", 50_000)
    else:
        sound = (click_at(0.5, 2, RATE), RATE)
        write_video(path, coded_frames(50), codec="mpeg2video", container="mpeg", audio=sound, audio_codec="mp2")
    monkeypatch.setattr(transport, bound, 10**9)
    plain = facts(path, limits)
    assert not any("not looked for" in note for note in plain.notes)
    transport._layout.cache_clear()
    monkeypatch.setattr(transport, bound, 20)
    media = facts(path, limits)
    assert any("not looked for" in note for note in media.notes)
    assert media.decoded_share == plain.decoded_share


def test_sound_that_cannot_be_decoded_is_told(tmp_path, limits):
    plain, path = tmp_path / "plain.mkv", tmp_path / "unknown.mkv"
    write_video(plain, coded_frames(10), audio=(tone(0.4, RATE), RATE), options=PLAIN)
    path.write_bytes(plain.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    media, before = facts(path, limits), facts(plain, limits)
    assert media.notes == ("Sound track 2 cannot be decoded here and was not judged.",)
    assert (media.audio_codec, media.frame_count) == (None, 10)
    assert (before.notes, before.audio_codec) == ((), "aac")


def test_aac_may_change_its_rate_on_the_way(tmp_path, limits):
    spoken = speech_like(2, 48_000)
    one = write_audio(tmp_path / "a.aac", spoken[::3], 16_000)
    other = write_audio(tmp_path / "b.aac", tone(2, 44_100), 44_100)
    for first, second in ((one, other), (other, one)):
        path = tmp_path / "ab.aac"
        path.write_bytes(first.read_bytes() + second.read_bytes())
        length_s = sum(facts(part, limits).duration_s for part in (first, second))
        assert facts(path, limits).duration_s == pytest.approx(length_s, abs=0.01)
        sound = read_sound(path, 16_000, limits=limits)
        assert not sound.filled
        assert len(sound.waveform) / 16_000 == pytest.approx(length_s, abs=0.02)


def test_aac_in_a_broadcast_may_change_its_rate(tmp_path, limits):
    def part(name: str, rate: int) -> Path:
        plain = write_audio(tmp_path / f"{name}.m4a", speech_like(2, rate), rate)
        # Television puts several packets of sound behind one time stamp.
        options = {"max_delay": "700000"}
        with (
            av.open(str(plain)) as source,
            av.open(str(tmp_path / name), "w", format="mpegts", options=options) as output,
        ):
            track = output.add_stream_from_template(source.streams[0])
            for packet in source.demux():
                if packet.size:
                    packet.stream = track
                    output.mux(packet)
        return tmp_path / name

    one, other = part("a.ts", 16_000), part("b.ts", 44_100)
    path = tmp_path / "ab.ts"
    path.write_bytes(one.read_bytes() + other.read_bytes())
    media, sound = facts(path, limits), read_sound(path, 16_000, limits=limits)
    assert media.duration_s == pytest.approx(sum(facts(own, limits).duration_s for own in (one, other)), abs=0.05)
    assert media.time_breaks == 1
    assert not sound.filled
    assert len(sound.waveform) / 16_000 == pytest.approx(media.duration_s, abs=0.05)


def _stated(path: Path, chunk: bytes, at: int, value: bytes, target: Path) -> Path:
    data = bytearray(path.read_bytes())
    place = data.find(chunk) + at
    data[place : place + len(value)] = value
    target.write_bytes(data)
    return target


@pytest.mark.slow
@pytest.mark.parametrize("stated", [100, 32_000])
@pytest.mark.parametrize(
    ("form", "chunk", "at", "size", "order"),
    [
        ("WAV", b"data", 4, 4, "little"),
        ("RF64", b"ds64", 16, 8, "little"),
        ("AIFF", b"SSND", 4, 4, "big"),
        ("CAF", b"data", 4, 8, "big"),
        ("W64", b"data\xf3", 16, 8, "little"),
    ],
)
def test_sound_behind_its_stated_end_is_heard(tmp_path, limits, form, chunk, at, size, order, stated):
    plain, path = tmp_path / "plain", tmp_path / "short"
    soundfile.write(plain, speech_like(2), 16_000, format=form, subtype="PCM_16")
    _stated(plain, chunk, at, stated.to_bytes(size, order), path)
    media = facts(path, limits)
    assert media.duration_s == pytest.approx(2.0, abs=0.07)
    assert "states" in media.notes[0]
    assert not facts(plain, limits).notes
    assert np.array_equal(read_audio(path, 16_000, limits=limits), read_audio(plain, 16_000, limits=limits))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "chunk", "at", "value"),
    [
        ("RF64", b"ds64", 8, bytes(24)),
        ("AIFF", b"SSND", 4, bytes(4)),
        ("AIFF", b"COMM", 10, b"\xff" * 4),
        ("AU", b".snd", 8, bytes(4)),
        ("W64", b"data\xf3", 16, (24).to_bytes(8, "little")),
        ("WAV", b"data", 4, bytes(4)),
        ("WAV", b"data", 4, b"\xff" * 4),
        ("CAF", b"data", 4, b"\xff" * 8),
    ],
)
def test_a_length_that_is_left_open_is_no_reason_to_refuse(tmp_path, limits, form, chunk, at, value):
    plain, path = tmp_path / "plain", tmp_path / "open"
    soundfile.write(plain, speech_like(2), 16_000, format=form, subtype="PCM_16")
    _stated(plain, chunk, at, value, path)
    assert not facts(path, limits).notes
    assert facts(path, limits).duration_s == pytest.approx(2.0, abs=0.01)
    assert np.array_equal(read_audio(path, 16_000, limits=limits), read_audio(plain, 16_000, limits=limits))


def test_notes_behind_the_sound_are_not_taken_for_it(tmp_path, limits):
    path = tmp_path / "a.wav"
    soundfile.write(path, speech_like(1), 16_000)
    plain = read_audio(path, 16_000, limits=limits)
    for behind in (b"LIST" + (200).to_bytes(4, "little") + b"INFO" + bytes(196), bytes(50_000), b"ID3\4" + b"x" * 500):
        noted = tmp_path / "b.wav"
        noted.write_bytes(path.read_bytes() + behind)
        assert np.array_equal(read_audio(noted, 16_000, limits=limits), plain)
        assert not facts(noted, limits).notes


@pytest.mark.parametrize("rate", [32_000, 48_000])
def test_flac_behind_flac_is_heard_to_the_end(tmp_path, limits, rate):
    one, other = tmp_path / "a.flac", tmp_path / "b.flac"
    soundfile.write(one, speech_like(1, 32_000), 32_000)
    soundfile.write(other, np.stack([tone(1, rate)] * 2, axis=1), rate)
    path = tmp_path / "ab.flac"
    path.write_bytes(one.read_bytes() + other.read_bytes())
    assert facts(path, limits).duration_s == pytest.approx(2.0, abs=0.01)
    plain = np.concatenate([read_audio(part, 16_000, limits=limits) for part in (one, other)])
    sound = read_audio(path, 16_000, limits=limits)
    assert len(sound) == pytest.approx(len(plain), abs=32)
    assert np.abs(sound[16_200:31_000] - plain[16_200:31_000]).max() < 0.01


def _edited(path: Path, track: int, entries: list[tuple[int, int]]) -> None:
    """Put an edit list of (duration in ms, first time stamp) in place of a track's own, of no more entries, in place."""
    data = bytearray(path.read_bytes())
    place = -1
    for _ in range(track + 1):
        place = data.index(b"elst", place + 1)
    room = int.from_bytes(data[place - 4 : place], "big") - 16
    body = b"".join(d.to_bytes(4, "big") + m.to_bytes(4, "big", signed=True) + b"\0\1\0\0" for d, m in entries)
    assert len(body) <= room
    data[place + 8 : place + 12] = len(entries).to_bytes(4, "big")
    data[place + 12 : place + 12 + len(body)] = body
    path.write_bytes(data)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("edits") / "plain.mp4"
    return write_video(path, coded_frames(75), audio=(click_at(0.5, 3, RATE), RATE), options=PLAIN)


@pytest.mark.parametrize(("track", "what"), [(0, "picture"), (1, "sound")])
def test_what_an_edit_list_leaves_out_is_told(tmp_path, limits, clip, track, what):
    path = tmp_path / "cut.mp4"
    path.write_bytes(clip.read_bytes())
    _edited(path, track, [(1000, 0)])
    [note] = facts(path, limits).notes
    assert "edit list leaves out 2.0 s" in note
    assert what in note
    assert not facts(clip, limits).notes


@pytest.mark.parametrize("entry", [(0, 0), (3000, -1), (1000, 10**6)], ids=["no length", "empty", "beyond the end"])
def test_an_edit_list_that_leaves_nothing_is_passed_over(tmp_path, limits, clip, entry):
    path = tmp_path / "nothing.mp4"
    path.write_bytes(clip.read_bytes())
    _edited(path, 0, [entry])
    assert facts(path, limits).frame_count == facts(clip, limits).frame_count == 75
    with iter_frames(path, limits=limits) as frames:
        assert [read_code(frame.image) for frame in frames] == list(range(75))


def test_a_rate_that_matroska_states_wrongly_is_not_believed(tmp_path, limits):
    plain, path = tmp_path / "plain.mkv", tmp_path / "wrong.mkv"
    write_video(plain, coded_frames(50), options=PLAIN)
    data = bytearray(plain.read_bytes())
    place = data.index(b"\x23\xe3\x83") + 3
    size = data[place] & 0x7F
    for length_ns in (10**9, 10**6):
        data[place + 1 : place + 1 + size] = length_ns.to_bytes(size, "big")
        path.write_bytes(data)
        media = facts(path, limits)
        assert media.fps == pytest.approx(25, abs=0.3)
        assert media.duration_s == pytest.approx(facts(plain, limits).duration_s, abs=0.05)


def test_matroska_behind_matroska_has_one_joint(tmp_path, limits):
    plain, path = tmp_path / "plain.mkv", tmp_path / "joined.mkv"
    write_video(plain, coded_frames(50), options={"bf": "3", "g": "25"})
    path.write_bytes(2 * plain.read_bytes())
    media = facts(path, limits)
    assert (media.frame_count, media.time_breaks) == (100, 1)
    assert media.duration_s == pytest.approx(4.0, abs=0.1)
    with iter_frames(path, limits=limits) as frames:
        assert [read_code(frame.image) for frame in frames] == [*range(50), *range(50)]


def test_what_cannot_be_read_to_its_end_is_told(tmp_path, limits):
    plain, path = tmp_path / "plain.wv", tmp_path / "broken.wv"
    write_audio(plain, speech_like(4, RATE), RATE, codec="wavpack")
    data = bytearray(plain.read_bytes())
    block = data.index(b"wvpk", len(data) // 2)
    data[block + 8 : block + 10] = b"\xff\xff"  # of a version that no reader knows
    path.write_bytes(data)
    media = facts(path, limits)
    assert media.decoded_share == pytest.approx(block / len(data), abs=0.02)
    assert media.damaged
    assert "could be read" in media.notes[0]
    whole = facts(plain, limits)
    assert (whole.decoded_share, whole.notes) == (1.0, ())


def test_media_attached_to_matroska_are_named_and_taken_out(tmp_path, limits):
    plain, path = tmp_path / "plain.mkv", tmp_path / "with.mkv"
    write_video(plain, coded_frames(5), options=PLAIN)
    note, clip = b"RIFF and so on", b"\0\0\0\x18ftypisom and so on"
    with av.open(str(plain)) as source, av.open(str(path), "w") as output:
        track = output.add_stream_from_template(source.streams[0])
        output.add_attachment("../../voice.wav", "audio/wav", note)
        output.add_attachment("clip.m/p4", "video/mp4", clip)
        output.add_attachment("font.ttf", "font/ttf", b"font")
        for packet in source.demux():
            if packet.size:
                packet.stream = track
                output.mux(packet)
    media = facts(path, limits)
    assert [one.number for one in media.tracks if one.kind is TrackKind.EMBEDDED] == [2, 3]
    assert embedded_files(path, path.name, limits) == [("with-track2.wav", note), ("with-track3.bin", clip)]
    assert not facts(plain, limits).tracks
