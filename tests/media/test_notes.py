"""Recordings and videos of thousands of notes, or joined from hundreds of others: refused before FFmpeg reads them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from drishtiksha.errors import MediaLimitError
from drishtiksha.media.joined import MAX_JOINED
from drishtiksha.media.notes import MAX_NOTES
from drishtiksha.media.probe import probe
from drishtiksha.results import MediaInfo
from drishtiksha.settings import MediaLimits

RATE = 48_000


def written(path: Path, codec: str, notes: int, form: str | None = None, **options: str) -> Path:
    """A tenth of a second of silence, or one picture, with so many notes."""
    with av.open(str(path), "w", format=form, options=options) as container:
        container.metadata.update({f"note{number:04}": "v" for number in range(notes)})
        if codec in ("mpeg4", "flv", "wmv2"):
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.full((96, 64), 90, np.uint8), format="yuv420p")
            frame.pts = 0
            container.mux(stream.encode(frame))
        else:
            stream = container.add_stream(codec, rate=RATE, layout="mono")
            frame = av.AudioFrame.from_ndarray(np.zeros((1, RATE // 10), np.int16), format="s16", layout="mono")
            frame.sample_rate = RATE
            fifo = av.AudioFifo()
            for piece in av.AudioResampler(stream.format, "mono", RATE).resample(frame):
                fifo.write(piece)
            while (piece := fifo.read(stream.codec_context.frame_size or 1024, partial=True)) is not None:
                container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def probed(path: Path) -> MediaInfo:
    return probe(path, path.name, "0" * 64, MediaLimits())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mkv", "mpeg4", {}),
        ("a.mov", "mpeg4", {"movflags": "use_metadata_tags"}),
        ("a.flv", "flv", {}),
        ("a.wmv", "wmv2", {"form": "asf"}),
        ("a.ogg", "libopus", {}),
        ("a.flac", "flac", {}),
        ("a.mp3", "libmp3lame", {}),
        ("a.aiff", "pcm_s16be", {"write_id3v2": "1"}),
        ("a.caf", "pcm_s16le", {}),
        ("a.tta", "tta", {}),
    ],
)
def test_thousands_of_notes_are_refused(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    with pytest.raises(MediaLimitError, match="3,000 notes"):
        probed(written(tmp_path / name, codec, MAX_NOTES + 50, **options))
    assert probed(written(tmp_path / name, codec, 200, **options)).container


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body


def wav(*more: bytes) -> bytes:
    body = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)) + b"".join(more)
    return chunk(b"RIFF", b"WAVE" + body + chunk(b"data", bytes(200)))


def info(count: int) -> bytes:
    return wav(chunk(b"LIST", b"INFO" + b"".join(chunk(b"%04x" % number, b"v\0") for number in range(count))))


def seven_bits(size: int) -> bytes:
    return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))


def with_id3(frames: bytes) -> bytes:
    return wav(chunk(b"id3 ", b"ID3\4\0\0" + seven_bits(len(frames)) + frames))


def chapters(count: int) -> bytes:
    return with_id3(b"".join(b"CHAP" + seven_bits(23) + b"\0\0c%05d\0" % n + bytes(16) for n in range(count)))


def test_notes_that_unfold_to_much_are_refused(tmp_path: Path) -> None:
    def packed(size: int) -> bytes:
        body = zlib.compress(b"\3name\0" + bytes(1000))
        return b"TXXX" + seven_bits(4 + len(body)) + b"\0\x09" + seven_bits(size) + body

    path = tmp_path / "a.wav"
    path.write_bytes(with_id3(packed(40_000_000) * 2))
    with pytest.raises(MediaLimitError, match="unfold to 80 MB"):
        probed(path)
    path.write_bytes(with_id3(packed(1006) * 2))
    assert probed(path).sample_rate == RATE


@pytest.mark.parametrize("made", [info, chapters])
def test_notes_within_wav_are_counted(tmp_path: Path, made: Callable[[int], bytes]) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(made(MAX_NOTES + 50))
    with pytest.raises(MediaLimitError, match="3,000 notes"):
        probed(path)
    path.write_bytes(made(200))
    assert probed(path).sample_rate == RATE


def test_files_joined_of_hundreds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav() * (MAX_JOINED + 1))
    with pytest.raises(MediaLimitError, match="joined from more than 500"):
        probed(path)
    path.write_bytes(wav() * 3)
    assert probed(path).time_breaks == 2
    once = written(tmp_path / "a.flv", "flv", 0).read_bytes()
    (tmp_path / "b.flv").write_bytes(once + (once[:13]) * (MAX_JOINED + 1))
    with pytest.raises(MediaLimitError, match="joined from more than 500"):
        probed(tmp_path / "b.flv")
