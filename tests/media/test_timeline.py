"""Time stamps that restart or jump: nothing is dropped, nothing is made up, picture and sound stay together."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from media_factory import click_at, coded_frames, onset_s, read_code, speech_like, tone, write_audio, write_video

from drishtiksha.media.audio import read_audio, read_sound
from drishtiksha.media.embedded import embedded_files
from drishtiksha.media.probe import probe
from drishtiksha.media.video import frames_at, iter_frames, read_index
from drishtiksha.results import MediaInfo, TrackKind
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_two_voice_notes_in_one_file_have_one_length(tmp_path: Path, limits: MediaLimits) -> None:
    notes = [write_audio(tmp_path / f"{seed}.opus", speech_like(4.0, RATE, seed), RATE) for seed in (0, 1)]
    path = joined(tmp_path / "notes.ogg", *notes)
    media = facts(path, limits)
    assert media.duration_s == pytest.approx(8.0, abs=0.1)
    assert len(read_audio(path, 16_000, limits=limits)) / 16_000 == pytest.approx(media.duration_s, abs=0.05)
    assert facts(notes[0], limits).duration_s == pytest.approx(4.0, abs=0.05)


def note(path: Path, seconds: float, channels: int, rate: int = RATE) -> Path:
    """A recording of one second of a tone in `seconds` of silence, in an Ogg file by its suffix, or WAV."""
    sound = np.concatenate([np.zeros(round(seconds * rate), np.float32), tone(1.0, rate)])
    soundfile.write(
        path,
        np.stack([sound] * channels, axis=1),
        rate,
        subtype="OPUS" if path.suffix == ".opus" else None,
        format=FORMS[path.suffix],
    )
    return path


FORMS = {".opus": "OGG", ".ogg": "OGG", ".wav": "WAV"}
NOTES = {
    "mono, then stereo": (("a.opus", 1), ("b.opus", 2)),
    "stereo, then mono": (("a.opus", 2), ("b.opus", 1)),
    "two codecs": (("a.opus", 1), ("b.ogg", 1)),
    "waves": (("a.wav", 1), ("b.wav", 2)),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", NOTES)
def test_notes_of_unlike_form_in_one_file_are_heard_to_the_end(tmp_path: Path, limits: MediaLimits, case: str) -> None:
    """FFmpeg stops at the joint without a word."""
    parts = [note(tmp_path / name, 1.0, channels) for name, channels in NOTES[case]]
    path = joined(tmp_path / f"notes{parts[0].suffix}", *parts)
    media = facts(path, limits)
    assert media.duration_s == pytest.approx(4.0, abs=0.05)
    assert media.time_breaks == 1
    sound = read_audio(path, 16_000, limits=limits)
    assert len(sound) / 16_000 == pytest.approx(4.0, abs=0.05)
    assert onset_s(sound, 16_000) == pytest.approx(1.0, abs=0.05)
    assert onset_s(sound[35_000:], 16_000) + 35_000 / 16_000 == pytest.approx(3.0, abs=0.05)


def fragmented(path: Path, codes: range, click_s: float) -> Path:
    frames = [frame for i, frame in enumerate(coded_frames(codes.stop)) if i in codes]
    sound = click_at(click_s, len(frames) / 25, RATE)
    plain = write_video(path.with_suffix(".plain.mp4"), frames, audio=(sound, RATE), options=PLAIN)
    in_fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(str(plain)) as source, av.open(str(path), "w", options=in_fragments) as output:
        own = {one.index: output.add_stream_from_template(one) for one in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = own[packet.stream.index]
                output.mux(packet)
    return path


def test_fragments_whose_stamps_restart_lose_nothing(tmp_path: Path, limits: MediaLimits) -> None:
    """FFmpeg marks the first fragment behind the joint as not to be shown."""
    path = joined(
        tmp_path / "ab.mp4",
        fragmented(tmp_path / "a.mp4", range(50), 0.5),
        fragmented(tmp_path / "b.mp4", range(50, 100), 1.0),
    )
    assert [read_code(frame.image) for frame in iter_frames(path, limits=limits)] == list(range(100))
    media = facts(path, limits)
    assert media.frame_count == 100
    assert media.duration_s == pytest.approx(4.0, abs=0.2)
    sound = read_audio(path, RATE, limits=limits)
    assert onset_s(sound[round(1.5 * RATE) :], RATE) + 1.5 == pytest.approx(3.0, abs=0.15)


def tfdt_moved(content: bytes, seconds: float, scales: list[int]) -> bytes:
    """Fragments of a track of each scale, in turn, that begin later."""
    data, place, number = bytearray(content), content.find(b"tfdt"), 0
    while place >= 0:
        wide = 8 if data[place + 4] else 4
        stamp = int.from_bytes(data[place + 8 : place + 8 + wide], "big") + round(
            seconds * scales[number % len(scales)]
        )
        data[place + 8 : place + 8 + wide] = stamp.to_bytes(wide, "big")
        place, number = content.find(b"tfdt", place + 4), number + 1
    return bytes(data)


@pytest.mark.parametrize("jump_s", [100, 36_000])
def test_a_jump_between_fragments_is_neither_length_nor_silence(
    tmp_path: Path, limits: MediaLimits, jump_s: int
) -> None:
    """Sound and picture alike: the clock of the picture alone went on."""
    one, other = fragmented(tmp_path / "a.mp4", range(50), 0.5), fragmented(tmp_path / "b.mp4", range(50, 100), 1.0)
    with av.open(str(other)) as container:
        scales = [stream.time_base.denominator for stream in container.streams]
    rest = other.read_bytes()
    fragments = tfdt_moved(rest[rest.index(b"moof") - 4 :], 2 + jump_s, scales)
    path = tmp_path / "ab.mp4"
    path.write_bytes(one.read_bytes() + fragments)
    media = facts(path, limits)
    assert media.duration_s == pytest.approx(4.0, abs=0.2)
    sound = read_sound(path, 16_000, limits=limits)
    assert len(sound.waveform) / 16_000 == pytest.approx(4.0, abs=0.2)
    assert [read_code(frame.image) for frame in iter_frames(path, limits=limits)] == list(range(100))


@pytest.mark.slow
def test_two_flv_files_in_one_are_seen_to_the_end(tmp_path: Path, limits: MediaLimits) -> None:
    parts = [
        write_video(
            tmp_path / f"{codes.start}.flv",
            [frame for i, frame in enumerate(coded_frames(codes.stop)) if i in codes],
            audio=(click_at(1.0, 2.0, RATE), RATE),
            options=PLAIN,
        )
        for codes in (range(50), range(50, 100))
    ]
    path = joined(tmp_path / "ab.flv", *parts)
    assert [read_code(frame.image) for frame in iter_frames(path, limits=limits)] == list(range(100))
    assert facts(path, limits).duration_s == pytest.approx(4.0, abs=0.2)
    sound = read_audio(path, RATE, limits=limits)
    assert onset_s(sound[2 * RATE :], RATE) + 2 == pytest.approx(3.0, abs=0.15)


def test_sound_that_does_not_step_back_goes_with_its_picture(tmp_path: Path, limits: MediaLimits) -> None:
    """The first part's sound ended early, so that the second part's begins behind it; its picture begins anew."""
    frames = coded_frames(100)
    one = write_video(
        tmp_path / "a.ts", frames, audio=(click_at(0.5, 1.0, RATE), RATE), container="mpegts", options=PLAIN
    )
    other = recording(tmp_path / "b.ts", range(100, 150), 1.0, begin_s=1.5)
    path = joined(tmp_path / "ab.ts", one, other)
    with iter_frames(path, limits=limits) as stream:
        begins = next(frame.time_s for frame in stream if read_code(frame.image) == 100)
    sound = read_audio(path, RATE, limits=limits)
    assert begins == pytest.approx(4.0, abs=0.1)
    assert onset_s(sound[2 * RATE :], RATE) + 2 == pytest.approx(begins + 1.0, abs=0.1)


@pytest.mark.parametrize("stated", [b"00:10:00", b"90:00:00"])
def test_a_tag_is_no_length_of_a_whole_matroska_file(tmp_path: Path, limits: MediaLimits, stated: bytes) -> None:
    """Programs that cut a piece out copy the tags of what it was cut from."""
    plain = write_video(tmp_path / "plain.mkv", coded_frames(50), options=PLAIN)
    path = tmp_path / "tagged.mkv"
    path.write_bytes(plain.read_bytes().replace(b"00:00:02", stated))
    assert path.read_bytes() != plain.read_bytes()
    assert facts(path, limits).duration_s == facts(plain, limits).duration_s == pytest.approx(2.0, abs=0.05)
    assert facts(path, limits).frame_count == 50
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if stated == b"00:10:00":
        assert facts(cut, limits).frame_count == 15_000, "where its end is missing, the tag tells how much"


def test_a_second_video_behind_the_first_is_named_and_taken_out(tmp_path: Path, limits: MediaLimits) -> None:
    """Players pass over it, and so does FFmpeg."""
    one, other = (write_video(tmp_path / f"{i}.mp4", coded_frames(12 + i), options=PLAIN) for i in (0, 1))
    path = joined(tmp_path / "ab.mp4", one, other)
    media = facts(path, limits)
    assert media.frame_count == 12
    assert [track.kind for track in media.tracks] == [TrackKind.EMBEDDED]
    assert "second video" in media.notes[0]
    assert [content for _, content in embedded_files(path, path.name, limits)] == [other.read_bytes()]
    assert facts(one, limits).tracks == ()


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


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "packet"),
    [
        ("mp3", "libmp3lame", 44_100, 0),  # its first packet and the tag of LAME tell what the encoder filled in
        ("mka", "libmp3lame", 44_100, 0),
        ("mka", "alac", 44_100, 0),
        ("avi", "flac", 44_100, 4608),
        ("flv", "flac", 44_100, 0),
        ("caf", "alac", 44_100, 0),
        ("opus", "libopus", 48_000, 0),
        ("mka", "libopus", 48_000, 0),
        ("m4a", "aac", 44_100, 1024),
        ("rm", "real_144", 8_000, 160),  # stamps of RealAudio stand still
        ("rm", "aac", 44_100, 1024),
        ("rm", "ac3", 48_000, 1536),
    ],
)
def test_a_recording_is_as_long_as_what_is_heard(
    tmp_path: Path, limits: MediaLimits, suffix: str, codec: str, rate: int, packet: int
) -> None:
    path = write_audio(tmp_path / f"a.{suffix}", tone(2.7, rate), rate, codec)
    told, heard = facts(path, limits).duration_s, len(read_audio(path, rate, limits=limits)) / rate
    assert told == pytest.approx(heard, abs=max(packet / rate, 0.0011))  # many formats count milliseconds
    assert told == pytest.approx(2.7, abs=max(2 * packet / rate, 0.0011))


def test_alac_whose_last_packet_is_said_to_be_full_has_its_true_length(tmp_path: Path, limits: MediaLimits) -> None:
    """So does an older FFmpeg write CAF: 8.192 s for 8.0 s."""
    path = write_audio(tmp_path / "a.caf", tone(8, 16_000), 16_000, "alac")
    assert facts(path, limits).duration_s == pytest.approx(8.0)
    content = bytearray(path.read_bytes())
    table = content.index(b"pakt") + 12
    packets = int.from_bytes(content[table : table + 8], "big")
    content[table + 8 : table + 16], content[table + 16 : table + 24] = (packets * 4096).to_bytes(8, "big"), bytes(8)
    path.write_bytes(content)
    assert len(read_audio(path, 16_000, limits=limits)) == 8 * 16_000
    assert facts(path, limits).duration_s == pytest.approx(8.0)


@pytest.mark.parametrize(("share", "told"), [(0.0, False), (0.75, True)])
def test_sound_that_is_said_to_be_filled_in_is_named(
    tmp_path: Path, limits: MediaLimits, share: float, told: bool
) -> None:
    path = write_audio(tmp_path / "a.caf", tone(8, 16_000), 16_000, "alac")
    content = bytearray(path.read_bytes())
    table = content.index(b"pakt") + 12
    before = round(share * 8 * 16_000)
    content[table + 8 : table + 16] = (8 * 16_000 - before).to_bytes(8, "big")
    content[table + 16 : table + 20] = before.to_bytes(4, "big")
    path.write_bytes(content)
    media = facts(path, limits)
    assert media.duration_s == pytest.approx(8 * (1 - share))
    assert any("first 6.0 s" in note for note in media.notes) == told
