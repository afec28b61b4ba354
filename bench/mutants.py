"""Damaged and odd files for `bench.attack`: plain ones of many kinds, and what is done to them, by a seed."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
from PIL import Image

from bench.measure import ROOT

ASSETS = ROOT / "assets"
HEAD = 600
"""Bytes at the start of a file in which most of its structure stands."""

EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\x7f")
PICTURES: dict[str, tuple[str, dict]] = {
    "baseline.jpg": ("JPEG", {"quality": 90}),
    "progressive.jpg": ("JPEG", {"progressive": True}),
    "restarts.jpg": ("JPEG", {"restart_marker_rows": 2}),
    "picture.png": ("PNG", {}),
    "picture.gif": ("GIF", {}),
    "picture.webp": ("WEBP", {"quality": 90}),
    "picture.bmp": ("BMP", {}),
    "picture.tif": ("TIFF", {"compression": "tiff_lzw"}),
    "picture.jp2": ("JPEG2000", {"quality_layers": [30]}),
    "picture.avif": ("AVIF", {"quality": 80}),
    "picture.heic": ("HEIF", {"quality": 80}),
}
RECORDINGS = {
    "sound.wav": ("pcm_s16le", 16_000),
    "sound.flac": ("flac", 16_000),
    "sound.mp3": ("libmp3lame", 16_000),
    "sound.oga": ("flac", 16_000),
    "sound.opus": ("libopus", 48_000),
    "sound.m4a": ("aac", 16_000),
    "sound.aac": ("aac", 16_000),
    "sound.amr": ("libopencore_amrnb", 8_000),
    "sound.au": ("pcm_s16be", 16_000),
    "sound.aiff": ("pcm_s16be", 16_000),
    "sound.wma": ("wmav2", 16_000),
    "sound.caf": ("pcm_s16le", 16_000),
}
CLIPS = {
    "clip.mp4": "libx264",
    "clip.mkv": "libx264",
    "clip.ts": "libx264",
    "clip.flv": "libx264",
    "clip.webm": "libvpx-vp9",
    "clip.avi": "mjpeg",
    "clip.mov": "mjpeg",
}


@dataclass(frozen=True)
class Mutant:
    """name: of the plain file, what was done, and a number. twin: the plain file."""

    name: str
    twin: Path
    content: bytes


def plain_files(folder: Path) -> list[Path]:
    """One small file of each kind, with a face or a voice in it, made from `assets/`."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    portrait = Image.open(ASSETS / "portrait.jpg").convert("RGB")
    exif = Image.Exif()
    exif[0x010F], exif[0x0131] = "a maker", "a program"
    for name, (form, options) in PICTURES.items():
        extra = {"exif": exif} if form in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF") else {}
        portrait.save(folder / name, form, **options, **extra)
    frames, waveform = _of_the_clip()
    for name, (codec, rate) in RECORDINGS.items():
        _write(folder / name, sound=(waveform, codec, rate))
    for name, codec in CLIPS.items():
        _write(folder / name, frames=(frames, codec), sound=(waveform, "libopus", 48_000) if "web" in name else None)
    return sorted(folder.iterdir())


