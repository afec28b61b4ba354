"""Make the example evidence in this folder again: `python assets/make_examples.py`.

Needs the scikit-image wheel (`pip download --no-deps scikit-image`; it is not installed, only its picture is read) and
the program espeak-ng. Everything else is drawn or computed here, so that the same versions give the same files.
"""

from __future__ import annotations

import argparse
import io
import itertools
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import soundfile
from PIL import Image, ImageDraw

ASSETS = Path(__file__).parent
FPS, SECONDS, SIDE = 25, 3.6, 400
SAMPLE_RATE = 44_100
PICTURE_IN_WHEEL = "skimage/data/astronaut.png"
FACE_CENTRE, FACE_AXES = (225.0, 128.0), (39.0, 48.0)  # px in the 512 x 512 portrait: x, y and half axes
SAID = "This voice was made by a computer. It is an example."
LABEL = "EXAMPLE: this face was altered on purpose"


def portrait_from(wheel: Path) -> np.ndarray:
    """RGB uint8 (512, 512, 3) of Eileen Collins, NASA, public domain."""
    with zipfile.ZipFile(wheel) as archive:
        return np.array(Image.open(io.BytesIO(archive.read(PICTURE_IN_WHEEL))).convert("RGB"))


def altered(portrait: np.ndarray) -> np.ndarray:
    """The portrait with a shifted, enlarged, recoloured copy of its own face blended in under a soft ellipse."""
    height, width = portrait.shape[:2]
    (cx, cy), scale, shift = FACE_CENTRE, 1.07, (3.0, -2.5)
    matrix = np.array([[scale, 0, (1 - scale) * cx + shift[0]], [0, scale, (1 - scale) * cy + shift[1]]])
    copy = cv2.warpAffine(portrait, matrix, (width, height), flags=cv2.INTER_LINEAR).astype(np.float32)
    copy = cv2.GaussianBlur(copy, (0, 0), 0.8) * (1.07, 0.98, 0.90) + (4, 2, -3)
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot((columns - cx) / FACE_AXES[0], (rows - cy) / FACE_AXES[1])
    mask = cv2.GaussianBlur((distance < 1).astype(np.float32), (0, 0), 4.0)[..., None]
    blended = np.clip(portrait * (1 - mask) + copy * mask, 0, 255).round().astype(np.uint8)
    picture = Image.fromarray(blended)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, height - 24, width, height), fill=(20, 20, 20))
    draw.text((width / 2, height - 12), LABEL, fill=(255, 255, 255), anchor="mm", font_size=15)
    return np.array(picture)


def save_picture(pixels: np.ndarray, path: Path, description: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = description  # ImageDescription
    Image.fromarray(pixels).save(path, quality=90, subsampling=0, exif=exif)


def pan_and_zoom(portrait: np.ndarray) -> Iterator[np.ndarray]:
    """Frames RGB uint8 (SIDE, SIDE, 3): a slow move from the whole portrait towards the face."""
    count = round(FPS * SECONDS)
    for index in range(count):
        t = 0.5 - 0.5 * np.cos(np.pi * index / (count - 1))
        side = 512 - 130 * t
        left, top = 35 * t, 10 * t
        matrix = np.array([[SIDE / side, 0, -left * SIDE / side], [0, SIDE / side, -top * SIDE / side]])
        yield cv2.warpAffine(portrait, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)


def landscape() -> Iterator[np.ndarray]:
    """Frames RGB uint8 (272, 480, 3): drawn hills, a rising sun and a passing cloud; nobody is there."""
    width, height = 480, 272
    sky = np.linspace((90, 140, 205), (240, 205, 170), height).astype(np.uint8)
    x = np.arange(width)
    count = round(FPS * SECONDS)
    for index in range(count):
        t = index / (count - 1)
        picture = Image.fromarray(np.repeat(sky[:, None], width, axis=1))
        draw = ImageDraw.Draw(picture)
        sun_x, sun_y = 330, 150 - 70 * t
        draw.ellipse((sun_x - 22, sun_y - 22, sun_x + 22, sun_y + 22), fill=(255, 236, 150))
        for dx, dy, radius in ((0, 0, 18), (22, -8, 22), (46, 0, 16)):
            cx, cy = 60 + 140 * t + dx, 62 + dy
            draw.ellipse((cx - radius, cy - radius * 0.7, cx + radius, cy + radius * 0.7), fill=(250, 250, 252))
        for base, height_px, period, colour in ((185, 26, 210, (92, 122, 96)), (222, 18, 130, (58, 92, 62))):
            ridge = base - height_px * np.sin((x + 30 * t * base / 200) / period * 2 * np.pi)
            draw.polygon([(0, height), *zip(x.tolist(), ridge.tolist(), strict=True), (width, height)], fill=colour)
        yield np.array(picture)


def speech() -> np.ndarray:
    """float32 (n,) in [-1, 1] at SAMPLE_RATE, as long as a clip; spoken by espeak-ng."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        subprocess.run(["espeak-ng", "-v", "en", "-s", "165", "-w", str(wav), SAID], check=True)  # noqa: S603, S607
        spoken, rate = soundfile.read(wav, dtype="float32")
    count = round(len(spoken) * SAMPLE_RATE / rate)
    resampled = np.interp(np.arange(count) * rate / SAMPLE_RATE, np.arange(len(spoken)), spoken)
    out = np.zeros(round(SECONDS * SAMPLE_RATE), np.float32)
    start = SAMPLE_RATE // 10
    length = min(count, len(out) - start)
    out[start : start + length] = 0.6 * resampled[:length]
    return out


def save_clip(frames: Iterator[np.ndarray], path: Path, title: str, sound: np.ndarray | None = None) -> None:
    """H.264 (and AAC), one thread and no time stamps of the encoding, so that the file comes out the same."""
    with av.open(str(path), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        container.metadata["title"] = title
        # x264's macroblock tree gives other bits from run to run on flat, drawn pictures.
        options = {"crf": "24", "preset": "slow", "threads": "1", "x264-params": "mbtree=0"}
        video = container.add_stream("libx264", rate=FPS, options=options)
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if sound is not None else None
        if audio is not None:
            audio.bit_rate = 64_000
        first = next(frames)
        video.height, video.width = first.shape[:2]
        for pixels in itertools.chain([first], frames):
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            for start in range(0, len(sound), 1024):
                frame = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], format="fltp", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="scikit_image-*.whl")
    parser.add_argument("--out", type=Path, default=ASSETS)
    arguments = parser.parse_args()
    if shutil.which("espeak-ng") is None:
        sys.exit("espeak-ng is not installed; it speaks the sound track. On Debian: apt install espeak-ng")
    portrait, out = portrait_from(arguments.wheel), arguments.out
    save_picture(portrait, out / "portrait.jpg", "Eileen Collins, NASA, public domain")
    save_picture(altered(portrait), out / "portrait_altered.jpg", "Altered on purpose, as an example, by Drishtiksha")
    title = "Example: a moving view of one portrait"
    save_clip(pan_and_zoom(portrait), out / "clip_with_sound.mp4", f"{title}, with a computer voice", speech())
    save_clip(pan_and_zoom(portrait), out / "clip_silent.mp4", f"{title}, without sound")
    save_clip(landscape(), out / "no_face.mp4", "Example: a drawn landscape without a face")


if __name__ == "__main__":
    main()
