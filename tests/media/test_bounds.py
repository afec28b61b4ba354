"""Picture files that hold a million pieces of text, frames or rows: refused before they are parsed."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from media_factory import coded_frame, write_video
from PIL import Image, PngImagePlugin

from drishtiksha.errors import MediaLimitError, UnreadableMediaError
from drishtiksha.media import image
from drishtiksha.media.bounds import MAX_BLOCKS, MAX_BOXES, MAX_FRAMES, MAX_PIECES, MAX_SCANS, check_blocks, check_movie
from drishtiksha.media.image import read_image
from drishtiksha.media.probe import probe
from drishtiksha.media.programs import check_programs
from drishtiksha.settings import MediaLimits


def saved(form: str, **options: object) -> bytes:
    content = io.BytesIO()
    Image.fromarray(coded_frame(0)).save(content, form, **options)
    return content.getvalue()


def with_png_texts(count: int) -> bytes:
    body = saved("PNG")
    chunks = []
    for number in range(count):
        text = b"tEXt" + b"k%d\0v" % number
        chunks.append(struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text)))
    return body[:33] + b"".join(chunks) + body[33:]


def with_jpeg_comments(count: int) -> bytes:
    body = saved("JPEG")
    return body[:2] + b"\xff\xfe\0\3a" * count + body[2:]


def with_gif_comments(count: int) -> bytes:
    return saved("GIF")[:-1] + b"\x21\xfe" + b"\1a" * count + b"\0;"


def with_gif_frames(count: int) -> bytes:
    body = saved("GIF")
    small = io.BytesIO()
    Image.new("P", (2, 2)).save(small, "GIF")
    at = small.getvalue().index(b"\x2c")
    return body[:-1] + small.getvalue()[at:-1] * count + b";"


def with_jpeg_scans(count: int) -> bytes:
    body = saved("JPEG", progressive=True)
    last = body[body.rindex(b"\xff\xda") : -2]
    return body[:-2] + last * count + b"\xff\xd9" + b"\xff\xda" * 1000


def with_webp_chunks(count: int) -> bytes:
    body = saved("WEBP", exif=Image.Exif())
    whole = body + b"JUNK\0\0\0\0" * count
    return whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:]


def with_tiff_facts(count: int) -> bytes:
    body = saved("TIFF")
    at = struct.unpack("<I", body[4:8])[0]
    own = struct.unpack("<H", body[at : at + 2])[0]
    facts = body[at + 2 : at + 2 + 12 * own]
    more = b"".join(struct.pack("<HHI4s", 40_000 + number % 20_000, 2, 4, b"abc") for number in range(count))
    return body[:4] + struct.pack("<I", len(body)) + body[8:] + struct.pack("<H", own + count) + facts + more + bytes(4)


def with_tiff_tiles(count: int, *, big: bool = False) -> bytes:
    """A row of so many, 16 x 16 pixels each, all stored at one place."""
    number, page = ("Q", "Q") if big else ("I", "H")
    values = {256: 16 * count, 257: 16, 258: 8, 259: 1, 262: 1, 277: 1, 322: 16, 323: 16, 324: 0, 325: 0}
    head = b"II" + (struct.pack("<HHHQ", 43, 8, 0, 16) if big else struct.pack("<HI", 42, 8))
    behind = len(head) + struct.calcsize(f"<{page}") + len(values) * (20 if big else 12) + struct.calcsize(f"<{number}")
    facts = b""
    for tag, value in values.items():
        many = tag in (324, 325)
        facts += struct.pack(f"<HH{number}{number}", tag, 4, count if many else 1, behind if many else value)
    return (
        head + struct.pack(f"<{page}", len(values)) + facts + bytes(8 if big else 4) + struct.pack("<I", behind) * count
    )


def with_big_tiff_tiles(count: int) -> bytes:
    return with_tiff_tiles(count, big=True)


def with_jpeg2000_boxes(count: int) -> bytes:
    body = saved("JPEG2000")
    at = body.index(b"jp2h") - 4
    return body[:at] + box(b"free", b"") * count + body[at:]


def with_jpeg2000_tiles(count: int) -> bytes:
    """A row of so many, one pixel wide each."""
    body = saved("JPEG2000")
    at = body.index(b"\xff\x51")
    sizes = struct.pack(">8I", count, 96, 0, 0, 1, 96, 0, 0)
    return body[: at + 6] + sizes + body[at + 38 :]


def with_tiff_pages(count: int) -> bytes:
    body = saved("TIFF")
    pages = b"".join(b"\0\0" + struct.pack("<I", len(body) + 6 * (n + 1)) for n in range(count))
    at = struct.unpack("<I", body[4:8])[0]
    last = at + 2 + 12 * struct.unpack("<H", body[at : at + 2])[0]
    return body[:last] + struct.pack("<I", len(body)) + body[last + 4 :] + pages + bytes(6)


@pytest.mark.parametrize(
    ("made", "most"),
    [
        (with_jpeg_scans, MAX_SCANS),
        (with_jpeg2000_boxes, MAX_BLOCKS),
        (with_webp_chunks, MAX_BLOCKS),
        (with_tiff_facts, MAX_BLOCKS),
        (with_tiff_pages, MAX_FRAMES),
        (with_tiff_tiles, MAX_PIECES),
        (with_big_tiff_tiles, MAX_PIECES),
        (with_png_texts, MAX_BLOCKS),
        (with_jpeg_comments, MAX_BLOCKS),
        (with_gif_comments, MAX_BLOCKS),
        (with_gif_frames, MAX_FRAMES),
    ],
)
def test_what_would_take_minutes_to_read_is_refused(tmp_path: Path, made: Callable[[int], bytes], most: int) -> None:
    path = tmp_path / "picture"
    path.write_bytes(made(most + 1000))
    with pytest.raises(MediaLimitError, match="picture holds more pieces"):
        probe(path, "picture", "0" * 64, MediaLimits())
    path.write_bytes(made(150))
    assert probe(path, "picture", "0" * 64, MediaLimits()).width in (128, 150 * 16)


def test_tiles_for_which_a_decoder_takes_memory_each_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "picture.jp2"
    path.write_bytes(with_jpeg2000_tiles(20_000))
    with pytest.raises(MediaLimitError, match="holds more tiles"):
        probe(path, "picture.jp2", "0" * 64, MediaLimits())
    path.write_bytes(with_jpeg2000_tiles(128))
    check_blocks(path, "picture.jp2")


def test_runs_that_are_unpacked_in_python_are_bounded(tmp_path: Path) -> None:
    def packed(pairs: int) -> bytes:
        head = struct.pack("<IiiHHIIiiII", 40, 100, 100, 1, 8, 1, 0, 0, 0, 0, 0)
        return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 1024) + head + bytes(1024) + b"\1\7" * pairs

    path = tmp_path / "runs.bmp"
    path.write_bytes(packed(2_000_000))
    with pytest.raises(MediaLimitError, match="runs of pixels"):
        probe(path, "runs.bmp", "0" * 64, MediaLimits())
    path.write_bytes(packed(10_000))
    assert probe(path, "runs.bmp", "0" * 64, MediaLimits()).width == 100


def test_damaged_files_end_the_count(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    for content in map(saved, ("PNG", "JPEG", "GIF", "WEBP", "TIFF")):
        rng = np.random.default_rng(0)
        for _ in range(200):
            broken = bytearray(content[: rng.integers(1, len(content))])
            broken[rng.integers(len(broken))] = rng.integers(256)
            path.write_bytes(broken)
            check_blocks(path, "picture")


@pytest.mark.parametrize("size", [(70_000, 1), (1, 70_000)])
def test_a_strip_of_endless_rows_is_refused_by_its_header(tmp_path: Path, size: tuple[int, int]) -> None:
    with (tmp_path / "strip.png").open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))
        PngImagePlugin.putchunk(file, b"IDAT", b"")
        PngImagePlugin.putchunk(file, b"IEND", b"")
    with pytest.raises(MediaLimitError, match=f"{size[0]} x {size[1]}"):
        probe(tmp_path / "strip.png", "strip.png", "0" * 64, MediaLimits())


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "CMYK", "1"])
def test_strips_change_no_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    picture = Image.fromarray(coded_frame(5)).resize((96, 70)).convert(mode)
    path = tmp_path / "picture.tif"
    picture.save(path)
    whole = read_image(path, limits=MediaLimits())
    monkeypatch.setattr(image, "STRIP_PIXELS", 96 * 16)
    assert np.array_equal(read_image(path, limits=MediaLimits()), whole)


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + name + body


def test_a_packed_list_of_contents_is_bounded_by_what_it_unfolds_to(tmp_path: Path) -> None:
    def movie(size: int) -> bytes:
        packed = box(b"dcom", b"zlib") + box(b"cmvd", struct.pack(">I", size) + zlib.compress(bytes(1000)))
        return box(b"ftyp", b"qt  " + bytes(4) + b"qt  ") + box(b"moov", box(b"cmov", packed)) + box(b"mdat", bytes(99))

    path = tmp_path / "old.mov"
    path.write_bytes(movie(900_000_000))
    with pytest.raises(MediaLimitError, match="unfold to 900 MB"):
        probe(path, "old.mov", "0" * 64, MediaLimits())
    path.write_bytes(movie(1000))
    with pytest.raises(UnreadableMediaError):
        probe(path, "old.mov", "0" * 64, MediaLimits())


def test_samples_that_a_movie_only_claims_are_counted_before_memory_is_taken_for_them(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [coded_frame(1)] * 5)
    whole = path.read_bytes()
    check_movie(path, "clip.mp4")
    at = whole.index(b"stsz")
    path.write_bytes(whole[: at + 8] + struct.pack(">II", 1, 50_000_000) + whole[at + 16 :])
    with pytest.raises(MediaLimitError, match="50,000,000 pictures and pieces"):
        probe(path, "clip.mp4", "0" * 64, MediaLimits())
    at = whole.index(b"elst")
    path.write_bytes(whole[: at + 8] + struct.pack(">I", 1_000_000) + whole[at + 12 :])
    with pytest.raises(MediaLimitError, match="1,000,000 stretches"):
        probe(path, "clip.mp4", "0" * 64, MediaLimits())
    path.write_bytes(whole + box(b"moof", box(b"traf", box(b"trun", struct.pack(">II", 0, 50_000_000)))))
    with pytest.raises(MediaLimitError, match="50,000,005 pictures and pieces"):
        probe(path, "clip.mp4", "0" * 64, MediaLimits())
    path.write_bytes(whole + box(b"moof", b"") * MAX_BOXES)
    with pytest.raises(MediaLimitError, match="more than 60,000 pieces"):
        probe(path, "clip.mp4", "0" * 64, MediaLimits())
    path.write_bytes(whole.replace(b"stsz" + bytes(8), b"free" + bytes(8)) + box(b"mdat", b"stsz" + b"\xff" * 99))
    check_movie(path, "clip.mp4")


def test_a_minute_of_plain_sound_in_a_movie_is_no_claim(tmp_path: Path) -> None:
    path = tmp_path / "sound.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        for second in range(60):
            frame = av.AudioFrame.from_ndarray(np.full((1, 48_000), second, np.int16), format="s16", layout="mono")
            frame.sample_rate = 48_000
            container.mux(stream.encode(frame))
    assert probe(path, "sound.mov", "0" * 64, MediaLimits()).duration_s == pytest.approx(60, abs=0.1)


def test_hundreds_of_tracks_are_refused_before_each_takes_memory(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "clip.mp4", [coded_frame(1)] * 5).read_bytes()
    at = whole.index(b"moov") - 4
    moov = whole[at : at + struct.unpack(">I", whole[at : at + 4])[0]]
    track = moov[moov.index(b"trak") - 4 :]
    track = track[: struct.unpack(">I", track[:4])[0]]
    path = tmp_path / "many.mp4"
    path.write_bytes(whole[:at] + whole[at : at + 4] + b"free" + whole[at + 8 :] + box(b"moov", moov[8:] + track * 200))
    with pytest.raises(MediaLimitError, match="more than 128 tracks"):
        probe(path, "many.mp4", "0" * 64, MediaLimits())


def program_table(numbers: range) -> bytes:
    """A packet of a transport stream that announces these programmes."""
    entries = b"".join(struct.pack(">HH", number, 0xE100) for number in numbers)
    section = b"\0" + struct.pack(">HHBBB", 0xB000 | len(entries) + 9, 1, 0xC1, 0, 0) + entries + bytes(4)
    return (b"G\x40\0\x10\0" + section).ljust(188, b"\xff")


def test_thousands_of_programmes_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.ts", [coded_frame(1)] * 5)
    whole = path.read_bytes()
    tables = [program_table(range(first, first + 40)) for first in range(1, 1200, 40)]
    path.write_bytes(b"".join(tables) + whole)
    with pytest.raises(MediaLimitError, match="more than 1,000 programmes"):
        probe(path, "clip.ts", "0" * 64, MediaLimits())
    path.write_bytes(tables[0] * 100 + b"".join(tables[:20]) + whole)
    check_programs(path, "clip.ts")
