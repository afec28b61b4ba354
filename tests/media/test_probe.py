"""Facts from content, refusals in plain words, limits before decoding, and files that point at other files."""

import itertools
import struct
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
from media_factory import coded_frame, coded_frames, cut_short, speech_like, write_audio, write_video
from PIL import Image, PngImagePlugin

from drishtiksha.errors import MediaLimitError, UnreadableMediaError
from drishtiksha.media import video
from drishtiksha.media.probe import probe
from drishtiksha.results import MediaInfo, MediaKind
from drishtiksha.settings import MediaLimits

SOUND = (speech_like(1.2, 48_000), 48_000)


def facts(path: Path, limits: MediaLimits | None = None, name: str | None = None) -> MediaInfo:
    return probe(path, name or path.name, "0" * 64, limits or MediaLimits())


def test_video_with_sound(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "clip.mp4",
        coded_frames(30),
        audio=SOUND,
        metadata={"creation_time": "2024-05-01T10:00:00.000000Z"},
    )
    media = facts(path)
    assert (media.kind, media.container, media.width, media.height) == (MediaKind.VIDEO, "mp4", 128, 96)
    assert (media.fps, media.frame_count, media.variable_frame_rate) == (25.0, 30, False)
    assert media.duration_s == pytest.approx(1.2, abs=0.03)
    assert (media.video_codec, media.pixel_format, media.rotation_deg) == ("h264", "yuv420p", 0)
    assert (media.audio_codec, media.sample_rate, media.channels, media.has_audio) == ("aac", 48_000, 1, True)
    assert media.encoder
    assert media.encoder.startswith("Lavf")
    assert media.created == "2024-05-01T10:00:00.000000Z"
    assert media.size_bytes == path.stat().st_size
    assert MediaInfo.model_validate_json(media.model_dump_json()) == media


@pytest.mark.parametrize(
    ("file", "options", "expected"),
    [
        ("silent.mkv", {}, {"container": "mkv", "audio_codec": None, "video_codec": "h264"}),
        ("vp9.webm", {"codec": "libvpx-vp9", "audio": SOUND, "audio_codec": "libopus"},
         {"container": "webm", "video_codec": "vp9", "audio_codec": "opus"}),
        ("av1.mp4", {"codec": "libsvtav1"}, {"container": "mp4", "video_codec": "av1"}),
        ("ten.mp4", {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": {"x265-params": "log-level=error"}},
         {"video_codec": "hevc", "pixel_format": "yuv420p10le"}),
        ("apple.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}, {"container": "mov", "video_codec": "prores"}),
        ("old.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}, {"container": "avi", "video_codec": "mjpeg"}),
        ("broadcast.ts", {}, {"container": "mpegts"}),
    ],
)  # fmt: skip
def test_containers_and_codecs(tmp_path: Path, file: str, options: dict, expected: dict) -> None:
    media = facts(write_video(tmp_path / file, coded_frames(30), **options))
    assert media.kind is MediaKind.VIDEO
    assert media.frame_count == 30
    assert media.duration_s == pytest.approx(1.2, abs=0.1)
    assert {key: getattr(media, key) for key in expected} == expected


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_sizes_are_those_on_screen(tmp_path: Path, rotation: int) -> None:
    media = facts(write_video(tmp_path / "turned.mp4", coded_frames(2), rotation=rotation))
    assert media.rotation_deg == rotation
    assert (media.width, media.height) == ((128, 96) if rotation in (0, 180) else (96, 128))


def test_variable_frame_rate(tmp_path: Path) -> None:
    times = [0.0, *itertools.accumulate([0.04, 0.2] * 10)]
    media = facts(write_video(tmp_path / "vfr.mp4", coded_frames(21), times=times))
    assert media.variable_frame_rate
    assert media.fps == pytest.approx(21 / media.duration_s, rel=0.01)


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    media = facts(write_video(tmp_path / "one.mp4", coded_frames(1)))
    assert (media.kind, media.frame_count, media.variable_frame_rate) == (MediaKind.VIDEO, 1, False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "container", "codec"),
    [("a.wav", "wav", "pcm_s16le"), ("a.flac", "flac", "flac"), ("a.mp3", "mp3", "mp3"), ("a.m4a", "m4a", "aac"),
     ("a.ogg", "ogg", "vorbis"), ("a.opus", "ogg", "opus"), ("a.aac", "aac", "aac")],
)  # fmt: skip
def test_recordings(tmp_path: Path, file: str, container: str, codec: str) -> None:
    media = facts(write_audio(tmp_path / file, speech_like(2.0, 48_000), 48_000))
    assert (media.kind, media.container, media.audio_codec) == (MediaKind.AUDIO, container, codec)
    assert media.duration_s == pytest.approx(2.0, abs=0.08)
    assert (media.width, media.fps, media.frame_count, media.has_video) == (None, None, None, False)


def test_a_song_with_cover_art_is_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    waveform = speech_like(1.0, 44_100)
    with av.open(str(path), "w") as output:
        sound = output.add_stream("libmp3lame", rate=44_100, layout="mono")
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 128, 96, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(coded_frame(0), "rgb24").reformat(format="yuvj420p")
        picture.pts = 0
        output.mux(cover.encode(picture))
        frame = av.AudioFrame.from_ndarray(waveform[None], format="fltp", layout="mono")
        frame.sample_rate = 44_100
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    assert facts(path).kind is MediaKind.AUDIO


@pytest.mark.parametrize("suffix", ["", ".jpg", ".mp3", ".txt", ".m3u8"])
def test_the_ending_of_the_name_decides_nothing(tmp_path: Path, suffix: str) -> None:
    video_file = write_video(tmp_path / "clip.mp4", coded_frames(5))
    sound_file = write_audio(tmp_path / "talk.wav", speech_like(1.0), 16_000)
    Image.fromarray(coded_frame(0)).save(tmp_path / "face.png")
    for source, kind in (
        (video_file, MediaKind.VIDEO),
        (sound_file, MediaKind.AUDIO),
        (tmp_path / "face.png", MediaKind.IMAGE),
    ):
        renamed = tmp_path / f"renamed{suffix}"
        renamed.write_bytes(source.read_bytes())
        assert facts(renamed).kind is kind


def test_picture_facts(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x0131], exif[0x0132] = 6, "Camera\x00 App", "2024:05:01 10:00:00"
    Image.fromarray(coded_frame(0)).save(tmp_path / "face.jpg", exif=exif)
    media = facts(tmp_path / "face.jpg")
    assert (media.kind, media.container, media.pixel_format) == (MediaKind.IMAGE, "jpeg", "RGB")
    assert (media.width, media.height, media.rotation_deg) == (96, 128, 90)
    assert media.encoder
    assert media.encoder.startswith("Camera")
    assert media.created == "2024:05:01 10:00:00"
    assert (media.frame_count, media.duration_s, media.has_audio) == (1, None, False)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".avif"])
