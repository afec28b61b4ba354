"""Makes real encoded media for tests: every frame carries its index, every sound a known time line."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

CLOCK = 90_000
"""Ticks a second of the time stamps that `write_video` writes when it is given times."""

CODE_BITS = 8


def coded_frame(index: int, width: int = 128, height: int = 96) -> np.ndarray:
    """uint8 RGB (height, width, 3) that says its index (0-255) in eight black and white blocks along the top, and
    which way is up: red at the lower left, blue at the lower right, grey between."""
    image = np.full((height, width, 3), 128, np.uint8)
    block = width // CODE_BITS
    for bit in range(CODE_BITS):
        image[: height // 3, bit * block : (bit + 1) * block] = 255 * (index >> bit & 1)
    image[-height // 3 :, : width // 3] = (220, 30, 30)
    image[-height // 3 :, -width // 3 :] = (30, 30, 220)
    return image


def read_code(image: np.ndarray) -> int:
    """The index in a decoded `coded_frame`. Raises: AssertionError when it does not stand upright."""
    height, width = image.shape[:2]
    assert_upright(image)
    block = width // CODE_BITS
    row = image[height // 6]
    return sum(int(row[bit * block + block // 2].mean() > 128) << bit for bit in range(CODE_BITS))


def assert_upright(image: np.ndarray) -> None:
    """Red at the lower left and blue at the lower right."""
    height, width = image.shape[:2]
    left = image[height - height // 6, width // 6].astype(int)
    right = image[height - height // 6, width - width // 6].astype(int)
    assert left[0] > left[2] + 80, f"lower left is {left}, not red"
    assert right[2] > right[0] + 80, f"lower right is {right}, not blue"


def striped(level: int, width: int = 80, height: int = 64) -> np.ndarray:
    """uint8 RGB of one brightness, with fine stripes on rows 1 and 3 of every four: unlike a destroyed picture it shows
    something."""
    picture = np.full((height, width, 3), level, np.uint8)
    picture[1::4] += 5
    picture[3::4] -= 5
    return picture


def coded_frames(count: int, width: int = 128, height: int = 96) -> list[np.ndarray]:
    return [coded_frame(i, width, height) for i in range(count)]


def need_encoder(codec: str) -> None:
    """Skip the test when this build of PyAV cannot encode `codec`."""
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this PyAV has no encoder {codec}")


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    fps: float = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    times: Sequence[float] | None = None,
    audio: tuple[np.ndarray, int] | None = None,
    rotation: int = 0,
    *,
    mirrored: bool = False,
    container: str | None = None,
    audio_codec: str = "aac",
    audio_start_s: float = 0.0,
    options: dict[str, str] | None = None,
    colour: dict[str, int] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Encode uint8 RGB frames (H, W, 3), one size.

    times: presentation times in seconds (None: frame number / fps). audio: mono float32 waveform and its rate.
    rotation: clockwise quarter turns in degrees that the metadata asks a player to make, after mirroring left-right when
    `mirrored`. colour: attributes of the codec context, such as `color_range` or `colorspace`. container: FFmpeg's name of
    the format, else from the suffix.
    """
    need_encoder(codec)
    frames = list(frames)
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w", format=container) as output:
        output.metadata.update(metadata or {})
        stream = output.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.time_base = 1 / stream.codec_context.framerate if times is None else Fraction(1, CLOCK)
        for attribute, value in (colour or {}).items():
            setattr(stream.codec_context, attribute, value)
        if rotation or mirrored:
            # PyAV turns counter-clockwise and mirrors what is already turned.
            stream.set_display_rotation(rotation if mirrored else -rotation, hflip=mirrored)
        sound = output.add_stream(audio_codec, rate=audio[1], layout="mono") if audio is not None else None
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            if pix_fmt != "rgb24":
                frame = frame.reformat(format=pix_fmt, **_reformat_options(colour or {}))
            time_s = number / fps if times is None else times[number]
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(time_s / frame.time_base)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if audio is not None:
            _write_sound(output, sound, *audio, start_s=audio_start_s)
    return path


def _reformat_options(colour: dict[str, int]) -> dict[str, int]:
    names = {"colorspace": "dst_colorspace", "color_range": "dst_color_range"}
    return {names[key]: value for key, value in colour.items() if key in names}


def _write_sound(
    output: av.container.OutputContainer, stream: object, waveform: np.ndarray, rate: int, start_s: float
) -> None:
    context = stream.codec_context  # type: ignore[attr-defined]
    resampler = av.AudioResampler(format=context.format, layout="mono", rate=context.sample_rate)
    whole = av.AudioFrame.from_ndarray(waveform.astype(np.float32)[None], format="fltp", layout="mono")
    whole.sample_rate = rate
    whole.time_base = Fraction(1, rate)
    whole.pts = round(start_s * rate)
    for frame in (*resampler.resample(whole), *resampler.resample(None)):
        output.mux(stream.encode(frame))  # type: ignore[attr-defined]
    output.mux(stream.encode(None))  # type: ignore[attr-defined]


