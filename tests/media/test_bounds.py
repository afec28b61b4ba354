"""Picture files that hold a million pieces of text, frames or rows: refused before they are parsed."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from media_factory import coded_frame
from PIL import Image, PngImagePlugin

from drishtiksha.errors import MediaLimitError
from drishtiksha.media import image
from drishtiksha.media.bounds import MAX_BLOCKS, MAX_FRAMES, check_blocks
from drishtiksha.media.image import read_image
from drishtiksha.media.probe import probe
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


@pytest.mark.parametrize(
    ("made", "most"),
    [
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
    path.write_bytes(made(200))
    assert probe(path, "picture", "0" * 64, MediaLimits()).width == 128


def test_damaged_files_end_the_count(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    for content in (saved("PNG"), saved("JPEG"), saved("GIF")):
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