def test_an_animation_is_a_picture_that_says_it_has_more(tmp_path: Path, suffix: str) -> None:
    pictures = [Image.fromarray(frame) for frame in coded_frames(4)]
    path = tmp_path / f"moving{suffix}"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    media = facts(path)
    assert (media.kind, media.frame_count) == (MediaKind.IMAGE, 4)


class TestRefusals:
    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"", r"is empty \(0 bytes\)"),
            (b"Meeting notes\nAsk about the video.\n" * 50, "it is a text file"),
            ("Заметки о видео. ".encode() * 100, "it is a text file"),
            (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "it is a PDF document"),
            (b"\n<!DOCTYPE html><html><video src='x'></video></html>", "it is a web page"),
            (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>', "it is an SVG drawing"),
            (b"MZ" + bytes(range(256)) * 40, "cannot be read"),
            (np.random.default_rng(0).bytes(50_000), "cannot be read"),
            (bytes(50_000), "cannot be read"),
        ],
    )
    def test_what_is_not_media(self, tmp_path: Path, content: bytes, says: str) -> None:
        for suffix in (".mp4", ".jpg", ".mp3", ".h264", ""):
            path = tmp_path / f"holiday{suffix}"
            path.write_bytes(content)
            with pytest.raises(UnreadableMediaError, match=says) as caught:
                facts(path)
            assert f"holiday{suffix}" in str(caught.value)
            assert str(tmp_path) not in str(caught.value)

    def test_a_zip(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "clip.mp4", "w") as archive:
            archive.writestr("a.txt", "x")
        with pytest.raises(UnreadableMediaError, match="ZIP"):
            facts(tmp_path / "clip.mp4")

    @pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
    def test_an_mp4_cut_off_before_its_table_of_contents(self, tmp_path: Path, share: float) -> None:
        whole = write_video(tmp_path / "whole.mp4", coded_frames(60))
        with pytest.raises(UnreadableMediaError, match=r"cut\.mp4"):
            facts(cut_short(whole, tmp_path / "cut.mp4", share * 0.7))


