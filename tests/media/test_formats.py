"""Formats that people send: those that are taken, and the words for those that are not."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_factory import coded_frame, coded_frames, speech_like, write_audio, write_video
from PIL import Image

from drishtiksha.errors import MediaLimitError, UnreadableMediaError
from drishtiksha.media.audio import read_audio
from drishtiksha.media.formats import FORMATS, LEFT_OUT, OTHERS
from drishtiksha.media.probe import probe
from drishtiksha.media.video import iter_frames
from drishtiksha.results import MediaInfo, MediaKind
from drishtiksha.settings import MediaLimits


def facts(path: Path) -> MediaInfo:
    return probe(path, path.name, "0" * 64, MediaLimits())


def test_every_demuxer_is_taken_or_left_out_for_a_reason() -> None:
    taken, left_out = set(FORMATS.split(",")), [name for names in LEFT_OUT.values() for name in names.split(",")]
    assert len(left_out) == len(set(left_out))
    assert taken.isdisjoint(left_out)
    unknown = []
    for name in av.formats_available:
        try:
            names = set(av.ContainerFormat(name, "r").name.split(","))
        except ValueError:
            continue  # it only writes
        if not names & (taken | set(left_out)):
            unknown.append(name)
    assert not unknown, "review these: do they read other files, and who sends them?"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "codec", "rate", "container"),
    [
        ("note.amr", "libopencore_amrnb", 8000, "amr"),
        ("note.3gp", "libopencore_amrnb", 8000, "3gp"),
        ("note.3gp", "aac", 16_000, "3gp"),
        ("note.caf", "pcm_s16le", 44_100, "caf"),
        ("note.wma", "wmav2", 44_100, "asf"),
        ("note.opus", "libopus", 48_000, "ogg"),
        ("note.voc", "pcm_s16le", 16_000, "voc"),
        ("note.sf", "pcm_s16le", 16_000, "ircam"),
        ("note.latm", "aac", 16_000, "loas"),
        ("note.wav", "pcm_s64le", 16_000, "wav"),
        ("note.wav", "adpcm_ms", 16_000, "wav"),
        ("note.wav", "pcm_mulaw", 8000, "wav"),
    ],
)
def test_voice_notes_of_telephones_and_recorders(
    tmp_path: Path, file: str, codec: str, rate: int, container: str
) -> None:
    muxer = {"3gp": "3gp", "wma": "asf", "sf": "ircam", "latm": "latm"}.get(file.rpartition(".")[2])
    path, stream = tmp_path / file, None
    with av.open(str(path), "w", format=muxer) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 12_200 if "amr" in codec else 64_000
        fifo = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(speech_like(2.0, rate)[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        fifo.write(av.AudioResampler(format=stream.format, layout="mono", rate=rate).resample(frame)[0])
        while piece := fifo.read(stream.codec_context.frame_size or 1024, partial=True):
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    media = facts(path)
    assert (media.kind, media.container) == (MediaKind.AUDIO, container)
    assert media.duration_s == pytest.approx(2.0, abs=0.15)
    assert len(read_audio(path, 16_000, limits=MediaLimits())) == pytest.approx(32_000, abs=2400)


def test_gsm(tmp_path: Path) -> None:
    """Frames of 33 bytes, 20 ms each; the first four bits are 1101."""
    frames = np.random.default_rng(0).integers(0, 256, (100, 33), np.uint8)
    frames[:, 0] = 0xD0 | (frames[:, 0] & 0x0F)
    (tmp_path / "note.gsm").write_bytes(frames.tobytes())
    media = facts(tmp_path / "note.gsm")
    assert (media.kind, media.container, media.sample_rate) == (MediaKind.AUDIO, "gsm", 8000)
    assert media.duration_s == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(
    ("file", "codec", "rate"),
    [("cam.nut", "mpeg4", 25), ("cam.mjpg", "mjpeg", 25), ("cam.wtv", "mpeg2video", 25), ("old.rm", "rv10", 25)],
)
def test_pictures_of_cameras_and_recorders(tmp_path: Path, file: str, codec: str, rate: int) -> None:
    container = {"mjpg": "mpjpeg"}.get(file.rpartition(".")[2], file.rpartition(".")[2])
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_video(
        tmp_path / file,
        coded_frames(
            20,
        ),
        codec=codec,
        pix_fmt=pix_fmt,
        container=container,
    )
    assert (facts(path).kind, facts(path).container) == (MediaKind.VIDEO, container)
    assert len(list(iter_frames(path, limits=MediaLimits()))) == 20


@pytest.mark.parametrize("suffix", ["avi", "mkv", "mov"])
@pytest.mark.parametrize(("orientation", "turned"), [(1, 0), (6, 90), (3, 180), (8, 270)])
def test_motion_jpeg_with_exif_is_seen_upright(tmp_path: Path, suffix: str, orientation: int, turned: int) -> None:
    """As older cameras write it. PyAV does not know this kind of side data."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "a camera"
    path = tmp_path / f"clip.{suffix}"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuvj420p"
        for number in range(5):
            content = io.BytesIO()
            Image.fromarray(coded_frame(number)).save(content, "JPEG", quality=95, exif=exif)
            packet = av.Packet(content.getvalue())
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, number, number, True
            packet.time_base = Fraction(1, 10)
            output.mux(packet)
    media = facts(path)
    assert (media.kind, media.rotation_deg) == (MediaKind.VIDEO, turned)
    frames = list(iter_frames(path, limits=MediaLimits()))
    assert len(frames) == 5
    upright = np.rot90(coded_frame(4).astype(int), -turned // 90)
    assert np.abs(frames[4].image.astype(int) - upright).mean() < 8


@pytest.mark.parametrize("rate", [1, 100, 3999])
def test_sound_of_too_few_samples_a_second_is_not_judged(tmp_path: Path, rate: int) -> None:
    path = write_audio(tmp_path / "note.wav", np.zeros(2000, np.float32), rate)
    with pytest.raises(MediaLimitError, match=f"{rate} samples a second"):
        facts(path)


def test_a_clip_with_such_sound_is_judged_by_its_picture(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "clip.mkv", coded_frames(5), audio=(np.zeros(500, np.float32), 1000), audio_codec="pcm_s16le"
    )
    media = facts(path)
    assert (media.kind, media.has_audio) == (MediaKind.VIDEO, False)
    with pytest.raises(MediaLimitError, match="1000 samples"):
        read_audio(path, 16_000, limits=MediaLimits())


@pytest.mark.parametrize(("marks", "why", "remedy"), OTHERS)
def test_what_no_decoder_knows_is_named_with_a_remedy(
    tmp_path: Path, marks: tuple[bytes, ...], why: str, remedy: str
) -> None:
    for mark in marks:
        (tmp_path / "message.amr").write_bytes(mark + b"\n" + np.random.default_rng(0).bytes(3000))
        with pytest.raises(UnreadableMediaError) as caught:
            facts(tmp_path / "message.amr")
        assert why in str(caught.value)
        assert remedy in str(caught.value)


def test_a_damaged_picture_is_not_taken_for_a_video(tmp_path: Path) -> None:
    """FFmpeg shows the tiles of a HEIC file, of which libheif cannot read the order, as a video."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    Image.fromarray(coded_frame(0)).resize((640, 480)).save(tmp_path / "photo.heic")
    content = (tmp_path / "photo.heic").read_bytes()
    for box in (b"pitm", b"iprp"):
        (tmp_path / "broken.heic").write_bytes(content.replace(box, b"free"))
        with pytest.raises(UnreadableMediaError, match="HEIC"):
            facts(tmp_path / "broken.heic")


@pytest.mark.parametrize("front", [b"\xef\xbb\xbf", b"\r\n", bytes(40), b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_bytes_in_front_of_a_picture_are_told_with_a_remedy_that_works(
    tmp_path: Path, limits: MediaLimits, front: bytes, suffix: str
) -> None:
    path = tmp_path / f"front.{suffix}"
    Image.new("RGB", (40, 30), (90, 120, 150)).save(path)
    whole = path.read_bytes()
    path.write_bytes(front + whole)
    with pytest.raises(UnreadableMediaError, match=f"{len(front)} bytes that belong to no picture") as caught:
        probe(path, path.name, "0" * 64, limits)
    first = int(str(caught.value).partition("tail -c +")[2].split()[0])
    path.write_bytes(path.read_bytes()[first - 1 :])
    assert probe(path, path.name, "0" * 64, limits).width == 40
