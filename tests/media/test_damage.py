"""Files that are cut off or have broken packets: what decodes is right, what does not is named."""

from pathlib import Path

import av
import numpy as np
import pytest
from media_factory import blank_packets, coded_frames, cut_short, read_code, tone, write_audio, write_video

from drishtiksha.errors import UnreadableMediaError
from drishtiksha.media.decode import DecodeReport, Wanted
from drishtiksha.media.probe import probe
from drishtiksha.media.video import frames_at, iter_frames, read_index
from drishtiksha.settings import MediaLimits


@pytest.fixture
def fast_start(tmp_path: Path) -> Path:
    """Its header lies before its frames, so that a cut leaves a readable beginning."""
    rng = np.random.default_rng(1)
    frames = [np.clip(f + rng.integers(-20, 20, f.shape), 0, 255).astype(np.uint8) for f in coded_frames(60)]
    whole = tmp_path / "whole.mp4"
    write_video(whole, frames, options={"g": "10"})
    moved = tmp_path / "faststart.mp4"
    with av.open(str(whole)) as source, av.open(str(moved), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return moved


@pytest.mark.slow
@pytest.mark.parametrize("read", [iter_frames, frames_at])
def test_a_cut_off_file_gives_its_beginning_and_names_the_rest(
    fast_start: Path, tmp_path: Path, limits: MediaLimits, read: object
) -> None:
    cut = cut_short(fast_start, tmp_path / "cut.mp4", 0.5)
    frames = read(cut, range(60), limits=limits)  # type: ignore[operator]
    seen = {frame.index: read_code(frame.image) for frame in frames}
    assert 10 < len(seen) < 50
    assert all(index == code for index, code in seen.items())
    assert frames.report.damaged
    assert sorted([*seen, *frames.report.missing]) == list(range(60))


def test_a_matroska_file_that_is_cut_off_tells_how_much_is_missing(tmp_path: Path, limits: MediaLimits) -> None:
    whole = write_video(tmp_path / "whole.mkv", coded_frames(100))
    assert read_index(whole, limits=limits).lost == 0
    index = read_index(cut_short(whole, tmp_path / "cut.mkv", 0.5), limits=limits)
    assert index.damaged
    assert len(index) < 70
    assert index.declared == pytest.approx(100, abs=5), (
        "frames shown before the last ones that are there may be missing"
    )


def test_the_index_of_a_cut_off_file_still_knows_its_whole_length(
    fast_start: Path, tmp_path: Path, limits: MediaLimits
) -> None:
    index = read_index(cut_short(fast_start, tmp_path / "cut.mp4", 0.5), limits=limits)
    assert index.damaged
    assert index.declared == 60
    assert index.lost == 60 - len(index) > 0
    assert index.time_s(59) == pytest.approx(59 / 25, abs=0.15)


def test_broken_packets_leave_gaps_and_the_rest_keeps_its_index(
    fast_start: Path, tmp_path: Path, limits: MediaLimits
) -> None:
    data = bytearray(fast_start.read_bytes())
    with av.open(str(fast_start)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        keys = [p for p in packets if p.is_keyframe]
        hit = keys[2]
        start, size = hit.pos, hit.size
    data[start : start + size] = bytes(size)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    frames = iter_frames(broken, [0, 5, 20, 55, 59], limits=limits)
    seen = {frame.index: read_code(frame.image) for frame in frames}
    assert frames.report.damaged
    assert 20 in frames.report.missing
    assert {0, 5, 55, 59} <= set(seen)
    assert all(index == code for index, code in seen.items())


@pytest.mark.parametrize(
    ("form", "codec", "what"), [("mov", "alac", "sound"), ("m4a", "aac", "sound"), ("mp4", "h264", "picture")]
)
def test_the_codec_is_named_of_which_nothing_can_be_decoded(
    tmp_path: Path, limits: MediaLimits, form: str, codec: str, what: str
) -> None:
    path = tmp_path / f"a.{form}"
    if what == "sound":
        write_audio(path, tone(1, 48_000), 48_000, codec)
    else:
        write_video(path, coded_frames(5))
    media = probe(path, path.name, "0" * 64, limits)
    assert (media.audio_codec if what == "sound" else media.video_codec) == codec
    blank_packets(path, **{"audio" if what == "sound" else "video": 0})
    with pytest.raises(UnreadableMediaError, match=f"nothing of its {what} can be decoded; .* codec {codec} .* VLC"):
        probe(path, path.name, "0" * 64, limits)


def test_nothing_decodable_is_unreadable(tmp_path: Path, limits: MediaLimits) -> None:
    path = write_video(tmp_path / "clip.mp4", coded_frames(5))
    blank_packets(path, video=0)
    with pytest.raises(UnreadableMediaError, match=r"clip\.mp4"):
        list(iter_frames(path, limits=limits))


def test_leading_pictures_that_cannot_be_shown_are_replaced_not_called_damaged(
    tmp_path: Path, limits: MediaLimits
) -> None:
    """A clip cut from a longer one at an open group: the pictures shown before its first keyframe need the part cut away,
    and decoders leave them out."""
    whole = write_video(
        tmp_path / "whole.mkv",
        coded_frames(40),
        codec="libx265",
        options={"x265-params": "keyint=10:min-keyint=10:open-gop=1:bframes=3:scenecut=0:log-level=error"},
    )
    cut = tmp_path / "cut.mkv"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        second_key = [place for place, packet in enumerate(packets) if packet.is_keyframe][1]
        for packet in packets[second_key:]:
            packet.stream = stream
            target.mux(packet)
    first_shown = int(read_index(cut, limits=limits).keyframes[0])
    assert first_shown > 0, "the test needs leading pictures"
    frames = iter_frames(cut, [0, first_shown + 5], limits=limits)
    seen = [(frame.index, read_code(frame.image)) for frame in frames]
    assert [index for index, _ in seen] == [first_shown, first_shown + 5]
    assert seen[1][1] - seen[0][1] == 5
    assert frames.report.missing == []
    assert not frames.report.damaged


def test_wanted_names_what_damage_took_and_replaces_what_the_decoder_left_out() -> None:
    damaged, sound = DecodeReport(damaged=True), DecodeReport()
    todo = Wanted([1, 2, 5])
    assert [i for i in (0, 3, 4, 5) if todo.takes(i, damaged)] == [5]
    assert damaged.missing == [1, 2]
    assert todo.done
    todo = Wanted([1, 2, 5, 9])
    assert [i for i in (0, 3, 4, 5) if todo.takes(i, sound)] == [3, 5]
    assert sound.missing == []
    assert todo.rest == [9]
