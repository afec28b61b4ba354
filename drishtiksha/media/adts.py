"""AAC whose sample rate changes on the way: FFmpeg counts the time of every packet by the rate of the first."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet

RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
"""By the index in the header of a packet (ISO/IEC 13818-7, ADTS)."""

HEADER, SAMPLES = 7, 1024
LEAST = 0.01
"""Of its length: what a packet's time must be wrong by, more than rounding makes it."""

ROUNDING = 2
"""Ticks."""


class AdtsClock:
    """Sets the time stamps of one track's packets right, in the order of the file."""

    def __init__(self, stream: AudioStream) -> None:
        self._tick = Fraction(stream.time_base or 1)
        self._told: int | None = None
        """The stamp of the next packet, as FFmpeg counts on."""
        self._owed = Fraction(0)
        """Ticks by which that is wrong."""

    def correct(self, packet: Packet) -> None:
        """A stamp that FFmpeg counted on follows the one before; one that the file holds stays, and the count begins there."""
        told = self._told
        length = _length_s(bytes(memoryview(packet)[:HEADER]))
        if packet.pts is None or length is None or not packet.duration:
            self._told = None
            return
        if told is None or abs(packet.pts - told) > ROUNDING:
            self._owed = Fraction(0)
        self._told = packet.pts + packet.duration
        true = length / self._tick
        add = round(self._owed)
        if abs(true - packet.duration) > LEAST * true:
            self._owed += true - packet.duration
            packet.duration = round(true)
        packet.pts += add
        if packet.dts is not None:
            packet.dts += add


def _length_s(header: bytes) -> Fraction | None:
    """How long a packet lasts by its own header; None without one."""
    if len(header) < HEADER or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return None
    index = header[2] >> 2 & 15
    return Fraction(SAMPLES * ((header[6] & 3) + 1), RATES[index]) if index < len(RATES) else None
