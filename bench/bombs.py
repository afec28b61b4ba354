"""`python -m bench.bombs`: small files that unfold to the most that the limits allow, and the memory that judging each takes."""

from __future__ import annotations

import argparse
import io
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from PIL import Image

from bench.attack import MOST_BYTES, Outcome, judged_alone
from bench.measure import machine

PIXELS, VIDEO_PIXELS, SECONDS = 49_000_000, 7680 * 4320, 1790
"""A little below limits.max_image_pixels, max_video_pixels and max_duration_s."""


def _sides(pixels: float) -> tuple[int, int]:
    side = int(pixels**0.5)
    return side, side


def gif(path: Path, share: float) -> None:
    """As many frames as are taken, each of the whole canvas."""
    width, height = _sides(PIXELS * share)
    once = io.BytesIO()
    Image.new("P", (width, height)).save(once, "GIF")
    content = once.getvalue()
    at = content.index(b"\x2c\0\0\0\0" + struct.pack("<HH", width, height))
    frame = b"\x21\xf9\x04\x09\x01\x00\x01\x00" + content[at:-1]
    count = min(10_000_000 // len(frame), 10_000)
    path.write_bytes(content[:at] + frame * count + b";")


def apng(path: Path, share: float) -> None:
    """An animation of three transparent pictures."""
    whole = Image.new("RGBA", _sides(PIXELS * share), (1, 2, 3, 128))
    frames = [whole.copy(), whole.copy()]
    for number, frame in enumerate(frames):
        frame.paste((9, 9, 9, 9), (0, 0, 10 + number, 10))
    whole.save(path, "PNG", save_all=True, append_images=frames, disposal=1, compress_level=1)


def webp(path: Path, share: float) -> None:
    """One picture, with loss: of these, damage is looked for by a second decoder."""
    height = int(PIXELS * share / 16_000)
    Image.new("RGB", (16_000, max(height, 1)), (200, 100, 50)).save(path, "WEBP", quality=20, method=0)


def webp_animation(path: Path, share: float) -> None:
    """Three pictures."""
    size = 16_000, max(int(PIXELS * share / 16_000), 1)
    whole = Image.new("RGBA", size, (1, 2, 3, 128))
    half = whole.copy()
    half.paste((9, 9, 9, 255), (0, 0, size[0], size[1] // 2))
    whole.save(path, "WEBP", save_all=True, append_images=[half, whole], lossless=True, method=0, quality=0)


def jpeg(path: Path, share: float) -> None:
    """Progressive: its decoder keeps all coefficients."""
    Image.new("RGB", _sides(PIXELS * share), (200, 100, 50)).save(path, "JPEG", progressive=True, quality=90)


def float_tiff(path: Path, share: float) -> None:
    """Grey floats."""
    Image.new("F", _sides(PIXELS * share)).save(path, "TIFF", compression="tiff_lzw")


def heic(path: Path, share: float) -> None:
    """One picture of one colour."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    Image.new("RGB", _sides(PIXELS * share), (200, 100, 50)).save(path, "HEIF", quality=30)


def flac(path: Path, share: float) -> None:
    """Silence, as long as is taken, in the rate that the highest detectors hear."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=48_000)
        assert isinstance(stream, AudioStream)
        stream.layout, stream.format = "mono", "s16"
        for number in range(int(SECONDS * share)):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, number * 48_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def video(path: Path, share: float) -> None:
    """Sixty frames of one colour."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        assert isinstance(stream, VideoStream)
        stream.height = int((VIDEO_PIXELS * share * 9 / 16) ** 0.5) // 16 * 16
        stream.width, stream.pix_fmt = stream.height * 16 // 9 // 16 * 16, "yuv420p"
        grey = np.full((stream.height * 3 // 2, stream.width), 100, np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, format="yuv420p")
        for number in range(60):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


BOMBS: dict[str, Callable[[Path, float], None]] = {
    "canvas.gif": gif,
    "animation.png": apng,
    "picture.webp": webp,
    "animation.webp": webp_animation,
    "progressive.jpg": jpeg,
    "float.tif": float_tiff,
    "picture.heic": heic,
    "silence.flac": flac,
    "8k.mp4": video,
}
"""By file name; each writes a file that unfolds to that share of what is taken."""


def table(outcomes: dict[str, tuple[int, Outcome]]) -> str:
    """For RESULTS.md. Each with the bytes of its file."""
    lines = ["| file | kB | memory above the loaded models, MB | processor time, s | |", "|---|--:|--:|--:|---|"]
    for name, (size, one) in outcomes.items():
        lines.append(f"| {name} | {size / 1e3:.0f} | {one.bytes / 1e6:.0f} | {one.cpu_s:.0f} | {one.end} |")
    return "\n".join([machine(), "", *lines, "", f"Bound: {MOST_BYTES / 1e6:.0f} MB."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BOMBS)}; default: all")
    asked = parser.parse_args()
    outcomes: dict[str, tuple[int, Outcome]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.names or BOMBS:
            path = Path(folder) / name
            BOMBS[name](path, 1.0)
            outcomes[name] = path.stat().st_size, judged_alone(path)
            path.unlink()
            print(name, outcomes[name], file=sys.stderr, flush=True)
    print(table(outcomes))
    raise SystemExit(any(one.bytes > MOST_BYTES or one.end != "judged" for _, one in outcomes.values()))


if __name__ == "__main__":
    main()
