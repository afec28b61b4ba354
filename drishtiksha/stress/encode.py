"""Changed copies of evidence as files, so that a detector reads them the way it reads any upload."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from drishtiksha.media.decode import Frame
from drishtiksha.media.formats import unreadable

CLOCK = 90_000
"""Ticks a second of the time stamps: those of MPEG."""
SOUND_RATE = 48_000
"""Hz of the sound of a changed copy: all codecs here take it."""
_BT709, _TV_RANGE = 1, 1
"""Codes of H.273, written into the file: colours must not shift because a player guessed."""


def write_video(
    target: Path, frames: Iterable[Frame], crf: int, sound: np.ndarray | None, *, name: str | None = None
) -> None:
    """H.264 in MP4 with the frames' own times, from 0 on. frames: RGB uint8 (H, W, 3), one size, cut to even sides.

    crf: 0 (lossless) to 51. sound: float32 (n,) at SOUND_RATE Hz from the first frame on, kept in AAC at 192 kbit/s.
    name: what messages call the file that is copied.

    Raises: UnreadableMediaError when there is not one frame; whatever `frames` raises.
    """
    with av.open(str(target), "w", format="mp4") as output:
        heard = output.add_stream("aac", rate=SOUND_RATE, layout="mono") if sound is not None else None
        if heard is not None:
            heard.bit_rate = 192_000
        stream: Any = None
        start = 0.0
        for frame in frames:
            height, width = (side - side % 2 for side in frame.image.shape[:2])
            if stream is None:
                stream, start = _picture_stream(output, width, height, crf), frame.time_s
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.image[:height, :width]), "rgb24")
            picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            picture.pts, picture.time_base = round((frame.time_s - start) * CLOCK), Fraction(1, CLOCK)
            output.mux(stream.encode(picture))
        if stream is None:
            raise unreadable(name or target.name, "no picture of the part to be changed can be decoded")
        output.mux(stream.encode(None))
        if heard is not None and sound is not None:
            _encode_sound(output, heard, sound)


def write_sound(target: Path, waveform: np.ndarray, encoder: str, bit_rate: int | None) -> None:
    """A recording of float32 (n,) at SOUND_RATE Hz; the container follows the file's ending."""
    with av.open(str(target), "w") as output:
        stream: Any = output.add_stream(encoder, rate=SOUND_RATE, layout="mono")
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        _encode_sound(output, stream, waveform)


def _picture_stream(output: Any, width: int, height: int, crf: int) -> Any:
    stream = output.add_stream("libx264", rate=30, options={"crf": str(crf), "preset": "veryfast"})
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.time_base = Fraction(1, CLOCK)
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _TV_RANGE
    return stream


def _encode_sound(output: Any, stream: Any, waveform: np.ndarray) -> None:
    context = stream.codec_context
    resampler = av.AudioResampler(format=context.format, layout="mono", rate=context.sample_rate)
    whole = av.AudioFrame.from_ndarray(waveform.astype(np.float32)[None], format="fltp", layout="mono")
    whole.sample_rate, whole.time_base, whole.pts = SOUND_RATE, Fraction(1, SOUND_RATE), 0
    for part in (*resampler.resample(whole), *resampler.resample(None)):
        output.mux(stream.encode(part))
    output.mux(stream.encode(None))