class TestLimits:
    def test_of_a_video(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "clip.mp4", coded_frames(50), audio=SOUND)
        for bound, says in (
            ({"max_bytes": 1000}, "larger than"),
            ({"max_duration_s": 1.5}, "lasts"),
            ({"max_video_pixels": 128 * 96 - 1}, "128 x 96"),
            ({"max_frames": 49}, "49 frames"),
            ({"max_sample_rate": 44_100}, "48000"),
        ):
            with pytest.raises(MediaLimitError, match=says):
                facts(path, MediaLimits(**bound))

    @pytest.mark.parametrize("file", ["a.ts", "a.avi", "a.mkv"])
    def test_of_pixels_where_only_a_decoder_finds_the_size(self, tmp_path: Path, file: str) -> None:
        codec = {"a.ts": "mpeg2video", "a.avi": "mjpeg", "a.mkv": "ffv1"}[file]
        pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        path = write_video(tmp_path / file, coded_frames(10), codec=codec, pix_fmt=pix_fmt)
        with pytest.raises(MediaLimitError, match="128 x 96"):
            facts(path, MediaLimits(max_video_pixels=128 * 96 - 1))
        with pytest.raises(UnreadableMediaError):
            facts(path, MediaLimits(max_video_pixels=100))

    def test_of_a_recording(self, tmp_path: Path) -> None:
        path = write_audio(tmp_path / "talk.wav", np.stack([speech_like(2.0)] * 3, axis=1), 16_000)
        with pytest.raises(MediaLimitError, match="lasts"):
            facts(path, MediaLimits(max_duration_s=1.5))
        with pytest.raises(MediaLimitError, match="3 channels"):
            facts(path, MediaLimits(max_audio_channels=2))

    def test_of_a_picture_from_its_header(self, tmp_path: Path) -> None:
        Image.new("L", (3000, 2000)).save(tmp_path / "big.png")
        with pytest.raises(MediaLimitError, match="3000 x 2000"):
            facts(tmp_path / "big.png", MediaLimits(max_image_pixels=5_000_000))

    def test_a_decompression_bomb_is_refused_from_its_header(self, tmp_path: Path) -> None:
        header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
        path = tmp_path / "bomb.png"
        with path.open("wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n")
            PngImagePlugin.putchunk(file, b"IHDR", header)
            PngImagePlugin.putchunk(file, b"IDAT", b"")
            PngImagePlugin.putchunk(file, b"IEND", b"")
        with pytest.raises(MediaLimitError, match=r"bomb\.png"):
            facts(path)

    def test_a_header_that_lies_about_the_length_is_caught_by_the_packets(self, tmp_path: Path) -> None:
        """Recorders that stream leave the length out of the header."""
        path = tmp_path / "live.mkv"
        write_video(path, coded_frames(50), options={}, container="matroska")
        data = path.read_bytes()
        at = data.find(b"\x44\x89\x88")  # the Duration element: a float of 8 bytes
        assert at > 0
        path.write_bytes(data[: at + 3] + struct.pack(">d", 10.0) + data[at + 11 :])
        with pytest.raises(MediaLimitError, match="lasts"):
            facts(path, MediaLimits(max_duration_s=1.5))


class TestPointers:
    """Playlists and scripts must not make the decoder read other files or the network."""

    @pytest.fixture
    def target(self, tmp_path: Path) -> Path:
        return write_video(tmp_path / "other_case.ts", coded_frames(25))

    def scripts(self, target: Path) -> dict[str, str]:
        address = f"file:{target}"
        return {
            "hls": f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n",
            "network": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
            "concat": f"ffconcat version 1.0\nfile '{target}'\n",
            "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
            "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>x</BaseURL></MPD>',
        }

    @pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".ffconcat", ".sdp", ".mpd"])
    def test_are_refused_by_the_probe_and_by_the_decoder(self, tmp_path: Path, target: Path, suffix: str) -> None:
        for kind, text in self.scripts(target).items():
            path = tmp_path / f"{kind}{suffix}"
            path.write_text(text)
            with pytest.raises(UnreadableMediaError):
                facts(path)
            # The probe's look at the text is a courtesy; the decoder must refuse on its own.
            with pytest.raises(UnreadableMediaError):
                list(video.iter_frames(path, limits=MediaLimits()))

    def test_the_same_playlist_would_work_without_our_restriction(self, tmp_path: Path, target: Path) -> None:
        path = tmp_path / "list.m3u8"
        path.write_text(self.scripts(target)["hls"])
        with av.open(str(path), options={"allowed_extensions": "ALL", "extension_picky": "0"}) as container:
            assert next(container.decode(video=0)) is not None

    def test_a_name_with_a_pattern_or_protocol_is_only_a_name(self, tmp_path: Path) -> None:
        for name in ("concat:a|b.mp4", "frame%03d.mp4", "http:x.mp4"):
            path = write_video(tmp_path / "plain.mp4", coded_frames(3)).rename(tmp_path / name)
            assert facts(path).frame_count == 3