def mutants(plain: list[Path], count: int, seed: int) -> Iterator[Mutant]:
    """`count` files, each kind and each way in turn; the same for the same seed."""
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        twin = plain[number % len(plain)]
        way = list(WAYS)[number // len(plain) % len(WAYS)]
        yield Mutant(f"{number:04}-{way}-{twin.name}", twin, WAYS[way](twin.read_bytes(), rng))


def _flip_head(content: bytes, rng: random.Random) -> bytes:
    return _flipped(content, rng, min(len(content), HEAD), rng.choice((1, 3, 10)))


def _flip_few(content: bytes, rng: random.Random) -> bytes:
    return _flipped(content, rng, len(content), rng.choice((1, 3, 10)))


def _flip_many(content: bytes, rng: random.Random) -> bytes:
    return _flipped(content, rng, len(content), max(30, len(content) // 200))


def _flipped(content: bytes, rng: random.Random, reach: int, times: int) -> bytes:
    changed = bytearray(content)
    for _ in range(times):
        changed[rng.randrange(reach)] = rng.randrange(256)
    return bytes(changed)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(1, len(content))]


def _hole(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.randrange(1, len(content) // 2) :]


def _zeros(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(min(len(content), 4 * HEAD), len(content)) if len(content) > 8 * HEAD else HEAD
    length = rng.randrange(1, len(content))
    return content[:start] + bytes(len(content[start : start + length])) + content[start + length :]


def _extreme(content: bytes, rng: random.Random) -> bytes:
    """A number of four bytes becomes very large, negative or nothing."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 2, 5))):
        at = rng.randrange(min(len(content), HEAD) - 4)
        changed[at : at + 4] = rng.choice(EXTREMES)
    return bytes(changed)


def _again(content: bytes, rng: random.Random) -> bytes:
    """A piece comes many times."""
    start = rng.randrange(len(content))
    piece = content[start : start + rng.randrange(1, 400)]
    return content[:start] + piece * rng.choice((2, 50, 5000)) + content[start:]


def _end_differs(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))] + rng.randbytes(rng.randrange(1, 20_000))


WAYS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flip_head": _flip_head,
    "flip_few": _flip_few,
    "flip_many": _flip_many,
    "cut": _cut,
    "hole": _hole,
    "zeros": _zeros,
    "extreme": _extreme,
    "again": _again,
    "end_differs": _end_differs,
}


def _of_the_clip() -> tuple[list[np.ndarray], np.ndarray]:
    """Twenty frames of 320 px, and four seconds of sound at 48 kHz, of the example clip."""
    with av.open(str(ASSETS / "clip_with_sound.mp4")) as source:
        frames = [f.reformat(320, 240, "rgb24").to_ndarray() for f in islice(source.decode(video=0), 20)]
    pieces = []
    with av.open(str(ASSETS / "clip_with_sound.mp4")) as source:
        resampler = av.AudioResampler("fltp", "mono", 48_000)
        for frame in source.decode(audio=0):
            pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    return frames, np.concatenate(pieces)[: 4 * 48_000]


def _write(
    path: Path,
    *,
    frames: tuple[list[np.ndarray], str] | None = None,
    sound: tuple[np.ndarray, str, int] | None = None,
) -> None:
    container = {"ts": "mpegts", "aac": "adts", "wma": "asf", "mkv": "matroska", "m4a": "ipod", "oga": "ogg"}.get(
        path.suffix[1:]
    )
    with av.open(str(path), "w", format=container) as output:
        if frames is not None:
            pictures, codec = frames
            video = output.add_stream(codec, rate=10)
            video.width, video.height = pictures[0].shape[1::-1]
            video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if sound is not None:
            waveform, codec, rate = sound
            audio = output.add_stream(codec, rate=rate, layout="mono")
            audio.bit_rate = 12_200 if "amr" in codec else 64_000
        for number, picture in enumerate(pictures if frames is not None else ()):
            if video.codec_context.name == "mjpeg":
                output.mux(_jpeg_packet(video, picture, number))
                continue
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=video.pix_fmt)
            frame.pts = number
            output.mux(video.encode(frame))
        if frames is not None and video.codec_context.name != "mjpeg":
            output.mux(video.encode(None))
        if sound is not None:
            frame = av.AudioFrame.from_ndarray(waveform[None].astype(np.float32), format="fltp", layout="mono")
            frame.sample_rate = 48_000
            fifo = av.AudioFifo()
            for piece in av.AudioResampler(format=audio.format, layout="mono", rate=rate).resample(frame):
                fifo.write(piece)
            while (piece := fifo.read(audio.codec_context.frame_size or 1024, partial=True)) is not None:
                output.mux(audio.encode(piece))
            output.mux(audio.encode(None))


def _jpeg_packet(stream: av.VideoStream, picture: np.ndarray, number: int) -> av.Packet:
    """A JPEG file with EXIF, as older cameras put them into their videos."""
    from fractions import Fraction

    exif, content = Image.Exif(), io.BytesIO()
    exif[0x010F] = "a camera"
    Image.fromarray(picture).save(content, "JPEG", quality=90, exif=exif)
    packet = av.Packet(content.getvalue())
    packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, number, number, True
    packet.time_base = Fraction(1, 10)
    return packet