def write_audio(path: Path, waveform: np.ndarray, rate: int, codec: str | None = None) -> Path:
    """A recording. waveform: float32 (n,) or (n, channels). The format follows the suffix: wav, flac and ogg are written by
    soundfile, everything else (mp3, m4a, opus ...) by PyAV as mono, with `codec` where the format's usual one will not do."""
    if codec is None and path.suffix in (".wav", ".flac", ".ogg"):
        soundfile.write(path, waveform, rate)
        return path
    codec = codec or {".mp3": "libmp3lame", ".m4a": "aac", ".aac": "aac", ".opus": "libopus"}[path.suffix]
    need_encoder(codec)
    with av.open(str(path), "w") as output:
        _write_sound(output, output.add_stream(codec, rate=rate, layout="mono"), waveform, rate, 0.0)
    return path


def tone(seconds: float, rate: int = 16_000, hz: float = 440.0, peak: float = 0.5) -> np.ndarray:
    """float32 (n,)."""
    return (peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def noise(seconds: float, rate: int = 16_000, level: float = 0.1) -> np.ndarray:
    """float32 (n,): white noise with this root mean square."""
    return (level * np.random.default_rng(0).standard_normal(round(seconds * rate))).astype(np.float32)


def chords(seconds: float, rate: int = 16_000) -> np.ndarray:
    """float32 (n,), peak 0.5: two struck three-note chords a second, ten harmonics to a note."""
    time_s = np.arange(round(seconds * rate)) / rate
    since = time_s % 0.5
    root = 2 ** (np.array([0, 5, 7, 3])[(time_s * 2).astype(int) % 4] / 12)
    played = np.zeros_like(time_s)
    for note in (220.0, 277.2, 329.6):
        for harmonic in range(1, 11):
            played += np.exp(-6 * since) / harmonic * np.sin(2 * np.pi * note * root * harmonic * since)
    return (0.5 * played / np.abs(played).max()).astype(np.float32)


def click_at(at_s: float, seconds: float, rate: int = 16_000) -> np.ndarray:
    """float32 (n,): silence with 20 ms of a 1 kHz tone that begins at `at_s`."""
    waveform = np.zeros(round(seconds * rate), np.float32)
    burst = tone(0.02, rate, 1000.0, 0.8)
    start = round(at_s * rate)
    waveform[start : start + len(burst)] = burst
    return waveform


def onset_s(waveform: np.ndarray, rate: int, threshold: float = 0.2) -> float:
    """When the waveform first gets loud, s."""
    return int(np.argmax(np.abs(waveform) > threshold)) / rate


def speech_like(seconds: float, rate: int = 16_000, seed: int = 0) -> np.ndarray:
    """float32 (n,), peak 0.7: a buzzing voice of about 120 Hz through moving formants, four syllables a second with
    pauses. Enough of speech for level and pipeline tests; no voice detector is promised to take it for speech."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate)) / rate
    syllable = (time_s * 4).astype(int)
    count = syllable[-1] + 1 if len(syllable) else 0
    pitch = 120 * (1 + 0.05 * np.sin(2 * np.pi * 5 * time_s)) * rng.uniform(0.9, 1.2, count)[syllable]
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    formants = rng.uniform((300, 900, 2200), (800, 2200, 3000), (count, 3))[syllable]
    voice = np.zeros_like(time_s)
    for harmonic in range(1, 30):
        hz = harmonic * pitch
        gain = sum(np.exp(-(((hz - formants[:, k]) / 150) ** 2)) / (k + 1) for k in range(3)) + 0.02 / harmonic
        voice += np.where(hz < rate / 2, gain, 0.0) * np.sin(harmonic * phase)
    loud = np.sin(np.pi * (time_s * 4 % 1)) * (rng.random(count) > 0.2)[syllable]
    voice = voice * loud + 0.003 * rng.standard_normal(len(time_s))
    return (0.7 * voice / max(np.abs(voice).max(initial=0.0), 1e-9)).astype(np.float32)


def blank_packets(path: Path, **stream: int) -> Path:
    """Fill the packets of a stream (`video=0`, say) with zeros, in place: nothing of it can be decoded."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        spans = [(packet.pos, packet.size) for packet in container.demux(**stream) if packet.size]
    for start, size in spans:
        data[start : start + size] = bytes(size)
    path.write_bytes(data)
    return path


def cut_short(source: Path, target: Path, share: float) -> Path:
    """The first `share` of a file's bytes."""
    data = source.read_bytes()
    target.write_bytes(data[: round(len(data) * share)])
    return target


def remuxed(path: Path, sources: Sequence[Path]) -> Path:
    """The first stream of each file as one track each."""
    with ExitStack() as opened:
        output = opened.enter_context(av.open(str(path), "w"))
        streams = [opened.enter_context(av.open(str(source))).streams[0] for source in sources]
        own = [output.add_stream_from_template(stream) for stream in streams]
        for stream, track in zip(streams, own, strict=True):
            for packet in stream.container.demux(stream):
                if packet.size:
                    packet.stream = track
                    output.mux(packet)
    return path


def grown(content: bytes, parents: Sequence[bytes], box: bytes) -> bytes:
    """An MP4 or HEIF file with one more box at the end of the last of `parents`, which lie one in the other; the first of each name
    behind the one before."""
    made, places, place = bytearray(content), [], 0
    for name in parents:
        place = made.index(name, place)
        places.append(place - 4)
    end = places[-1] + int.from_bytes(made[places[-1] : places[-1] + 4], "big")
    made[end:end] = box
    for place in places:
        made[place : place + 4] = (int.from_bytes(made[place : place + 4], "big") + len(box)).to_bytes(4, "big")
    return bytes(made)


def clean_aperture(size: tuple[int, int], box: tuple[int, int, int, int]) -> bytes:
    """A box `clap` by which of a picture of this size (px) left, top, right, bottom are shown."""
    left, top, right, bottom = box
    middle = left + right - size[0], top + bottom - size[1]
    return struct.pack(">I4s8i", 40, b"clap", right - left, 1, bottom - top, 1, middle[0], 2, middle[1], 2)


def cropped_matroska(content: bytes, crops: Sequence[int], on_screen: tuple[int, int] | None = None) -> bytes:
    """A Matroska file of FFmpeg's making with one track, of whose picture left, top, right and bottom px are cropped, and whose
    size on screen is stated. The list of contents keeps its place: what comes in is taken from the free space before."""

    def element(kind: int, value: int) -> bytes:
        return kind.to_bytes(2, "big") + b"\x82" + value.to_bytes(2, "big")

    more = b"".join(map(element, (0x54CC, 0x54BB, 0x54DD, 0x54AA), crops))
    if on_screen is not None:
        content = content.replace(element(0x54B2, 4)[:2] + b"\x81\4", element(0x54B2, 4)[:2] + b"\x81\0", 1)
        more += b"".join(map(element, (0x54B0, 0x54BA), on_screen))
    made = bytearray(content)
    tracks = made.rindex(b"\x16\x54\xae\x6b")
    entry = made.index(b"\xae\x01", tracks)
    video = made.index(b"\xe0\x8a", entry)
    free = made.index(b"\xec\x01")
    for at, width, change in ((tracks + 4, 2, 1), (entry + 1, 8, 1), (video + 1, 1, 1), (free + 1, 8, -1)):
        size = int.from_bytes(made[at : at + width], "big") + change * len(more)
        made[at : at + width] = size.to_bytes(width, "big")
    made[video + 2 : video + 2] = more
    del made[free + 9 : free + 9 + len(more)]
    return bytes(made)


def _checked(table: bytes) -> bytes:
    value = 0xFFFFFFFF
    for bit in (byte >> place & 1 for byte in table for place in range(7, -1, -1)):
        value = (value << 1 & 0xFFFFFFFF) ^ 0x04C11DB7 * (value >> 31 ^ bit)
    return table + value.to_bytes(4, "big")


def long_tables(content: bytes, types: dict[int, int] | None = None) -> bytes:
    """The same transport stream (of FFmpeg's making) with tables of its programme that fill two packets each. types: those to be
    stated of the first stream, by those that are."""
    made, count = bytearray(), 0
    for place in range(0, len(content), 188):
        packet = content[place : place + 188]
        if packet[1:3] != b"\x50\0":
            made += packet
            continue
        table = packet[5:]
        streams = bytearray(table[12 : 3 + (int.from_bytes(table[1:3], "big") & 0xFFF) - 4])
        streams[0] = (types or {}).get(streams[0], streams[0])
        notes = b"\x80\xb4" + bytes(180)  # of a kind that only its sender knows
        body = table[3:10] + (0xF000 | len(notes)).to_bytes(2, "big") + notes + streams
        whole = b"\0" + _checked(b"\x02" + (0xB000 | len(body) + 4).to_bytes(2, "big") + body)
        whole += b"\xff" * (2 * 184 - len(whole))
        for begins, piece in ((0x50, whole[:184]), (0x10, whole[184:])):
            made += bytes([0x47, begins, 0, 0x10 | count & 15]) + piece
            count += 1
    return bytes(made)
