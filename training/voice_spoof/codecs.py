"""Speech through a codec and back, in memory. What went only through a codec is still a real recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import av
import numpy as np
import soxr
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import CodecContext

SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class Codec:
    """One way that speech is sent or stored. rates: Hz; bit_rates: bit/s, none where the format knows but one."""

    encoder: str
    decoder: str
    sample_format: str
    rates: tuple[int, ...]
    bit_rates: tuple[int, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    """Of the encoder; here they trade little quality for two to five times the speed."""


CODECS = {
    "mp3": Codec(
        "libmp3lame",
        "mp3float",
        "fltp",
        (16_000, 22_050, 24_000, 44_100),
        (32_000, 48_000, 64_000, 96_000),
        (("compression_level", "7"),),
    ),
    "aac": Codec(
        "aac",
        "aac",
        "fltp",
        (16_000, 22_050, 32_000, 44_100),
        (24_000, 32_000, 48_000, 64_000),
        (("aac_coder", "fast"),),
    ),
    "opus": Codec(
        "libopus",
        "libopus",
        "flt",
        (16_000, 24_000, 48_000),
        (10_000, 16_000, 24_000, 32_000, 64_000),
        (("compression_level", "2"),),
    ),
    "opus_narrow": Codec(
        "libopus", "libopus", "flt", (8_000, 12_000), (8_000, 12_000, 16_000), (("compression_level", "2"),)
    ),
    "g711_u": Codec("pcm_mulaw", "pcm_mulaw", "s16", (8_000,)),
    "g711_a": Codec("pcm_alaw", "pcm_alaw", "s16", (8_000,)),
    "g722": Codec("g722", "g722", "s16", (16_000,)),
    "amr": Codec("libopencore_amrnb", "amrnb", "s16", (8_000,), (4_750, 5_900, 7_400, 12_200)),
}

MESSENGERS = {
    "opus_voip": Codec(
        "libopus",
        "libopus",
        "flt",
        (16_000, 24_000),
        (6_000, 9_000, 12_000, 16_000, 24_000),
        (("application", "voip"), ("compression_level", "2")),
    ),
}
"""Of voice messages and calls; not in CODECS, from which VOICE-SPOOF-LITE-V1 draws."""


def through_codec(waveform: np.ndarray, name: str, rate: int, bit_rate: int | None) -> np.ndarray:
    """The waveform, float32 (n,) at SAMPLE_RATE, after the codec at `rate` Hz and `bit_rate` bit/s: float32 (n,).

    The codec's delay is taken off by the decoder where it tells of it; the rest stays.
    """
    codec = (CODECS | MESSENGERS)[name]
    encoder = cast(AudioCodecContext, CodecContext.create(codec.encoder, "w"))
    encoder.format, encoder.layout, encoder.rate = codec.sample_format, "mono", rate
    encoder.options = dict(codec.options)
    if bit_rate:
        encoder.bit_rate = bit_rate
    sent = np.clip(soxr.resample(waveform, SAMPLE_RATE, rate, quality="MQ"), -1, 1)
    packets = [*encoder.encode(_frame(sent, codec.sample_format, rate)), *encoder.encode(None)]
    decoder = cast(AudioCodecContext, CodecContext.create(codec.decoder, "r"))
    decoder.layout, decoder.sample_rate = "mono", rate
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(cast(Any, packet))]
    heard = np.concatenate([_samples(frame) for frame in frames])
    back = soxr.resample(heard, frames[0].sample_rate, SAMPLE_RATE, quality="MQ")[: len(waveform)]
    return np.pad(back, (0, len(waveform) - len(back))).astype(np.float32)


def _frame(samples: np.ndarray, sample_format: str, rate: int) -> av.AudioFrame:
    values = (samples * 32767).astype(np.int16) if sample_format == "s16" else samples.astype(np.float32)
    frame = av.AudioFrame.from_ndarray(values[None], format=sample_format, layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    return frame


def _samples(frame: av.AudioFrame) -> np.ndarray:
    """float32 (n,): the first channel, full scale at 1."""
    channels = len(frame.layout.channels)
    values = frame.to_ndarray()
    values = values[0] if frame.format.is_planar else values.reshape(-1, channels)[:, 0]
    return values.astype(np.float32) / 32768 if values.dtype == np.int16 else values.astype(np.float32)
